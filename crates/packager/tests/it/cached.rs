//! Packaging what did not change, or not all of it.

use std::fs;
use std::num::NonZero;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use packager::{BuildOptions, Package, RoleSource, build, build_with, verify};

use crate::support::Fixture;

const CACHED: fn(&Fixture) -> Package = |fixture| {
    let options = BuildOptions {
        cache: true,
        ..BuildOptions::default()
    };
    build_with(&fixture.source(), &package(fixture), options).unwrap()
};

fn package(fixture: &Fixture) -> PathBuf {
    fixture.path("EchoCloud.cspkg.tar.gz")
}

fn cache(fixture: &Fixture) -> PathBuf {
    fixture.path(".EchoCloud.cspkg.tar.gz.cache")
}

/// Changes something after a first packaging; the second must make what one without a cache makes.
fn check(change: impl FnOnce(&Fixture), is_reused: bool) {
    let fixture = Fixture::echo();
    assert!(!CACHED(&fixture).is_reused);
    change(&fixture);
    let second = CACHED(&fixture);
    let expected = build(&fixture.source(), &fixture.path("expected")).unwrap();
    assert_eq!(
        (second.sha256, second.bytes),
        (expected.sha256, expected.bytes)
    );
    assert_eq!(second.manifest, expected.manifest);
    assert_eq!(second.is_reused, is_reused);
    assert_eq!(verify(&package(&fixture)).unwrap().sha256, expected.sha256);
    assert!(CACHED(&fixture).is_reused);
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn what_did_not_change_is_used_again() {
    check(|_| {}, true);
    // Neither has a file that was written again, nor one that moved away and back.
    check(
        |fixture| fixture.write("EchoWorkerContent/readme.txt", "read me"),
        true,
    );
}

#[test]
fn what_changed_is_packaged() {
    check(
        |fixture| fixture.write("EchoWorkerContent/readme.txt", "READ ME"),
        false,
    );
    check(|fixture| fixture.write("EchoWorkerContent/new", ""), false);
    check(
        |fixture| fixture.link("EchoWorkerContent/new", "readme.txt"),
        false,
    );
    let remove = |fixture: &Fixture| {
        fs::remove_file(fixture.path("EchoWorkerContent/data.txt")).unwrap();
    };
    check(remove, false);
    let make_plain = |fixture: &Fixture| {
        crate::support::set_mode(&fixture.path("target/echo-worker"), 0o644);
    };
    check(make_plain, false);
}

#[test]
fn a_package_that_is_not_there_as_it_was_is_made_again() {
    check(|fixture| fs::remove_file(package(fixture)).unwrap(), false);
    check(|fixture| flip(&package(fixture), 40), false);
    check(|fixture| fs::write(package(fixture), "").unwrap(), false);
    let longer = |fixture: &Fixture| {
        let mut bytes = fs::read(package(fixture)).unwrap();
        bytes.push(0);
        fs::write(package(fixture), bytes).unwrap();
    };
    check(longer, false);
    let moved = |fixture: &Fixture| {
        fs::rename(package(fixture), fixture.path("moved")).unwrap();
        symlink("moved", package(fixture)).unwrap();
    };
    check(moved, false);
}

#[test]
fn a_cache_that_is_not_whole_is_as_good_as_none() {
    for at in [0, 40, 70, 100, 110] {
        check(|fixture| flip(&cache(fixture), at), false);
    }
    check(|fixture| fs::write(cache(fixture), "").unwrap(), false);
    check(|fixture| fs::remove_file(cache(fixture)).unwrap(), false);
    let to_link = |fixture: &Fixture| {
        fs::rename(cache(fixture), fixture.path("moved")).unwrap();
        symlink("moved", cache(fixture)).unwrap();
    };
    check(to_link, false);
}

#[test]
fn a_cache_that_cannot_be_kept_does_no_harm() {
    let fixture = Fixture::echo();
    fs::create_dir(cache(&fixture)).unwrap();
    fs::write(cache(&fixture).join("in the way"), "").unwrap();
    let first = CACHED(&fixture);
    assert_eq!(first.sha256, CACHED(&fixture).sha256);
}

/// Files of the workspace, which are older than the tick within which nothing is settled.
#[test]
fn settled_files_are_known_by_what_stat_says() {
    let fixture = Fixture::empty();
    let source = fixture.source_of(RoleSource {
        name: "EchoWorker".to_owned(),
        binary: None,
        components: None,
        content_directory: Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")),
        contents: Vec::new(),
    });
    let options = BuildOptions {
        cache: true,
        ..BuildOptions::default()
    };
    let first = build_with(&source, &package(&fixture), options).unwrap();
    let of_one_file = 7 * 8 + 32;
    let n_files = first.manifest.files.len() as u64 - 2;
    let bytes = fs::metadata(cache(&fixture)).unwrap().len();
    assert_eq!(bytes, 3 * 32 + 8 + n_files * of_one_file + 32);
    let second = build_with(&source, &package(&fixture), options).unwrap();
    assert!(second.is_reused && second.sha256 == first.sha256);
    fs::remove_file(package(&fixture)).unwrap();
    let third = build_with(&source, &package(&fixture), options).unwrap();
    assert!(!third.is_reused && third.sha256 == first.sha256);
}

#[test]
fn the_number_of_threads_does_not_matter() {
    let fixture = Fixture::echo();
    let lines: String = (0u64..200_000).map(|n| format!("{}\n", n * n)).collect();
    assert!(lines.len() > 2 << 20, "several blocks: {}", lines.len());
    fixture.write("EchoWorkerContent/large", &lines);
    let digests = [1, 2, 3, 4].map(|n_threads| {
        let options = BuildOptions {
            n_threads: NonZero::new(n_threads).unwrap(),
            ..BuildOptions::default()
        };
        let path = package(&fixture);
        build_with(&fixture.source(), &path, options)
            .unwrap()
            .sha256
    });
    assert_eq!(digests, [digests[0]; 4]);
    assert_eq!(verify(&package(&fixture)).unwrap().sha256, digests[0]);
}
