//! `docs/findings.md`, the page of codes, is what the tables of codes say.
//!
//! `UPDATE_EXPECT=1` rewrites it. Severities are not on it: they belong to findings, not to codes.

use std::path::Path;

use diagnostics::CodeEntry;
use expect_test::expect_file;

const HEAD: &str = "\
# Findings

What `approot check` can say about a service's files, one line a code.

A finding is an *error* where the service cannot run as it stands, a *warning* where it runs, but probably not as \
its author meant, and a *report* where it runs and differs from the platform in a way worth knowing.
Only errors stop `approot run` and make `approot check` end with status 3; SARIF and GitHub call a report a note or \
a notice.

A code stands in the brackets of `error[AR0107]`; it keeps its meaning for ever and is never given to another.
`AR00xx` are about files and XML, `AR01xx` about services, `AR02xx` about the files of a role, which are looked at when \
they are packaged or run, `AR03xx` about the options file.
A finding's own text names the element, the value and often the exact cure; this page says what all findings of a \
code have in common.

This page is generated: `UPDATE_EXPECT=1 cargo test -p schema findings_page`.

| Code | Cause | Cure |
|---|---|---|
";

#[test]
fn the_page_of_codes_is_up_to_date() {
    let mut entries: Vec<_> = schema::codes::all().collect();
    entries.sort_by_key(|entry| entry.code);
    let page: String = entries.into_iter().map(line).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/findings.md");
    expect_file![path].assert_eq(&(HEAD.to_owned() + &page));
}

fn line(CodeEntry { code, cause, cure }: &CodeEntry) -> String {
    format!("| {code} | {} | {} |\n", cell(cause), cell(cure))
}

/// A bar would end the cell, in code spans too.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
