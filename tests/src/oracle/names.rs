//! The names that a sequence uses: few, so that operations meet, and some at the bounds.

use std::sync::LazyLock;

use guira_segment::{MAX_KEY_BYTES, MAX_NAMESPACE_BYTES, MAX_TAG_BYTES, MAX_TAGS};

use crate::random::Random;

/// Keys that can be stored.
pub(super) const KEYS: u8 = 24;
/// Those that most operations use, so that they meet.
const HOT_KEYS: u64 = 3;
/// Stands for the empty key.
const EMPTY_KEY: u8 = KEYS;
/// Stands for a key that is one byte too long.
const LONG_KEY: u8 = KEYS + 1;
/// Namespaces, the default one first.
pub(super) const SPACES: u8 = 3;
/// Tags.
pub(super) const TAGS: usize = 4;

/// A key of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) space: u8,
    pub(super) key: u8,
}

impl Place {
    pub(super) fn random(random: &mut Random) -> Self {
        let key = match random.below(200) {
            0 => EMPTY_KEY,
            1 => LONG_KEY,
            2..5 => KEYS - 1,
            5..150 => random.below(HOT_KEYS) as u8,
            _ => random.below(u64::from(KEYS) - 1) as u8,
        };
        let space = [0, 0, 0, 0, 0, 0, 1, 1, 1, 2][random.below(10) as usize];
        Self { space, key }
    }

    /// The key's bytes.
    pub(super) fn name(self) -> &'static [u8] {
        &KEY_NAMES[usize::from(self.key)]
    }

    pub(super) fn is_empty(self) -> bool {
        self.key == EMPTY_KEY
    }

    pub(super) fn is_too_long(self) -> bool {
        self.key == LONG_KEY
    }

    /// Every key that is ever named, the empty and the overlong one included.
    pub(super) fn all_named() -> impl Iterator<Item = Self> {
        (0..SPACES).flat_map(|space| (0..=LONG_KEY).map(move |key| Self { space, key }))
    }

    /// Every place that can hold a value.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..SPACES).flat_map(|space| (0..KEYS).map(move |key| Self { space, key }))
    }
}

static KEY_NAMES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    (0..=LONG_KEY)
        .map(|key| {
            let bytes = match key {
                EMPTY_KEY => 0,
                LONG_KEY => MAX_KEY_BYTES + 1,
                _ if key == KEYS - 1 => MAX_KEY_BYTES,
                _ => 1 + usize::from(key) * 3,
            };
            let mut name = vec![key];
            name.resize(bytes, key ^ 0x5a);
            name
        })
        .collect()
});

/// The name of a namespace; the default one has none.
pub(super) fn space_name(space: u8) -> Option<&'static str> {
    static LONGEST: LazyLock<String> = LazyLock::new(|| "n".repeat(MAX_NAMESPACE_BYTES));
    match space {
        0 => None,
        1 => Some("s"),
        _ => Some(LONGEST.as_str()),
    }
}

/// The name of a tag.
pub(super) fn tag_name(tag: usize) -> &'static [u8] {
    static LONGEST: [u8; MAX_TAG_BYTES] = [b't'; MAX_TAG_BYTES];
    [b"tag".as_slice(), b"other", b"x", &LONGEST][tag]
}

/// The number of the tag that is named too often.
const TAG_X: usize = 2;

/// Which tags an entry carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TagList {
    /// Those whose bit is set.
    Some(u8),
    /// As many as there may be, all the first one.
    Most,
    /// One more than there may be.
    TooMany,
    /// One without a name.
    Nameless,
}

impl TagList {
    pub(super) fn random(random: &mut Random) -> Self {
        match random.below(100) {
            0 => Self::Most,
            1 => Self::TooMany,
            2 => Self::Nameless,
            3..40 => Self::Some(random.below(1 << TAGS) as u8),
            _ => Self::Some(0),
        }
    }

    pub(super) fn is_bad(self) -> bool {
        matches!(self, Self::TooMany | Self::Nameless)
    }

    /// The tags by number; of a bad list none.
    pub(super) fn numbers(self) -> Vec<usize> {
        match self {
            Self::Some(bits) => (0..TAGS).filter(|tag| bits >> tag & 1 == 1).collect(),
            Self::Most => vec![0; MAX_TAGS],
            Self::TooMany | Self::Nameless => Vec::new(),
        }
    }

    /// The tags by number where too many are folded.
    pub(super) fn folded_numbers(self) -> Vec<usize> {
        match self {
            Self::TooMany => vec![TAG_X],
            _ => self.numbers(),
        }
    }

    /// The tags as a put takes them.
    pub(super) fn names(self) -> Vec<&'static [u8]> {
        match self {
            Self::TooMany => vec![tag_name(TAG_X); MAX_TAGS + 1],
            Self::Nameless => vec![b""],
            _ => self.numbers().into_iter().map(tag_name).collect(),
        }
    }
}
