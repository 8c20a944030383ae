//! Values that tell who wrote them: each is a chain of chunks, one for the write and one for each
//! append, and stands for the number that its chunks' numbers fold to. Counters are decimal numbers.

/// Bytes of a chunk before its filling.
const HEAD_BYTES: usize = 10;
/// What bytes stand for that nobody wrote.
pub(super) const NOBODYS: u64 = u64::MAX;

const fn mixed(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// The number of the value `before` with a chunk more; 0 for no value.
#[must_use]
pub(super) const fn folded(before: u64, chunk: u64) -> u64 {
    mixed(before.rotate_left(7) ^ chunk)
}

/// Appends chunk `chunk`, with a filling of up to `max_filling_bytes` that its number decides.
pub(super) fn append_chunk(chunk: u64, max_filling_bytes: u64, out: &mut Vec<u8>) {
    let pattern = mixed(chunk);
    let filling_bytes = pattern % (max_filling_bytes + 1);
    out.extend_from_slice(&chunk.to_le_bytes());
    out.extend_from_slice(&(filling_bytes as u16).to_le_bytes());
    out.extend((0..filling_bytes).map(|at| filling(pattern, at)));
}

const fn filling(pattern: u64, at: u64) -> u8 {
    (pattern.rotate_right((at % 8) as u32 * 8) as u8).wrapping_add(at as u8)
}

/// The number that `bytes` stand for, [`NOBODYS`] if they are not whole chunks.
#[must_use]
pub(super) fn number_of(bytes: &[u8]) -> u64 {
    let mut number = 0;
    let mut rest = bytes;
    while !rest.is_empty() {
        let Some((chunk, after)) = split_chunk(rest) else {
            return NOBODYS;
        };
        number = folded(number, chunk);
        rest = after;
    }
    number
}

fn split_chunk(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (head, rest) = bytes.split_at_checked(HEAD_BYTES)?;
    let chunk = u64::from_le_bytes(head.get(..8)?.try_into().ok()?);
    let filling_bytes = u16::from_le_bytes(head.get(8..)?.try_into().ok()?);
    let (found, rest) = rest.split_at_checked(usize::from(filling_bytes))?;
    let pattern = mixed(chunk);
    let is_whole = found
        .iter()
        .zip(0..)
        .all(|(byte, at)| *byte == filling(pattern, at));
    is_whole.then_some((chunk, rest))
}

/// The number of a counter's bytes.
#[must_use]
pub(super) fn counter_of(bytes: &[u8]) -> u64 {
    std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| text.parse::<i64>().ok())
        .map_or(NOBODYS, i64::cast_unsigned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_stands_for_the_fold_of_its_chunks_and_damage_for_nobodys() {
        let mut bytes = Vec::new();
        append_chunk(7, 40, &mut bytes);
        assert_eq!(number_of(&bytes), folded(0, 7));
        append_chunk(9, 40, &mut bytes);
        assert_eq!(number_of(&bytes), folded(folded(0, 7), 9));
        assert_ne!(folded(folded(0, 7), 9), folded(folded(0, 9), 7));
        for at in 8..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 4;
            assert_ne!(number_of(&damaged), number_of(&bytes));
        }
        assert_eq!(number_of(&bytes[..bytes.len() - 1]), NOBODYS);
    }
}
