//! What a segment of a cluster has more: the journal, applying, trust, the agent's role, notes, leases.

use std::time::Duration;

use guira_segment::{
    AgentRole, Applied, Journal, JournalRead, Lease, LeaseAnswer, LeaseStep, NOTE_WORDS, Record, RecordKind,
    Segment,
};

use crate::kill::effect::{Answer, Effect};
use crate::kill::image::{Image, SIDE, keys};
use crate::kill::scene::{Reach, Scene};
use crate::kill::victim::Victim;

const PATIENCE: Duration = Duration::from_secs(30);

/// A scene that changes no key; what it does is given the segment and its journal.
macro_rules! quiet {
    ($name:literal, $act:expr) => {
        Scene::quiet($name, Image::Clustered, |victim| done(victim, $act))
    };
}

pub(super) const SCENES: &[Scene] = &[
    on_number(
        "journal: invalidate a value",
        || Effect::Invalidate,
        |victim| {
            let segment = victim.segment();
            was_present(victim.armed(|| segment.invalidate(keys::NUMBER)))
        },
    ),
    on_number(
        "journal: expire a value",
        || Effect::Expire,
        |victim| {
            let segment = victim.segment();
            was_present(victim.armed(|| segment.expire(keys::NUMBER)))
        },
    ),
    Scene {
        reach: Reach::Tag(b"red"),
        effect: || Effect::Sweep,
        ..quiet!("journal: invalidate a tag", |segment, _| segment
            .invalidate_tag(b"red"))
    },
    Scene {
        reach: Reach::Namespace(None),
        effect: || Effect::Sweep,
        ..quiet!("journal: clear a namespace", |segment, _| segment.clear())
    },
    Scene {
        reach: Reach::All,
        effect: || Effect::Sweep,
        ..quiet!("journal: clear everything", |segment, _| segment.clear_all())
    },
    quiet!("journal: announce a put", announce),
    quiet!("journal: close a hole", read_on).after("journal: announce a put", "journal/append.rs"),
    quiet!(
        "journal: wait for records that do not come",
        |segment, journal| {
            journal.wait_for_records(journal.tail(), Duration::from_millis(2));
            journal.wait_for_events(journal.tail(), journal.lease_events(), Duration::from_millis(2));
            assert!(segment.cluster_id().is_some());
        }
    ),
    Scene::quiet("journal: wake a sleeper", Image::Clustered, wake_a_sleeper),
    quiet!("journal: wait for a head that does not come", |_, journal| {
        assert!(!journal.wait_accepted(journal.tail(), Duration::from_millis(2)));
    }),
    Scene::quiet(
        "journal: raise a head that is waited for",
        Image::Clustered,
        raise_a_head,
    ),
    quiet!("journal: renew the origin", |_, journal| {
        journal.renew_origin(journal.origin());
    }),
    on_number(
        "apply: an invalidation",
        || Effect::Invalidate,
        |victim| apply_to_number(victim, RecordKind::Invalidate),
    ),
    on_number(
        "apply: an expiry",
        || Effect::Expire,
        |victim| apply_to_number(victim, RecordKind::Expire),
    ),
    Scene {
        reach: Reach::Namespace(Some(SIDE)),
        effect: || Effect::Sweep,
        ..quiet!("apply: a namespace", |segment, _| {
            let side = segment.namespace(SIDE).expect("it exists");
            segment.apply(&record(RecordKind::Namespace, side.namespace_hash(), 0));
        })
    },
    Scene {
        reach: Reach::All,
        effect: || Effect::Sweep,
        ..quiet!("apply: clear", |segment, _| {
            segment.apply(&record(RecordKind::Clear, 0, 0));
        })
    },
    on_number(
        "apply: finish what is not finished",
        || Effect::Invalidate,
        |victim| {
            let segment = victim.segment();
            let record = Record {
                stamp: segment.invalidation_clock() + 1,
                ..record(RecordKind::Invalidate, 0, segment.hash_of(keys::NUMBER))
            };
            was_applied(victim.armed(|| segment.finish_own(&record)))
        },
    ),
    Scene {
        reach: Reach::All,
        effect: || Effect::Sweep,
        ..quiet!("agent: raise the floor", |segment, _| segment.raise_floor(1))
    },
    quiet!("agent: extend trust", |segment, _| {
        segment.set_topics_trusted(segment.topics_wanted());
        segment.extend_trust(1);
    }),
    quiet!("agent: take the role and give it back", |segment, _| {
        let role = segment.try_take_agent_role(PATIENCE);
        assert!(role.is_none_or(|role| role.progress()));
    }),
    quiet!("agent: take the role of a dead one", |segment, _| {
        // While the first is only stopped, the role is its.
        std::mem::forget::<Option<AgentRole>>(segment.try_take_agent_role(PATIENCE));
    })
    .after("agent: take the role and give it back", "coherence/role.rs"),
    quiet!("agent: write notes and count", |segment, _| {
        for turn in 0..3 {
            segment.note_broker(1, &[turn; NOTE_WORDS]);
        }
        segment.count_coherence(7, 1);
    }),
    quiet!("agent: write a note beside one that is torn", |segment, _| {
        let before = segment.broker_note(1);
        assert!(before.is_none_or(|words| words.iter().all(|word| Some(word) == words.first())));
        segment.note_broker(1, &[9; NOTE_WORDS]);
        assert_eq!(segment.broker_note(1), Some([9; NOTE_WORDS]));
    })
    .after("agent: write notes and count", "coherence/notes.rs"),
    quiet!("lease: asked for, granted, done", |segment, _| {
        let lease = ask(segment);
        answer(segment, LeaseStep::Wanted, LeaseAnswer::Busy);
        answer(segment, LeaseStep::Busy, LeaseAnswer::Granted);
        assert!(lease.done());
        answer(segment, LeaseStep::Done, LeaseAnswer::Closed);
    }),
    quiet!("lease: asked for and left", |segment, _| {
        drop(ask(segment));
        answer(segment, LeaseStep::Left, LeaseAnswer::Closed);
    }),
    quiet!("lease: answered, and its slot given back", |segment, _| {
        let lease = ask(segment);
        answer(segment, LeaseStep::Wanted, LeaseAnswer::Ready);
        drop(lease);
    }),
    quiet!("lease: waited for in vain", |segment, _| {
        let lease = ask(segment);
        assert_eq!(lease.wait(Duration::from_millis(2)), LeaseStep::Wanted);
    }),
    quiet!("lease: of a dead worker", |segment, _| {
        for asked in segment.asked_leases() {
            segment.answer_lease(&asked, LeaseAnswer::Closed, 0);
        }
    })
    .after("lease: asked for, granted, done", "coherence/lease.rs"),
];

const fn on_number(name: &'static str, effect: fn() -> Effect, act: fn(&mut Victim<'_>) -> Answer) -> Scene {
    Scene::on_key(name, Image::Clustered, keys::NUMBER, effect, act)
}

fn done(victim: &mut Victim<'_>, act: fn(&Segment, &Journal<'_>)) -> Answer {
    let segment = victim.segment();
    let journal = segment.journal().expect("it is of a cluster");
    victim.armed(|| act(&segment, &journal));
    Answer::Done
}

const fn was_present(was_present: bool) -> Answer {
    if was_present {
        Answer::Done
    } else {
        Answer::Refused
    }
}

fn was_applied(applied: Applied) -> Answer {
    was_present(applied == Applied::Present)
}

const fn record(kind: RecordKind, namespace_hash: u64, hash: u64) -> Record {
    Record {
        kind,
        namespace_hash,
        hash,
        wall_ms: 0,
        stamp: 0,
        flags: 0,
    }
}

fn apply_to_number(victim: &mut Victim<'_>, kind: RecordKind) -> Answer {
    let segment = victim.segment();
    let record = record(kind, 0, segment.hash_of(keys::NUMBER));
    was_applied(victim.armed(|| segment.apply(&record)))
}

fn announce(_: &Segment, journal: &Journal<'_>) {
    journal.announce_put(keys::NUMBER, 0);
}

/// Reads to the end, as an agent does.
fn read_on(_: &Segment, journal: &Journal<'_>) {
    let (mut next, tail) = (0, journal.tail());
    while next < tail {
        match journal.read(next, 100, &mut Vec::new()) {
            JournalRead::UpTo(up_to) => next = up_to,
            JournalRead::Pending { at } => journal.close_hole(at),
            JournalRead::Overwritten { missing_to, .. } => next = missing_to,
        }
    }
}

/// Until another thread has said that it sleeps, or is about to.
fn until_it_sleeps(journal: &Journal<'_>) {
    while !journal.is_waited_for() {
        std::thread::yield_now();
    }
}

fn wake_a_sleeper(victim: &mut Victim<'_>) -> Answer {
    let segment = victim.segment();
    let journal = segment.journal().expect("it is of a cluster");
    let seen = journal.tail();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| while !journal.wait_for_records(seen, PATIENCE) {});
        until_it_sleeps(&journal);
        victim.armed(|| announce(&segment, &journal));
        reader.join().expect("it is woken");
    });
    Answer::Done
}

fn raise_a_head(victim: &mut Victim<'_>) -> Answer {
    let segment = victim.segment();
    let journal = segment.journal().expect("it is of a cluster");
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| journal.wait_accepted(0, PATIENCE));
        until_it_sleeps(&journal);
        victim.armed(|| journal.set_accepted(1));
        assert!(waiter.join().expect("it is woken"));
    });
    Answer::Done
}

fn ask(segment: &Segment) -> Lease<'_> {
    let token = segment.fill_token(keys::ABSENT);
    segment
        .ask_lease(keys::ABSENT, &token, PATIENCE)
        .expect("a free slot")
}

fn answer(segment: &Segment, step: LeaseStep, answer: LeaseAnswer) {
    let asked = segment.asked_leases();
    let asked = asked.iter().find(|asked| asked.step == step);
    assert!(segment.answer_lease(asked.expect("just made"), answer, 1));
}
