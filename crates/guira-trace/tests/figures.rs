//! Hits on the embedded trace, against figures counted by other programs.
//!
//! LRU's and OPT's ratios are those published cache simulators and libraries give
//! for this recording; the exact counts of all three come from a second
//! implementation over ordered dictionaries, which shares no code with this one.
#![forbid(unsafe_code)]

use guira_trace::{Capacity, HitCount, Lru, Opt, Policy, S3Fifo, S3FifoConfig, Trace};

const ACCESSES: u64 = 5_000_000;

fn expect(hits: u64) -> HitCount {
    HitCount {
        hits,
        accesses: ACCESSES,
    }
}

#[test]
fn the_embedded_trace_gives_the_known_hits_at_1_and_10_percent_of_its_keys() {
    let trace = Trace::orm_busy();
    let opt = Opt::new(trace.accesses());
    let two_hits = S3FifoConfig {
        promote_at_hits: 2,
        ..S3FifoConfig::default()
    };
    for (entries, lru_hits, s3_fifo_hits, two_hits_hits, opt_hits) in [
        (763, 3_851_698, 3_841_962, 3_781_488, 4_141_258),
        (7_634, 4_400_364, 4_433_003, 4_444_721, 4_665_377),
    ] {
        let capacity = Capacity::Entries(entries);
        let mut lru = Lru::new(capacity);
        let mut s3_fifo = S3Fifo::new(capacity);
        let mut s3_fifo_two_hits = S3Fifo::with_config(capacity, two_hits);
        let accesses = trace.accesses();
        assert_eq!(lru.replay(accesses), expect(lru_hits));
        assert_eq!(s3_fifo.replay(accesses), expect(s3_fifo_hits));
        assert_eq!(s3_fifo_two_hits.replay(accesses), expect(two_hits_hits));
        assert_eq!(opt.simulate(capacity), expect(opt_hits));
    }
}
