//! Names in the directory.

use std::path::{Path, PathBuf};

pub(crate) const TABLE: &str = "table.guira-files";
/// A table that is to take the table's place.
pub(crate) const SUCCESSOR: &str = "table.coming";
pub(crate) const INDEX: &str = "index.guira";
/// The directory of values of a table: this, and the table's life.
pub(crate) const VALUES: &str = "values-";
/// Behind the number of a linked file.
pub(crate) const LINKED: char = 'l';

/// The directory, and how many directories of values are in it.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) directory: PathBuf,
    pub(crate) values: PathBuf,
    pub(crate) shards: u32,
}

impl Place {
    pub(crate) fn new(directory: &Path, life: u64, shards: u32) -> Self {
        Self {
            directory: directory.to_path_buf(),
            values: directory.join(values_of(life)),
            shards,
        }
    }

    pub(crate) fn shard(&self, number: u64) -> PathBuf {
        self.values.join(shard_name(number % u64::from(self.shards)))
    }

    /// Where the value file with this number is.
    pub(crate) fn value(&self, number: u64) -> PathBuf {
        self.values.join(self.name_of(number))
    }

    /// The same, as seen from the directory of values.
    pub(crate) fn name_of(&self, number: u64) -> PathBuf {
        let shard = number % u64::from(self.shards);
        format!("{shard:03x}/{number:016x}").into()
    }

    /// Where the linked file with this number is.
    pub(crate) fn linked(&self, number: u64) -> PathBuf {
        self.shard(number).join(format!("{number:016x}{LINKED}"))
    }
}

/// The name of the directory of values of a table with this life.
pub(crate) fn values_of(life: u64) -> String {
    format!("{VALUES}{life:016x}")
}

/// Whether a name is that of a directory of values, of whichever table.
pub(crate) fn is_values(name: &str) -> bool {
    name.strip_prefix(VALUES).is_some_and(|life| is_hex(life, 16))
}

/// Whether a name is that of a directory of value files.
pub(crate) fn is_shard(name: &str) -> bool {
    is_hex(name, 3)
}

fn is_hex(name: &str, digits: usize) -> bool {
    name.len() == digits
        && name
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

pub(crate) fn shard_name(shard: u64) -> String {
    format!("{shard:03x}")
}

/// The number in a value file's name; `None` for names of somebody else's.
pub(crate) fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(LINKED).unwrap_or(name);
    is_hex(digits, 16)
        .then(|| u64::from_str_radix(digits, 16).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_numbers_and_nothing_else() {
        let place = Place::new(Path::new("/cache"), 7, 64);
        assert_eq!(
            place.value(0xa17),
            Path::new("/cache/values-0000000000000007/017/0000000000000a17")
        );
        assert_eq!(
            place.linked(0xa17),
            Path::new("/cache/values-0000000000000007/017/0000000000000a17l")
        );
        assert_eq!(number_of("0000000000000a17"), Some(0xa17));
        assert_eq!(number_of("0000000000000a17l"), Some(0xa17));
        for name in [
            "0000000000000A17",
            "a17",
            "0000000000000a17.txt",
            "0000000000000a17ll",
            "+000000000000a17",
            "",
        ] {
            assert_eq!(number_of(name), None, "{name}");
        }
    }
}
