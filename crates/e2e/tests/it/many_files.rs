//! Packages of many files: what packaging them costs in memory, at its peak.
//!
//! Time is for `cargo xtask bench pack`.

use std::fs;
use std::path::Path;
use std::process::Command;

use e2e::service::{binary, write};
use test_support::has_program;

use crate::memory::{DEADLINE, MEASURE};

const N_FILES: usize = 20_000;
/// Of a tree of any size, by a program with all that helps to debug it. A released one takes 59 MiB for 100,000 such
/// files, where 64 are its bound.
const FIXED_KIB: f64 = 30.0 * 1024.0;
/// For each file: its path, its digest, and what is known of it the next time.
const EACH_KIB: f64 = 0.5;

/// Files with paths as package managers make them.
fn make_tree(content: &Path) {
    for n in 0..N_FILES / 100 {
        let folder = format!("node_modules/package-{n:05}/library/distribution");
        let folder = content.join(folder);
        fs::create_dir_all(&folder).unwrap();
        for i in 0..100 {
            let path = folder.join(format!("module-of-something-{i:03}.js"));
            fs::write(path, format!("exports.value = {n}{i};\n")).unwrap();
        }
    }
}

#[test]
fn the_memory_of_packaging_is_little_for_each_file() {
    if !has_program("python3") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let parts = r#"<Runtime><EntryPoint><ProgramEntryPoint commandLine="x" setReadyOnProcessStart="true" /></EntryPoint></Runtime>"#;
    write(folder.path(), parts, 1, vec![]);
    make_tree(&folder.path().join("FixtureContent"));
    let out = folder.path().join("out");
    // The first makes a cache, the second reads it.
    for run in ["first", "second"] {
        let output = Command::new("python3")
            .args(["-c", MEASURE, DEADLINE])
            .arg(binary("approot"))
            .args(["package", "build", "--quiet", "--threads", "2"])
            .arg(folder.path())
            .arg("--out")
            .arg(&out)
            .output()
            .unwrap();
        let measured = String::from_utf8(output.stdout).unwrap();
        let mut measured = measured.split_whitespace();
        assert_eq!(measured.next(), Some("0"), "{run}");
        let peak_kib: f64 = measured.next().unwrap().parse().unwrap();
        let max = FIXED_KIB + EACH_KIB * N_FILES as f64;
        assert!(peak_kib <= max, "{run}: {peak_kib} KiB of {max}");
    }
}
