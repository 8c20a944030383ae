//! Fetching: a host that misses asks the others for a value that one of them has, in place of computing it.
//!
//! ```text
//! asker --Seek--> a broker --stream--> every host --Sought: value, large, nothing--> that broker --> asker
//!       --Seek of one--> the broker --> who has a large one --Sought: value---------> that broker --> asker
//! ```
//!
//! The first value wins. It ends without one when all hosts of a small cluster have said nothing, or with its time.
//! Nothing is sent again: what is lost costs a computation.
//!
//! # Why nothing old is stored
//!
//! A record is *covered* by a host when the host has applied it, made it, or raised a floor after it was logged. In every
//! segment this holds of each live value:
//!
//! > Whatever its host had covered when the invalidation clock stood at the value's birth is older than the value,
//! > if it concerns it.
//!
//! A computation has it because its source is read after its token was taken. So does what is fetched, which the asker
//! stores as born at the clock `c` of its question, *if whatever it had covered at `c` is covered by the host that gives the
//! value, before that reads it*: a record that was covered there before the value's birth is older than the value, and
//! one that was covered after it has killed the value. What the asker applies after `c` refuses the value, or kills it. So
//! the value is as good on the asker as if it had been computed there.
//!
//! What the asker has covered at `c`, and why it is covered where the value comes from:
//!
//! * **What it applied in a life of a broker that goes on.** The question names the last position that was applied of each
//!   such life, of the key's topic and of what concerns all - *also beyond a gap*, for what comes is applied at once. Who
//!   answers has entered the same lives, and has applied them without a gap up to there, or entered there with a floor.
//! * **What it applied in a life that has ended.** Before it asks it forgets what it had of ended lives: if that comes
//!   again, in another life or from another broker, it is applied again, which is after `c`. But the trust that it earned by
//!   having applied it goes on, without hearing it again. So it says how long ago it learned of the last end (or its
//!   agent began, which knows nothing of what the one before it applied), and who answers has earned its trust since then, and
//!   since it entered a life itself. See below.
//! * **What its own workers said.** It asks only when a broker whose life it names has logged all tickets that were drawn
//!   by the time the clock was read, and names the position of the last. What has a later ticket has a later stamp, too. (Another host's own records are carried out there
//!   before they are sent.)
//! * **What another agent of this host applied.** An agent that was replaced without knowing does not ask: it looks, after it
//!   read the clock, whether it still speaks for the host. One that comes after applies again what is behind the mark it
//!   begins with.
//! * **What a floor made void.** Entering a stream at its head is having applied it up to there, for both.
//!
//! # Lives that have ended
//!
//! Be `a` when the asker learned of the last end, `g` when the giver entered or outlived a life last, both before the
//! value is given, and `r` a record that the asker covered at `c` and that no life it names covers. `r` is accepted at `t`.
//!
//! * `t <= a` or `t <= g`: what the giver trusts by was asked after `a` and after `g`, and trust that was asked for after `t`
//!   proves that `r` is covered. It is no matter whether a message is late: `a` then seems to be later than it was.
//! * `t` is later than both: for the asker to be trusted longer than the bound after `t` a majority confirms that was asked
//!   after `t`. One of it logged `r`. If in the life that confirms, the asker has it from there: after `c`, or the life is
//!   named. If in a life before it, that one ended before `a`, or before the asker's floor; the giver, which entered the
//!   same lives, went on in the new one by `g`, when all that its origins had told the old one was logged, so before `t`,
//!   and the asker hears of it. Or it entered with a floor, and has nothing that is older.
//!
//! A host that is new has outlived nothing: it covers what is before its floor, which is in the lives that it names, or was
//! in one before them, and the second point holds for it with any `t`, for what was asked before the giver's entry
//! does not outlast the bound after a `t` that is later.
//!
//! # What remains
//!
//! An agent that was replaced while it was stopped may apply what is in its queue, and extend trust, before it sees that it
//! was. The one after it, which may have asked by then, does not name that. What the old one had asked before it was stopped
//! was asked before `a`, so that trust keeps the bound by the first point and by its age. Only if it asked anew, and had the answer,
//! before it looked whether it speaks for the host would a value be trusted for longer.
//!
//! A life of a broker that is not heard any more goes on being named, for it may be heard again: what it alone has logged may
//! be accepted then, and is not told again to who applied it. So a host that is new since gives nothing to who was there
//! before, until the broker has begun anew.
//!
//! A value that is fetched may be older than the lease under which it was sought. So it is never passed on as the value of
//! a computation, which is judged by its grant: the lease is given up, and whoever waits for it asks the hosts in turn.
//!
//! How long the value may be kept goes with it (the host's business): fetching does not prolong its life.

mod giving;

use std::collections::{BTreeMap, BTreeSet};

use super::link::{Link, LinkState};
use super::recent::Recent;
use super::{AgentCore, Flow};
use crate::core::Host;
use crate::core::mutant::Mutant;
use crate::wire::{KeyId, Origin, Seek, Sought, Standing, ToBroker, Topic};

/// Values that are sought at once; who wants more computes.
const MAX_OPEN: usize = 256;
/// In a cluster of at most so many hosts each of them answers, whether it has the value or not.
const MAX_COUNTED: usize = 32;
/// How soon it is tried again to ask, where that was not possible yet.
const AGAIN_US: u64 = 1_000;

/// The values that are being sought.
#[derive(Debug, Default)]
pub(super) struct Seeks {
    open: BTreeMap<u64, Open>,
    /// Since something was sought last, a life of a broker has ended.
    has_outlived: bool,
    /// When it was learned last that a life of a broker has ended, or the agent took over.
    outlived_at_us: Option<u64>,
    /// When a life of a broker was entered last, or its end was learned, or the agent took over.
    entered_at_us: u64,
}

#[derive(Debug)]
struct Open {
    key: KeyId,
    until_us: u64,
    question: Option<Question>,
}

/// A question that was asked.
#[derive(Debug)]
struct Question {
    seek: Seek,
    /// What comes may be stored with a token of this clock.
    clock: u64,
    broker: usize,
    /// Who has not said yet that it has nothing; unknown in a large cluster.
    silent: Option<BTreeSet<Origin>>,
    /// Who has it, and was asked for it alone or will be.
    large: Vec<Origin>,
    /// How many of those were asked.
    tried: usize,
    /// Who was asked last, and until when that is waited for before the next one is.
    asked: Option<(Origin, u64)>,
    /// How long one is waited for: it may be dead.
    patience_us: u64,
}

impl Question {
    fn add_large(&mut self, from: Origin) {
        if !self.large.contains(&from) {
            self.large.push(from);
        }
    }

    /// Who is to be asked for a large value now, if it is time to ask one more.
    fn next_asked(&mut self, now_us: u64) -> Option<Origin> {
        if self.asked.is_some_and(|(_, until_us)| now_us < until_us) {
            return None;
        }
        let of = *self.large.get(self.tried)?;
        self.tried += 1;
        self.asked = Some((of, now_us + self.patience_us));
        Some(of)
    }

    /// When one more may be asked.
    fn next_due_us(&self) -> u64 {
        let is_left = self.tried < self.large.len();
        self.asked
            .filter(|_| is_left)
            .map_or(u64::MAX, |(_, until_us)| until_us)
    }
}

impl Seeks {
    /// Whether there is room for one more, which is sought from now on.
    pub(super) fn begin(&mut self, number: u64, key: KeyId, until_us: u64) -> bool {
        let has_room = self.open.len() < MAX_OPEN;
        if has_room {
            let question = None;
            self.open.insert(
                number,
                Open {
                    key,
                    until_us,
                    question,
                },
            );
        }
        has_room
    }

    /// A life of a broker has ended of which this host may have applied something.
    pub(super) const fn outlive(&mut self, now_us: u64) {
        self.has_outlived = true;
        self.outlived_at_us = Some(now_us);
        self.enter(now_us);
    }

    /// A life of a broker was entered.
    pub(super) const fn enter(&mut self, now_us: u64) {
        self.entered_at_us = now_us;
    }

    /// When there is something to do next.
    pub(super) fn next_due_us(&self, now_us: u64) -> u64 {
        let due_us = |open: &Open| {
            let next_us = match &open.question {
                None => now_us + AGAIN_US,
                Some(question) => question.next_due_us(),
            };
            next_us.min(open.until_us)
        };
        self.open.values().map(due_us).min().unwrap_or(u64::MAX)
    }
}

impl AgentCore {
    /// Asks for what is to be sought, and ends what has been for long enough.
    pub(super) fn advance_seeks(&mut self, now_us: u64, host: &mut impl Host, flow: &mut Vec<Flow>) {
        if self.leases.seeks.open.is_empty() {
            return;
        }
        let numbers: Vec<u64> = self.leases.seeks.open.keys().copied().collect();
        for number in numbers {
            if !self.leases.is_seeking(number) {
                self.leases.seeks.open.remove(&number);
                continue;
            }
            let Some(open) = self.leases.seeks.open.get(&number) else {
                continue;
            };
            let (key, is_over) = (open.key, now_us >= open.until_us);
            if !is_over && open.question.is_some() {
                self.ask_next(now_us, number, flow);
                continue;
            }
            let until_us = open.until_us;
            let question = (!is_over).then(|| self.question(now_us, number, key, until_us, host));
            match question {
                None => self.end_seek(now_us, number, None, host, flow),
                // Not yet.
                Some(None) => {}
                Some(Some(question)) if question.silent.as_ref().is_some_and(BTreeSet::is_empty) => {
                    self.end_seek(now_us, number, None, host, flow);
                }
                Some(Some(question)) => {
                    flow.push(self.frame_of(&question, None));
                    if let Some(open) = self.leases.seeks.open.get_mut(&number) {
                        open.question = Some(question);
                    }
                }
            }
        }
    }

    /// A question for a key's value, if it may be asked now.
    fn question(
        &mut self,
        now_us: u64,
        number: u64,
        key: KeyId,
        until_us: u64,
        host: &impl Host,
    ) -> Option<Question> {
        let topic = Topic::of_namespace(key.namespace);
        if self.leases.seeks.has_outlived && !Mutant::SoughtDeaf.is_on() {
            self.recent = Recent::default();
        }
        self.leases.seeks.has_outlived = false;
        // First of all: whatever is looked at below is as of now, or newer.
        let clock = host.clock();
        if !host.is_spoken_for() {
            return None;
        }
        let head = host.head();
        let follows = |link: &Link| {
            let needed = Topic::CONTROL.bit() | topic.bit();
            link.state == LinkState::Following && link.topics & needed == needed
        };
        if self.links.iter().filter(|link| follows(link)).count() < self.settings.majority() {
            return None;
        }
        let has_own = |link: &Link| link.has_logged(head) || Mutant::SoughtUnlogged.is_on();
        let (broker, link) = self
            .links
            .iter()
            .enumerate()
            .filter(|(_, link)| follows(link) && has_own(link))
            .max_by_key(|(_, link)| link.heard_at_us)?;
        let silent = link
            .members
            .as_ref()
            .filter(|members| members.len() <= MAX_COUNTED)
            .map(|members| {
                let others = members.iter().filter(|origin| **origin != host.origin());
                others.copied().collect()
            });
        let standings = self
            .links
            .iter()
            .filter_map(|link| {
                let seen = |topic| {
                    if Mutant::SoughtWithGaps.is_on() {
                        link.through(topic)
                    } else {
                        link.seen(topic)
                    }
                };
                let standing = Standing {
                    epoch: link.epoch,
                    control: seen(Topic::CONTROL),
                    topic: seen(topic),
                };
                // Something is applied of one that is lost, too.
                let counts = follows(link) || standing.control > 0 || standing.topic > 0;
                counts.then_some(standing)
            })
            .collect();
        Some(Question {
            seek: Seek {
                number,
                asked_at_us: now_us,
                key,
                standings,
                outlived_ago_us: self
                    .leases
                    .seeks
                    .outlived_at_us
                    .map(|at_us| now_us.saturating_sub(at_us)),
            },
            clock,
            broker,
            silent,
            large: Vec::new(),
            tried: 0,
            asked: None,
            patience_us: until_us.saturating_sub(now_us) / 4,
        })
    }

    fn frame_of(&self, question: &Question, of: Option<Origin>) -> Flow {
        let epoch = self
            .links
            .get(question.broker)
            .map_or_else(Default::default, |link| link.epoch);
        let seek = question.seek.clone();
        Flow::Send {
            broker: question.broker,
            frame: ToBroker::Seek { epoch, of, seek },
        }
    }

    /// A host answers a question: of that number, and of that time.
    pub(super) fn on_sought(
        &mut self,
        now_us: u64,
        from: Origin,
        (number, asked_at_us): (u64, u64),
        found: Sought,
        host: &mut impl Host,
        flow: &mut Vec<Flow>,
    ) {
        let question = self
            .leases
            .seeks
            .open
            .get_mut(&number)
            .and_then(|open| open.question.as_mut())
            .filter(|question| question.seek.asked_at_us == asked_at_us);
        // Late, or an answer to the agent before this one, which may have stood elsewhere.
        let Some(question) = question else {
            return;
        };
        match found {
            Sought::Value(value) => {
                let found = Some((from, value, question.clock));
                return self.end_seek(now_us, number, found, host, flow);
            }
            Sought::Large => question.add_large(from),
            Sought::Nothing => {
                if let Some(silent) = &mut question.silent {
                    silent.remove(&from);
                }
                if question.asked.is_some_and(|(asked, _)| asked == from) {
                    question.asked = None;
                }
            }
        }
        let is_asked = question.asked.is_some() || question.tried < question.large.len();
        if !is_asked && question.silent.as_ref().is_some_and(BTreeSet::is_empty) {
            self.end_seek(now_us, number, None, host, flow);
        } else {
            self.ask_next(now_us, number, flow);
        }
    }

    /// Asks one more of those that have a large value, if it is time to.
    fn ask_next(&mut self, now_us: u64, number: u64, flow: &mut Vec<Flow>) {
        let open = self.leases.seeks.open.get_mut(&number);
        let question = open.and_then(|open| open.question.as_mut());
        let Some(of) = question.and_then(|question| question.next_asked(now_us)) else {
            return;
        };
        let open = self.leases.seeks.open.get(&number);
        if let Some(question) = open.and_then(|open| open.question.as_ref()) {
            flow.push(self.frame_of(question, Some(of)));
        }
    }

    fn end_seek(
        &mut self,
        now_us: u64,
        number: u64,
        found: Option<(Origin, Vec<u8>, u64)>,
        host: &mut impl Host,
        flow: &mut Vec<Flow>,
    ) {
        self.leases.seeks.open.remove(&number);
        let (leases, at) = self.leases_at(now_us);
        leases.end_seeking(at, number, found, host, flow);
    }
}
