//! Redis over a unix socket: GET, SET and MGET, one request at a time, nothing written to disk.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Cache, Holding, MakeSibling};
use crate::error::{BenchError, while_doing};
use crate::workload::{Values, ends_of, write_key};

/// Sets that are sent before their answers are read.
const FILL_BATCH: usize = 100;
/// What it needs of memory beside keys and values, amply.
const OVERHEAD_BYTES: usize = 100;
/// What it needs of memory when it is empty, amply.
const EMPTY_BYTES: usize = 4 << 20;

/// The command that starts a server on `socket`, with room for what is to be held.
pub(crate) fn command(socket: &Path, holding: Holding) -> Command {
    let entry_bytes = 28 + holding.longest_value_bytes * 5 / 4 + OVERHEAD_BYTES;
    let mut command = Command::new("redis-server");
    command
        .args(["--port", "0", "--save", "", "--appendonly", "no", "--dir"])
        .arg(socket.parent().unwrap_or(Path::new(".")))
        .args(["--maxmemory-policy", "allkeys-lru", "--maxmemory"])
        .arg((EMPTY_BYTES + holding.capacity_entries * entry_bytes).to_string())
        .arg("--unixsocket")
        .arg(socket);
    command
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Redis {
    socket: PathBuf,
    stream: BufReader<UnixStream>,
    request: Vec<u8>,
    line: Vec<u8>,
}

impl Redis {
    pub(crate) fn connect(socket: &Path) -> Result<Self, BenchError> {
        let stream = UnixStream::connect(socket).map_err(while_doing("connect to Redis"))?;
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
                self.ask(&[b"SET", &key, values.value(index, holding.value_bytes)]);
            }
            self.send()?;
            for _ in batch {
                self.read_stored()?;
            }
        }
        Ok(())
    }

    fn ask(&mut self, words: &[&[u8]]) {
        // Writing to memory does not fail.
        let _ = write!(self.request, "*{}\r\n", words.len());
        for word in words {
            self.ask_word(word);
        }
    }

    fn ask_word(&mut self, word: &[u8]) {
        let _ = write!(self.request, "${}\r\n", word.len());
        self.request.extend_from_slice(word);
        self.request.extend_from_slice(b"\r\n");
    }

    fn send(&mut self) -> Result<(), BenchError> {
        self.stream
            .get_mut()
            .write_all(&self.request)
            .map_err(while_doing("send to Redis"))
    }

    fn read_line(&mut self) -> Result<(), BenchError> {
        self.line.clear();
        self.stream
            .read_until(b'\n', &mut self.line)
            .map_err(while_doing("read from Redis"))?;
        Ok(())
    }

    fn read_stored(&mut self) -> Result<(), BenchError> {
        self.read_line()?;
        if self.line == b"+OK\r\n" {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    fn read_value(&mut self, copy: &mut Vec<u8>) -> Result<bool, BenchError> {
        copy.clear();
        let bytes = self.read_number(b"$")?;
        let Ok(bytes) = usize::try_from(bytes) else {
            return Ok(false);
        };
        copy.resize(bytes + 2, 0);
        self.stream
            .read_exact(copy)
            .map_err(while_doing("read from Redis"))?;
        copy.truncate(bytes);
        Ok(true)
    }

    fn read_number(&mut self, mark: &[u8]) -> Result<i64, BenchError> {
        self.read_line()?;
        self.line
            .strip_prefix(mark)
            .and_then(|rest| std::str::from_utf8(rest).ok())
            .and_then(|rest| rest.trim_end().parse().ok())
            .ok_or_else(|| self.unexpected())
    }

    fn unexpected(&self) -> BenchError {
        BenchError::Server {
            problem: format!("answered {:?} (Redis)", String::from_utf8_lossy(&self.line)),
        }
    }
}

impl Cache for Redis {
    const IS_SERVER: bool = true;

    fn get(&mut self, key: &[u8], copy: &mut Vec<u8>) -> Result<bool, BenchError> {
        self.request.clear();
        self.ask(&[b"GET", key]);
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
        let _ = write!(self.request, "*{}\r\n", keys.len() + 1);
        self.ask_word(b"MGET");
        for key in keys {
            self.ask_word(key);
        }
        self.send()?;
        for _ in 0..self.read_number(b"*")? {
            if self.read_value(copy)? {
                each(copy);
            }
        }
        Ok(())
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), BenchError> {
        self.request.clear();
        self.ask(&[b"SET", key, value]);
        self.send()?;
        self.read_stored()
    }

    fn sibling(&self) -> Option<MakeSibling<Self>> {
        let socket = self.socket.clone();
        Some(Box::new(move || Self::connect(&socket)))
    }
}
