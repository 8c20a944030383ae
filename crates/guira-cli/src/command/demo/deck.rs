//! The trace as a deck from which deals are drawn.
//!
//! Of N workers behind a load balancer each sees every N-th request: of `workers` deals that are
//! drawn one after another, each has every `workers`-th request of the same stretch of the trace. So
//! workers ask for the same keys at about the same time.

use std::collections::HashSet;

use guira_trace::Access;

use super::comparison;
use super::message::{Change, Deal};
use crate::random::Random;

/// Requests of a deal.
const DEAL_REQUESTS: usize = 128;
/// One of so many deals changes an object.
const CHANGE_EVERY: usize = 2;

/// What is left to be dealt, and what was.
#[derive(Debug)]
pub(crate) struct Deck {
    objects: Vec<u32>,
    workers: usize,
    next: usize,
    random: Random,
    versions: Vec<u64>,
    /// The host of each deal.
    hosts: Vec<usize>,
    /// Objects whose change is under way or not announced to every host: each changes once at a time.
    changing: HashSet<u32>,
    /// Changes by the place in the trace before which they were made.
    changes: Vec<(usize, u32)>,
}

impl Deck {
    /// `objects` are the requests, each less than `object_count`.
    pub(crate) fn new(objects: Vec<u32>, object_count: usize, workers: usize) -> Self {
        Self {
            objects,
            workers,
            next: 0,
            random: Random::new(7),
            versions: vec![0; object_count],
            hosts: Vec::new(),
            changing: HashSet::new(),
            changes: Vec::new(),
        }
    }

    /// The next deal, for a worker of `host`; `None` at the end of the trace.
    pub(crate) fn draw(&mut self, host: usize) -> Option<Deal> {
        let stretch = self.workers * DEAL_REQUESTS;
        let first = self.next / self.workers * stretch;
        let lane = self.next % self.workers;
        let end = (first + stretch).min(self.objects.len());
        let objects: Vec<u32> = self
            .objects
            .get(first + lane..end)?
            .iter()
            .copied()
            .step_by(self.workers)
            .collect();
        if objects.is_empty() {
            return None;
        }
        let changes = self.change(&objects, first + lane).into_iter().collect();
        self.next += 1;
        self.hosts.push(host);
        Some(Deal { objects, changes })
    }

    fn change(&mut self, objects: &[u32], first: usize) -> Option<Change> {
        if !self.next.is_multiple_of(CHANGE_EVERY) {
            return None;
        }
        let chosen = self.random.below(objects.len() as u64) as usize;
        let before = self.random.below(objects.len() as u64) as usize;
        let object = *objects.get(chosen)?;
        if !self.changing.insert(object) {
            return None;
        }
        let version = self.versions.get_mut(object as usize)?;
        *version += 1;
        self.changes.push((first + before * self.workers, object));
        Some(Change {
            before,
            object,
            version: *version,
        })
    }

    /// Every host knows of the object's change: it may change again.
    pub(crate) fn announced(&mut self, object: u32) {
        self.changing.remove(&object);
    }

    /// Those of the first `requests` requests that `host` answered, as accesses for a simulated cache: a changed
    /// object is another object from then on.
    pub(crate) fn played(&self, requests: usize, host: usize) -> Vec<Access> {
        let mut changes = self.changes.clone();
        changes.sort_unstable();
        let mut changes = changes.into_iter().peekable();
        let mut versions = vec![0_u64; self.versions.len()];
        let play = |(place, object): (usize, &u32)| {
            while let Some((_, changed)) = changes.next_if(|(before, _)| *before <= place) {
                if let Some(version) = versions.get_mut(changed as usize) {
                    *version += 1;
                }
            }
            let version = versions.get(*object as usize).copied().unwrap_or(0);
            (self.host_of(place) == Some(host)).then(|| comparison::access(*object, version))
        };
        let all = self.objects.iter().take(requests).enumerate();
        all.filter_map(play).collect()
    }

    fn host_of(&self, place: usize) -> Option<usize> {
        let stretch = self.workers * DEAL_REQUESTS;
        let deal = place / stretch * self.workers + place % stretch % self.workers;
        self.hosts.get(deal).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_is_dealt_once() {
        for requests in [1, 127, 128, 400, 1_000, 1_024] {
            let objects: Vec<u32> = (0..requests).collect();
            let mut deck = Deck::new(objects.clone(), objects.len(), 3);
            let mut dealt: Vec<u32> = std::iter::from_fn(|| deck.draw(0))
                .flat_map(|deal| deal.objects)
                .collect();
            dealt.sort_unstable();
            assert_eq!(dealt, objects);
        }
    }

    #[test]
    fn deals_of_a_stretch_take_turns() {
        let mut deck = Deck::new((0..1_000).collect(), 1_000, 2);
        assert_eq!(deck.draw(0).expect("the first deal").objects[..3], [0, 2, 4]);
        assert_eq!(deck.draw(0).expect("the second deal").objects[..3], [1, 3, 5]);
        assert_eq!(deck.draw(0).expect("the third deal").objects[0], 256);
    }

    #[test]
    fn an_object_changes_again_when_its_change_is_announced() {
        let mut deck = Deck::new(vec![0; 1_000], 1, 1);
        let mut first = deck.draw(0).expect("a deal");
        assert_eq!(first.changes.pop().expect("the first deal changes").version, 1);
        deck.draw(0);
        assert_eq!(deck.draw(0).expect("a deal").changes, []);
        deck.announced(0);
        deck.draw(0);
        assert_eq!(
            deck.draw(0)
                .expect("a deal")
                .changes
                .pop()
                .expect("it may again")
                .version,
            2
        );
    }

    #[test]
    fn a_changed_object_is_another_one_in_the_simulation() {
        let mut deck = Deck::new(vec![0; 128], 1, 1);
        let before = deck
            .draw(0)
            .expect("a deal")
            .changes
            .pop()
            .expect("a change")
            .before;
        let played = deck.played(128, 0);
        assert_eq!(deck.played(128, 1), []);
        assert!(played[..before].iter().all(|access| access.key == 0));
        assert!(played[before..].iter().all(|access| access.key == 1 << 32));
    }
}
