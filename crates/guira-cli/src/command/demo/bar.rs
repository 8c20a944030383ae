//! The progress bar: on terminals only.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::DemoArgs;
use super::tally::Tally;
use crate::output::{show_count, show_share};

pub(crate) fn progress_bar(args: &DemoArgs) -> ProgressBar {
    if args.json || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(u64::try_from(args.seconds.as_millis()).unwrap_or(u64::MAX));
    let style = ProgressStyle::with_template("{bar:30} {msg}").expect("the template is right");
    bar.set_style(style.progress_chars("=> "));
    bar
}

/// Moves it; `killed` is what was killed last.
pub(crate) fn show(bar: &ProgressBar, tally: &Tally, elapsed: Duration, killed: Option<&str>) {
    bar.set_position(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
    let killed = killed.map_or_else(String::new, |what| format!(", killed the {what}"));
    bar.set_message(format!(
        "{} requests, {} hits, {} computations, {} stale, {} wrong{killed}",
        show_count(tally.requests()),
        show_share(tally.hit_ratio()),
        show_count(tally.computed()),
        tally.stale_reads,
        tally.wrong_values
    ));
}
