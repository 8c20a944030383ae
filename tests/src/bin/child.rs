//! A process for the tests to order about. It reads one command from each line of its input and
//! answers each with one line: a word or two, or `error` and a message.
//!
//! `create`, `open` and `open-or-create` take a path and settings, and begin a session with the
//! segment; `close` ends it. The commands of a session are listed at [`Session::obey`].
#![forbid(unsafe_code)]

use std::io::{BufRead, StdinLock, Write};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use guira_segment::{
    Clock, Expiry, FillToken, Flight, FlightEnd, FlightLead, FlightWait, Lookup, PutOptions, Segment,
    SegmentBuilder, ValueRef,
};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut input = std::io::stdin().lock();
    while let Some(words) = next_command(&mut input)? {
        let words: Vec<&str> = words.split(' ').collect();
        let opened = match words.as_slice() {
            ["pid"] => {
                answer(&std::process::id().to_string())?;
                continue;
            }
            ["create", path, settings @ ..] => builder(settings)?.create(path),
            ["open", path, settings @ ..] => builder(settings)?.open(path),
            ["open-or-create", path, settings @ ..] => builder(settings)?.open_or_create(path),
            _ => return Err(format!("no such command: {words:?}").into()),
        };
        match opened {
            Err(error) => answer(&format!("error {error}"))?,
            Ok(segment) => {
                answer("ok")?;
                serve(&segment, &mut input)?;
                drop(segment);
                answer("closed")?;
            }
        }
    }
    Ok(())
}

fn next_command(input: &mut StdinLock<'_>) -> Result<Option<String>, Failure> {
    let mut line = String::new();
    let read_bytes = input.read_line(&mut line)?;
    Ok((read_bytes != 0).then(|| line.trim_end().to_owned()))
}

fn answer(line: &str) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}")?;
    Ok(output.flush()?)
}

/// Settings are words such as `size=8388608` or `salvage`.
fn builder(settings: &[&str]) -> Result<SegmentBuilder, Failure> {
    let mut builder = Segment::builder();
    for setting in settings {
        let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
        builder = match name {
            "size" => builder.size(value.parse()?),
            "processes" => builder.max_processes(value.parse()?),
            "threads" => builder.max_threads(value.parse()?),
            "clock" => builder.clock(Clock::manual(Arc::new(AtomicU64::new(value.parse()?)))),
            "checked" => builder.checked_values(true),
            "verify" => builder.verify_values(true),
            "blocks" => {
                let (block_bytes, blocks) = value.split_once('x').ok_or("BYTESxCOUNT")?;
                builder.exact_blocks(block_bytes.parse()?, blocks.parse()?)
            }
            "salvage" => builder.salvage(true),
            "cluster" => builder.cluster(value),
            "die-of-truncation" => builder.outlive_truncation(false),
            _ => return Err(format!("no such setting: {setting}").into()),
        };
    }
    Ok(builder)
}

fn serve(segment: &Segment, input: &mut StdinLock<'_>) -> Result<(), Failure> {
    let mut session = Session {
        segment,
        guards: Vec::new(),
        token: None,
        lead: None,
        wait: None,
    };
    while let Some(words) = next_command(input)? {
        let words: Vec<&str> = words.split(' ').collect();
        if words == ["close"] {
            return Ok(());
        }
        let said = session.obey(&words);
        answer(&said.unwrap_or_else(|failure| format!("error {failure}")))?;
    }
    Ok(())
}

/// What is held between the commands that concern one segment.
struct Session<'s> {
    segment: &'s Segment,
    guards: Vec<ValueRef<'s>>,
    token: Option<FillToken>,
    lead: Option<FlightLead<'s>>,
    wait: Option<FlightWait<'s>>,
}

impl Session<'_> {
    fn obey(&mut self, words: &[&str]) -> Result<String, Failure> {
        let segment = self.segment;
        Ok(match words {
            ["put", key, value] => {
                let put = segment.put(key.as_bytes(), value.as_bytes(), Expiry::never())?;
                format!("{put:?}")
            }
            ["put-for", key, value, lifetime_ms] => {
                let lifetime = Duration::from_millis(lifetime_ms.parse()?);
                let put = segment.put(key.as_bytes(), value.as_bytes(), Expiry::after(lifetime))?;
                format!("{put:?}")
            }
            ["put-many", count, value_bytes] => {
                let value = vec![b'm'; value_bytes.parse()?];
                for n in 0..count.parse::<u64>()? {
                    segment.put(&n.to_le_bytes(), &value, Expiry::never())?;
                }
                "ok".to_owned()
            }
            ["get", key] => text_of(segment.get(key.as_bytes())),
            ["ttl-ms", key] => match segment.ttl(key.as_bytes()) {
                None => "miss".to_owned(),
                Some(ttl) => format!("{:?}", ttl.map(|ttl| ttl.as_millis())),
            },
            ["remove", key] => segment.remove(key.as_bytes()).to_string(),
            // Numbers from the first on; no more than a ring's half before the reader.
            ["announce-many", first, count] => announce_many(segment, first.parse()?, count.parse()?)?,
            ["invalidate", key] => segment.invalidate(key.as_bytes()).to_string(),
            // Guards are held until `drop-guards`.
            ["guard", key] => match segment.get(key.as_bytes()) {
                None => "miss".to_owned(),
                Some(guard) => {
                    let held = if guard.is_borrowed() { "borrowed" } else { "copied" };
                    self.guards.push(guard);
                    held.to_owned()
                }
            },
            ["guarded"] => self
                .guards
                .iter()
                .map(|guard| String::from_utf8_lossy(guard))
                .collect(),
            ["drop-guards"] => {
                self.guards.clear();
                "ok".to_owned()
            }
            // A computation: `miss`, `fly`, then `fill` and `land`, or `wait`.
            ["miss", key] => match segment.lookup(key.as_bytes()) {
                Lookup::Hit(value) => text_of(Some(value)),
                Lookup::Stale(_, token) => {
                    self.token = Some(token);
                    "stale".to_owned()
                }
                Lookup::Miss(token) => {
                    self.token = Some(token);
                    "miss".to_owned()
                }
            },
            ["fly", key, patience_ms] => {
                let token = self.token.ok_or("no token: miss first")?;
                let patience = Duration::from_millis(patience_ms.parse()?);
                match segment.flight(key.as_bytes(), &token, patience) {
                    Flight::Lead(lead) => {
                        self.lead = Some(lead);
                        "lead".to_owned()
                    }
                    Flight::Wait(wait) => {
                        self.wait = Some(wait);
                        "wait".to_owned()
                    }
                    Flight::Alone => "alone".to_owned(),
                }
            }
            ["wait", timeout_ms] => {
                let wait = self.wait.take().ok_or("no wait: fly first")?;
                match wait.wait(Duration::from_millis(timeout_ms.parse()?)) {
                    FlightEnd::Landed => "landed".to_owned(),
                    FlightEnd::TimedOut => "timed-out".to_owned(),
                    FlightEnd::TakenOver(lead) => {
                        self.lead = Some(lead);
                        "taken-over".to_owned()
                    }
                }
            }
            ["fill", key, value] => {
                let token = self.token.take().ok_or("no token: miss first")?;
                let options = PutOptions::default();
                let fill = segment.fill(key.as_bytes(), value.as_bytes(), &token, &options)?;
                format!("{fill:?}")
            }
            ["land"] => {
                self.lead = None;
                "ok".to_owned()
            }
            ["compute", key, value, patience_ms] => {
                compute(segment, key.as_bytes(), value.as_bytes(), patience_ms.parse()?)?
            }
            ["exercise", seed, count] => exercise(segment, seed.parse()?, count.parse()?),
            ["threads", count] => use_many_threads(segment, count.parse()?),
            ["recover"] => segment.recover().to_string(),
            ["processes"] => segment.stats().processes.to_string(),
            ["damaged"] => segment.stats().damaged.to_string(),
            ["faults"] => format!("{:?}", segment.verify().faults),
            // What a process does that makes itself a daemon.
            ["close-descriptors"] => {
                for descriptor in 3..1024 {
                    // Most are not open.
                    let _ = nix::unistd::close(descriptor);
                }
                "ok".to_owned()
            }
            ["pid"] => std::process::id().to_string(),
            _ => return Err(format!("no such command: {words:?}").into()),
        })
    }
}

fn text_of(value: Option<ValueRef<'_>>) -> String {
    value.map_or_else(
        || "miss".to_owned(),
        |value| format!("hit {}", String::from_utf8_lossy(&value)),
    )
}

/// The whole of a cached computation; says whether this process computed or found the value.
fn compute(segment: &Segment, key: &[u8], value: &[u8], patience_ms: u64) -> Result<String, Failure> {
    let patience = Duration::from_millis(patience_ms);
    loop {
        let token = match segment.lookup(key) {
            Lookup::Hit(found) => return Ok(format!("found {}", String::from_utf8_lossy(&found))),
            Lookup::Stale(_, token) | Lookup::Miss(token) => token,
        };
        let lead = match segment.flight(key, &token, patience) {
            Flight::Lead(lead) => Some(lead),
            Flight::Alone => None,
            Flight::Wait(wait) => match wait.wait(Duration::from_secs(60)) {
                FlightEnd::TakenOver(lead) => Some(lead),
                FlightEnd::Landed => continue,
                FlightEnd::TimedOut => return Ok("timed-out".to_owned()),
            },
        };
        // Somebody may have landed between this caller's miss and its lead.
        let token = match segment.lookup(key) {
            _ if lead.is_none() => token,
            Lookup::Hit(found) => return Ok(format!("found {}", String::from_utf8_lossy(&found))),
            Lookup::Stale(_, token) | Lookup::Miss(token) => token,
        };
        let fill = segment.fill(key, value, &token, &PutOptions::default())?;
        drop(lead);
        return Ok(format!("computed {fill:?}"));
    }
}

/// Operations of all kinds on a few thousand keys whose values follow from the keys; the answer is
/// `right`, or names the key that had another's value. Errors and misses are allowed.
fn exercise(segment: &Segment, seed: u64, count: u64) -> String {
    const KEYS: u64 = 3_000;
    let mut state = seed | 1;
    for _ in 0..count {
        // xorshift64 (Marsaglia, 2003).
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let key = (state >> 8) % KEYS;
        let name = key.to_le_bytes();
        let value = name.repeat((key % 90) as usize + 1);
        let options = PutOptions::default();
        // Whether it was done does not matter here.
        let _ = match state % 16 {
            0..6 => segment.put(&name, &value, Expiry::never()).is_ok(),
            6 => segment.add(&name, &value, &options.tags(&[b"tag"])).is_ok(),
            7 => segment.remove(&name),
            8 => segment.invalidate(&name),
            9 => {
                let token = segment.fill_token(&name);
                segment.fill(&name, &value, &token, &options).is_ok()
            }
            10 => segment
                .touch(&name, Expiry::after(Duration::from_secs(500)))
                .is_ok(),
            11 => segment.expire(&name),
            _ => match segment.get(&name) {
                Some(found) if *found != value => {
                    return format!("key {key} has another value than its own");
                }
                found => found.is_some(),
            },
        };
    }
    "right".to_owned()
}

/// Puts and gets on `count` threads that all live at once; the answer counts those that read back
/// what they wrote.
fn use_many_threads(segment: &Segment, count: usize) -> String {
    let all_live = Barrier::new(count);
    let right = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..count {
            let (all_live, right) = (&all_live, &right);
            let spawned = std::thread::Builder::new()
                .stack_size(64 << 10)
                .spawn_scoped(scope, move || {
                    let key = (thread as u64 | 1 << 40).to_le_bytes();
                    let stored = segment.put(&key, &key, Expiry::never()).is_ok();
                    all_live.wait();
                    let read = segment.get(&key).is_some_and(|value| *value == key);
                    right.fetch_add(usize::from(stored && read), Ordering::Relaxed);
                });
            if spawned.is_err() {
                // The barrier would never open: this is the machine's limit, not the segment's.
                std::process::exit(77);
            }
        }
    });
    right.into_inner().to_string()
}

/// Announces keys that are numbers, while what was accepted keeps up.
fn announce_many(segment: &Segment, first: u64, count: u64) -> Result<String, Failure> {
    let journal = segment.journal().ok_or("a segment of no cluster")?;
    for number in first..first + count {
        let room_from = journal.tail().saturating_sub(journal.capacity() / 2);
        if journal.accepted() < room_from && !journal.wait_accepted(room_from, Duration::from_secs(60)) {
            return Err("nobody reads".into());
        }
        journal.announce_put(&number.to_le_bytes(), 0);
    }
    Ok("ok".to_owned())
}
