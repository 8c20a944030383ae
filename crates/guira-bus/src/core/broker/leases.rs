//! Leases: who computes a key in the cluster, as far as this broker granted it.
//!
//! ```text
//!          Want                    Done, or nobody waits
//!  free ---------> held(owner, until) ---------------------> free
//!                   |  ^ Renew (until later)
//!                   |  |
//!                   +--+ Abandon, or the term ran out: one who still waits holds it
//! ```
//!
//! Which of those who wait is no matter of who was first, but the same at all brokers: else many that wait would
//! have one broker each for a long time. Who waits asks again and again, so a waiter that died is passed over; who holds renews. A broker that
//! began a moment ago grants nothing for one term: holders' renewals tell it what its predecessor granted.
//!
//! Grants are numbered. A grant that came after an answer to a host has a number beyond the count that the
//! answer named; the holder computes from what is newer than that answer. This holds for grants that the holder
//! had before it began, so it says with what it has whether it did: see `granted` of [`Leases::done`].

use std::collections::BTreeMap;

use super::finished::Finished;
use crate::wire::{KeyId, LeaseVerdict, Origin};

/// For how long a waiter counts that does not ask again.
const WAITER_US: u64 = 1_000_000;
/// Bytes of copies of one value that are sent at once; who waits beyond that fetches it from its owner.
const MAX_AT_ONCE_BYTES: usize = 16 << 20;
/// Most waiters of a key that are told; others ask again by themselves.
const MAX_WAITERS: usize = 16_384;

/// One computation of one host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Claim {
    pub(crate) origin: Origin,
    pub(crate) number: u64,
}

impl Claim {
    /// Of several that wait for a key the one with the least comes next, at every broker.
    fn rank(&self, key: KeyId) -> u64 {
        let mut bytes = [0; 32];
        let parts = [
            &key.hash.to_le_bytes()[..],
            &self.origin.0.to_le_bytes(),
            &self.number.to_le_bytes(),
        ];
        for (to, from) in bytes.iter_mut().zip(parts.into_iter().flatten()) {
            *to = *from;
        }
        xxhash_rust::xxh3::xxh3_64(&bytes)
    }
}

/// A claim's step, with the time it was made by the clock of its host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Asked {
    pub(crate) claim: Claim,
    pub(crate) at_us: u64,
}

#[derive(Debug)]
struct Lease {
    holder: Asked,
    grant: u64,
    until_us: u64,
    waiters: Vec<(Asked, u64)>,
}

/// Something to tell a host.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Notice {
    pub(crate) to: Asked,
    pub(crate) key: KeyId,
    pub(crate) verdict: LeaseVerdict,
}

#[derive(Debug)]
pub(crate) struct Leases {
    term_us: u64,
    /// Nothing is granted before.
    opens_at_us: u64,
    held: BTreeMap<KeyId, Lease>,
    finished: Finished,
    /// How many leases were granted.
    grants: u64,
}

impl Leases {
    pub(crate) const fn new(term_us: u64, opens_at_us: u64) -> Self {
        Self {
            term_us,
            opens_at_us,
            held: BTreeMap::new(),
            finished: Finished::new(),
            grants: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    /// How many leases were granted.
    pub(crate) const fn grants(&self) -> u64 {
        self.grants
    }

    pub(crate) fn want(&mut self, now_us: u64, key: KeyId, asked: Asked) -> LeaseVerdict {
        if let Some(verdict) = self.finished.verdict(key, asked.claim) {
            return verdict;
        }
        let term_us = self.term_us;
        if let Some(lease) = self.held.get_mut(&key) {
            if lease.holder.claim == asked.claim {
                lease.holder.at_us = lease.holder.at_us.max(asked.at_us);
                lease.until_us = now_us + term_us;
                return LeaseVerdict::Granted { grant: lease.grant };
            }
            if now_us < lease.until_us {
                lease.wait(now_us + WAITER_US, asked);
                return LeaseVerdict::Busy {
                    owner: lease.holder.claim.origin,
                    number: lease.holder.claim.number,
                };
            }
        }
        if now_us < self.opens_at_us {
            return LeaseVerdict::NotYet {
                wait_us: self.opens_at_us - now_us,
            };
        }
        self.hold(now_us, key, asked)
    }

    /// A holder computes on. A lease that nobody has is its own again: it was granted in the broker's last life,
    /// or its renewals were lost for a while.
    pub(crate) fn renew(&mut self, now_us: u64, key: KeyId, asked: Asked) -> LeaseVerdict {
        match self.held.get_mut(&key) {
            Some(lease) if lease.holder.claim == asked.claim => {
                lease.holder.at_us = lease.holder.at_us.max(asked.at_us);
                lease.until_us = now_us + self.term_us;
                LeaseVerdict::Granted { grant: lease.grant }
            }
            Some(lease) if now_us < lease.until_us => LeaseVerdict::Lost,
            _ => self.hold(now_us, key, asked),
        }
    }

    /// The holder has the value: all who wait are told. `granted` is the number of the grant if the holder had
    /// it before it began to compute.
    pub(crate) fn done(
        &mut self,
        now_us: u64,
        key: KeyId,
        asked: Asked,
        granted: Option<u64>,
        value: Option<Vec<u8>>,
    ) -> Vec<Notice> {
        let is_holder = self
            .held
            .get(&key)
            .is_some_and(|lease| lease.holder.claim == asked.claim && lease.holder.at_us <= asked.at_us);
        if !is_holder {
            return Vec::new();
        }
        let Some(lease) = self.held.remove(&key) else {
            return Vec::new();
        };
        let waiters: Vec<Asked> = lease
            .waiters
            .into_iter()
            .filter(|&(_, until_us)| now_us < until_us)
            .map(|(waiter, _)| waiter)
            .collect();
        let at_once = MAX_AT_ONCE_BYTES / value.as_ref().map_or(1, |value| value.len().max(1));
        let verdict = LeaseVerdict::Done {
            owner: asked.claim.origin,
            grant: granted,
            value,
        };
        let claims = waiters.iter().map(|waiter| waiter.claim).collect();
        self.finished.add(now_us + WAITER_US, key, claims, &verdict);
        let bare = LeaseVerdict::Done {
            owner: asked.claim.origin,
            grant: granted,
            value: None,
        };
        let tell = |(index, to)| {
            let verdict = if index < at_once { &verdict } else { &bare };
            Notice {
                to,
                key,
                verdict: verdict.clone(),
            }
        };
        waiters.into_iter().enumerate().map(tell).collect()
    }

    /// Who gave up neither holds nor waits; if it held, the next waiter computes.
    pub(crate) fn abandon(&mut self, now_us: u64, key: KeyId, asked: Asked) -> Option<Notice> {
        self.finished.leave(key, asked.claim);
        let lease = self.held.get_mut(&key)?;
        lease
            .waiters
            .retain(|(waiter, _)| waiter.claim != asked.claim || waiter.at_us > asked.at_us);
        if lease.holder.claim != asked.claim || lease.holder.at_us > asked.at_us {
            return None;
        }
        self.pass_on(now_us, key)
    }

    /// The leases whose holders did not renew go to those who wait.
    pub(crate) fn expire(&mut self, now_us: u64) -> Vec<Notice> {
        self.finished.forget(now_us);
        let over: Vec<KeyId> = self
            .held
            .iter()
            .filter(|(_, lease)| now_us >= lease.until_us)
            .map(|(&key, _)| key)
            .collect();
        over.into_iter()
            .filter_map(|key| self.pass_on(now_us, key))
            .collect()
    }

    /// The broker was stopped: renewals may be on their way still.
    pub(crate) fn resume(&mut self, now_us: u64) {
        for lease in self.held.values_mut() {
            lease.until_us = lease.until_us.max(now_us + self.term_us);
        }
    }

    fn hold(&mut self, now_us: u64, key: KeyId, holder: Asked) -> LeaseVerdict {
        let mut waiters = self
            .held
            .remove(&key)
            .map(|lease| lease.waiters)
            .unwrap_or_default();
        waiters.retain(|(waiter, _)| waiter.claim != holder.claim);
        self.grants += 1;
        let lease = Lease {
            holder,
            grant: self.grants,
            until_us: now_us + self.term_us,
            waiters,
        };
        self.held.insert(key, lease);
        LeaseVerdict::Granted { grant: self.grants }
    }

    fn pass_on(&mut self, now_us: u64, key: KeyId) -> Option<Notice> {
        let mut lease = self.held.remove(&key)?;
        lease.waiters.retain(|&(_, until_us)| now_us < until_us);
        let next = lease.waiters.iter().map(|&(waiter, _)| waiter);
        let to = next.min_by_key(|waiter| waiter.claim.rank(key))?;
        self.held.insert(key, lease);
        let verdict = self.hold(now_us, key, to);
        Some(Notice { to, key, verdict })
    }
}

impl Lease {
    fn wait(&mut self, until_us: u64, asked: Asked) {
        let place = self
            .waiters
            .iter_mut()
            .find(|(waiter, _)| waiter.claim == asked.claim);
        if let Some((waiter, until)) = place {
            waiter.at_us = waiter.at_us.max(asked.at_us);
            *until = until_us;
        } else if self.waiters.len() < MAX_WAITERS {
            self.waiters.push((asked, until_us));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: KeyId = KeyId {
        namespace: 0,
        hash: 1,
    };
    const TERM_US: u64 = 500;

    fn asked(host: u128, at_us: u64) -> Asked {
        let claim = Claim {
            origin: Origin(host),
            number: 1,
        };
        Asked { claim, at_us }
    }

    fn open() -> Leases {
        Leases::new(TERM_US, 0)
    }

    const fn granted(grant: u64) -> LeaseVerdict {
        LeaseVerdict::Granted { grant }
    }

    const fn busy(host: u128) -> LeaseVerdict {
        LeaseVerdict::Busy {
            owner: Origin(host),
            number: 1,
        }
    }

    #[test]
    fn one_computes_and_the_others_are_told_until_they_say_that_they_know() {
        let mut leases = open();
        assert_eq!(leases.want(0, KEY, asked(1, 0)), granted(1));
        assert_eq!(leases.want(1, KEY, asked(2, 1)), busy(1));
        assert_eq!(leases.want(2, KEY, asked(2, 2)), busy(1));
        let value = Some(b"v".to_vec());
        let told = leases.done(3, KEY, asked(1, 3), Some(1), value.clone());
        let verdict = LeaseVerdict::Done {
            owner: Origin(1),
            grant: Some(1),
            value,
        };
        assert_eq!(
            (told.len(), told[0].to, &told[0].verdict),
            (1, asked(2, 2), &verdict)
        );
        assert_eq!(leases.want(4, KEY, asked(2, 4)), verdict, "the notice was lost");
        assert_eq!(leases.want(4, KEY, asked(3, 4)), granted(2), "who did not wait");
        assert_eq!(leases.abandon(5, KEY, asked(2, 5)), None);
        assert_eq!(leases.want(6, KEY, asked(2, 6)), busy(3));
    }

    #[test]
    fn a_crowd_is_not_sent_a_copy_each_at_once() {
        let mut leases = open();
        leases.want(0, KEY, asked(0, 0));
        let crowd = 1_000;
        for host in 1..=crowd {
            leases.want(1, KEY, asked(host, 1));
        }
        let value = vec![7; 32 << 10];
        let told = leases.done(2, KEY, asked(0, 2), Some(1), Some(value));
        assert_eq!(told.len() as u128, crowd, "all are told");
        let has_value =
            |notice: &&Notice| matches!(&notice.verdict, LeaseVerdict::Done { value: Some(_), .. });
        assert_eq!(told.iter().filter(has_value).count(), 512);
    }

    #[test]
    fn a_silent_holder_is_followed_by_one_waiter_and_by_the_same_at_every_broker() {
        let mut leases = [open(), open()];
        for (leases, waiters) in leases.iter_mut().zip([[2, 3, 4], [4, 3, 2]]) {
            leases.want(0, KEY, asked(1, 0));
            for host in waiters {
                leases.want(1, KEY, asked(host, 1));
            }
            assert!(leases.expire(499).is_empty());
        }
        let [first, second] = leases.each_mut().map(|leases| leases.expire(500));
        assert_eq!((first.len(), &first[0].verdict), (1, &granted(2)));
        assert_eq!(first, second);
        let [leases, _] = &mut leases;
        assert_eq!(leases.renew(501, KEY, asked(1, 501)), LeaseVerdict::Lost);
        let next = leases.abandon(
            501,
            KEY,
            Asked {
                at_us: 501,
                ..first[0].to
            },
        );
        let last = leases.abandon(
            502,
            KEY,
            Asked {
                at_us: 502,
                ..next.expect("two wait").to
            },
        );
        assert!(last.is_some());
    }

    #[test]
    fn a_new_broker_grants_nothing_for_a_term_and_takes_holders_at_their_word() {
        let mut leases = Leases::new(TERM_US, 1_000);
        assert_eq!(
            leases.want(600, KEY, asked(2, 0)),
            LeaseVerdict::NotYet { wait_us: 400 }
        );
        assert_eq!(leases.renew(700, KEY, asked(1, 0)), granted(1));
        assert_eq!(leases.want(1_100, KEY, asked(2, 9)), busy(1));
    }

    #[test]
    fn who_gives_up_is_followed_and_who_left_is_passed_over() {
        let mut leases = open();
        leases.want(0, KEY, asked(1, 0));
        leases.want(1, KEY, asked(2, 1));
        leases.want(1, KEY, asked(3, 1));
        assert_eq!(leases.abandon(2, KEY, asked(2, 2)), None);
        let told = leases.abandon(2, KEY, asked(1, 2)).expect("the third waits");
        assert_eq!(told.to, asked(3, 1));
        assert_eq!(leases.abandon(3, KEY, asked(3, 3)), None, "nobody is left");
        assert_eq!(leases.len(), 0);
    }

    #[test]
    fn of_one_computations_steps_the_later_counts() {
        let mut leases = open();
        leases.want(0, KEY, asked(1, 0));
        leases.want(3, KEY, asked(1, 3));
        assert_eq!(leases.abandon(4, KEY, asked(1, 2)), None);
        assert!(leases.done(4, KEY, asked(1, 2), None, None).is_empty());
        assert_eq!(leases.len(), 1, "given up before it was wanted again");
    }

    #[test]
    fn who_was_stopped_waits_for_the_renewals_that_wait_for_it() {
        let mut leases = open();
        leases.want(0, KEY, asked(1, 0));
        leases.want(1, KEY, asked(2, 1));
        leases.resume(900);
        assert!(leases.expire(900).is_empty());
    }
}
