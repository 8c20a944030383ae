//! Repeatable random numbers, and keys by a Zipf law.

/// A `SplitMix64` generator: small, fast, good enough to choose keys.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// From 0 to `end`, `end` excluded; `end` is positive.
    pub(crate) const fn below(&mut self, end: u64) -> u64 {
        ((self.next_u64() as u128 * end as u128) >> 64) as u64
    }

    /// From 0 to 1, 1 excluded.
    fn fraction(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Ranks 0 to `count - 1`, the rank r as often as (r + 1)^-exponent says; by rejection-inversion
/// (Hoermann and Derflinger, 1996), which needs no table.
#[derive(Clone, Debug)]
pub(crate) struct Zipf {
    exponent: f64,
    count: f64,
    area_first: f64,
    area_last: f64,
    accepted_width: f64,
}

impl Zipf {
    /// `count` and `exponent` are positive.
    pub(crate) fn new(count: u64, exponent: f64) -> Self {
        let mut zipf = Self {
            exponent,
            count: count as f64,
            area_first: 0.0,
            area_last: 0.0,
            accepted_width: 0.0,
        };
        zipf.area_first = zipf.area(1.5) - 1.0;
        zipf.area_last = zipf.area(zipf.count + 0.5);
        zipf.accepted_width = 2.0 - zipf.area_inverse(zipf.area(2.5) - zipf.height(2.0));
        zipf
    }

    pub(crate) fn sample(&self, random: &mut Random) -> u64 {
        loop {
            let area = self.area_last + random.fraction() * (self.area_first - self.area_last);
            let place = self.area_inverse(area);
            let rank = (place + 0.5).floor().clamp(1.0, self.count);
            if rank - place <= self.accepted_width || area >= self.area(rank + 0.5) - self.height(rank) {
                return rank as u64 - 1;
            }
        }
    }

    fn height(&self, place: f64) -> f64 {
        (-self.exponent * place.ln()).exp()
    }

    /// The area under `height` from 1 to `place`.
    fn area(&self, place: f64) -> f64 {
        let log = place.ln();
        let scaled = (1.0 - self.exponent) * log;
        let ratio = if scaled.abs() > 1e-8 {
            scaled.exp_m1() / scaled
        } else {
            1.0
        };
        ratio * log
    }

    fn area_inverse(&self, area: f64) -> f64 {
        let scaled = (area * (1.0 - self.exponent)).max(-1.0);
        let ratio = if scaled.abs() > 1e-8 {
            scaled.ln_1p() / scaled
        } else {
            1.0
        };
        (ratio * area).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zipf_gives_ranks_as_often_as_the_law_says() {
        for exponent in [0.6, 0.99, 1.0, 1.3] {
            let count = 1_000;
            let zipf = Zipf::new(count, exponent);
            let mut random = Random::new(7);
            let mut met = vec![0_u32; count as usize];
            let samples = 400_000;
            for _ in 0..samples {
                met[zipf.sample(&mut random) as usize] += 1;
            }
            let sum: f64 = (1..=count).map(|rank| (rank as f64).powf(-exponent)).sum();
            for rank in [0_usize, 1, 9] {
                let wanted = f64::from(samples) * ((rank + 1) as f64).powf(-exponent) / sum;
                let ratio = f64::from(met[rank]) / wanted;
                assert!((0.9..1.1).contains(&ratio), "s {exponent} rank {rank}: {ratio}");
            }
        }
    }

    #[test]
    fn numbers_below_a_bound_reach_all_of_it() {
        let mut random = Random::new(1);
        let mut met = [false; 5];
        (0..200).for_each(|_| met[random.below(5) as usize] = true);
        assert_eq!(met, [true; 5]);
    }
}
