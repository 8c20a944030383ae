//! Reading in every way, and looking at the segment: whoever dies in it has changed nothing.

use crate::kill::effect::Answer;
use crate::kill::image::{Image, keys};
use crate::kill::scene::Scene;
use crate::kill::victim::Victim;

pub(super) const SCENES: &[Scene] = &[
    Scene::quiet("get: borrowed", Image::Roomy, |victim| {
        look(victim, |segment| drop(segment.get(keys::NUMBER)))
    }),
    Scene::quiet("get: borrowed, a large value", Image::Roomy, |victim| {
        look(victim, |segment| drop(segment.get(keys::LARGE)))
    }),
    Scene::quiet("get: more than can be borrowed", Image::Roomy, |victim| {
        look(victim, |segment| {
            let keys: Vec<String> = (0..12).map(|n| format!("by{n}")).collect();
            let held: Vec<_> = keys.iter().map(|key| segment.get(key.as_bytes())).collect();
            drop(held);
        })
    }),
    Scene::quiet("get: a miss", Image::Roomy, |victim| {
        look(victim, |segment| drop(segment.get(keys::ABSENT)))
    }),
    Scene::quiet("get: an expired value", Image::Roomy, |victim| {
        look(victim, |segment| drop(segment.get(keys::EXPIRED)))
    }),
    Scene::quiet("get: copied", Image::Roomy, |victim| {
        look(victim, |segment| {
            segment.get_into(keys::NUMBER, &mut Vec::new());
        })
    }),
    Scene::quiet("get: copied, a plain value", Image::Roomy, |victim| {
        look(victim, |segment| {
            segment.get_into(b"by3", &mut Vec::new());
        })
    }),
    Scene::quiet("get: copied, with checks", Image::Checked, |victim| {
        look(victim, |segment| {
            segment.get_into(keys::NUMBER, &mut Vec::new());
        })
    }),
    Scene::quiet("get: copied, an empty key", Image::Roomy, |victim| {
        look(victim, |segment| {
            segment.get_into(b"", &mut Vec::new());
            drop(segment.get(b""));
        })
    }),
    Scene::quiet("get: many", Image::Roomy, |victim| {
        look(victim, |segment| {
            segment.get_many(&[keys::NUMBER, keys::ABSENT, keys::LARGE, b"by3"], |_, _| {});
        })
    }),
    Scene::quiet("get: metadata and tags", Image::Roomy, |victim| {
        look(victim, |segment| {
            let _ = segment.metadata(keys::NUMBER);
            let _ = segment.tags(keys::NUMBER);
        })
    }),
    Scene::quiet("lookup: a stale value", Image::Roomy, |victim| {
        look(victim, |segment| {
            drop(segment.lookup(keys::STALE));
        })
    }),
    Scene::quiet("list every entry", Image::Roomy, |victim| {
        look(victim, |segment| _ = segment.all_entries().count())
    }),
    Scene::quiet("statistics", Image::Roomy, |victim| {
        look(victim, |segment| {
            let _ = segment.stats();
        })
    }),
    Scene::quiet("verify", Image::Roomy, |victim| {
        look(victim, |segment| {
            assert!(segment.verify().is_clean(), "nothing is wrong");
        })
    }),
    Scene::quiet("repair: nothing is wrong", Image::Roomy, |victim| {
        look(victim, |segment| {
            assert!(segment.repair().left.is_clean(), "nothing is wrong");
        })
    }),
    Scene::quiet("namespace: a new one", Image::Roomy, |victim| {
        look(victim, |segment| drop(segment.namespace("newcomers")))
    }),
    Scene::quiet("namespace: one that exists", Image::Roomy, |victim| {
        look(victim, |segment| {
            drop(segment.namespace(crate::kill::image::SIDE));
        })
    }),
];

fn look(victim: &mut Victim<'_>, look: impl FnOnce(&guira_segment::Segment)) -> Answer {
    let segment = victim.segment();
    victim.armed(|| look(&segment));
    Answer::Done
}
