//! The files of the workspace that rules look at, read once.

use std::fs;
use std::path::Path;

use super::source::Source;
use crate::error::XtaskError;

/// Other files than Rust that are sources too, by how their names end.
const TEXT_ENDINGS: &[&str] = &[".toml", ".sh", ".yml", ".yaml", ".md", ".jsonl"];
/// Folders that hold nothing of ours.
const SKIPPED_FOLDERS: &[&str] = &[".git", "target", "node_modules"];

/// The Rust files and the other texts of a workspace.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) sources: Vec<Source>,
    pub(crate) texts: Vec<Text>,
}

/// A text that is no Rust.
#[derive(Debug)]
pub(crate) struct Text {
    /// Relative to the root, with `/`.
    pub(crate) path: String,
    pub(crate) content: String,
}

impl Text {
    /// Documents for people, where names keep their accents.
    pub(crate) fn is_prose(&self) -> bool {
        self.path.ends_with(".md")
    }
}

impl Tree {
    /// Reads every source below `root`; symbolic links are not followed.
    pub(crate) fn read(root: &Path) -> Result<Self, XtaskError> {
        let mut tree = Self::default();
        tree.read_folder(root, "")?;
        Ok(tree)
    }

    /// The content of the text at `path`, if there is one.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.texts
            .iter()
            .find(|text| text.path == path)
            .map(|text| text.content.as_str())
    }

    fn read_folder(&mut self, root: &Path, folder: &str) -> Result<(), XtaskError> {
        let absolute = root.join(folder);
        let unreadable = |source| XtaskError::Read {
            path: absolute.clone(),
            source,
        };
        let mut entries = fs::read_dir(&absolute)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(unreadable)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if folder.is_empty() {
                name.clone()
            } else {
                format!("{folder}/{name}")
            };
            let kind = entry.file_type().map_err(unreadable)?;
            if kind.is_dir() && !SKIPPED_FOLDERS.contains(&name.as_str()) {
                self.read_folder(root, &path)?;
            } else if kind.is_file() {
                self.read_file(root, path)?;
            }
        }
        Ok(())
    }

    fn read_file(&mut self, root: &Path, path: String) -> Result<(), XtaskError> {
        let is_rust = path.ends_with(".rs");
        let is_text = path.starts_with(".ci/") || TEXT_ENDINGS.iter().any(|ending| path.ends_with(ending));
        if !is_rust && !is_text {
            return Ok(());
        }
        let absolute = root.join(&path);
        let bytes = fs::read(&absolute).map_err(|source| XtaskError::Read {
            path: absolute,
            source,
        })?;
        // What is not UTF-8 becomes U+FFFD, which the ASCII rule then reports.
        let content = String::from_utf8_lossy(&bytes).into_owned();
        if is_rust {
            self.sources.push(Source::new(path, content));
        } else {
            self.texts.push(Text { path, content });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_read_and_build_output_is_not() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["src", ".ci", "target/debug", ".git"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        for (path, content) in [
            ("src/lib.rs", &b"fn f() {}"[..]),
            ("src/bad.rs", b"// \xff"),
            ("Cargo.toml", b"[package]"),
            (".ci/run", b"true"),
            ("image.png", b"\x89"),
            ("target/debug/out.rs", b""),
            (".git/config.toml", b""),
        ] {
            fs::write(root.path().join(path), content).unwrap();
        }
        std::os::unix::fs::symlink("lib.rs", root.path().join("src/link.rs")).unwrap();

        let tree = Tree::read(root.path()).unwrap();
        let sources: Vec<_> = tree.sources.iter().map(Source::path).collect();
        assert_eq!(sources, ["src/bad.rs", "src/lib.rs"]);
        assert!(tree.sources[0].text().ends_with('\u{fffd}'));
        assert_eq!(tree.text("Cargo.toml"), Some("[package]"));
        assert_eq!(tree.text(".ci/run"), Some("true"));
        assert_eq!(tree.texts.len(), 2);
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error_that_names_it() {
        let error = Tree::read(Path::new("/no/such/folder")).unwrap_err();
        assert!(error.to_string().contains("/no/such/folder"), "{error}");
    }
}
