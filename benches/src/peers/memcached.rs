//! memcached over a unix socket: the meta protocol, one get at a time.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Reader;
use crate::error::{BenchError, while_doing};
use crate::workload::{VALUE_BYTES, value, write_key};

const START_PATIENCE: Duration = Duration::from_secs(10);
const PROBE_INTERVAL: Duration = Duration::from_millis(10);
/// Sets that are sent before their answers are read.
const FILL_BATCH: usize = 500;

/// A server of our own, ended when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    socket: PathBuf,
}

impl Server {
    /// Starts memcached in `directory`; `None` where it is not installed.
    pub(crate) fn start(directory: &Path) -> Result<Option<Self>, BenchError> {
        let socket = directory.join("memcached.sock");
        let mut command = Command::new("memcached");
        command
            .args(["-u", "root", "-m", "1024", "-t", "2", "-s"])
            .arg(&socket)
            .stdin(Stdio::null());
        let process = match command.spawn() {
            Ok(process) => process,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(BenchError::System {
                    doing: "start memcached",
                    source,
                });
            }
        };
        let server = Self { process, socket };
        let began = Instant::now();
        while UnixStream::connect(&server.socket).is_err() {
            if began.elapsed() > START_PATIENCE {
                return Err(BenchError::Memcached {
                    problem: "did not open its socket".to_owned(),
                });
            }
            // No event tells of a socket that is not there yet.
            std::thread::park_timeout(PROBE_INTERVAL);
        }
        Ok(Some(server))
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone after the wait.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Memcached {
    stream: BufReader<UnixStream>,
    request: Vec<u8>,
    line: Vec<u8>,
}

impl Memcached {
    pub(crate) fn connect(socket: &Path) -> Result<Self, BenchError> {
        let stream = UnixStream::connect(socket).map_err(while_doing("connect to memcached"))?;
        Ok(Self {
            stream: BufReader::new(stream),
            request: Vec::new(),
            line: Vec::new(),
        })
    }

    /// Stores the values of `keys` keys, many at a time.
    pub(crate) fn fill(&mut self, keys: usize) -> Result<(), BenchError> {
        let mut key = Vec::new();
        for first in (0..keys).step_by(FILL_BATCH) {
            let batch = first..(first + FILL_BATCH).min(keys);
            self.request.clear();
            for index in batch.clone() {
                write_key(index, &mut key);
                self.request.extend_from_slice(b"ms ");
                self.request.extend_from_slice(&key);
                self.request
                    .extend_from_slice(format!(" {VALUE_BYTES}\r\n").as_bytes());
                self.request.extend_from_slice(&value(index));
                self.request.extend_from_slice(b"\r\n");
            }
            self.send()?;
            for _ in batch {
                self.read_line()?;
                if self.line != b"HD\r\n" {
                    return Err(self.unexpected());
                }
            }
        }
        Ok(())
    }

    fn send(&mut self) -> Result<(), BenchError> {
        self.stream
            .get_mut()
            .write_all(&self.request)
            .map_err(while_doing("send to memcached"))
    }

    fn read_line(&mut self) -> Result<(), BenchError> {
        self.line.clear();
        self.stream
            .read_until(b'\n', &mut self.line)
            .map_err(while_doing("read from memcached"))?;
        Ok(())
    }

    fn unexpected(&self) -> BenchError {
        BenchError::Memcached {
            problem: format!("answered {:?}", String::from_utf8_lossy(&self.line)),
        }
    }
}

impl Reader for Memcached {
    const LOOK_UPS_PER_CHECK: usize = 16;

    fn read(&mut self, key: &[u8], copy: &mut Vec<u8>) -> Result<bool, BenchError> {
        self.request.clear();
        self.request.extend_from_slice(b"mg ");
        self.request.extend_from_slice(key);
        self.request.extend_from_slice(b" v\r\n");
        self.send()?;
        self.read_line()?;
        copy.clear();
        if self.line == b"EN\r\n" {
            return Ok(false);
        }
        let bytes: usize = self
            .line
            .strip_prefix(b"VA ")
            .and_then(|rest| std::str::from_utf8(rest).ok())
            .and_then(|rest| rest.trim_end().parse().ok())
            .ok_or_else(|| self.unexpected())?;
        copy.resize(bytes + 2, 0);
        self.stream
            .read_exact(copy)
            .map_err(while_doing("read from memcached"))?;
        copy.truncate(bytes);
        Ok(true)
    }
}
