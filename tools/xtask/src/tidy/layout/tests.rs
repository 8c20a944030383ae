//! The rule on small layouts and documents.

use super::*;

const CODE: &str = "\
/// layout: bytes of the superblock.
pub const SUPERBLOCK_BYTES: usize = 4096;
const HALF: usize = SUPERBLOCK_BYTES / 2;
/// Where the index begins.
/// layout: offset in the segment.
pub const INDEX_OFFSET: usize = SUPERBLOCK_BYTES + (1 << 4) * HALF;
pub const UNMARKED: usize = 7;
";

fn check(code: &str, document: &str) -> Vec<String> {
    let sources = [Source::new(format!("{FOLDER}superblock.rs"), code)];
    violations(&sources, Some(document))
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[track_caller]
fn assert_one(found: &[String], part: &str) {
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains(part), "{found:#?}");
}

#[test]
fn code_and_document_that_agree_pass() {
    let document = "# Layout\n\n| constant | value | meaning |\n|---|---|---|\n| SUPERBLOCK_BYTES | 4096 | size |\n| `INDEX_OFFSET` | 0x9000 | where |\n";
    assert_eq!(check(CODE, document), Vec::<String>::new());
}

#[test]
fn a_constant_without_a_row_is_reported_at_the_constant() {
    let found = check(CODE, "| SUPERBLOCK_BYTES | 4096 |\n");
    assert_one(
        &found,
        "superblock.rs:6: [layout] shm-layout.md has no row for INDEX_OFFSET: add `| INDEX_OFFSET | 36864 |`",
    );
}

#[test]
fn another_number_is_reported_at_the_row() {
    let found = check(CODE, "| SUPERBLOCK_BYTES | 4095 |\n| INDEX_OFFSET | 36864 |\n");
    assert_one(&found, "shm-layout.md:1: [layout] SUPERBLOCK_BYTES is 4096 in");
    let found = check(CODE, "| SUPERBLOCK_BYTES | 4 KiB |\n| INDEX_OFFSET | 36864 |\n");
    assert_one(&found, "here it is `4 KiB`");
}

#[test]
fn a_row_without_a_marked_constant_is_reported() {
    let rows = "| SUPERBLOCK_BYTES | 4096 |\n| INDEX_OFFSET | 36864 |\n";
    let found = check(CODE, &format!("{rows}| GONE_OFFSET | 8 |\n"));
    assert_one(&found, "shm-layout.md:3: [layout] no constant GONE_OFFSET");
    let found = check(CODE, &format!("{rows}| UNMARKED | 7 |\n"));
    assert_one(&found, "no constant UNMARKED is marked");
    assert!(check(CODE, &format!("{rows}| SIGKILL | kills |\n")).is_empty());
}

#[test]
fn rows_stand_in_the_order_of_the_code() {
    let found = check(CODE, "| INDEX_OFFSET | 36864 |\n| SUPERBLOCK_BYTES | 4096 |\n");
    assert_one(&found, "SUPERBLOCK_BYTES comes before INDEX_OFFSET");
}

#[test]
fn a_second_row_is_reported() {
    let found = check(
        CODE,
        "| SUPERBLOCK_BYTES | 4096 |\n| SUPERBLOCK_BYTES | 4096 |\n| INDEX_OFFSET | 36864 |\n",
    );
    assert_one(&found, "a second row for SUPERBLOCK_BYTES");
}

#[test]
fn two_files_may_be_described_in_either_order_but_not_share_a_name() {
    let file = |name: &str, constant: &str| {
        Source::new(
            format!("{FOLDER}{name}.rs"),
            format!("/// layout: x\npub const {constant}: u64 = 1;\n"),
        )
    };
    let document = "| SECOND | 1 |\n| FIRST | 1 |\n";
    let apart = [file("a", "FIRST"), file("b", "SECOND")];
    assert!(violations(&apart, Some(document)).is_empty());
    let same = [file("a", "FIRST"), file("b", "FIRST")];
    let found = violations(&same, Some("| FIRST | 1 |\n"));
    assert!(found[0].advice.contains("cannot tell them apart"), "{found:#?}");
}

#[test]
fn a_value_that_cannot_be_evaluated_is_reported() {
    let code = "/// layout: x\npub const A: usize = size_of::<Header>();\n";
    assert_one(&check(code, ""), "cannot evaluate A");
}

#[test]
fn a_marker_on_something_else_is_reported() {
    let code = format!("{CODE}/// layout: x\npub const fn f() {{}}\n");
    let document = "| SUPERBLOCK_BYTES | 4096 |\n| INDEX_OFFSET | 36864 |\n";
    assert_one(
        &check(&code, document),
        "superblock.rs:8: [layout] `/// layout:` marks no integer constant",
    );
}

#[test]
fn a_layout_without_marks_or_document_is_reported() {
    let found = violations(&[], None);
    assert_eq!(found.len(), 2, "{found:#?}");
    let elsewhere = [Source::new("crates/guira-segment/src/log.rs", CODE)];
    assert_eq!(violations(&elsewhere, Some("")).len(), 1);
}
