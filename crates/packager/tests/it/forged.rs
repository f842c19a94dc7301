//! Packages made by hand to do harm: each is refused, by its name, and nothing is written.

use std::fs;
use std::io::Read;

use expect_test::{Expect, expect};
use packager::{OpenError, ReadError, open};
use rand_pcg::Pcg32;
use rand_pcg::rand_core::Rng;

use crate::forge::{Raw, compress, framed, in_approot, manifest, seal, tar};
use crate::support::{Fixture, chain};

/// Refused by name, and nothing but the package is there afterwards.
fn refused(package: &[u8]) -> (Fixture, OpenError) {
    let fixture = Fixture::empty();
    fs::write(fixture.path("package"), package).unwrap();
    let error = open(&fixture.path("package")).unwrap_err();
    assert!(error.is_invalid(), "{error}");
    let name = fixture.path("package");
    assert!(
        error.to_string().contains(name.to_str().unwrap()),
        "{error}"
    );
    assert_eq!(fixture.path("").read_dir().unwrap().count(), 1);
    (fixture, error)
}

fn told(package: &[u8]) -> String {
    let (fixture, error) = refused(package);
    let told = chain(&error, &fixture);
    let told = told.trim_start_matches("not a valid package: /package: ");
    told.replace("roles/W/approot", "~")
}

/// The entries in the archive and in the manifest, and in the archive alone.
fn check(entries: &[Raw], listed: &Expect, unlisted: &Expect) {
    let entries = framed(entries);
    let honest = manifest(&framed(&[]));
    listed.assert_eq(&told(&compress(&tar(&manifest(&entries), &entries))));
    unlisted.assert_eq(&told(&compress(&tar(&honest, &entries))));
}

#[test]
fn a_package_made_by_hand_is_opened_and_unpacked() {
    let long = in_approot(&"d".repeat(150));
    let mut program = Raw::file(&in_approot("run"), b"#!/bin/sh");
    program.mode = 0o755;
    let entries = framed(&[
        Raw::file(&in_approot("a"), b"a"),
        Raw::file(&format!("{long}/x"), &[7; 5000]),
        Raw::link(&in_approot("link"), "a"),
        program,
        Raw::file(&in_approot("ü"), b""),
    ]);
    let fixture = Fixture::empty();
    let package = compress(&tar(&manifest(&entries), &entries));
    fs::write(fixture.path("package"), package).unwrap();
    let opened = open(&fixture.path("package")).unwrap();
    let staged = opened.unpack(&fixture.path("out")).unwrap();
    assert_eq!(staged.files_of("W").count(), 5);
}

#[test]
fn paths_that_leave() {
    for path in [
        "/etc/x",
        "../x",
        "roles/W/approot/../../x",
        "roles/W/approot//x",
        "roles/W/approot/./x",
    ] {
        let package = |json: &str, entries: &[Raw]| told(&compress(&tar(json, entries)));
        let entries = framed(&[Raw::file(path, b"x")]);
        let listed = package(&manifest(&entries), &entries);
        assert!(listed.starts_with("the manifest lists"), "{listed}");
        let unlisted = package(&manifest(&framed(&[])), &entries);
        assert!(unlisted.starts_with("refused"), "{unlisted}");
    }
    check(
        &[Raw::file("roles/W/approot/../../../x", b"x")],
        &expect!["the manifest lists `~/../../../x`: its path has a step `.` or `..`"],
        &expect!["refused `~/../../../x`: its path has a step `.` or `..`"],
    );
    check(
        &[Raw::file("/x", b"x")],
        &expect!["the manifest lists `/x`: its path is absolute"],
        &expect!["refused `/x`: its path is absolute"],
    );
    check(
        &[Raw::file("x", b"x")],
        &expect!["the manifest lists a path in no role's approot, or out of order: `x`"],
        &expect!["package `/package` holds `x` where its manifest lists `sbom.cdx.json`"],
    );
}

#[test]
fn links_that_leave() {
    let link = |target: &str| [Raw::link(&in_approot("d/l"), target)];
    check(
        &link("/etc/passwd"),
        &expect!["the manifest lists `~/d/l`: its link leaves the root: `/etc/passwd`"],
        &expect!["refused `~/d/l`: its link leaves the root: `/etc/passwd`"],
    );
    check(
        &link("../../x"),
        &expect!["the manifest lists `~/d/l`: its link leaves the root: `../../x`"],
        &expect!["package `/package` holds `~/d/l` where its manifest lists `sbom.cdx.json`"],
    );
    check(
        &link("e/../../../x"),
        &expect!["the manifest lists `~/d/l`: its link leaves the root: `e/../../../x`"],
        &expect!["refused `~/d/l`: its link leaves the root: `e/../../../x`"],
    );
    check(
        &link(""),
        &expect!["the manifest lists `~/d/l`: its link leaves the root: ``"],
        &expect!["refused `~/d/l`: its link leaves the root: ``"],
    );
    let through = [
        Raw::link(&in_approot("d"), "e"),
        Raw::file(&in_approot("d/x"), b"x"),
    ];
    check(
        &through,
        &expect!["the manifest lists `~/d/x`: it lies below a file or link: `~/d`"],
        &expect!["package `/package` holds `~/d` where its manifest lists `sbom.cdx.json`"],
    );
}

#[test]
fn kinds_that_are_neither_file_nor_link() {
    // Source: POSIX.1-2017, `typeflag`; GNU tar, `tar.h`.
    let kinds = [
        (b'1', "hard link"),
        (b'3', "character device"),
        (b'4', "block device"),
        (b'5', "directory entry"),
        (b'6', "fifo"),
        (b'7', "entry of an unknown type"),
        (b'S', "sparse file"),
        (b'L', "GNU long name"),
        (b'K', "GNU long name"),
        (b'g', "global pax header"),
    ];
    for (kind, name) in kinds {
        let entries = framed(&[Raw::of_kind(&in_approot("x"), kind)]);
        let told = told(&compress(&tar(&manifest(&entries), &entries)));
        assert_eq!(
            told,
            format!("refused `~/x`: it is neither a file nor a symbolic link: {name}")
        );
    }
}

#[test]
fn names_beside_each_other() {
    let two = |a: &str, b: &str| {
        [
            Raw::file(&in_approot(a), b""),
            Raw::file(&in_approot(b), b""),
        ]
    };
    check(
        &two("x", "x"),
        &expect!["the manifest lists a path in no role's approot, or out of order: `~/x`"],
        &expect!["package `/package` holds `~/x` where its manifest lists `sbom.cdx.json`"],
    );
    check(
        &two("X", "x"),
        &expect!["the manifest lists `~/x`: only case tells it from `~/X`"],
        &expect!["package `/package` holds `~/X` where its manifest lists `sbom.cdx.json`"],
    );
    check(
        &two("D/a", "d/b"),
        &expect!["the manifest lists `~/d/b`: only case tells it from `~/D`"],
        &expect!["package `/package` holds `~/D/a` where its manifest lists `sbom.cdx.json`"],
    );
    check(
        &two("d", "d/x"),
        &expect!["the manifest lists `~/d/x`: it lies below a file or link: `~/d`"],
        &expect!["package `/package` holds `~/d` where its manifest lists `sbom.cdx.json`"],
    );
}

#[test]
fn names_that_are_too_long_or_no_text() {
    let step = in_approot(&"x".repeat(256));
    check(
        &[Raw::file(&step, b"")],
        &expect![
            "the manifest lists `~/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx`: its path is too long, the limit in bytes is 255"
        ],
        &expect![
            "refused `~/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx`: its path is too long, the limit in bytes is 255"
        ],
    );
    for length in [1025, 4000, 4096, 5000, 70_000] {
        let path = in_approot(&"x/".repeat(length));
        let entries = framed(&[Raw::file(&path[..length], b"")]);
        let listed = told(&compress(&tar(&manifest(&entries), &entries)));
        assert!(
            listed.ends_with("its path is too long, the limit in bytes is 1024"),
            "{listed}"
        );
        assert!(listed.len() < 1500, "a message that ends: {}", listed.len());
        let unlisted = told(&compress(&tar(&manifest(&framed(&[])), &entries)));
        let is_refused = unlisted.ends_with("the limit in bytes is 1024")
            || unlisted.contains("too many bytes in a pax header");
        assert!(is_refused, "{unlisted}");
    }
    let mut foreign = Raw::file(&in_approot("a"), b"");
    foreign.path.push(0xff);
    check(
        &[foreign],
        &expect![
            "the manifest states another `tar_bytes` than its files add up to, which is 4608: 3584"
        ],
        &expect!["refused `~/a�`: its path is not UTF-8"],
    );
    let escape = Raw::file("\u{1b}[2J", b"");
    check(
        &[escape],
        &expect![[
            r#"the manifest lists a path in no role's approot, or out of order: `\u{1b}[2J`"#
        ]],
        &expect![[
            r#"package `/package` holds `\u{1b}[2J` where its manifest lists `sbom.cdx.json`"#
        ]],
    );
}

#[test]
fn sizes_and_modes_that_lie() {
    let sized = |size| {
        let mut file = Raw::file(&in_approot("x"), b"x");
        file.size = Some(size);
        [file]
    };
    check(
        &sized(u64::MAX),
        &expect![
            "the manifest lists `~/x`: the file is too large, the limit in bytes is 8589934591"
        ],
        &expect!["refused `~/x`: the file is too large, the limit in bytes is 8589934591"],
    );
    check(
        &sized(1 << 33),
        &expect![
            "the manifest lists `~/x`: the file is too large, the limit in bytes is 8589934591"
        ],
        &expect!["refused `~/x`: the file is too large, the limit in bytes is 8589934591"],
    );
    check(
        &sized((1 << 33) - 1),
        &expect![
            "the manifest states another `tar_bytes` than its files add up to, which is 8589938176: 8589938688"
        ],
        &expect!["package `/package` holds `~/x` where its manifest lists `sbom.cdx.json`"],
    );
    check(
        &sized(1000),
        &expect![
            "the manifest states another `tar_bytes` than its files add up to, which is 4608: 5120"
        ],
        &expect!["package `/package` holds `~/x` where its manifest lists `sbom.cdx.json`"],
    );
    let mut setuid = Raw::file(&in_approot("x"), b"x");
    setuid.mode = 0o4755;
    check(
        &[setuid],
        &expect!["the header of an entry is not the one that approot writes: `~/x`"],
        &expect!["the header of an entry is not the one that approot writes: `~/x`"],
    );
}

#[test]
fn manifests_and_archives_of_different_length() {
    let x = || Raw::file(&in_approot("x"), b"x");
    let (with, without) = (framed(&[x()]), framed(&[]));
    expect!["package `/package` holds `sbom.cdx.json` where its manifest lists `~/x`"]
        .assert_eq(&told(&compress(&tar(&manifest(&with), &without))));
    expect!["package `/package` holds `~/x` where its manifest lists `sbom.cdx.json`"]
        .assert_eq(&told(&compress(&tar(&manifest(&without), &with))));
    let mut more = without.clone();
    more.push(x());
    expect!["package `/package` holds an entry that its manifest does not list: `~/x`"]
        .assert_eq(&told(&compress(&tar(&manifest(&without), &more))));
}

#[test]
fn a_tar_cut_anywhere_under_a_right_seal() {
    let entries = framed(&[
        Raw::file(&in_approot("x"), &[7; 600]),
        Raw::link(&in_approot("y"), "x"),
    ]);
    let whole = tar(&manifest(&entries), &entries);
    for length in (0..whole.len()).step_by(64) {
        let told = told(&compress(&whole[..length]));
        assert_eq!(told, "the archive ends too early", "{length}");
    }
    let after = [&whole[..], &tar("", &[])].concat();
    expect!["the archive goes on after its end"].assert_eq(&told(&compress(&after)));
}

#[test]
fn streams_that_are_not_one_archive() {
    let entries = framed(&[]);
    let whole = compress(&tar(&manifest(&entries), &entries));
    let twice = [&whole[..], &whole].concat();
    expect!["the archive goes on after its end"].assert_eq(&told(&twice));
    // The second archive under one seal with the first.
    let members = &whole[..whole.len() - 58];
    expect!["the archive goes on after its end"]
        .assert_eq(&told(&seal([members, members].concat())));
    expect!["the archive ends too early"].assert_eq(&told(members));
    expect!["the archive ends too early"].assert_eq(&told(&seal(Vec::new())));
    expect!["the archive ends too early"].assert_eq(&told(b""));
    expect!["the file is not gzip"].assert_eq(&told(b"PK\x03\x04 not a gzip"));
}

/// Zeros, compressed as far as deflate can.
fn member_of_zeros(n_bytes: u64) -> Vec<u8> {
    let mut gzip = flate2::GzBuilder::new()
        .operating_system(255)
        .write(Vec::new(), flate2::Compression::new(6));
    std::io::copy(&mut std::io::repeat(0).take(n_bytes), &mut gzip).unwrap();
    gzip.finish().unwrap()
}

#[test]
fn bombs_go_off_before_they_are_read() {
    // A manifest of zeros, then one that is larger than one may be.
    let zeros = member_of_zeros(4 << 20);
    for size in [4 << 20, 1 << 30] {
        let mut manifest = Raw::file("manifest.json", b"");
        manifest.size = Some(size);
        let mut head = flate2::GzBuilder::new()
            .operating_system(255)
            .write(Vec::new(), flate2::Compression::new(6));
        std::io::Write::write_all(&mut head, &manifest.blocks()).unwrap();
        let package = seal([head.finish().unwrap(), zeros.clone()].concat());
        assert!(package.len() < 5_000, "{}", package.len());
        let told = told(&package);
        let is_refused =
            told.starts_with("the manifest is malformed") || told.starts_with("not a package");
        assert!(is_refused, "{told}");
    }
    // Files that are allowed one by one, and together far more than the package's size allows: said
    // by the manifest, so nothing is inflated.
    let huge = |n: u8| {
        let mut file = Raw::file(&in_approot(&n.to_string()), b"");
        file.size = Some(4 << 30);
        file
    };
    let entries = framed(&[huge(0), huge(1)]);
    let (_, error) = refused(&compress(&tar(&manifest(&entries), &entries)));
    let OpenError::Archive { source, .. } = error else {
        panic!("{error}");
    };
    assert!(
        matches!(source, ReadError::TooMuch { max, .. } if max == 5 << 30),
        "{source}"
    );
    // Content that no entry has.
    let good = compress(&tar(&manifest(&framed(&[])), &framed(&[])));
    let members = &good[..good.len() - 58];
    expect!["the archive goes on after its end"]
        .assert_eq(&told(&seal([members, &zeros].concat())));
}

#[test]
fn lists_in_a_manifest_end() {
    let entries = framed(&[]);
    let honest = manifest(&entries);
    let told = |json: &str| told(&compress(&tar(json, &entries)));
    let roles = format!("[{}\"W\"]", "\"W\",".repeat(100));
    expect!["the manifest is malformed: too many roles, the limit is 100 at line 1 column 470"]
        .assert_eq(&told(&honest.replacen("[\"W\"]", &roles, 1)));
    let link = r#"{"path":"a","target":"b"},"#;
    let files = format!("\"files\":[{}", link.repeat(200_001));
    expect![
        "the manifest is malformed: too many files, the limit is 200000 at line 1 column 5200123"
    ]
    .assert_eq(&told(&honest.replacen("\"files\":[", &files, 1)));
    let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    expect![
        "the manifest is malformed: invalid type: sequence, expected a string at line 1 column 66"
    ]
    .assert_eq(&told(&honest.replacen("[\"W\"]", &deep, 1)));
    let long = format!("\"{}\"", "x".repeat(100_000));
    expect!["the manifest has a value that is empty, too long or no single line: `service`"]
        .assert_eq(&told(&honest.replacen("\"S\"", &long, 1)));
    let escape = honest.replacen("\"S\"", r#""\u001b[2J""#, 1);
    expect!["the manifest has a value that is empty, too long or no single line: `service`"]
        .assert_eq(&told(&escape));
    let key = honest.replacen("\"service\"", r#""\u001b[2J""#, 1);
    expect![[r#"the manifest is malformed: unknown field `\u{1b}[2J`, expected one of `format_version`, `service`, `packager_version`, `roles`, `tar_bytes`, `files` at line 1 column 31"#]].assert_eq(&told(&key));
}

/// Long names, foreign names, links and noise besides the usual.
fn sample() -> Vec<Raw> {
    let mut random = Pcg32::new(6, 3);
    let mut entries: Vec<Raw> = (0..20)
        .map(|n| {
            let mut noise = vec![0; 200];
            random.fill_bytes(&mut noise);
            Raw::file(&in_approot(&format!("a{n:02}")), &noise)
        })
        .collect();
    entries.push(Raw::file(&in_approot(&"d".repeat(150)), b"long"));
    entries.push(Raw::link(&in_approot("link"), &"y".repeat(150)));
    entries.push(Raw::file(&in_approot("ü"), b"foreign"));
    framed(&entries)
}

#[test]
fn random_bits_of_the_file_are_refused() {
    let entries = sample();
    let good = compress(&tar(&manifest(&entries), &entries));
    let fixture = Fixture::empty();
    let path = fixture.path("package");
    let mut random = Pcg32::new(2000, 1);
    for n in 0..2000 {
        let mut bad = good.clone();
        let bit = random.next_u32() as usize % (good.len() * 8);
        bad[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &bad).unwrap();
        let error = open(&path).unwrap_err();
        assert!(error.is_invalid(), "{n}, bit {bit}: {error}");
        assert!(
            error.to_string().contains(path.to_str().unwrap()),
            "{error}"
        );
    }
    fs::write(&path, &good).unwrap();
    open(&path).unwrap();
}

/// Damage that the seal does not see, as whoever made it sealed it again.
#[test]
fn a_bit_in_any_header_is_refused_under_a_right_seal() {
    let entries = sample();
    let json = manifest(&entries);
    let good = tar(&json, &entries);
    let mut random = Pcg32::new(512, 1);
    let mut at = 0;
    let mut n_headers = 0;
    while good[at] != 0 {
        for _ in 0..8 {
            let bit = random.next_u32() as usize % (512 * 8);
            let mut bad = good.clone();
            bad[at + bit / 8] ^= 1 << (bit % 8);
            refused(&compress(&bad));
        }
        let size = std::str::from_utf8(&good[at + 124..at + 135]).unwrap();
        let size = usize::from_str_radix(size, 8).unwrap();
        at += 512 + size.next_multiple_of(512);
        n_headers += 1;
    }
    assert_eq!(
        n_headers,
        1 + entries.len() + 3,
        "three of them have a pax header"
    );
}
