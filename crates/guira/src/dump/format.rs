//! What a dump is made of, byte by byte. All numbers are little-endian.
//!
//! It begins with 16 bytes, which are the same in every version and never compressed:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | `89 "guira" 0d 0a`: a copy that changes line ends or cuts to seven bits is seen at once |
//! | 8 | 2 | the version, 1 |
//! | 10 | 2 | bit 0: what follows is one Zstandard frame; the others are 0 |
//! | 12 | 4 | the low half of XXH3-64 of the 12 bytes before |
//!
//! Records follow, each of a kind (1 byte), the length of its body (4), the body, and a check (8): XXH3-64 of kind,
//! length and body, seeded with the check of the record before, the first one with XXH3-64 of the 16 bytes. So a
//! check is one of all that was before it, and a record that is lost, doubled or in another's place is seen.
//!
//! | kind | body |
//! |---|---|
//! | 1 origin | when it was begun (8), the segment's number (16), its invalidation clock then (8); the first record |
//! | 2 namespace | the name of the next namespace: the first one is number 1, the one without a name 0 |
//! | 3 entry | as below |
//! | 4 part | the value goes on, and is not at its end |
//! | 5 last part | the value's end |
//! | 6 void | the value could not be had to its end: the entry does not count |
//! | 7 end | how many entries count (8), and the bytes of their values (8); the last record, nothing follows |
//!
//! | of an entry | bytes |
//! |---|---|
//! | number of its namespace | 2 |
//! | bits: 0 the value is aligned to 16 bytes, 1 the entry is stale, 2 parts follow, 3 the segment held a stub of the value | 1 |
//! | how many tags | 1 |
//! | length of the key | 2 |
//! | hard deadline, soft deadline (each 2^64-1 if there is none), when it was written | 8 each |
//! | the key | |
//! | the tags, each after its length (1) | |
//! | the value, or its first part | the rest |
//!
//! Points in time are milliseconds of the wall clock since 1970, so that time goes on while a dump lies around.

use guira_segment::{MAX_KEY_BYTES, MAX_NAMESPACE_BYTES, MAX_TAG_BYTES, MAX_TAGS};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

pub(super) const PREAMBLE_BYTES: usize = 16;
pub(super) const VERSION: u16 = 1;
/// Of a value that is longer, more parts follow.
pub(super) const PART_BYTES: usize = 64 << 10;
/// Longer bodies are not believed.
pub(super) const MAX_BODY_BYTES: usize = 128 << 10;
/// Kind and length.
pub(super) const RECORD_HEAD_BYTES: usize = 5;
pub(super) const CHECK_BYTES: usize = 8;

const MAGIC: [u8; 8] = *b"\x89guira\r\n";
const COMPRESSED: u16 = 1;
const NONE_MS: u64 = u64::MAX;

const ALIGNED: u8 = 1;
const STALE: u8 = 1 << 1;
const CONTINUES: u8 = 1 << 2;
const SPILLED: u8 = 1 << 3;

/// What a record is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Kind {
    Origin = 1,
    Namespace = 2,
    Entry = 3,
    Part = 4,
    LastPart = 5,
    Void = 6,
    End = 7,
}

impl Kind {
    pub(super) const fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Origin,
            2 => Self::Namespace,
            3 => Self::Entry,
            4 => Self::Part,
            5 => Self::LastPart,
            6 => Self::Void,
            7 => Self::End,
            _ => return None,
        })
    }
}

/// How a dump is to be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Preamble {
    pub(super) version: u16,
    pub(super) is_compressed: bool,
    /// None of a bit that this version does not know.
    pub(super) is_known: bool,
}

/// What the first bytes are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Beginning {
    Dump(Preamble),
    Foreign,
    Damaged,
}

impl Preamble {
    pub(super) fn encode(is_compressed: bool) -> [u8; PREAMBLE_BYTES] {
        let mut bytes = [0; PREAMBLE_BYTES];
        let (before, check) = bytes.split_at_mut(PREAMBLE_BYTES - 4);
        let flags = if is_compressed { COMPRESSED } else { 0 };
        let fields = [&MAGIC[..], &VERSION.to_le_bytes(), &flags.to_le_bytes()];
        before.copy_from_slice(&fields.concat());
        check.copy_from_slice(&(xxh3_64(before) as u32).to_le_bytes());
        bytes
    }

    /// Whether these few bytes are the first of a dump.
    pub(super) fn is_begun(bytes: &[u8]) -> bool {
        !bytes.is_empty() && bytes.iter().zip(MAGIC).all(|(byte, magic)| *byte == magic)
    }

    pub(super) fn decode(bytes: [u8; PREAMBLE_BYTES]) -> Beginning {
        let mut fields = Fields(&bytes);
        let (magic, version, flags, check) = (
            fields.bytes(MAGIC.len()),
            fields.u16(),
            fields.u16(),
            fields.u32(),
        );
        if magic != Some(&MAGIC) {
            return Beginning::Foreign;
        }
        let expected = xxh3_64(&bytes[..PREAMBLE_BYTES - 4]) as u32;
        match (version, flags) {
            (Some(version), Some(flags)) if check == Some(expected) => Beginning::Dump(Self {
                version,
                is_compressed: flags & COMPRESSED != 0,
                is_known: flags & !COMPRESSED == 0,
            }),
            _ => Beginning::Damaged,
        }
    }
}

/// The seed of the first record's check.
pub(super) fn first_seed(preamble: &[u8; PREAMBLE_BYTES]) -> u64 {
    xxh3_64(preamble)
}

/// Kind and length of a record.
pub(super) fn record_head(kind: Kind, body_bytes: usize) -> [u8; RECORD_HEAD_BYTES] {
    let [a, b, c, d] = u32::try_from(body_bytes).unwrap_or(u32::MAX).to_le_bytes();
    [kind as u8, a, b, c, d]
}

/// The check of a record after one whose check is `seed`.
pub(super) fn record_check(seed: u64, head: &[u8; RECORD_HEAD_BYTES], body: &[u8]) -> u64 {
    let mut hasher = Xxh3::with_seed(seed);
    hasher.update(head);
    hasher.update(body);
    hasher.digest()
}

/// Where a dump comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Origin {
    /// When it was begun, in milliseconds since 1970.
    pub made_ms: u64,
    /// The number of the segment that was dumped.
    pub segment: u128,
    /// What its invalidation clock said: if it says more by now, something was invalidated since.
    pub invalidation_clock: u64,
}

impl Origin {
    pub(super) fn encode(&self, body: &mut Vec<u8>) {
        body.extend_from_slice(&self.made_ms.to_le_bytes());
        body.extend_from_slice(&self.segment.to_le_bytes());
        body.extend_from_slice(&self.invalidation_clock.to_le_bytes());
    }

    pub(super) fn decode(body: &[u8]) -> Option<Self> {
        let mut fields = Fields(body);
        let origin = Self {
            made_ms: fields.u64()?,
            segment: fields
                .bytes(16)
                .and_then(<[u8]>::first_chunk)
                .map(|bytes| u128::from_le_bytes(*bytes))?,
            invalidation_clock: fields.u64()?,
        };
        fields.0.is_empty().then_some(origin)
    }
}

/// What a dump ends with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Totals {
    pub(super) entries: u64,
    pub(super) value_bytes: u64,
}

impl Totals {
    pub(super) fn encode(self, body: &mut Vec<u8>) {
        body.extend_from_slice(&self.entries.to_le_bytes());
        body.extend_from_slice(&self.value_bytes.to_le_bytes());
    }

    pub(super) fn decode(body: &[u8]) -> Option<Self> {
        let mut fields = Fields(body);
        let totals = Self {
            entries: fields.u64()?,
            value_bytes: fields.u64()?,
        };
        fields.0.is_empty().then_some(totals)
    }
}

/// The name of a namespace, if it can be one.
pub(super) fn decode_namespace(body: &[u8]) -> Option<&str> {
    let name = std::str::from_utf8(body).ok()?;
    (1..=MAX_NAMESPACE_BYTES).contains(&name.len()).then_some(name)
}

/// All of an entry but its value and the name of its namespace.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EntryHead {
    /// The key.
    pub key: Vec<u8>,
    /// Its tags.
    pub tags: Vec<Vec<u8>>,
    /// The hard deadline, in milliseconds since 1970; `None` if there is none.
    pub hard_ms: Option<u64>,
    /// The soft deadline; `None` if there is none.
    pub soft_ms: Option<u64>,
    /// When it was written.
    pub written_ms: u64,
    /// Past the soft deadline, or expired by `expire`.
    pub is_stale: bool,
    /// The value begins on a multiple of 16 bytes.
    pub is_aligned: bool,
    /// The segment held a stub, and the value lay elsewhere.
    pub was_spilled: bool,
}

/// An entry as a record has it: the bytes behind it are its value's first.
pub(super) struct EntryRecord<'b> {
    pub(super) namespace: u16,
    pub(super) continues: bool,
    pub(super) head: EntryHead,
    pub(super) value: &'b [u8],
}

impl EntryHead {
    pub(super) fn encode(&self, namespace: u16, continues: bool, body: &mut Vec<u8>) {
        let bit = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        let bits = bit(self.is_aligned, ALIGNED)
            | bit(self.is_stale, STALE)
            | bit(continues, CONTINUES)
            | bit(self.was_spilled, SPILLED);
        body.extend_from_slice(&namespace.to_le_bytes());
        body.extend_from_slice(&[bits, u8::try_from(self.tags.len()).unwrap_or(u8::MAX)]);
        body.extend_from_slice(&u16::try_from(self.key.len()).unwrap_or(u16::MAX).to_le_bytes());
        for ms in [self.hard_ms, self.soft_ms] {
            body.extend_from_slice(&ms.unwrap_or(NONE_MS).to_le_bytes());
        }
        body.extend_from_slice(&self.written_ms.to_le_bytes());
        body.extend_from_slice(&self.key);
        for tag in &self.tags {
            body.push(u8::try_from(tag.len()).unwrap_or(u8::MAX));
            body.extend_from_slice(tag);
        }
    }

    /// Whether a segment can hold such an entry.
    pub(super) fn is_sound(&self) -> bool {
        (1..=MAX_KEY_BYTES).contains(&self.key.len())
            && self.tags.len() <= MAX_TAGS
            && (self.tags.iter()).all(|tag| (1..=MAX_TAG_BYTES).contains(&tag.len()))
    }
}

impl<'b> EntryRecord<'b> {
    pub(super) fn decode(body: &'b [u8]) -> Option<Self> {
        let mut fields = Fields(body);
        let namespace = fields.u16()?;
        let (bits, tags) = (fields.u8()?, fields.u8()?);
        if bits & !(ALIGNED | STALE | CONTINUES | SPILLED) != 0 {
            return None;
        }
        let key_bytes = fields.u16()?;
        let mut deadline = || Some(fields.u64()?).map(|ms| (ms != NONE_MS).then_some(ms));
        let (hard_ms, soft_ms) = (deadline()?, deadline()?);
        let head = EntryHead {
            hard_ms,
            soft_ms,
            written_ms: fields.u64()?,
            key: fields.bytes(key_bytes.into())?.to_vec(),
            tags: (0..tags)
                .map(|_| fields.u8().and_then(|bytes| fields.bytes(bytes.into())))
                .map(|tag| tag.map(<[u8]>::to_vec))
                .collect::<Option<_>>()?,
            is_stale: bits & STALE != 0,
            is_aligned: bits & ALIGNED != 0,
            was_spilled: bits & SPILLED != 0,
        };
        head.is_sound().then_some(Self {
            namespace,
            continues: bits & CONTINUES != 0,
            head,
            value: fields.0,
        })
    }
}

/// Fields that are eaten from the front.
struct Fields<'b>(&'b [u8]);

impl<'b> Fields<'b> {
    fn bytes(&mut self, count: usize) -> Option<&'b [u8]> {
        let (front, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(front)
    }

    fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.first_chunk().copied()
    }

    fn u8(&mut self) -> Option<u8> {
        self.chunk().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.chunk().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.chunk().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.chunk().map(u64::from_le_bytes)
    }
}
