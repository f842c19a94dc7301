//! A file that changes between the two readings.

use std::fs;
use std::path::Path;

use super::*;
use crate::RoleSource;

fn source(directory: &Path) -> ServiceSource {
    let role = RoleSource {
        name: "EchoWorker".to_owned(),
        binary: None,
        components: None,
        content_directory: Some(directory.to_owned()),
        contents: Vec::new(),
    };
    ServiceSource {
        service: "EchoCloud".to_owned(),
        definition: b"<ServiceDefinition />".to_vec(),
        roles: vec![role],
    }
}

/// Builds, with `change` done to the one source file after it was hashed.
fn build_after(change: impl FnOnce(&Path)) -> (Result<Package, BuildError>, bool) {
    let directory = tempfile::tempdir().unwrap();
    let content = directory.path().join("content");
    let file = content.join("a");
    fs::create_dir(&content).unwrap();
    fs::write(&file, "old").unwrap();
    let inventory = Inventory::take(&source(&content)).unwrap();
    change(&file);
    let out = directory.path().join("out");
    let built = write_package(inventory, &out);
    (built, out.exists())
}

#[test]
fn nothing_changed() {
    let (built, exists) = build_after(|_| {});
    assert!(built.is_ok() && exists);
}

#[test]
fn a_changed_file_is_named() {
    let to_fifo = |file: &Path| {
        fs::remove_file(file).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, file, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    };
    type Change<'a> = &'a dyn Fn(&Path);
    let changes: [Change<'_>; 4] = [
        &|file| fs::write(file, "new").unwrap(),
        &|file| fs::write(file, "longer").unwrap(),
        &|file| fs::write(file, "").unwrap(),
        &to_fifo,
    ];
    for change in changes {
        let (built, exists) = build_after(change);
        let error = built.unwrap_err();
        let is_named = matches!(
            &error,
            BuildError::Source(SourceError::Changed { path }) if path.ends_with("content/a")
        );
        assert!(is_named && !exists && !error.is_invalid(), "{error}");
    }
}

#[test]
fn a_file_that_is_gone_or_a_link_cannot_be_read() {
    let to_link = |file: &Path| {
        fs::remove_file(file).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", file).unwrap();
    };
    type Change<'a> = &'a dyn Fn(&Path);
    let changes: [Change<'_>; 2] = [&|file| fs::remove_file(file).unwrap(), &to_link];
    for change in changes {
        let (built, exists) = build_after(change);
        let error = built.unwrap_err();
        assert!(
            matches!(&error, BuildError::Source(SourceError::Read { .. })),
            "{error}"
        );
        assert!(!exists);
    }
}
