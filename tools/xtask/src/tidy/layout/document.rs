//! The rows of the layout document that name a constant.

use super::expression::integer;

/// A table row whose first cell is a constant's name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) name: String,
    /// The second cell as it stands.
    pub(super) written: String,
    /// The second cell as a number, if it is one.
    pub(super) value: Option<u128>,
    /// From 1.
    pub(super) line: usize,
}

/// Every row whose first cell looks like `NAME`, in order.
pub(super) fn rows(document: &str) -> Vec<Row> {
    document
        .lines()
        .enumerate()
        .filter_map(|(index, line)| {
            let mut cells = line.trim().strip_prefix('|')?.split('|').map(bare);
            let name = cells.next().filter(|cell| is_constant_name(cell))?;
            let written = cells.next()?;
            Some(Row {
                name: name.to_owned(),
                written: written.to_owned(),
                value: integer(written),
                line: index + 1,
            })
        })
        .collect()
}

fn bare(cell: &str) -> &str {
    cell.trim().trim_matches('`')
}

fn is_constant_name(cell: &str) -> bool {
    cell.starts_with(|first: char| first.is_ascii_uppercase())
        && cell.len() > 1
        && cell
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rows_that_name_a_constant_are_read() {
        let document =
            "| Name | value |\n|---|---|\n| `A_B` | `1_024` | x |\nA_B 5\n| C2 | many |\n| D |\n| X | 1 |\n";
        let found = rows(document);
        let read: Vec<_> = found
            .iter()
            .map(|row| (row.name.as_str(), row.value, row.line))
            .collect();
        assert_eq!(read, [("A_B", Some(1024), 3), ("C2", None, 5)]);
    }
}
