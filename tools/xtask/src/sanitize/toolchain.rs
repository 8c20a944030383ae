//! The toolchain that a sanitizer needs, and what is missing of it.
//!
//! | sanitizer | toolchain | component |
//! |---|---|---|
//! | address, leak | the workspace's, its unstable flags allowed | |
//! | thread | the same | rust-src: the standard library is rebuilt with it |
//! | miri | nightly | miri, rust-src |

use std::path::Path;
use std::process::{Command, Stdio};

use super::Sanitizer;
use crate::cargo::{cargo, output_of};
use crate::error::XtaskError;

/// A toolchain that has what is needed.
#[derive(Debug)]
pub(super) struct Toolchain {
    /// `None`: the one that runs this.
    channel: Option<&'static str>,
    host: String,
}

impl Toolchain {
    /// Looks for what `sanitizer` needs; a component that is missing is installed where rustup can.
    pub(super) fn find(sanitizer: Sanitizer) -> Result<Self, XtaskError> {
        let channel = (sanitizer == Sanitizer::Miri).then_some("nightly");
        let components: &[&str] = match sanitizer {
            Sanitizer::Address | Sanitizer::Leak => &[],
            Sanitizer::Thread => &["rust-src"],
            Sanitizer::Miri => &["miri", "rust-src"],
        };
        let channel_name = channel.unwrap_or("stable");
        for component in components {
            if !is_installed(channel, component) && !install(channel_name, component) {
                return Err(XtaskError::Component {
                    sanitizer: sanitizer.name(),
                    component,
                    channel: channel_name,
                });
            }
        }
        let version = output_of(rustc(channel, &["-vV"]))?;
        let host = version.lines().find_map(|line| line.strip_prefix("host: "));
        Ok(Self {
            channel,
            host: host.unwrap_or("x86_64-unknown-linux-gnu").to_owned(),
        })
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Cargo of this toolchain, with unstable flags allowed.
    pub(super) fn cargo(&self, root: &Path) -> Command {
        let Some(channel) = self.channel else {
            let mut command = cargo(root, &[]);
            command.env("RUSTC_BOOTSTRAP", "1");
            return command;
        };
        // Through rustup: the cargo that runs this is of another toolchain, and says so to its children.
        let mut command = Command::new("rustup");
        command.args(["run", channel, "cargo"]).current_dir(root);
        for variable in ["CARGO", "RUSTC", "RUSTDOC", "RUSTUP_TOOLCHAIN"] {
            command.env_remove(variable);
        }
        command
    }
}

fn rustc(channel: Option<&str>, arguments: &[&str]) -> Command {
    let mut command = match channel {
        None => Command::new("rustc"),
        Some(channel) => {
            let mut command = Command::new("rustup");
            command
                .args(["run", channel, "rustc"])
                .env_remove("RUSTUP_TOOLCHAIN");
            command
        }
    };
    command.args(arguments);
    command
}

/// Whether the component's files are there, however they came.
fn is_installed(channel: Option<&str>, component: &str) -> bool {
    let Ok(sysroot) = output_of(rustc(channel, &["--print", "sysroot"])) else {
        return false;
    };
    let file = match component {
        "rust-src" => "lib/rustlib/src/rust/library/Cargo.lock",
        _ => "bin/cargo-miri",
    };
    Path::new(sysroot.trim_end()).join(file).exists()
}

fn install(channel: &str, component: &str) -> bool {
    println!("{component} is missing from {channel}, installing it");
    Command::new("rustup")
        .args(["component", "add", "--toolchain", channel, component])
        .stdin(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
