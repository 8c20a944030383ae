//! What commands print: tables for people, one JSON object for programs.

use std::fmt::Display;
use std::io::{self, Write};

use comfy_table::{CellAlignment, Table};
use serde::Serialize;

use crate::error::CliError;

/// Writes one JSON object and a line end.
pub(crate) fn write_json(out: &mut dyn Write, object: &impl Serialize) -> Result<(), CliError> {
    serde_json::to_writer(&mut *out, object).map_err(|error| CliError::Output(error.into()))?;
    writeln!(out).map_err(CliError::Output)
}

/// Names and their values, in two columns below a heading.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    heading: &'static str,
    rows: Vec<(String, String)>,
}

impl Facts {
    pub(crate) const fn new(heading: &'static str) -> Self {
        Self {
            heading,
            rows: Vec::new(),
        }
    }

    pub(crate) fn row(mut self, name: impl Into<String>, value: impl Display) -> Self {
        self.rows.push((name.into(), value.to_string()));
        self
    }
}

/// Writes groups of facts under each other, all columns at one place.
pub(crate) fn write_facts(out: &mut dyn Write, groups: &[Facts]) -> Result<(), CliError> {
    let width = groups
        .iter()
        .flat_map(|group| &group.rows)
        .map(|(name, _)| name.chars().count())
        .max()
        .unwrap_or(0);
    let write = |out: &mut dyn Write| -> io::Result<()> {
        for (index, group) in groups.iter().enumerate() {
            if !group.heading.is_empty() {
                let gap = if index == 0 { "" } else { "\n" };
                writeln!(out, "{gap}{}", group.heading)?;
            }
            for (name, value) in &group.rows {
                writeln!(out, "  {name:width$}  {value}")?;
            }
        }
        Ok(())
    };
    write(out).map_err(CliError::Output)
}

/// A table without borders; the columns named in `right` are aligned to the right.
pub(crate) fn table(header: &[&str], right: &[usize]) -> Table {
    let mut table = Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    table.set_header(header);
    for column in right {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// A count and what is counted: `1 entry`, `2,000 entries`.
pub(crate) fn show_counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", show_count(count), if count == 1 { one } else { many })
}

/// A count with commas: `5,000,000`.
pub(crate) fn show_count(count: u64) -> String {
    let digits = count.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A share of 1 as a percentage: `93.4 %`.
pub(crate) fn show_share(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped_by_three() {
        assert_eq!(show_count(0), "0");
        assert_eq!(show_count(999), "999");
        assert_eq!(show_count(1_000), "1,000");
        assert_eq!(show_count(5_000_000), "5,000,000");
    }

    #[test]
    fn facts_line_up_across_groups() {
        let groups = [
            Facts::new("one").row("a", 1),
            Facts::new("two").row("long name", 2),
        ];
        let mut out = Vec::new();
        write_facts(&mut out, &groups).expect("a Vec takes everything");
        assert_eq!(
            String::from_utf8_lossy(&out),
            "one\n  a          1\n\ntwo\n  long name  2\n"
        );
    }
}
