//! Damage: what is done to an image, one change at a time, at rest or under the hands of its users.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use guira_segment::Part;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::Trust;
use crate::random::Random;

const PAGE_BYTES: u64 = 4096;
const SUPERBLOCK_BYTES: usize = 512;
const CHECKSUM: usize = 504;
/// Where an entry's header ends and its tags, key and value begin.
const HEADER_BYTES: u64 = 36;
const LOCATION_MASK: u64 = (1 << 36) - 1;

/// What kind of damage an image gets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Theme {
    /// Flipped bits anywhere behind the superblock.
    Bits,
    /// Words anywhere behind the superblock.
    Words,
    /// Items of a part (lines, buckets, ..) zeroed, or overwritten by others of their kind.
    Items,
    /// Pages swapped, copied, zeroed, overwritten.
    Pages,
    /// Slots of the index.
    Slots,
    /// Stamps, namespaces, flights, ghosts and sweep ranges.
    Stamps,
    /// Control words, tails and other metadata of blocks, and lanes.
    Blocks,
    /// Attach records and thread lines.
    Processes,
    /// The control page.
    Control,
    /// Headers of entries: states, forwards, lengths, births, deadlines, tags.
    Entries,
    /// Keys and values.
    Values,
    /// The superblock, mostly with a checksum that fits.
    Superblock,
    /// The file is cut, and perhaps grows again.
    Truncation,
    /// All of them.
    Everything,
}

/// Every theme.
pub(super) const THEMES: [Theme; 14] = [
    Theme::Bits,
    Theme::Words,
    Theme::Items,
    Theme::Pages,
    Theme::Slots,
    Theme::Stamps,
    Theme::Blocks,
    Theme::Processes,
    Theme::Control,
    Theme::Entries,
    Theme::Values,
    Theme::Superblock,
    Theme::Truncation,
    Theme::Everything,
];

impl Theme {
    /// How reads are judged that do not verify values.
    #[must_use]
    pub const fn unverified_trust(self) -> Trust {
        match self {
            Theme::Slots | Theme::Stamps | Theme::Processes | Theme::Control => Trust::Full,
            Theme::Pages | Theme::Everything | Theme::Values | Theme::Superblock => Trust::None,
            _ => Trust::Torn,
        }
    }

    /// How reads are judged that verify values.
    #[must_use]
    pub const fn verified_trust(self) -> Trust {
        match self {
            Theme::Slots | Theme::Stamps | Theme::Truncation => Trust::Full,
            _ => Trust::Copies,
        }
    }

    /// Whether it may make the file one that is refused.
    #[must_use]
    pub const fn may_be_refused(self) -> bool {
        matches!(self, Theme::Superblock | Theme::Truncation)
    }

    fn parts(self) -> &'static [&'static str] {
        match self {
            Theme::Slots => &["index"],
            Theme::Stamps => &[
                "key stamps",
                "tag stamps",
                "namespaces",
                "sweep ranges",
                "ghosts",
                "flights",
                "journal",
                "move counters",
            ],
            Theme::Blocks => &["block words", "block metadata", "lanes"],
            Theme::Processes => &["records", "lines"],
            Theme::Control => &["control"],
            _ => &[],
        }
    }
}

/// The bytes that are damaged: a file that others have mapped, or memory.
pub trait Reach {
    /// The word at `at`; 0 where there is none.
    fn word(&self, at: u64) -> u64;
    /// Overwrites bytes; what is behind the end stays there.
    ///
    /// # Errors
    /// The file cannot be written.
    fn write(&mut self, at: u64, bytes: &[u8]) -> io::Result<()>;
    /// `len` bytes from `at`, with zeroes where there are none.
    fn read(&self, at: u64, len: usize) -> Vec<u8>;
    /// Makes it so long.
    ///
    /// # Errors
    /// The file cannot be cut.
    fn set_len(&mut self, bytes: u64) -> io::Result<()>;
}

impl Reach for File {
    fn word(&self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        let read = self.read_exact_at(&mut bytes, at);
        read.map_or(0, |()| u64::from_le_bytes(bytes))
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        // Writing behind the end would make a cut file long again.
        if at + bytes.len() as u64 > self.metadata()?.len() {
            return Ok(());
        }
        self.write_all_at(bytes, at)
    }

    fn read(&self, at: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        let _ = self.read_exact_at(&mut bytes, at);
        bytes
    }

    fn set_len(&mut self, bytes: u64) -> io::Result<()> {
        File::set_len(self, bytes)
    }
}

impl Reach for Vec<u8> {
    fn word(&self, at: u64) -> u64 {
        let at = at as usize;
        self.get(at..at + 8)
            .and_then(|bytes| bytes.try_into().ok())
            .map_or(0, u64::from_le_bytes)
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let at = at as usize;
        if let Some(place) = self.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
        Ok(())
    }

    fn read(&self, at: u64, len: usize) -> Vec<u8> {
        let at = at as usize;
        self.get(at..at + len)
            .map_or_else(|| vec![0; len], <[u8]>::to_vec)
    }

    fn set_len(&mut self, bytes: u64) -> io::Result<()> {
        self.resize(bytes as usize, 0);
        Ok(())
    }
}

/// Damages one image.
#[derive(Debug)]
pub struct Damage<'p> {
    parts: &'p [Part],
    file_bytes: u64,
    random: Random,
}

impl<'p> Damage<'p> {
    /// Damage to an image of `file_bytes` bytes whose parts are `parts`.
    #[must_use]
    pub fn new(parts: &'p [Part], file_bytes: u64, random: Random) -> Self {
        Self {
            parts,
            file_bytes,
            random,
        }
    }

    /// Makes one change.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn apply(&mut self, theme: Theme, image: &mut impl Reach) -> io::Result<()> {
        match theme {
            Theme::Bits => {
                let at = self.anywhere();
                let byte = image.read(at, 1).first().copied().unwrap_or(0);
                let bit = self.random.below(8);
                image.write(at, &[byte ^ 1 << bit])
            }
            Theme::Words => {
                let at = self.anywhere() & !7;
                self.spoil_word(image, at, at)
            }
            Theme::Items => {
                let part = self.any_part();
                self.spoil_item(image, part)
            }
            Theme::Pages => self.spoil_page(image),
            Theme::Slots | Theme::Stamps | Theme::Blocks | Theme::Processes | Theme::Control => {
                let names = theme.parts();
                let name = names[self.random.below(names.len() as u64) as usize];
                let part = self.part(name);
                if theme == Theme::Slots && self.random.one_in(4) {
                    return self.forge_slot(image, part);
                }
                if self.random.one_in(4) {
                    self.spoil_item(image, part)
                } else {
                    let at = self.word_of(part);
                    let other = self.word_of(part);
                    self.spoil_word(image, at, other)
                }
            }
            Theme::Entries => self.spoil_header(image),
            Theme::Values => {
                let entry = self.entry(image);
                let at = entry + HEADER_BYTES + self.random.below(300);
                if self.random.one_in(4) {
                    let other = self.entry(image) + HEADER_BYTES;
                    let bytes = image.read(other, 100);
                    return image.write(at, &bytes);
                }
                let byte = image.read(at, 1).first().copied().unwrap_or(0);
                let bit = self.random.below(8);
                image.write(at, &[byte ^ 1 << bit])
            }
            Theme::Superblock => self.forge_superblock(image),
            Theme::Truncation => {
                let pages = self.file_bytes / PAGE_BYTES;
                let kept = self.random.below(pages + 1) * PAGE_BYTES;
                let crooked = if self.random.one_in(4) {
                    self.random.below(PAGE_BYTES)
                } else {
                    0
                };
                image.set_len((kept + crooked).min(self.file_bytes))?;
                if self.random.one_in(2) {
                    image.set_len(self.file_bytes)?;
                }
                Ok(())
            }
            Theme::Everything => {
                let others = THEMES.len() as u64 - 3;
                let theme = THEMES[self.random.below(others) as usize];
                self.apply(theme, image)
            }
        }
    }

    fn part(&self, name: &str) -> Part {
        let found = self.parts.iter().find(|part| part.name == name);
        *found.expect("the engine names every part that a theme does")
    }

    /// Any but the superblock.
    fn any_part(&mut self) -> Part {
        self.parts[1 + self.random.below(self.parts.len() as u64 - 1) as usize]
    }

    fn anywhere(&mut self) -> u64 {
        // Every part alike, however small it is.
        let part = self.any_part();
        part.offset_bytes as u64 + self.random.below(part.len_bytes() as u64)
    }

    fn word_of(&mut self, part: Part) -> u64 {
        part.offset_bytes as u64 + self.random.below(part.len_bytes() as u64 / 8) * 8
    }

    /// A word that may mislead, made of what is there and of what is elsewhere.
    fn spoilt(&mut self, old: u64, other: u64) -> u64 {
        match self.random.below(11) {
            0 => 0,
            1 => u64::MAX,
            2 => self.random.next(),
            3 => old ^ 1 << self.random.below(64),
            4 => old.wrapping_add(1),
            5 => old.wrapping_sub(1),
            6 => self.random.below(200),
            7 => other,
            8 => 1 << self.random.below(64),
            9 => old.rotate_right(32),
            _ => {
                let shift = self.random.below(4) * 16;
                old & !(0xffff << shift) | (self.random.next() & 0xffff) << shift
            }
        }
    }

    fn spoil_word(&mut self, image: &mut impl Reach, at: u64, other: u64) -> io::Result<()> {
        let word = self.spoilt(image.word(at), image.word(other));
        image.write(at, &word.to_le_bytes())
    }

    fn spoil_item(&mut self, image: &mut impl Reach, part: Part) -> io::Result<()> {
        let item = |random: &mut Random| {
            part.offset_bytes as u64 + random.below(part.items as u64) * part.item_bytes as u64
        };
        let (to, from) = (item(&mut self.random), item(&mut self.random));
        let bytes = match self.random.below(4) {
            0 => vec![0; part.item_bytes],
            1 => vec![0xff; part.item_bytes],
            _ => image.read(from, part.item_bytes),
        };
        image.write(to, &bytes)
    }

    fn spoil_page(&mut self, image: &mut impl Reach) -> io::Result<()> {
        let pages = self.file_bytes / PAGE_BYTES;
        let to = (1 + self.random.below(pages - 1)) * PAGE_BYTES;
        let from = (1 + self.random.below(pages - 1)) * PAGE_BYTES;
        let page = image.read(from, PAGE_BYTES as usize);
        match self.random.below(4) {
            0 => image.write(to, &vec![0; PAGE_BYTES as usize]),
            1 => {
                let noise: Vec<u8> = (0..PAGE_BYTES / 8)
                    .flat_map(|_| self.random.next().to_le_bytes())
                    .collect();
                image.write(to, &noise)
            }
            2 => {
                let other = image.read(to, PAGE_BYTES as usize);
                image.write(from, &other)?;
                image.write(to, &page)
            }
            _ => image.write(to, &page),
        }
    }

    /// Where some entry begins that a slot names; else somewhere in the arena.
    fn entry(&mut self, image: &impl Reach) -> u64 {
        let index = self.part("index");
        let arena = self.part("arena");
        for _ in 0..20 {
            let slot = image.word(self.word_of(index));
            let at = (slot & LOCATION_MASK) * 16;
            if at >= arena.offset_bytes as u64 && at < self.file_bytes {
                return at;
            }
        }
        arena.offset_bytes as u64 + self.random.below(arena.len_bytes() as u64 / 16) * 16
    }

    /// A slot that names another entry, or the same one elsewhere.
    fn forge_slot(&mut self, image: &mut impl Reach, index: Part) -> io::Result<()> {
        let (at, other) = (self.word_of(index), self.word_of(index));
        let (old, word) = (image.word(at), image.word(other));
        let forged = match self.random.below(4) {
            0 => word,
            1 => old & !LOCATION_MASK | word & LOCATION_MASK,
            2 => old & !(0xffff << 48) | word & 0xffff << 48,
            _ => old & !LOCATION_MASK | old.wrapping_add(self.random.below(8)) & LOCATION_MASK,
        };
        image.write(at, &forged.to_le_bytes())
    }

    fn spoil_header(&mut self, image: &mut impl Reach) -> io::Result<()> {
        let (entry, other) = (self.entry(image), self.entry(image));
        match self.random.below(8) {
            // A forward: to another entry, to itself, and in a ring of two.
            0..3 => {
                let (state, other_state) = (image.word(entry), image.word(other));
                let generation = other_state >> 48 & 0xfff;
                let forward = |state: u64, generation: u64, to: u64| {
                    3 << 62 | state & 0xfff << 48 | generation << 36 | (to / 16) & LOCATION_MASK
                };
                if self.random.one_in(3) {
                    let back = forward(other_state, state >> 48 & 0xfff, entry);
                    image.write(other, &back.to_le_bytes())?;
                }
                let to = if self.random.one_in(4) { entry } else { other };
                let state = forward(state, generation, to);
                image.write(entry, &state.to_le_bytes())
            }
            3 => {
                let kind = self.random.below(4) << 62;
                let state = image.word(entry) & !(3 << 62) | kind;
                image.write(entry, &state.to_le_bytes())
            }
            4 => {
                let header = image.read(other, HEADER_BYTES as usize);
                image.write(entry, &header)
            }
            5 => {
                let whole = image.read(other, 200);
                image.write(entry, &whole)
            }
            _ => {
                let field = self.random.below(6) * 8;
                self.spoil_word(image, entry + field, other + field)
            }
        }
    }

    fn forge_superblock(&mut self, image: &mut impl Reach) -> io::Result<()> {
        let mut bytes = image.read(0, SUPERBLOCK_BYTES);
        // Mostly the counts and sizes, which decide where everything lies.
        let at = if self.random.one_in(4) {
            self.random.below(SUPERBLOCK_BYTES as u64 / 8) as usize * 8
        } else {
            64 + self.random.below(19) as usize * 8
        };
        let other = image.word(64 + self.random.below(19) * 8);
        let old = image.word(at as u64);
        let word = if self.random.one_in(3) {
            if self.random.one_in(2) {
                old.wrapping_mul(2)
            } else {
                old / 2
            }
        } else {
            self.spoilt(old, other)
        };
        bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
        if !self.random.one_in(4) {
            let checksum = xxh3_64(&bytes[..CHECKSUM]);
            bytes[CHECKSUM..].copy_from_slice(&checksum.to_le_bytes());
        }
        image.write(0, &bytes)
    }
}
