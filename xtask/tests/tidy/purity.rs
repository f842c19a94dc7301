//! Pure crates do without sockets, files, clocks, chance, threads and `async`.
//!
//! Seen by the words in their sources and by what they depend on; tests may use anything.

use crate::dependencies::packages;
use crate::files::{File, files, none};

const PURE: &[&str] = &[
    "balancer-core",
    "causes",
    "diagnostics",
    "fabric-core",
    "host-core",
    "options",
    "plan",
    "runtime-protocol",
    "schema",
    "xml-tree",
];

/// Parts of paths. Types such as `Instant` and `SocketAddr` are values and may be named.
const FORBIDDEN: &[&str] = &[
    "fs::",
    "std::fs",
    "std::process",
    "std::thread",
    "thread::spawn",
    "TcpListener",
    "TcpStream",
    "UdpSocket",
    "UnixListener",
    "UnixStream",
    "Instant::now",
    "SystemTime::now",
    "tokio::",
    "rustix::",
    "libc::",
    "getrandom::",
    "rand::",
    "rand_pcg::",
    "async fn",
    ".await",
];

/// Crates with which one could do the same.
const FORBIDDEN_CRATES: &[&str] = &[
    "getrandom",
    "libc",
    "rand",
    "rand_pcg",
    "rustix",
    "socket2",
    "tempfile",
    "tokio",
    "uuid",
];

/// Code without comments, up to the tests, which stand last.
fn production_lines(file: &File) -> impl Iterator<Item = (usize, &str)> {
    let lines = (1..).zip(file.text.lines());
    let production = lines.take_while(|(_, line)| line.trim() != "#[cfg(test)]");
    production.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

#[test]
fn pure_crates_name_nothing_impure() {
    let mut faults = Vec::new();
    let is_production = |file: &&File| {
        let is_pure = PURE
            .iter()
            .any(|name| file.path.starts_with(format!("crates/{name}/src")));
        is_pure && !file.has_name("tests.rs") && !file.is_below("tests")
    };
    for file in files(&["rs"]).iter().filter(is_production) {
        for (number, line) in production_lines(file) {
            let found = FORBIDDEN.iter().find(|word| contains_path(line, word));
            let place = file.path.display();
            faults.extend(found.map(|word| format!("{place}:{number}: `{word}`")));
        }
    }
    none(
        "a pure crate is told the time and the rest; it does not look",
        faults,
    );
}

/// Whether a line has `word`, not as the end of a longer one: `offs::` is no `fs::`.
fn contains_path(line: &str, word: &str) -> bool {
    let is_of_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let goes_on = line[..at].ends_with(is_of_word) && word.starts_with(is_of_word);
        !goes_on
    })
}

#[test]
fn pure_crates_depend_on_nothing_impure() {
    let packages = packages();
    let mut faults = Vec::new();
    for name in PURE {
        let package = packages
            .get(*name)
            .unwrap_or_else(|| panic!("no crate {name}"));
        let impure = package
            .foreign
            .iter()
            .filter(|other| FORBIDDEN_CRATES.contains(&other.as_str()));
        faults.extend(impure.map(|other| format!("{name} -> {other}")));
    }
    none("a pure crate depends on no way out", faults);
}

#[test]
fn words_are_found_where_they_begin() {
    assert!(contains_path("    fs::read(path)", "fs::"));
    assert!(contains_path("std::fs::read(path)", "fs::"));
    assert!(!contains_path("offs::read(path)", "fs::"));
    assert!(contains_path("a.await", ".await"));
}
