//! `docs/causes.md`, the page of codes, is what the table of codes says.
//!
//! `UPDATE_EXPECT=1` rewrites it.

use std::path::Path;

use expect_test::expect_file;

const HEAD: &str = "\
# Causes

What `approot why INSTANCE` can name as the cause of what happens to an instance, one line a code.

`approot why` names a cause only with evidence for it, which it shows: the end of a process, lines of its output, files and \
sockets that were looked at.
Where it has none it says that no cause is known, and prints the last lines of the instance's log.

A code keeps its meaning for ever and is never given to another.
`AW00xx` are of an instance that lives, `AW01xx` of what could not be executed, `AW02xx` of what a program missed and said \
so itself, `AW03xx` of how a process ended.

This page is generated: `UPDATE_EXPECT=1 cargo test -p causes page`.

| Code | Cause | Cure |
|---|---|---|
";

#[test]
fn the_page_of_causes_is_up_to_date() {
    let rows = causes::codes::ALL.iter().map(|entry| {
        let (cause, cure) = (cell(entry.cause), cell(entry.cure));
        format!("| {} | {cause} | {cure} |\n", entry.code)
    });
    let page: String = std::iter::once(HEAD.to_owned()).chain(rows).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/causes.md");
    expect_file![path].assert_eq(&page);
}

#[test]
fn codes_ascend_and_none_stands_twice() {
    let codes: Vec<&str> = causes::codes::ALL
        .iter()
        .map(|entry| entry.code.as_str())
        .collect();
    assert!(codes.is_sorted_by(|a, b| a < b), "{codes:?}");
}

/// A bar would end the cell, in code spans too.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
