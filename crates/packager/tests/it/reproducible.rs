//! The same sources make the same bytes, wherever and however they lie on disk.

use std::fs::{self, File, FileTimes};
use std::path::Path;
use std::time::{Duration, SystemTime};

use packager::build;

use crate::support::{Fixture, set_mode};

/// The files of [`Fixture::echo`], made in another order, so that folders list them differently.
fn echo_backwards() -> Fixture {
    let fixture = Fixture::empty();
    fixture.program("scripts/deep/start.sh", "#!/bin/sh\n");
    fixture.write("EchoWorkerContent/zzz", "made first, removed again");
    fixture.write(
        "EchoWorkerContent/data.txt",
        "between `data` and `data/` in bytes",
    );
    fixture.write("EchoWorkerContent/data/a.txt", "");
    fixture.link("EchoWorkerContent/data/latest", "../readme.txt");
    fixture.write("EchoWorkerContent/data/b.txt", "bb");
    fixture.write("EchoWorkerContent/readme.txt", "read me");
    fixture.program("target/echo-worker", "#!/bin/sh\necho\n");
    fs::remove_file(fixture.path("EchoWorkerContent/zzz")).unwrap();
    fixture
}

fn bytes(fixture: &Fixture) -> Vec<u8> {
    fs::read(fixture.build().path).unwrap()
}

fn for_each_file(directory: &Path, change: &dyn Fn(&Path)) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            for_each_file(&entry.path(), change);
        }
        if !kind.is_symlink() {
            change(&entry.path());
        }
    }
}

#[test]
fn folder_and_order_do_not_matter() {
    assert!(bytes(&Fixture::echo()) == bytes(&echo_backwards()));
}

#[test]
fn umask_does_not_matter() {
    let expected = bytes(&Fixture::echo());
    for umask in [0o000, 0o077, 0o027] {
        let fixture = Fixture::echo();
        for_each_file(&fixture.path(""), &|path| {
            let is_open =
                path.is_dir() || path.extension().is_none_or(|extension| extension == "sh");
            set_mode(path, if is_open { 0o777 } else { 0o666 } & !umask);
        });
        assert!(bytes(&fixture) == expected, "umask {umask:o}");
    }
}

#[test]
fn the_executable_bit_does_matter() {
    let fixture = Fixture::echo();
    set_mode(&fixture.path("target/echo-worker"), 0o644);
    assert!(bytes(&fixture) != bytes(&Fixture::echo()));
}

#[test]
fn times_do_not_matter() {
    let fixture = Fixture::echo();
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    for_each_file(&fixture.path(""), &|path| {
        let times = FileTimes::new()
            .set_modified(long_ago)
            .set_accessed(long_ago);
        File::open(path).unwrap().set_times(times).unwrap();
    });
    assert!(bytes(&fixture) == bytes(&Fixture::echo()));
}

#[test]
fn the_order_of_roles_does_not_matter() {
    let fixture = Fixture::echo();
    let mut source = fixture.source();
    let mut other = source.roles[0].clone();
    other.name = "Another".to_owned();
    source.roles.push(other);
    let forwards = build(&source, &fixture.path("a")).unwrap();
    source.roles.reverse();
    let backwards = build(&source, &fixture.path("b")).unwrap();
    assert_eq!(forwards.sha256, backwards.sha256);
    assert_eq!(forwards.manifest.roles, ["Another", "EchoWorker"]);
}

#[test]
fn package_unpack_package_gives_the_same_bytes() {
    let fixture = Fixture::echo();
    let first = fixture.build();
    let unpacked = packager::open(&first.path)
        .unwrap()
        .unpack(&fixture.path("unpacked"))
        .unwrap();
    let source = fixture.source_of(packager::RoleSource {
        name: "EchoWorker".to_owned(),
        binary: None,
        components: None,
        content_directory: Some(unpacked.approot("EchoWorker")),
        contents: Vec::new(),
    });
    let second = build(&source, &fixture.path("again")).unwrap();
    assert_eq!(first.sha256, second.sha256);
}
