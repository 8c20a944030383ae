//! From the call of `invalidate` on one host until a read on the other misses.
//!
//! The other host's reader is a process that looks without pause, at the priority of what runs only where nothing else
//! wants to (`chrt --idle`): an invalidation wakes eight threads one after the other, and a reader that took a processor from them
//! would be what is measured.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use guira::Guira;
use guira::coherence::Coherence;
use guira_bus::runtime::clock::now_us;

use super::{AnyError, Bus, CLUSTER, LONG, ROUNDS, WAIT, cache, pause, quantile, spread};

/// How the reader is told what to do.
pub(crate) const OBSERVE: &str = "--observe";
const KEYS: u64 = 1_000;

pub(crate) fn measure(bus: &Bus, what: &str) -> Result<(), AnyError> {
    let (ours, theirs) = (cache(&bus.here), cache(&bus.there));
    let path = bus.there_path.to_str().ok_or("a path that is no text")?;
    let mut command = Command::new("chrt");
    command.args(["--idle", "0"]).arg(std::env::current_exe()?);
    let mut reader = command
        .args([OBSERVE, path, &bus.address])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("chrt (of util-linux): {error}"))?;
    let mut ask = reader.stdin.take().ok_or("no input of the reader")?;
    let mut answers = BufReader::new(reader.stdout.take().ok_or("no output of the reader")?).lines();
    let mut answer = move || answers.next().ok_or("the reader ended")?.map_err(AnyError::from);
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let mut times = Vec::new();
        for key in 0..KEYS {
            theirs.put(&key, &1, LONG)?;
            writeln!(ask, "{key}")?;
            answer()?;
            pause(Duration::from_millis(3));
            let began_us = now_us();
            ours.invalidate(&key)?;
            let missed_us: u64 = answer()?.parse()?;
            times.push(missed_us.saturating_sub(began_us) as f64);
        }
        times.sort_by(f64::total_cmp);
        rounds.push((quantile(&times, 0.5), quantile(&times, 0.99)));
    }
    drop(ask);
    reader.wait()?;
    let (p50, p99): (Vec<f64>, Vec<f64>) = rounds.into_iter().unzip();
    println!(
        "{what}: invalidate to miss on the other host, us: p50 {}, p99 {}",
        spread(p50),
        spread(p99)
    );
    Ok(())
}

/// The reader: for each key it is given it says that it looks, and when it missed.
pub(crate) fn observe(path: &Path, address: &str) -> Result<(), AnyError> {
    let coherence = Coherence::of_cluster(CLUSTER)
        .broker(address)
        .agent_elsewhere()
        .start_within(WAIT);
    let guira = Guira::builder().coherence(coherence).open(path)?;
    let values = cache(&guira);
    let mut output = std::io::stdout().lock();
    for key in std::io::stdin().lock().lines() {
        let key: u64 = key?.parse()?;
        if !values.contains(&key)? {
            return Err("the value to look for is not there".into());
        }
        writeln!(output, "looking")?;
        output.flush()?;
        while values.contains(&key)? {
            std::hint::spin_loop();
        }
        writeln!(output, "{}", now_us())?;
        output.flush()?;
    }
    Ok(())
}
