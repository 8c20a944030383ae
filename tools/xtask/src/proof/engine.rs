//! Which engine a run was of: the version control's names of its two folders.

use std::path::Path;
use std::process::Command;

use crate::cargo::output_of;
use crate::error::XtaskError;

/// The folders that make up the engine.
const FOLDERS: [&str; 2] = ["crates/guira-segment", "crates/guira-shm"];
/// Digits of a tree's name that are kept.
const DIGITS: usize = 10;

/// The trees of the engine's folders, joined by `+`; followed by `-dirty` if they hold what no commit
/// does. The same trees are the same engine, whatever else changed.
pub(super) fn engine_of(root: &Path) -> Result<String, XtaskError> {
    let mut trees = Vec::new();
    for folder in FOLDERS {
        let tree = git(root, &["rev-parse", "--verify", &format!("HEAD:{folder}")]);
        let tree = tree.map_err(|_| XtaskError::NoVersion {
            root: root.to_owned(),
        })?;
        trees.push(tree.chars().take(DIGITS).collect::<String>());
    }
    let mut status = vec!["status", "--porcelain", "--"];
    status.extend(FOLDERS);
    let changed = git(root, &status)?;
    let dirty = if changed.is_empty() { "" } else { "-dirty" };
    Ok(format!("{}{dirty}", trees.join("+")))
}

fn git(root: &Path, arguments: &[&str]) -> Result<String, XtaskError> {
    let mut command = Command::new("git");
    command.args(arguments).current_dir(root);
    Ok(output_of(command)?.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_git_there_is_no_version_and_the_message_says_why() {
        let root = tempfile::tempdir().unwrap();
        let error = engine_of(root.path()).unwrap_err().to_string();
        assert!(error.contains("comes from git"), "{error}");
    }

    #[test]
    fn an_engine_is_named_by_its_trees_and_marked_when_changed() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path();
        let write = |file: &str, text: &str| std::fs::write(path.join(file), text).unwrap();
        git(path, &["init", "-q"]).unwrap();
        for folder in FOLDERS {
            std::fs::create_dir_all(path.join(folder)).unwrap();
            write(&format!("{folder}/lib.rs"), folder);
        }
        let commit = || {
            git(path, &["add", "-A"]).unwrap();
            let identity = ["-c", "user.name=n", "-c", "user.email=e"];
            let words = [&identity[..], &["commit", "-q", "--no-verify", "-m", "m"]].concat();
            git(path, &words).unwrap();
        };
        commit();
        let first = engine_of(path).unwrap();
        assert_eq!(first.len(), 2 * DIGITS + 1, "{first}");

        write("README.md", "elsewhere");
        commit();
        assert_eq!(engine_of(path).unwrap(), first);
        write("crates/guira-shm/lib.rs", "changed");
        assert_eq!(engine_of(path).unwrap(), format!("{first}-dirty"));
        commit();
        let second = engine_of(path).unwrap();
        assert_ne!(second, first);
        assert_eq!(second[..DIGITS], first[..DIGITS]);
    }
}
