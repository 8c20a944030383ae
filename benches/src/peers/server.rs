//! A server of our own behind a unix socket, ended when dropped.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::{BenchError, while_doing};

const START_PATIENCE: Duration = Duration::from_secs(10);
const PROBE_INTERVAL: Duration = Duration::from_millis(10);

/// A process that answers on a socket.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    socket: PathBuf,
}

impl Server {
    /// Starts `command`, which is to listen on `socket`; `None` where the program is not installed.
    pub(crate) fn start(mut command: Command, socket: &Path) -> Result<Option<Self>, BenchError> {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let process = match command.spawn() {
            Ok(process) => process,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(BenchError::System {
                    doing: "start a server",
                    source,
                });
            }
        };
        let mut server = Self {
            process,
            socket: socket.to_owned(),
        };
        let began = Instant::now();
        while UnixStream::connect(socket).is_err() {
            let ended = server
                .process
                .try_wait()
                .map_err(while_doing("look after a server"))?;
            if began.elapsed() > START_PATIENCE || ended.is_some() {
                return Err(BenchError::Server {
                    problem: format!("did not open {}", socket.display()),
                });
            }
            // No event tells of a socket that is not there yet.
            std::thread::park_timeout(PROBE_INTERVAL);
        }
        Ok(Some(server))
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone after the wait.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_file(&self.socket);
    }
}
