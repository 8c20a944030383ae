//! memcached over a unix socket: the meta protocol, one request at a time.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Cache, Holding, MakeSibling};
use crate::error::{BenchError, while_doing};
use crate::workload::{Values, ends_of, write_key};

/// Sets that are sent before their answers are read.
const FILL_BATCH: usize = 100;
/// What it needs of memory beside keys and values, and what its slabs waste, amply.
const OVERHEAD_BYTES: usize = 150;

/// The command that starts a server with two threads on `socket`.
pub(crate) fn command(socket: &Path, holding: Holding) -> Command {
    let entry_bytes = holding.longest_value_bytes * 5 / 4 + OVERHEAD_BYTES;
    let mut command = Command::new("memcached");
    command
        .args(["-u", "root", "-t", "2", "-I", "4m", "-m"])
        .arg(
            ((holding.capacity_entries * entry_bytes) >> 20)
                .max(16)
                .to_string(),
        )
        .arg("-s")
        .arg(socket);
    command
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Memcached {
    socket: PathBuf,
    stream: BufReader<UnixStream>,
    request: Vec<u8>,
    line: Vec<u8>,
}

impl Memcached {
    pub(crate) fn connect(socket: &Path) -> Result<Self, BenchError> {
        let stream = UnixStream::connect(socket).map_err(while_doing("connect to memcached"))?;
        Ok(Self {
            socket: socket.to_owned(),
            stream: BufReader::new(stream),
            request: Vec::new(),
            line: Vec::new(),
        })
    }

    /// Stores the first value of every key, many at a time.
    pub(crate) fn fill(&mut self, holding: Holding) -> Result<(), BenchError> {
        let values = Values::new(holding.longest_value_bytes);
        let mut key = Vec::new();
        for first in (0..holding.keys).step_by(FILL_BATCH) {
            let batch = first..(first + FILL_BATCH).min(holding.keys);
            self.request.clear();
            for index in batch.clone() {
                write_key(index, &mut key);
                self.ask_to_set(&key, values.value(index, holding.value_bytes));
            }
            self.send()?;
            for _ in batch {
                self.read_stored()?;
            }
        }
        Ok(())
    }

    fn ask_to_get(&mut self, key: &[u8]) {
        self.request.extend_from_slice(b"mg ");
        self.request.extend_from_slice(key);
        self.request.extend_from_slice(b" v\r\n");
    }

    fn ask_to_set(&mut self, key: &[u8], value: &[u8]) {
        self.request.extend_from_slice(b"ms ");
        self.request.extend_from_slice(key);
        // Writing to memory does not fail.
        let _ = write!(self.request, " {}\r\n", value.len());
        self.request.extend_from_slice(value);
        self.request.extend_from_slice(b"\r\n");
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

    fn read_stored(&mut self) -> Result<(), BenchError> {
        self.read_line()?;
        if self.line == b"HD\r\n" {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    fn read_value(&mut self, copy: &mut Vec<u8>) -> Result<bool, BenchError> {
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

    fn unexpected(&self) -> BenchError {
        BenchError::Server {
            problem: format!("answered {:?} (memcached)", String::from_utf8_lossy(&self.line)),
        }
    }
}

impl Cache for Memcached {
    const IS_SERVER: bool = true;

    fn get(&mut self, key: &[u8], copy: &mut Vec<u8>) -> Result<bool, BenchError> {
        self.request.clear();
        self.ask_to_get(key);
        self.send()?;
        self.read_value(copy)
    }

    fn ends(&mut self, key: &[u8]) -> Result<Option<[u8; 2]>, BenchError> {
        let mut copy = Vec::new();
        self.get(key, &mut copy)?;
        Ok(ends_of(&copy))
    }

    fn get_many(
        &mut self,
        keys: &[&[u8]],
        copy: &mut Vec<u8>,
        mut each: impl FnMut(&[u8]),
    ) -> Result<(), BenchError> {
        self.request.clear();
        for key in keys {
            self.ask_to_get(key);
        }
        self.send()?;
        for _ in keys {
            if self.read_value(copy)? {
                each(copy);
            }
        }
        Ok(())
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), BenchError> {
        self.request.clear();
        self.ask_to_set(key, value);
        self.send()?;
        self.read_stored()
    }

    fn sibling(&self) -> Option<MakeSibling<Self>> {
        let socket = self.socket.clone();
        Some(Box::new(move || Self::connect(&socket)))
    }
}
