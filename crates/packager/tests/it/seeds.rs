//! The seeds of the fuzz target `open`, made here: `UPDATE_EXPECT=1` writes them.

use std::fs;
use std::path::Path;

use crate::forge::{Raw, compress, framed, in_approot, manifest, tar};

#[test]
fn the_seeds_of_open_are_up_to_date() {
    let mut program = Raw::file(&in_approot("run"), b"#!/bin/sh");
    program.mode = 0o755;
    let usual = framed(&[
        Raw::file(&in_approot("a"), b"a"),
        Raw::link(&in_approot("b"), "a"),
        program,
    ]);
    let long = framed(&[
        Raw::file(&in_approot(&"d".repeat(150)), b""),
        Raw::link(&in_approot("link"), &"d".repeat(150)),
        Raw::file(&in_approot("ü"), b"foreign"),
    ]);
    let usual = tar(&manifest(&usual), &usual);
    let long = tar(&manifest(&long), &long);
    check("usual.package", &[b"p", &compress(&usual)[..]].concat());
    check("usual.tar", &[b"t", &usual[..]].concat());
    check("long.tar", &[b"t", &long[..]].concat());
}

fn check(name: &str, seed: &[u8]) {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/open");
    let path = seeds.join(name);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, seed).unwrap();
    }
    assert!(fs::read(&path).unwrap() == seed, "{}", path.display());
}
