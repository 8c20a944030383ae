//! Random traces from a seed, the same on every machine.
#![forbid(unsafe_code)]

use guira_trace::{Access, Trace};

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Accesses to `keys` keys, the low ones more often, sizes up to `max_bytes`.
    ///
    /// A key may change its size between accesses, as in recordings of block reads.
    pub(crate) fn trace(&mut self, accesses: u64, keys: u64, max_bytes: u64) -> Trace {
        let access = |random: &mut Self| {
            let range = 1 + random.below(keys);
            Access {
                key: random.below(range),
                size_bytes: u32::try_from(random.below(max_bytes + 1)).expect("sizes are small"),
            }
        };
        Trace::new((0..accesses).map(|_| access(self)).collect())
    }
}
