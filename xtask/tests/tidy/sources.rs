//! How sources read: headers, forbidden words, blank space, length.

use crate::files::{File, files, none};

/// Lines; beyond it a file holds two ideas.
const SOURCE_LINES_MAX: usize = 700;

/// Promises of later work, and tests that do not test. Written in two parts, so that this file may
/// name them.
const FORBIDDEN: &[(&str, &str)] = &[
    (concat!("todo", "!"), "leave out what is not done"),
    (concat!("unimplemented", "!"), "leave out what is not done"),
    (
        concat!("#[", "ignore"),
        "ask `test_support` whether the test can run",
    ),
    (
        concat!("#[should", "_panic"),
        "catch the panic and look at its message",
    ),
];

fn paths(files: Vec<File>, is_fault: impl Fn(&File) -> bool) -> Vec<String> {
    let faulty = files.iter().filter(|file| is_fault(file));
    faulty.map(|file| file.path.display().to_string()).collect()
}

/// `file:line: …` for each line that `fault` has something to say of. The inner lines of raw strings
/// are content, such as a transcript with a prompt at the end of a line, and no concern of ours.
fn lines(files: &[File], fault: impl Fn(&str) -> Option<&'static str>) -> Vec<String> {
    let mut faults = Vec::new();
    for file in files {
        let mut is_in_string = false;
        for (number, line) in (1..).zip(file.text.lines()) {
            let was_in_string = is_in_string;
            is_in_string = ends_in_raw_string(line, is_in_string);
            let fault = fault(line).filter(|_| !was_in_string);
            faults.extend(fault.map(|fault| format!("{}:{number}: {fault}", file.path.display())));
        }
    }
    faults
}

/// Whether the text goes on inside a raw string after this line.
fn ends_in_raw_string(line: &str, begins_in_raw_string: bool) -> bool {
    let (begin, end) = (line.rfind("r#\""), line.rfind("\"#"));
    match (begin, end) {
        (Some(begin), Some(end)) => begin > end,
        (Some(_), None) => true,
        (None, Some(_)) => false,
        (None, None) => begins_in_raw_string,
    }
}

#[test]
fn every_source_opens_with_what_it_is() {
    // A build script beside a `Cargo.toml` is a few lines for cargo.
    let is_build_script = |file: &File| file.has_name("build.rs") && !file.is_below("src");
    none(
        "a source begins with `//!`: what it is, and what it does not do",
        paths(files(&["rs"]), |file| {
            !is_build_script(file) && !file.text.starts_with("//! ")
        }),
    );
}

#[test]
fn unsafe_code_is_forbidden_but_in_the_sandbox() {
    let is_library = |file: &File| file.path.ends_with("src/lib.rs");
    let is_sandbox = |file: &File| file.path.starts_with("crates/sandbox");
    none(
        "a lib.rs says `#![forbid(unsafe_code)]`",
        paths(files(&["rs"]), |file| {
            is_library(file)
                && !is_sandbox(file)
                && !file
                    .text
                    .lines()
                    .any(|line| line == "#![forbid(unsafe_code)]")
        }),
    );
}

#[test]
fn nothing_is_put_off() {
    let fault = |line: &str| {
        let found = FORBIDDEN.iter().find(|(word, _)| line.contains(word));
        found.map(|(_, cure)| *cure)
    };
    none("forbidden", lines(&files(&["rs"]), fault));
}

#[test]
fn lines_hold_no_tab_and_end_with_a_letter() {
    let fault = |line: &str| match line {
        line if line.contains('\t') => Some("a tab"),
        line if line.ends_with([' ', '\r']) => Some("blank space at the end"),
        _ => None,
    };
    none(
        "blank space that one does not see",
        lines(&files(&["rs", "toml", "md", "sh"]), fault),
    );
}

#[test]
fn no_source_is_too_long() {
    none(
        "split it: a source has at most 700 lines",
        paths(files(&["rs"]), |file| {
            file.is_below("src") && file.text.lines().count() > SOURCE_LINES_MAX
        }),
    );
}

#[test]
fn a_raw_string_is_followed_over_lines() {
    assert!(ends_in_raw_string("expect![[r#\"", false));
    assert!(ends_in_raw_string("prompt: ", true));
    assert!(!ends_in_raw_string("\"#]],", true));
    assert!(!ends_in_raw_string("check(r#\"a\"#, r#\"b\"#);", false));
    assert!(ends_in_raw_string("check(r#\"a\"#, r#\"", false));
    assert!(!ends_in_raw_string("let x = 1; ", false));
}
