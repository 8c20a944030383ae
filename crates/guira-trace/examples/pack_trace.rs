//! Writes a trace file in the compact form.
//!
//! `cargo run --release -p guira-trace --example pack_trace -- IN.keys.zst OUT.compact.zst`
#![forbid(unsafe_code)]

use std::error::Error;
use std::io::Write;
use std::{env, fs, io};

use guira_trace::{Trace, compact};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args_os().skip(1);
    let (Some(source), Some(target), None) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err("give two files: the trace to read, the compact one to write".into());
    };
    let trace = Trace::read(source)?;
    let bytes = compact::encode(&trace)?;
    fs::write(target, &bytes)?;
    writeln!(
        io::stdout(),
        "{} accesses, {} distinct keys, {} bytes",
        trace.accesses().len(),
        trace.distinct_keys(),
        bytes.len()
    )?;
    Ok(())
}
