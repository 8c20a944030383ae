//! What was asked for on the command line: a subject, and pairs of names and values.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use tempfile::TempDir;

use crate::Outcome;

const NAMES: [&str; 10] = [
    "--dir",
    "--rounds",
    "--python",
    "--csv",
    "--clock",
    "--files",
    "--value-bytes",
    "--processes",
    "--part",
    "--place",
];

#[derive(Debug)]
pub(crate) struct Request {
    subject: String,
    pairs: Vec<(String, String)>,
}

impl Request {
    pub(crate) fn read(mut arguments: impl Iterator<Item = String>) -> Outcome<Self> {
        let mut request = Self {
            subject: arguments.next().unwrap_or_default(),
            pairs: Vec::new(),
        };
        while let Some(name) = arguments.next() {
            if !NAMES.contains(&name.as_str()) {
                return Err(format!("unknown {name}: give one of {}", NAMES.join(", ")).into());
            }
            let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
            request.pairs.push((name, value));
        }
        Ok(request)
    }

    pub(crate) fn subject(&self) -> &str {
        &self.subject
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let pair = self.pairs.iter().rfind(|(given, _)| given == name);
        pair.map(|(_, value)| value.as_str())
    }

    pub(crate) fn number<N: FromStr>(&self, name: &str, default: N) -> Outcome<N> {
        match self.text(name) {
            None => Ok(default),
            Some(text) => text
                .parse()
                .map_err(|_| format!("{name} {text}: give a number").into()),
        }
    }

    /// A new directory on the file system that is measured.
    pub(crate) fn new_place(&self) -> Outcome<TempDir> {
        let parent = self.text("--dir").map_or_else(std::env::temp_dir, PathBuf::from);
        let place = tempfile::Builder::new()
            .prefix("guira-measure-")
            .tempdir_in(&parent);
        place.map_err(|error| format!("{}: {error}; give another --dir", parent.display()).into())
    }

    /// The cache's directory, of a part that another process does.
    pub(crate) fn place(&self) -> Outcome<&Path> {
        self.text("--place")
            .map(Path::new)
            .ok_or_else(|| "no --place".into())
    }
}
