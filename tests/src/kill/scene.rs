//! A scene: one operation in one situation, with what it may change.

use std::path::Path;

use guira_segment::{Segment, SegmentBuilder};

use super::effect::{Answer, Effect};
use super::image::Image;
use super::victim::Victim;

/// One operation in one situation.
#[derive(Clone, Copy)]
pub struct Scene {
    /// Its name in reports.
    pub name: &'static str,
    /// What the segment holds before.
    pub image: Image,
    /// Which keys it concerns.
    pub reach: Reach,
    /// What it does to them.
    pub effect: fn() -> Effect,
    /// Gets ready, then does it between [`Victim::begin`] and [`Victim::end`].
    pub act: fn(&mut Victim<'_>) -> Answer,
    /// Somebody has opened the segment before the process was made, which inherits it.
    pub is_forked: bool,
    /// Nobody else has the segment open while it is done.
    pub is_alone: bool,
    /// It puts so much that entries are evicted, whatever the image is.
    pub evicts: bool,
    /// A first process died in the middle of this scene; the operation meets what it left.
    pub after_death_in: Option<Death>,
}

/// Where the process died whose leavings a scene begins with.
#[derive(Clone, Copy, Debug)]
pub struct Death {
    /// The scene it died in.
    pub scene: &'static str,
    /// At the middle one (the first of two) of the points that it passes in this file.
    pub file: &'static str,
    /// Whether it was the only process, and so has the first record.
    pub was_alone: bool,
}

/// The keys that an operation concerns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// None.
    Nothing,
    /// One, in the default namespace.
    Key(&'static [u8]),
    /// Every key with this tag.
    Tag(&'static [u8]),
    /// Every key of the default namespace, or of a named one.
    Namespace(Option<&'static str>),
    /// Every key.
    All,
}

impl Reach {
    /// Whether a key is among them.
    #[must_use]
    pub fn covers(self, namespace: Option<&str>, key: &[u8], tags: &[Vec<u8>]) -> bool {
        match self {
            Self::Nothing => false,
            Self::Key(own) => namespace.is_none() && own == key,
            Self::Tag(tag) => tags.iter().any(|other| other == tag),
            Self::Namespace(own) => own == namespace,
            Self::All => true,
        }
    }

    /// The key of an operation on one key.
    #[must_use]
    pub const fn key(self) -> Option<&'static [u8]> {
        match self {
            Self::Key(key) => Some(key),
            _ => None,
        }
    }
}

impl Scene {
    /// A scene on one key.
    #[must_use]
    pub const fn on_key(
        name: &'static str,
        image: Image,
        key: &'static [u8],
        effect: fn() -> Effect,
        act: fn(&mut Victim<'_>) -> Answer,
    ) -> Self {
        Self {
            name,
            image,
            reach: Reach::Key(key),
            effect,
            act,
            is_forked: false,
            is_alone: false,
            evicts: false,
            after_death_in: None,
        }
    }

    /// A scene that changes no key.
    #[must_use]
    pub const fn quiet(name: &'static str, image: Image, act: fn(&mut Victim<'_>) -> Answer) -> Self {
        Self {
            name,
            image,
            reach: Reach::Nothing,
            effect: || Effect::Nothing,
            act,
            is_forked: false,
            is_alone: false,
            evicts: false,
            after_death_in: None,
        }
    }

    /// The same scene in a forked child that inherits its parent's segment.
    #[must_use]
    pub const fn forked(self) -> Self {
        Self {
            is_forked: true,
            ..self
        }
    }

    /// The same scene while nobody else has the segment open.
    #[must_use]
    pub const fn alone(self) -> Self {
        Self {
            is_alone: true,
            ..self
        }
    }

    /// The same scene, which evicts.
    #[must_use]
    pub const fn evicting(self) -> Self {
        Self { evicts: true, ..self }
    }

    /// The same scene after somebody died in another, beside a process that has left since.
    #[must_use]
    pub const fn after(self, scene: &'static str, file: &'static str) -> Self {
        let was_alone = false;
        Self {
            after_death_in: Some(Death {
                scene,
                file,
                was_alone,
            }),
            ..self
        }
    }

    /// The same scene after the only process died in another: who opens next gets its record.
    #[must_use]
    pub const fn after_the_only(self, scene: &'static str, file: &'static str) -> Self {
        let was_alone = true;
        Self {
            after_death_in: Some(Death {
                scene,
                file,
                was_alone,
            }),
            ..self
        }
    }

    /// How its segment is opened.
    #[must_use]
    pub fn builder(&self) -> SegmentBuilder {
        self.image.builder()
    }

    /// Opens the segment at `path`.
    ///
    /// # Errors
    /// As `SegmentBuilder::open`.
    pub fn open(&self, path: &Path) -> Result<Segment, guira_segment::OpenError> {
        self.builder().open(path)
    }
}

impl std::fmt::Debug for Scene {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}
