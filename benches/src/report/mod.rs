//! Tables on stdout, and whether a goal was met.

pub(crate) mod chart;
pub(crate) mod csv_file;
mod machine;

pub(crate) use machine::print_machine;

use std::fmt::Write as _;

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};

/// Prints `title`, then the rows as a table that is also Markdown.
#[expect(clippy::print_stdout, reason = "the figures are this program's output")]
pub(crate) fn print_table(title: &str, header: &[&str], rows: &[Vec<String>]) {
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN).set_header(header);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("\n## {title}\n\n{table}");
}

/// Prints one line of prose.
#[expect(clippy::print_stdout, reason = "the figures are this program's output")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}

/// Prints what was asked for, what came out, and whether that is enough.
pub(crate) fn print_goal(goal: &str, measured: &str, is_met: bool) {
    let mut line = format!("\n{}: {goal}", if is_met { "MET" } else { "MISSED" });
    let _ = write!(line, " (measured {measured})");
    say(&line);
}
