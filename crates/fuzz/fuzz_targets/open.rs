//! A package as it is, or a tar that is compressed and sealed here: opening never panics and writes
//! nothing, and what was opened can be told of.
//!
//! The first byte chooses: `p` for a package, `t` for a tar, whose headers get their right sums, as
//! a mutation would hardly find them.

#![no_main]

#[allow(dead_code, reason = "shared with the tests of `packager`")]
#[path = "../../packager/tests/it/forge.rs"]
mod forge;

use std::cell::RefCell;
use std::fs;

use libfuzzer_sys::fuzz_target;
use packager::{Manifest, open};
use tempfile::TempDir;

thread_local! {
    static FOLDER: RefCell<Option<TempDir>> = const { RefCell::new(None) };
}

fuzz_target!(|bytes: &[u8]| {
    let package = match bytes.split_first() {
        Some((b'p', package)) => package.to_vec(),
        Some((b't', tar)) => forge::compress(&with_sums(tar)),
        _ => return,
    };
    FOLDER.with_borrow_mut(|folder| {
        let folder = folder.get_or_insert_with(|| tempfile::tempdir().expect("a folder"));
        let path = folder.path().join("package");
        fs::write(&path, package).expect("a file");
        check(&path);
        let n_files = folder.path().read_dir().expect("a folder").count();
        assert_eq!(n_files, 1, "opening writes nothing");
    });
});

fn check(path: &std::path::Path) {
    let opened = match open(path) {
        Ok(opened) => opened,
        Err(error) => {
            assert!(error.is_invalid(), "{error}");
            assert!(error.to_string().len() < 20_000);
            return;
        }
    };
    let manifest = opened.manifest();
    assert_eq!(
        Manifest::parse(&manifest.to_json()).as_ref().ok(),
        Some(manifest)
    );
    assert_eq!(opened.report().n_files, manifest.files.len());
    let _counted_or_refused = opened.sbom_summary();
}

/// Gives each block that looks like a header its sum.
fn with_sums(tar: &[u8]) -> Vec<u8> {
    let mut tar = tar.to_vec();
    for block in tar.chunks_exact_mut(512) {
        if &block[257..262] == b"ustar" {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:07o}\0").as_bytes());
        }
    }
    tar
}
