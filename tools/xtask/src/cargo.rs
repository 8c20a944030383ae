//! Starting cargo: the same one that started us, in the workspace root.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::XtaskError;

/// A cargo command that will run in `root`.
pub(crate) fn cargo(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root);
    command
}

/// Runs `command` with our own stdout and stderr; anything but success is an error.
pub(crate) fn run(mut command: Command) -> Result<(), XtaskError> {
    let status = command.status().map_err(|source| XtaskError::Start {
        command: shown(&command),
        source,
    })?;
    if status.success() {
        Ok(())
    } else {
        Err(XtaskError::Command {
            command: shown(&command),
            status,
        })
    }
}

/// Runs `command` and gives what it printed; its stderr stays ours.
pub(crate) fn output_of(mut command: Command) -> Result<String, XtaskError> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| XtaskError::Start {
            command: shown(&command),
            source,
        })?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(XtaskError::Command {
            command: shown(&command),
            status: output.status,
        })
    }
}

/// The directory of the workspace manifest above the current directory.
pub(crate) fn workspace_root() -> Result<PathBuf, XtaskError> {
    let manifest = output_of(cargo(
        Path::new("."),
        &["locate-project", "--workspace", "--message-format", "plain"],
    ))?;
    let mut root = PathBuf::from(manifest.trim_end());
    root.pop();
    Ok(root)
}

/// The folder that builds go to.
pub(crate) fn target_folder(root: &Path) -> Result<PathBuf, XtaskError> {
    let metadata = output_of(cargo(
        root,
        &["metadata", "--format-version", "1", "--no-deps", "--offline"],
    ))?;
    let metadata: Targets =
        serde_json::from_str(&metadata).map_err(|source| XtaskError::Metadata { source })?;
    Ok(metadata.target_directory)
}

#[derive(serde::Deserialize)]
struct Targets {
    target_directory: PathBuf,
}

/// The command as a person would type it, to be pasted into a shell.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(program.as_os_str());
    let words: Vec<String> = std::iter::once(program)
        .chain(command.get_args())
        .map(|word| quoted(&word.to_string_lossy()))
        .collect();
    words.join(" ")
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:,=+%@^".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        word.to_owned()
    } else if !word.contains(['"', '$', '`', '\\', '!']) {
        format!("\"{word}\"")
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_command_can_be_pasted_into_a_shell() {
        let arguments = ["--only", "put: over a value", "it's $5", "", "~", "a=b"];
        let mut command = Command::new("/usr/bin/printf");
        command.arg("%s|").args(arguments);
        let told = shown(&command);
        assert_eq!(
            told,
            r#"printf %s| --only "put: over a value" 'it'\''s $5' "" "~" a=b"#.replace("%s|", r#""%s|""#)
        );
        let mut shell = Command::new("sh");
        shell.args(["-c", &told]);
        assert_eq!(output_of(shell).unwrap(), format!("{}|", arguments.join("|")));
    }
}
