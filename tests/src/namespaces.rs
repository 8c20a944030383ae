//! Processes in pid namespaces of their own, as in containers.

use std::fs::File;
use std::io;
use std::process::{Child, Command, Stdio};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};

/// Starts `command` as the first process of a new pid namespace.
///
/// # Errors
/// The kernel does not permit it (it takes CAP_SYS_ADMIN), or the process cannot be started.
pub fn spawn(command: &mut Command) -> io::Result<Child> {
    let own = File::open("/proc/thread-self/ns/pid")?;
    // Of this thread's children alone, until it is taken back.
    unshare(CloneFlags::CLONE_NEWPID)?;
    let child = command.spawn();
    setns(own, CloneFlags::CLONE_NEWPID)?;
    child
}

/// Whether [`spawn`] and [`mount_own_proc`] work here; if not, why.
///
/// # Errors
/// What the kernel says.
pub fn probe() -> io::Result<()> {
    let mut command = Command::new("unshare");
    command
        .args(["--mount-proc", "true"])
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    let status = spawn(&mut command)?.wait()?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other("no /proc can be mounted"))
    }
}

/// Gives this process, the first of its pid namespace, a `/proc` that shows that namespace.
///
/// # Errors
/// What the kernel says.
pub fn mount_own_proc() -> io::Result<()> {
    const NO_TEXT: Option<&str> = None;
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(
        NO_TEXT,
        "/",
        NO_TEXT,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        NO_TEXT,
    )?;
    mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), NO_TEXT)?;
    Ok(())
}
