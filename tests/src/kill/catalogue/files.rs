//! Files: created complete or not at all, marked in order, taken over after a reboot.

use guira_segment::{Expiry, OpenError};

use crate::kill::effect::Answer;
use crate::kill::image::Image;
use crate::kill::scene::Scene;
use crate::kill::victim::Victim;

pub(super) const SCENES: &[Scene] = &[
    Scene::quiet("create", Image::Absent, create).alone(),
    Scene::quiet("create or open", Image::Absent, |victim| {
        let (builder, path) = (victim.builder().clone(), victim.path().to_owned());
        drop(victim.armed(|| builder.open_or_create(path).expect("one of both")));
        Answer::Done
    })
    .alone(),
    Scene::quiet("create: every page at once", Image::Absent, |victim| {
        let (builder, path) = (victim.builder().clone(), victim.path().to_owned());
        drop(victim.armed(|| builder.populate(true).huge_pages(true).open_or_create(path)));
        Answer::Done
    })
    .alone(),
    Scene::quiet("open on a disk", Image::Disk, open).alone(),
    Scene::quiet("detach from a disk: the last", Image::Disk, detach).alone(),
    Scene::quiet("detach from a disk: others stay", Image::Disk, detach),
    Scene::quiet("open after a reboot", Image::DiskRebooted, open).alone(),
    Scene::quiet("open after a crash", Image::DiskCrashed, open).alone(),
    Scene::quiet("open after a crash: salvage", Image::DiskCrashedChecked, open).alone(),
];

fn create(victim: &mut Victim<'_>) -> Answer {
    let (builder, path) = (victim.builder().clone(), victim.path().to_owned());
    match victim.armed(|| builder.create(path)) {
        Ok(_) => Answer::Done,
        // While it was stopped somebody else made the file.
        Err(OpenError::File(guira_segment::FileError::Exists { .. })) => Answer::Refused,
        Err(error) => panic!("{error}"),
    }
}

fn open(victim: &mut Victim<'_>) -> Answer {
    let (builder, path) = (victim.builder().clone(), victim.path().to_owned());
    drop(victim.armed(|| builder.open(path).expect("it opens")));
    Answer::Done
}

fn detach(victim: &mut Victim<'_>) -> Answer {
    let segment = victim.segment();
    let put = segment.put(b"own", b"something", Expiry::never());
    put.expect("there is room");
    victim.armed(|| drop(segment));
    Answer::Done
}
