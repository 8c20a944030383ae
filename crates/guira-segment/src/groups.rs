//! Groups of tags: for entries that depend on more names than they carry tags.
//!
//! Each name belongs to one of sixteen groups, which are tags themselves: invalidating a name invalidates its
//! group. So an entry may carry groups in place of names it has no room for, and is invalidated too often
//! rather than too seldom.

use std::collections::BTreeSet;

use xxhash_rust::xxh3::xxh3_64;

use crate::tags::MAX_TAGS;

const NAME: [u8; 13] = *b"guira.group:?";
const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The group of a name, the same in every segment; that of a group is the group.
pub(crate) fn group_of(name: &[u8]) -> [u8; NAME.len()] {
    let mut group = NAME;
    let [stem @ .., last] = &mut group;
    *last = match name.strip_prefix(&*stem) {
        Some(&[digit]) if DIGITS.contains(&digit) => digit,
        _ => {
            let number = xxh3_64(name) >> 60;
            *DIGITS.get(number as usize).expect("four bits")
        }
    };
    group
}

/// The number of a group, 0 to 15.
pub(crate) fn number_of_group(group: &[u8; NAME.len()]) -> u16 {
    let [.., digit] = group;
    DIGITS.iter().position(|it| it == digit).unwrap_or(0) as u16
}

/// The group of a number; of its low four bits.
pub(crate) fn group_of_number(number: u8) -> [u8; NAME.len()] {
    let mut group = NAME;
    let [.., last] = &mut group;
    *last = *DIGITS.get(usize::from(number & 15)).expect("four bits");
    group
}

/// Tags that say no less than `names`: the same ones without repetitions if those are at most
/// [`MAX_TAGS`](crate::MAX_TAGS); else as many as possible of the first, and the groups of the others. Invalidating
/// any of the names invalidates an entry that carries the result; so does, one time in sixteen for each group
/// that it carries, the invalidation of any other name.
///
/// ```
/// use guira_segment::{PutOptions, Segment, fold_tags};
///
/// let segment = Segment::builder().size(8 << 20).private()?;
/// let articles: Vec<String> = (0..40).map(|article| format!("article:{article}")).collect();
/// let names: Vec<&[u8]> = articles.iter().map(String::as_bytes).collect();
/// let tags = fold_tags(&names);
/// let tags: Vec<&[u8]> = tags.iter().map(Vec::as_slice).collect();
/// segment.put_with(b"shelf", b"html", &PutOptions::default().tags(&tags))?;
/// segment.invalidate_tag(b"article:39");
/// assert!(segment.get(b"shelf").is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn fold_tags(names: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut distinct: Vec<&[u8]> = Vec::with_capacity(names.len().min(MAX_TAGS + 1));
    for name in names {
        if !distinct.contains(name) {
            distinct.push(name);
        }
    }
    let mut folded: Vec<Vec<u8>> = distinct.iter().map(|name| name.to_vec()).collect();
    // All of the names fold to as many groups as there may be tags, so this ends.
    let mut kept = MAX_TAGS;
    while folded.len() > MAX_TAGS {
        kept -= 1;
        let groups: BTreeSet<_> = distinct.iter().skip(kept).map(|name| group_of(name)).collect();
        folded = distinct.iter().take(kept).map(|name| name.to_vec()).collect();
        folded.extend(groups.into_iter().map(Vec::from));
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::entry::{HEADER_BYTES, TAGS_HEAD_BYTES};
    use crate::modify::Replace;
    use crate::options::PutOptions;
    use crate::pin::EnginePin;
    use crate::segment::Segment;

    #[test]
    fn names_are_folded_into_their_groups_only_where_there_are_too_many() {
        let names: Vec<String> = (0..100).map(|name| format!("name:{name}")).collect();
        let names: Vec<&[u8]> = names.iter().map(String::as_bytes).collect();
        let twice: Vec<&[u8]> = names
            .iter()
            .take(16)
            .chain(names.iter().take(16))
            .copied()
            .collect();
        assert_eq!(fold_tags(&twice), names.get(..16).expect("16"));
        for count in 17..names.len() {
            let some = names.get(..count).expect("so many");
            let folded = fold_tags(some);
            assert!(folded.len() <= MAX_TAGS, "{folded:?}");
            for name in some {
                let group = group_of(name);
                assert!(folded.iter().any(|tag| tag == name || *tag == group));
            }
            let again: Vec<&[u8]> = folded.iter().map(Vec::as_slice).collect();
            assert_eq!(fold_tags(&again), folded);
        }
        let kept = fold_tags(names.get(..17).expect("17"));
        assert_eq!(
            kept.get(..8),
            names
                .get(..8)
                .map(|names| names.iter().map(|name| name.to_vec()).collect::<Vec<_>>())
                .as_deref()
        );
    }

    #[test]
    fn a_group_is_its_own_group() {
        let group = group_of(b"name");
        assert_eq!(group_of(&group), group);
        assert_eq!(group_of(b"guira.group:3"), *b"guira.group:3");
        // One that only begins like a group is a name like any other.
        assert_eq!(group_of(b"guira.group:33").len(), group.len());
    }

    /// The check is over the hashes: a name that fits none of them would take the place of the tag it was.
    #[test]
    fn nothing_is_added_to_tags_whose_names_are_damaged() {
        let segment = Segment::builder().size(8 << 20).private().expect("it is small");
        let options = PutOptions::default().tags(&[b"tag"]);
        segment
            .put_with(b"key", b"value", &options)
            .expect("there is room");
        assert_eq!(segment.add_tags(b"key", &[b"other"]), Ok(Replace::Stored));
        let shared = &*segment.shared;
        let offset = {
            let thread = shared.thread().expect("this process is attached");
            let pin = thread.engine_pin(shared, EnginePin::Read);
            let found = shared.find(&thread, pin, &segment.key(b"key")).expect("just put");
            found.offset()
        };
        // Behind two hashes: a length, and the first letter.
        let name_at = offset + HEADER_BYTES + TAGS_HEAD_BYTES + 2 * 8;
        shared.region().copy_in(name_at + 1, b"T");
        assert!(segment.contains(b"key"), "its hashes are whole");
        assert_eq!(segment.add_tags(b"key", &[b"third"]), Ok(Replace::NotFound));
        assert!(!segment.contains(b"key"));
        assert_eq!(segment.stats().damaged, 1);
    }
}
