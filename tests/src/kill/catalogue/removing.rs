//! Removing and invalidating: a key, a tag, a namespace, everything.

use guira_segment::Segment;

use crate::kill::effect::{Answer, Effect};
use crate::kill::image::{Image, SIDE, keys};
use crate::kill::scene::{Reach, Scene};
use crate::kill::victim::Victim;

pub(super) const SCENES: &[Scene] = &[
    Scene::on_key(
        "remove: a value",
        Image::Roomy,
        keys::NUMBER,
        || Effect::Remove,
        |victim| remove(victim, keys::NUMBER),
    ),
    Scene::on_key(
        "remove: a large value",
        Image::Roomy,
        keys::LARGE,
        || Effect::Remove,
        |victim| remove(victim, keys::LARGE),
    ),
    Scene::on_key(
        "remove: no value",
        Image::Roomy,
        keys::ABSENT,
        || Effect::Remove,
        |victim| remove(victim, keys::ABSENT),
    ),
    Scene::on_key(
        "evict by hash: a value",
        Image::Roomy,
        keys::NUMBER,
        || Effect::Remove,
        |victim| evict(victim, keys::NUMBER),
    ),
    Scene::on_key(
        "invalidate: a value",
        Image::Roomy,
        keys::NUMBER,
        || Effect::Invalidate,
        |victim| invalidate(victim, keys::NUMBER),
    ),
    Scene::on_key(
        "invalidate: no value",
        Image::Roomy,
        keys::ABSENT,
        || Effect::Invalidate,
        |victim| invalidate(victim, keys::ABSENT),
    ),
    Scene {
        reach: Reach::Tag(b"red"),
        effect: || Effect::Sweep,
        ..Scene::quiet("invalidate a tag", Image::Roomy, |victim| {
            swept(victim, |segment| segment.invalidate_tag(b"red"))
        })
    },
    Scene {
        reach: Reach::Namespace(None),
        effect: || Effect::Sweep,
        ..Scene::quiet("clear: the default namespace", Image::Roomy, |victim| {
            swept(victim, Segment::clear)
        })
    },
    Scene {
        reach: Reach::Namespace(Some(SIDE)),
        effect: || Effect::Sweep,
        ..Scene::quiet("clear: a named namespace", Image::Roomy, |victim| {
            swept(victim, |segment| {
                segment.namespace(SIDE).expect("it exists").clear();
            })
        })
    },
    Scene {
        reach: Reach::All,
        effect: || Effect::Sweep,
        ..Scene::quiet("clear everything", Image::Roomy, |victim| {
            swept(victim, Segment::clear_all)
        })
    },
];

fn evict(victim: &mut Victim<'_>, key: &[u8]) -> Answer {
    let segment = victim.segment();
    let (name, hash) = (segment.namespace_hash(), segment.hash_of(key));
    was_present(victim.armed(|| segment.evict_by_hash(name, hash, usize::MAX, |_| true)))
}

fn remove(victim: &mut Victim<'_>, key: &[u8]) -> Answer {
    let segment = victim.segment();
    was_present(victim.armed(|| segment.remove(key)))
}

fn invalidate(victim: &mut Victim<'_>, key: &[u8]) -> Answer {
    let segment = victim.segment();
    was_present(victim.armed(|| segment.invalidate(key)))
}

const fn was_present(was_present: bool) -> Answer {
    if was_present {
        Answer::Done
    } else {
        Answer::Refused
    }
}

fn swept(victim: &mut Victim<'_>, sweep: impl FnOnce(&Segment)) -> Answer {
    let segment = victim.segment();
    victim.armed(|| sweep(&segment));
    Answer::Done
}
