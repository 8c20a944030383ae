//! How far a dump is written or read, on terminals only.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::output::show_counted;
use crate::size::show_size;

const STEPS: u64 = 1_000;
const PERIOD: Duration = Duration::from_millis(100);

/// Nothing where nobody would see it.
#[derive(Debug)]
pub(crate) struct Bar {
    bar: Option<ProgressBar>,
    next: Instant,
}

impl Bar {
    /// `has_end`: the share that is done will be known.
    pub(crate) fn new(is_for_programs: bool, has_end: bool) -> Self {
        let is_seen = !is_for_programs && io::stderr().is_terminal();
        Self {
            bar: is_seen.then(|| new_bar(has_end)),
            next: Instant::now(),
        }
    }

    /// Moves it, now and then: there may be millions of entries in a second.
    pub(crate) fn show(&mut self, share: Option<f64>, entries: u64, value_bytes: u64) {
        let Some(bar) = &self.bar else { return };
        let now = Instant::now();
        if now < self.next {
            return;
        }
        self.next = now + PERIOD;
        if let Some(share) = share {
            bar.set_position((share * STEPS as f64) as u64);
        }
        let entries = show_counted(entries, "entry", "entries");
        bar.set_message(format!("{entries}, {}", show_size(value_bytes)));
        bar.tick();
    }

    pub(crate) fn clear(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

fn new_bar(has_end: bool) -> ProgressBar {
    let (bar, template) = if has_end {
        (ProgressBar::new(STEPS), "{bar:30} {percent} %, {msg}")
    } else {
        (ProgressBar::new_spinner(), "{spinner} {msg}")
    };
    let style = ProgressStyle::with_template(template).expect("the template is right");
    bar.with_style(style.progress_chars("=> "))
}
