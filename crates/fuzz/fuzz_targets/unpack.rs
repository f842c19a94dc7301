//! Entries by any name and of any kind, under a manifest that is right about them: what opens is
//! unpacked whole, and nothing is written outside.
//!
//! A line is an entry: its kind (`f` a file, `x` a program, `l` a link, any other as a tar has it), a
//! space, its path, a space, its content or target. A path that begins with `!` is taken as it is,
//! any other lies in the approot.

#![no_main]

#[allow(dead_code, reason = "shared with the tests of `packager`")]
#[path = "../../packager/tests/it/forge.rs"]
mod forge;

use std::cell::RefCell;
use std::fs;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use packager::{Staged, open};
use tempfile::TempDir;

use crate::forge::{Raw, compress, framed, in_approot, manifest, tar};

/// More lines tell nothing new, and cost time.
const ENTRIES_MAX: usize = 30;

thread_local! {
    static FOLDER: RefCell<Option<TempDir>> = const { RefCell::new(None) };
}

fuzz_target!(|bytes: &[u8]| {
    let lines = bytes.split(|byte| *byte == b'\n');
    let entries: Vec<Raw> = lines.filter_map(entry).take(ENTRIES_MAX).collect();
    let entries = framed(&entries);
    let package = compress(&tar(&manifest(&entries), &entries));
    FOLDER.with_borrow_mut(|folder| {
        let folder = folder.get_or_insert_with(|| tempfile::tempdir().expect("a folder"));
        check(folder.path(), &package);
    });
});

fn entry(line: &[u8]) -> Option<Raw> {
    let mut parts = line.splitn(3, |byte| *byte == b' ');
    let (kind, path) = (*parts.next()?.first()?, parts.next()?);
    let content = parts.next().unwrap_or_default();
    let path = match path.strip_prefix(b"!") {
        Some(path) => path.to_vec(),
        None => [in_approot("").as_bytes(), path].concat(),
    };
    let mut raw = match kind {
        b'f' | b'x' => Raw::file("", content),
        b'l' => Raw::link("", std::str::from_utf8(content).ok()?),
        other => Raw::of_kind("", other),
    };
    if kind == b'x' {
        raw.mode = 0o755;
    }
    raw.path = path;
    Some(raw)
}

fn check(folder: &Path, package: &[u8]) {
    let path = folder.join("package");
    fs::write(&path, package).expect("a file");
    let opened = match open(&path) {
        Ok(opened) => opened,
        Err(error) => {
            assert!(error.is_invalid(), "{error}");
            return;
        }
    };
    let out = folder.join("out");
    let staged = opened.unpack(&out).expect("what opens is unpacked");
    let again = Staged::open(&out).expect("what was unpacked is whole");
    assert_eq!(staged.digest, again.digest);
    let n_files = folder.read_dir().expect("a folder").count();
    assert_eq!(n_files, 2, "nothing but the package and its tree");
    fs::remove_dir_all(&out).expect("a folder");
}
