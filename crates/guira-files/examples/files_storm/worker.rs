//! One of those who use the cache: every operation, on skewed keys, each answer looked at.
//!
//! A key's value is written by one worker only (its number modulo their count), whose puts have growing moments as
//! versions; everybody reads, removes and invalidates it. So a reader knows what must not come back: what is older
//! than what it has read before, and what began before an invalidation of its own. A put begins with a token, which is
//! taken before the version: however long its writer is stopped in between, it is older than both.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use guira_files::{Files, FilesError, TakeFile};
use guira_segment::{Expiry, Put, PutOptions};

use crate::plan::{LARGEST_BYTES, Plan, WORKERS};
use crate::tally::Tally;
use crate::value::{Random, name, now_ns, value, version_of};

const TAG: &[u8] = b"tagged";
/// Lifetimes are shorter than this, or last beyond the storm.
pub(crate) const SHORT_MS: u64 = 2_000;

/// A worker's life, until the storm's end or its own.
pub(crate) struct Worker<'p> {
    plan: &'p Plan,
    number: u64,
    random: Random,
    tally: Tally,
    files: Files,
    /// Of each key, the moment before which no put may have begun that a read gives from here on.
    floor_ns: Vec<u64>,
    /// The file that is taken by `put_file`.
    source: std::path::PathBuf,
}

impl<'p> Worker<'p> {
    pub(crate) fn live(plan: &'p Plan, number: u64, life: u64, end_ns: u64, tally: Tally) {
        let source = plan.room.join(format!("source-{number}"));
        let files = match plan.builder().open_or_create(plan.directory()) {
            Ok(files) => files,
            Err(error) => {
                let mut tally = tally;
                tally.anomaly(&format!("the directory does not open: {error}"));
                return;
            }
        };
        let mut worker = Self {
            plan,
            number,
            random: Random::new(plan.seed ^ life << 32 ^ number << 56),
            tally,
            files,
            floor_ns: vec![0; plan.sizes.len()],
            source,
        };
        while now_ns() < end_ns {
            worker.act();
            worker.tally.keep();
        }
        worker.tally.write();
    }

    fn key(&mut self) -> u64 {
        self.random.skewed(self.plan.sizes.len() as u64)
    }

    /// A key that this worker writes.
    fn own_key(&mut self) -> u64 {
        let key = self.key();
        let own = key - key % WORKERS + self.number;
        if own < self.plan.sizes.len() as u64 {
            own
        } else {
            self.number
        }
    }

    fn act(&mut self) {
        let lot = self.random.below(10_000);
        match lot {
            0..3_300 => self.get(),
            3_300..4_300 => self.get_bytes(),
            4_300..4_900 => self.open(),
            4_900..5_200 => self.contains(),
            5_200..8_000 => self.put(),
            8_000..8_500 => self.put_stream(),
            8_500..9_000 => self.put_file(),
            9_000..9_300 => self.add(),
            9_300..9_600 => self.remove(),
            9_600..9_850 => self.invalidate(),
            9_850..9_910 => self.touch(),
            9_910..9_960 => self.expire(),
            9_960..9_970 => self.invalidate_tag(),
            9_970..9_985 => self.reopen(),
            9_985..9_993 => self.sweep(),
            9_993..9_997 => self.purge(),
            9_997..9_999 => self.too_large(),
            _ => self.verify_or_clear(),
        }
    }

    /// Counts an operation, and an error by its kind; those that are not documented for it are anomalies.
    fn tell<T>(&mut self, what: &str, result: Result<T, FilesError>) -> Option<T> {
        self.tally.add(&format!("did {what}"), 1);
        match result {
            Ok(result) => Some(result),
            Err(FilesError::Crowded) => {
                self.tally.add("error Crowded", 1);
                None
            }
            Err(error) => {
                self.tally.anomaly(&format!("{what}: {error:?}"));
                None
            }
        }
    }

    /// A read gave these bytes, or nothing.
    fn read(&mut self, key: u64, bytes: Option<&[u8]>, floor_ns: u64) {
        let Some(bytes) = bytes else {
            self.tally.add("missed", 1);
            return;
        };
        self.tally.add("hit", 1);
        self.tally.add("bytes read", bytes.len() as u64);
        match version_of(key, bytes) {
            Ok(version) if version < floor_ns => self.tally.anomaly(&format!(
                "key {key}: a value that was put at {version} is read after {floor_ns}"
            )),
            Ok(version) => {
                if let Some(floor_ns) = self.floor_ns.get_mut(key as usize) {
                    *floor_ns = version.max(*floor_ns);
                }
            }
            Err(problem) => {
                self.tally.add("wrong bytes", 1);
                self.tally.anomaly(&problem);
            }
        }
    }

    fn floor(&self, key: u64) -> u64 {
        self.floor_ns.get(key as usize).copied().unwrap_or(0)
    }

    fn get(&mut self) {
        let key = self.key();
        let floor_ns = self.floor(key);
        let got = self.files.get(&name(key));
        if let Some(got) = self.tell("get", got) {
            self.read(key, got.as_deref(), floor_ns);
        }
    }

    fn get_bytes(&mut self) {
        let key = self.key();
        let floor_ns = self.floor(key);
        let got = self.files.get_bytes(&name(key));
        if let Some(got) = self.tell("get_bytes", got) {
            self.read(key, got.as_deref(), floor_ns);
        }
    }

    fn open(&mut self) {
        let key = self.key();
        let floor_ns = self.floor(key);
        let opened = self.files.open(&name(key));
        let Some(opened) = self.tell("open", opened) else {
            return;
        };
        let Some(opened) = opened else {
            return self.read(key, None, floor_ns);
        };
        // A linked file is somebody else's, too, and may change once it is open.
        // (A small value is given so, too.)
        let is_linked = opened.offset_bytes() == 0;
        match opened.bytes() {
            Ok(_) if is_linked => {}
            Ok(bytes) => self.read(key, Some(&bytes), floor_ns),
            Err(_) if is_linked => {}
            Err(error) => self
                .tally
                .anomaly(&format!("key {key}: an open file cannot be read: {error}")),
        }
    }

    fn contains(&mut self) {
        let key = self.key();
        let is_there = self.files.contains(&name(key));
        self.tally.add("did contains", 1);
        self.tally.add("contained", u64::from(is_there));
    }

    /// Options of a put of `key` that begins here.
    fn options(&mut self, key: u64) -> PutOptions<'static> {
        let token = self.files.index().fill_token(&name(key));
        let expiry = match self.random.below(10) {
            0 => Expiry::after(Duration::from_millis(1 + self.random.below(SHORT_MS))),
            1 => Expiry::after(Duration::from_secs(3600)),
            _ => Expiry::never(),
        };
        let options = PutOptions::from(expiry).since(&token);
        if self.random.below(20) == 0 {
            options.tags(&[TAG])
        } else {
            options
        }
    }

    /// The moment of a put, and its bytes.
    fn draft(&mut self, key: u64) -> (u64, Vec<u8>) {
        let length = self.plan.sizes.get(key as usize).copied().unwrap_or(1 << 10);
        // Mostly as long as ever, now and then of another length.
        let length = if self.random.below(8) == 0 {
            self.random.size(64, LARGEST_BYTES)
        } else {
            length
        };
        let version = now_ns();
        (version, value(key, version, length))
    }

    fn stored(&mut self, key: u64, version: u64, put: Option<Put>) {
        if put == Some(Put::Stored)
            && let Some(floor_ns) = self.floor_ns.get_mut(key as usize)
        {
            *floor_ns = version;
            self.tally.add("stored", 1);
        }
    }

    fn put(&mut self) {
        let key = self.own_key();
        let options = self.options(key);
        let (version, bytes) = self.draft(key);
        let put = self.files.put(&name(key), &bytes, options);
        let put = self.tell("put", put);
        self.stored(key, version, put);
    }

    fn put_stream(&mut self) {
        let key = self.own_key();
        let options = self.options(key);
        let (version, bytes) = self.draft(key);
        let put = self.files.put_stream(&name(key), &*bytes, options);
        let put = self.tell("put_stream", put);
        self.stored(key, version, put);
    }

    fn put_file(&mut self) {
        let key = self.own_key();
        let options = self.options(key);
        let (version, bytes) = self.draft(key);
        // The name may be there still, of a life before.
        let _ = std::fs::remove_file(&self.source);
        let source = File::create_new(&self.source).and_then(|mut file| {
            file.write_all(&bytes)?;
            File::open(&self.source)
        });
        let source = source.expect("there is room beside the cache");
        let takes = [TakeFile::Copy, TakeFile::Share, TakeFile::Link];
        let take = takes[self.random.below(3) as usize];
        let put = self.files.put_file(&name(key), &source, take, options);
        let put = self.tell("put_file", put);
        self.stored(key, version, put);
        if take == TakeFile::Link && self.random.below(4) == 0 {
            // Whoever changes a linked file takes the value away, and must not get it read as something else.
            self.tally.add("spoilt", 1);
            self.tally.write();
            let file = OpenOptions::new()
                .write(true)
                .open(&self.source)
                .expect("it is ours");
            file.write_all_at(b"spoilt", bytes.len() as u64 / 2)
                .expect("there is room");
        }
    }

    fn add(&mut self) {
        let key = self.own_key();
        let options = self.options(key);
        let (_, bytes) = self.draft(key);
        let added = self.files.add(&name(key), &bytes, options);
        self.tell("add", added);
    }

    fn remove(&mut self) {
        let key = self.key();
        self.files.remove(&name(key));
        self.tally.add("did remove", 1);
    }

    fn invalidate(&mut self) {
        let key = self.key();
        let now = now_ns();
        self.files.invalidate(&name(key));
        self.tally.add("did invalidate", 1);
        if let Some(floor_ns) = self.floor_ns.get_mut(key as usize) {
            *floor_ns = now;
        }
    }

    fn touch(&mut self) {
        let key = self.key();
        let expiry = Expiry::after(Duration::from_millis(1 + self.random.below(SHORT_MS)));
        let touched = self.files.touch(&name(key), expiry);
        self.tell("touch", touched);
    }

    fn expire(&mut self) {
        let key = self.key();
        let expired = self.files.expire(&name(key));
        self.tally.add("did expire", 1);
        self.tally.add("expired", u64::from(expired));
    }

    fn invalidate_tag(&mut self) {
        self.files.invalidate_tag(TAG);
        self.tally.add("did invalidate_tag", 1);
    }

    fn reopen(&mut self) {
        let opened = self.plan.builder().open_or_create(self.plan.directory());
        if let Some(files) = self.tell("open the directory", opened) {
            self.files = files;
        }
    }

    fn sweep(&mut self) {
        let swept = self.files.sweep();
        if let Some(swept) = self.tell("sweep", swept) {
            self.tally.add("unknown files", swept.unknown);
            if swept.unknown > 0 || !swept.foreign.is_empty() {
                self.tally
                    .anomaly(&format!("a sweep found what nobody made: {swept:?}"));
            }
        }
    }

    fn purge(&mut self) {
        let purged = self.files.purge(Duration::from_millis(100));
        self.tell("purge", purged);
    }

    fn too_large(&mut self) {
        let endless = std::io::Read::take(std::io::repeat(7), self.plan.limit_bytes);
        match self.files.put_stream(b"too large", endless, Expiry::never()) {
            Err(FilesError::ValueTooLarge { .. }) => self.tally.add("error ValueTooLarge", 1),
            Err(FilesError::Crowded) => self.tally.add("error Crowded", 1),
            other => self
                .tally
                .anomaly(&format!("a value that is too large gave {other:?}")),
        }
    }

    fn verify_or_clear(&mut self) {
        if self.random.below(10) == 0 {
            let now = now_ns();
            self.files.clear();
            self.tally.add("did clear", 1);
            self.floor_ns.fill(now);
        } else {
            let verified = self.files.verify(|_| ());
            self.tell("verify", verified);
        }
    }
}
