//! The policies against the plainest programs that do the same.
//!
//! The models search linearly and say nothing clever; they are right by reading.
#![forbid(unsafe_code)]

mod support;

use std::collections::{HashMap, VecDeque};

use guira_trace::{Access, Capacity, Lru, Opt, Policy, S3Fifo, S3FifoConfig, Trace};
use support::Random;

fn capacity_and_weight(capacity: Capacity) -> (u64, impl Fn(&Access) -> u64) {
    let by_bytes = matches!(capacity, Capacity::Bytes(_));
    let (Capacity::Entries(total) | Capacity::Bytes(total)) = capacity;
    let weight = move |access: &Access| match by_bytes {
        true => u64::from(access.size_bytes).max(1),
        false => 1,
    };
    (total, weight)
}

fn naive_lru(trace: &Trace, capacity: Capacity) -> u64 {
    let (total, weight_of) = capacity_and_weight(capacity);
    let mut residents: Vec<(u64, u64)> = Vec::new();
    let mut hits = 0;
    for access in trace.accesses() {
        let weight = weight_of(access);
        if let Some(at) = residents.iter().position(|(key, _)| *key == access.key) {
            hits += 1;
            let used = residents.remove(at);
            residents.push(used);
        } else if weight <= total {
            while residents.iter().map(|(_, weight)| weight).sum::<u64>() + weight > total {
                residents.remove(0);
            }
            residents.push((access.key, weight));
        }
    }
    hits
}

/// S3-FIFO as the paper's pseudo-code has it.
struct NaiveS3Fifo {
    config: S3FifoConfig,
    total: u64,
    small: VecDeque<Resident>,
    main: VecDeque<Resident>,
    ghosts: VecDeque<(u64, u64)>,
}

struct Resident {
    key: u64,
    weight: u64,
    uses: u8,
}

fn weight(queue: &VecDeque<Resident>) -> u64 {
    queue.iter().map(|resident| resident.weight).sum()
}

impl NaiveS3Fifo {
    fn hits(trace: &Trace, capacity: Capacity, config: S3FifoConfig) -> u64 {
        let (total, weight_of) = capacity_and_weight(capacity);
        let mut cache = Self {
            config,
            total,
            small: VecDeque::new(),
            main: VecDeque::new(),
            ghosts: VecDeque::new(),
        };
        let mut hits = 0;
        for access in trace.accesses() {
            hits += u64::from(cache.access(access.key, weight_of(access)));
        }
        hits
    }

    fn small_share(&self) -> u64 {
        self.total * u64::from(self.config.small_percent) / 100
    }

    fn access(&mut self, key: u64, new_weight: u64) -> bool {
        let mut residents = self.small.iter_mut().chain(&mut self.main);
        if let Some(resident) = residents.find(|resident| resident.key == key) {
            resident.uses = (resident.uses + 1).min(3);
            return true;
        }
        if new_weight > self.total {
            return false;
        }
        while weight(&self.small) + weight(&self.main) + new_weight > self.total {
            let small_is_full = weight(&self.small) >= self.small_share().max(1);
            if small_is_full || self.main.is_empty() {
                self.evict_small();
            } else {
                self.evict_main();
            }
        }
        let resident = Resident {
            key,
            weight: new_weight,
            uses: 0,
        };
        match self.ghosts.iter().position(|(ghost, _)| *ghost == key) {
            Some(at) => {
                self.ghosts.remove(at);
                self.main.push_back(resident);
            }
            None => self.small.push_back(resident),
        }
        false
    }

    fn evict_small(&mut self) {
        while let Some(oldest) = self.small.pop_front() {
            let main_share = self.total - self.small_share();
            if oldest.uses < self.config.promote_at_hits {
                self.ghosts.push_back((oldest.key, oldest.weight));
                while self.ghosts.iter().map(|(_, weight)| weight).sum::<u64>() > main_share {
                    self.ghosts.pop_front();
                }
                return;
            }
            self.main.push_back(Resident { uses: 0, ..oldest });
            while weight(&self.main) > main_share {
                self.evict_main();
            }
        }
    }

    fn evict_main(&mut self) {
        while let Some(oldest) = self.main.pop_front() {
            if oldest.uses == 0 {
                return;
            }
            let uses = oldest.uses - 1;
            self.main.push_back(Resident { uses, ..oldest });
        }
    }
}

/// Belady by sorting all residents by their next use, the furthest first.
fn naive_opt(trace: &Trace, capacity: Capacity) -> u64 {
    let (total, weight_of) = capacity_and_weight(capacity);
    let mut next_uses = vec![None; trace.accesses().len()];
    let mut upcoming = HashMap::new();
    for (position, access) in trace.accesses().iter().enumerate().rev() {
        next_uses[position] = upcoming.insert(access.key, position);
    }
    let mut residents: Vec<(usize, u64, u64)> = Vec::new();
    let mut hits = 0;
    for (access, next_use) in trace.accesses().iter().zip(next_uses) {
        let mut weight = weight_of(access);
        if let Some(at) = residents.iter().position(|(_, key, _)| *key == access.key) {
            hits += 1;
            weight = residents.remove(at).2;
        }
        let Some(next_use) = next_use else {
            continue;
        };
        residents.sort_unstable_by(|one, other| other.cmp(one));
        let later = residents.partition_point(|(resident_use, ..)| *resident_use > next_use);
        // As few of those used later as make room; none if all of them do not.
        let fits = |leaving: &usize| {
            let staying = residents[*leaving..].iter();
            staying.map(|(.., weight)| weight).sum::<u64>() + weight <= total
        };
        if let Some(leaving) = (0..=later).find(fits) {
            residents.drain(..leaving);
            residents.push((next_use, access.key, weight));
        }
    }
    hits
}

/// The most hits any policy can have: tries every set of residents after every access.
fn best_possible(trace: &Trace, capacity: Capacity) -> u64 {
    let (total, weight_of) = capacity_and_weight(capacity);
    let weights: HashMap<u64, u64> = trace
        .accesses()
        .iter()
        .map(|access| (access.key, weight_of(access)))
        .collect();
    let fits = |set: u64| {
        let members = weights.iter().filter(|(key, _)| set & (1 << **key) != 0);
        members.map(|(_, weight)| weight).sum::<u64>() <= total
    };
    let mut most_hits = HashMap::from([(0_u64, 0_u64)]);
    for access in trace.accesses() {
        let key = 1 << access.key;
        let mut after = HashMap::new();
        for (set, hits) in most_hits {
            let hits = hits + u64::from(set & key != 0);
            let available = set | key;
            // All subsets of what is resident or just loaded.
            let mut kept = available;
            loop {
                if fits(kept) {
                    let most = after.entry(kept).or_insert(0);
                    *most = hits.max(*most);
                }
                if kept == 0 {
                    break;
                }
                kept = (kept - 1) & available;
            }
        }
        most_hits = after;
    }
    most_hits.into_values().max().expect("the empty set fits")
}

fn lru(trace: &Trace, capacity: Capacity) -> u64 {
    Lru::new(capacity).replay(trace.accesses()).hits
}

fn s3_fifo(trace: &Trace, capacity: Capacity, config: S3FifoConfig) -> u64 {
    let mut cache = S3Fifo::with_config(capacity, config);
    cache.replay(trace.accesses()).hits
}

fn opt(trace: &Trace, capacity: Capacity) -> u64 {
    Opt::new(trace.accesses()).simulate(capacity).hits
}

/// Every kind of capacity, from none to more than the trace fills.
fn capacities(random: &mut Random, keys: u64, max_bytes: u64) -> [Capacity; 4] {
    [
        Capacity::Entries(random.below(keys + 2)),
        Capacity::Entries(random.below(6)),
        Capacity::Bytes(random.below(keys * max_bytes)),
        Capacity::Bytes(random.below(3 * max_bytes)),
    ]
}

#[test]
fn lru_hits_what_a_list_in_order_of_use_hits() {
    let mut random = Random(10);
    for _ in 0..60 {
        let trace = random.trace(1_500, 80, 40);
        for capacity in capacities(&mut random, 80, 40) {
            assert_eq!(lru(&trace, capacity), naive_lru(&trace, capacity));
        }
    }
}

#[test]
fn s3_fifo_hits_what_the_pseudo_code_hits() {
    let mut random = Random(20);
    for _ in 0..60 {
        let trace = random.trace(1_500, 80, 40);
        let config = S3FifoConfig {
            small_percent: u8::try_from(random.below(101)).expect("a percentage"),
            promote_at_hits: u8::try_from(random.below(4)).expect("two bits"),
        };
        for config in [config, S3FifoConfig::default()] {
            for capacity in capacities(&mut random, 80, 40) {
                let expected = NaiveS3Fifo::hits(&trace, capacity, config);
                assert_eq!(s3_fifo(&trace, capacity, config), expected, "{config:?}");
            }
        }
    }
}

#[test]
fn opt_hits_what_a_search_for_the_furthest_next_use_hits() {
    let mut random = Random(30);
    for _ in 0..60 {
        let trace = random.trace(1_500, 80, 40);
        for capacity in capacities(&mut random, 80, 40) {
            assert_eq!(opt(&trace, capacity), naive_opt(&trace, capacity));
        }
    }
}

#[test]
fn all_three_agree_with_the_plain_programs_on_a_recorded_prefix() {
    let trace = Trace::orm_busy().prefix(30_000);
    for entries in [trace.distinct_keys() / 100, trace.distinct_keys() / 20] {
        let capacity = Capacity::Entries(entries as u64);
        let config = S3FifoConfig::default();
        let expected = NaiveS3Fifo::hits(&trace, capacity, config);
        assert_eq!(s3_fifo(&trace, capacity, config), expected);
        assert_eq!(lru(&trace, capacity), naive_lru(&trace, capacity));
        assert_eq!(opt(&trace, capacity), naive_opt(&trace, capacity));
    }
}

#[test]
fn no_choice_of_residents_hits_more_than_opt_by_entries() {
    let mut random = Random(40);
    for _ in 0..150 {
        let trace = random.trace(24, 6, 0);
        for entries in 0..5 {
            let capacity = Capacity::Entries(entries);
            assert_eq!(opt(&trace, capacity), best_possible(&trace, capacity));
        }
    }
}

#[test]
fn opt_by_bytes_stays_within_what_is_possible_and_mostly_reaches_it() {
    let mut random = Random(50);
    let (mut total, mut total_possible) = (0, 0);
    for _ in 0..150 {
        let accesses = random.trace(24, 6, 0).accesses().to_vec();
        let sizes = [0; 6].map(|_| u32::try_from(random.below(9)).expect("sizes are small"));
        let sized = accesses.into_iter().map(|access| Access {
            size_bytes: sizes[access.key as usize],
            ..access
        });
        let trace = Trace::new(sized.collect());
        let capacity = Capacity::Bytes(random.below(20));
        let (hits, possible) = (opt(&trace, capacity), best_possible(&trace, capacity));
        assert!(hits <= possible, "{hits} of {possible} possible hits");
        total += hits;
        total_possible += possible;
    }
    assert!(total * 10 > total_possible * 9, "{total} of {total_possible}");
}

#[test]
fn objects_of_equal_size_count_as_entries() {
    let mut random = Random(60);
    let accesses = random.trace(5_000, 200, 0).accesses().to_vec();
    let equal = accesses.into_iter().map(|access| Access {
        size_bytes: 100,
        ..access
    });
    let trace = Trace::new(equal.collect());
    for entries in [1, 10, 50, 199] {
        let (by_entries, by_bytes) = (Capacity::Entries(entries), Capacity::Bytes(entries * 100));
        assert_eq!(lru(&trace, by_entries), lru(&trace, by_bytes));
        assert_eq!(opt(&trace, by_entries), opt(&trace, by_bytes));
    }
}
