//! Attaching, detaching, forking, threads that come and go, and giving back what the dead held.

use guira_segment::{Expiry, PutOptions, Segment};

use super::answered;
use crate::kill::effect::{Answer, Effect, Value};
use crate::kill::image::{Image, keys};
use crate::kill::scene::Scene;
use crate::kill::survivors::{add_answer, put_answer};
use crate::kill::victim::Victim;

const NEW: &[u8] = b"123456";

pub(super) const SCENES: &[Scene] = &[
    Scene::quiet("open", Image::Roomy, open),
    Scene::quiet("open: the first", Image::Roomy, open).alone(),
    Scene::quiet("detach", Image::Roomy, detach),
    Scene::quiet("detach: the last", Image::Roomy, detach).alone(),
    Scene::quiet(
        "detach: with a lane of its own and threads",
        Image::Roomy,
        detach_busy,
    ),
    Scene::quiet(
        "detach: in the middle of a drain",
        Image::FullLog,
        detach_draining,
    ),
    Scene::on_key(
        "fork: the child's first put",
        Image::Roomy,
        keys::NUMBER,
        put_new,
        first_put,
    )
    .forked(),
    Scene::quiet("fork: the child attaches", Image::Roomy, |victim| {
        let segment = victim.segment();
        victim.armed(|| segment.attach().expect("there is room"));
        Answer::Done
    })
    .forked(),
    Scene::quiet(
        "fork: the child ends without an operation",
        Image::Roomy,
        |victim| {
            let segment = victim.segment();
            victim.armed(|| drop(segment));
            Answer::Done
        },
    )
    .forked(),
    Scene::on_key(
        "thread: its first and last operation",
        Image::Roomy,
        keys::NUMBER,
        put_new,
        in_thread,
    ),
    Scene::on_key(
        "thread: a second one after the first",
        Image::Roomy,
        keys::NUMBER,
        put_new,
        in_second_thread,
    ),
    Scene::on_key(
        "thread: on the common line",
        Image::Scarce,
        keys::NUMBER,
        put_new,
        in_thread,
    ),
    Scene::quiet("recover: nobody died", Image::Roomy, recover),
    Scene::quiet("recover: after a put in a private lane", Image::Roomy, recover)
        .after("put: in a private lane", "live.rs")
        .alone(),
    Scene::quiet("recover: after a block was opened", Image::Roomy, recover)
        .after("put: begins a private lane", "open.rs")
        .alone(),
    Scene::quiet("recover: after a put holding values", Image::Roomy, recover)
        .after("put: holding values", "only_twin.rs")
        .alone(),
    Scene::quiet("recover: after a run was begun", Image::Roomy, recover)
        .after("put large: a new key", "run.rs")
        .alone(),
    Scene::quiet("recover: after a run was written", Image::Roomy, recover)
        .after("put large: a new key", "write.rs")
        .alone(),
    Scene::quiet("recover: after a drain", Image::FullLog, recover)
        .after("put: burst into a log whose values are read", "survivor.rs")
        .alone(),
    Scene::quiet("recover: after runs in a full log", Image::FullLog, recover)
        .after("put large: many into a full log", "run.rs")
        .alone(),
    Scene::quiet("recover: after a flight", Image::Roomy, recover)
        .after("flight: lead, fill, land", "flight.rs")
        .alone(),
    Scene::quiet("recover: after a thread", Image::Roomy, recover)
        .after("thread: its first and last operation", "live.rs")
        .alone(),
    Scene::quiet("recover: after a detach", Image::Roomy, recover)
        .after("detach: with a lane of its own and threads", "recovery.rs")
        .alone(),
    Scene::quiet("open: after a put in a private lane", Image::Roomy, open)
        .after_the_only("put: in a private lane", "live.rs")
        .alone(),
    Scene::quiet("open: after a run was begun", Image::Roomy, open)
        .after_the_only("put large: a new key", "run.rs")
        .alone(),
    Scene::quiet("open: after an open", Image::Roomy, open)
        .after_the_only("open", "attach/mod.rs")
        .alone(),
    Scene::quiet("verify: after a drain", Image::FullLog, |victim| {
        let segment = victim.segment();
        victim.armed(|| assert!(segment.verify().is_clean(), "nothing is wrong"));
        Answer::Done
    })
    .after("put: burst into a log whose values are read", "drain.rs")
    .alone(),
    Scene::on_key(
        "put: burst after a drain",
        Image::FullLog,
        keys::ABSENT,
        put_last,
        burst,
    )
    .after("put: burst into a log whose values are read", "drain.rs")
    .alone(),
    Scene::on_key(
        "add: over a put that died half way",
        Image::Roomy,
        keys::NUMBER,
        || Effect::Add(Value::of(b"99")),
        |victim| {
            let segment = victim.segment();
            victim.armed(|| {
                answered(
                    segment.add(keys::NUMBER, b"99", &PutOptions::default()),
                    add_answer,
                )
            })
        },
    )
    .after("put: over a value", "live.rs")
    .alone(),
    Scene::on_key(
        "add: over an increment that died half way",
        Image::Roomy,
        keys::NUMBER,
        || Effect::Add(Value::of(NEW)),
        |victim| {
            let segment = victim.segment();
            segment.invalidate_tag(b"red");
            victim.armed(|| answered(segment.add(keys::NUMBER, NEW, &PutOptions::default()), add_answer))
        },
    )
    .after("increment: a number", "derive.rs")
    .alone()
    .evicting(),
    Scene::on_key(
        "remove: what a put left half way, then a burst",
        Image::Roomy,
        keys::NUMBER,
        || Effect::Remove,
        |victim| {
            let segment = victim.segment();
            segment.remove(keys::NUMBER);
            burst(victim);
            Answer::Done
        },
    )
    .after("put: over a value", "live.rs")
    .alone()
    .evicting(),
    Scene::on_key(
        "put: over a put that died unseen",
        Image::Roomy,
        keys::ABSENT,
        put_new,
        |victim| {
            let segment = victim.segment();
            victim.armed(|| answered(segment.put(keys::ABSENT, NEW, Expiry::never()), put_answer))
        },
    )
    .after("put: a new key", "live.rs")
    .alone(),
    Scene::on_key(
        "put: burst after a put that died half way",
        Image::Roomy,
        keys::ABSENT,
        put_last,
        burst,
    )
    .after("put: over a value", "live.rs")
    .alone()
    .evicting(),
    Scene::on_key(
        "put: burst after a put that died unseen",
        Image::Roomy,
        keys::ABSENT,
        put_last,
        burst,
    )
    .after("put: a new key", "live.rs")
    .alone()
    .evicting(),
    Scene::on_key(
        "put: burst after a put died where generations wrap",
        Image::Wrapping,
        keys::ABSENT,
        put_last,
        burst,
    )
    .after("put: over a value where generations wrap", "live.rs")
    .alone(),
    Scene::on_key(
        "put: burst after a removal died where generations wrap",
        Image::Wrapping,
        keys::ABSENT,
        put_last,
        burst,
    )
    .after("remove: where generations wrap", "scan.rs")
    .alone(),
    Scene::on_key(
        "expire: under a put that died unseen",
        Image::Roomy,
        keys::ABSENT,
        || Effect::Expire,
        |victim| expire(victim, keys::ABSENT),
    )
    .after("put: a new key", "live.rs")
    .alone(),
    Scene::on_key(
        "expire: under a put that died half way",
        Image::Roomy,
        keys::NUMBER,
        || Effect::Expire,
        |victim| expire(victim, keys::NUMBER),
    )
    .after("put: over a value", "live.rs")
    .alone(),
    Scene::quiet("repair: every kind of fault", Image::Damaged, |victim| {
        let segment = victim.segment();
        victim.armed(|| drop(segment.repair()));
        Answer::Done
    })
    .alone(),
];

fn put_last() -> Effect {
    Effect::PutAtLast(Value::of(NEW))
}

fn put_new() -> Effect {
    Effect::Put(Value::of(NEW))
}

fn open(victim: &mut Victim<'_>) -> Answer {
    let (builder, path) = (victim.builder().clone(), victim.path().to_owned());
    let segment = victim.armed(|| builder.open(path).expect("it opens"));
    drop(segment);
    Answer::Done
}

fn detach(victim: &mut Victim<'_>) -> Answer {
    let segment = victim.segment();
    let put = segment.put(b"own", b"something", Expiry::never());
    put.expect("there is room");
    victim.armed(|| drop(segment));
    Answer::Done
}

fn write(segment: &Segment, name: &str) {
    for n in 0..10 {
        let _ = segment.put(format!("{name}{n}").as_bytes(), &[b'w'; 300], Expiry::never());
    }
}

fn detach_busy(victim: &mut Victim<'_>) -> Answer {
    let segment = victim.segment();
    write(&segment, "main");
    std::thread::scope(|scope| {
        scope.spawn(|| write(&segment, "thread"));
    });
    victim.armed(|| drop(segment));
    Answer::Done
}

fn detach_draining(victim: &mut Victim<'_>) -> Answer {
    let segment = victim.segment();
    for n in 0.. {
        let _ = segment.put(format!("drain{n}").as_bytes(), &[b'd'; 100], Expiry::never());
        if segment.stats().blocks.draining > 0 || n > 2_000 {
            break;
        }
    }
    victim.armed(|| drop(segment));
    Answer::Done
}

fn first_put(victim: &mut Victim<'_>) -> Answer {
    let segment = victim.segment();
    victim.armed(|| answered(segment.put(keys::NUMBER, NEW, Expiry::never()), put_answer))
}

fn in_thread(victim: &mut Victim<'_>) -> Answer {
    let segment = victim.segment();
    let mut answer = Answer::Refused;
    victim.armed_thread(|| {
        answer = answered(segment.put(keys::NUMBER, NEW, Expiry::never()), put_answer);
    });
    answer
}

fn in_second_thread(victim: &mut Victim<'_>) -> Answer {
    let segment = victim.segment();
    std::thread::scope(|scope| {
        scope.spawn(|| write(&segment, "thread"));
    });
    in_thread_of(victim, &segment)
}

fn in_thread_of(victim: &mut Victim<'_>, segment: &Segment) -> Answer {
    let mut answer = Answer::Refused;
    victim.armed_thread(|| {
        answer = answered(segment.put(keys::NUMBER, NEW, Expiry::never()), put_answer);
    });
    answer
}

fn recover(victim: &mut Victim<'_>) -> Answer {
    // An opening process may recover by itself; what it leaves is recovered here.
    let segment = victim.segment();
    victim.armed(|| segment.recover());
    Answer::Done
}

fn burst(victim: &mut Victim<'_>) -> Answer {
    let segment = victim.segment();
    victim.armed(|| {
        for n in 0..260 {
            let _ = segment.put(format!("later{n}").as_bytes(), &[b'b'; 900], Expiry::never());
        }
        answered(segment.put(keys::ABSENT, NEW, Expiry::never()), put_answer)
    })
}

fn expire(victim: &mut Victim<'_>, key: &[u8]) -> Answer {
    let segment = victim.segment();
    if victim.armed(|| segment.expire(key)) {
        Answer::Done
    } else {
        Answer::Refused
    }
}
