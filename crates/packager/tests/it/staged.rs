//! Staging and unpacking: one tree, made whole or not at all.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use expect_test::expect;
use packager::{OpenError, StageError, Staged, TreeError, open, stage};

use crate::support::{Fixture, set_mode, tree};

fn inode(path: &Path) -> u64 {
    path.metadata().unwrap().ino()
}

#[test]
fn both_ways_lead_to_one_tree() {
    let fixture = Fixture::echo();
    let package = fixture.build();
    let staged = stage(&fixture.source(), &fixture.path("a/staged")).unwrap();
    let unpacked = open(&package.path)
        .unwrap()
        .unpack(&fixture.path("b/unpacked"))
        .unwrap();
    assert_eq!(tree(&staged.root), tree(&unpacked.root));
    assert_eq!(
        (staged.digest, &staged.manifest),
        (unpacked.digest, &package.manifest)
    );
    assert_eq!(fixture.path("a").read_dir().unwrap().count(), 1);
    let lines = tree(&staged.root.join("roles"));
    expect![[r##"
        [
            "EchoWorker 755 \"\"",
            "EchoWorker/approot 755 \"\"",
            "EchoWorker/approot/data 755 \"\"",
            "EchoWorker/approot/data.txt 644 \"between `data` and `data/` in bytes\"",
            "EchoWorker/approot/data/a.txt 644 \"\"",
            "EchoWorker/approot/data/b.txt 644 \"bb\"",
            "EchoWorker/approot/data/latest 777 \"../readme.txt\"",
            "EchoWorker/approot/echo-worker 755 \"#!/bin/sh\\necho\\n\"",
            "EchoWorker/approot/readme.txt 644 \"read me\"",
            "EchoWorker/approot/tools 755 \"\"",
            "EchoWorker/approot/tools/scripts 755 \"\"",
            "EchoWorker/approot/tools/scripts/deep 755 \"\"",
            "EchoWorker/approot/tools/scripts/deep/start.sh 755 \"#!/bin/sh\\n\"",
        ]
    "##]]
    .assert_debug_eq(&lines);
}

#[test]
fn an_equal_tree_is_kept_and_a_changed_one_replaced() {
    let fixture = Fixture::echo();
    let package = open(&fixture.build().path).unwrap();
    let destination = fixture.path("staged");
    let first = stage(&fixture.source(), &destination).unwrap();
    let kept = inode(&destination);
    assert_eq!(
        stage(&fixture.source(), &destination).unwrap().digest,
        first.digest
    );
    package.unpack(&destination).unwrap();
    assert_eq!(inode(&destination), kept);

    let readme = first.approot("EchoWorker").join("readme.txt");
    let link = first.approot("EchoWorker").join("data/latest");
    let replace_link = |link: &Path| {
        fs::remove_file(link).unwrap();
        symlink("b.txt", link).unwrap();
    };
    type Damage<'a> = &'a dyn Fn();
    let damages: [Damage<'_>; 6] = [
        &|| fs::write(&readme, "READ ME").unwrap(),
        &|| fs::write(&readme, "read me more").unwrap(),
        &|| fs::remove_file(&readme).unwrap(),
        &|| set_mode(&readme, 0o755),
        &|| replace_link(&link),
        &|| fs::write(destination.join("extra"), "").unwrap(),
    ];
    for (n, damage) in damages.iter().enumerate() {
        damage();
        let error = Staged::open(&destination).unwrap_err();
        assert!(matches!(error, TreeError::Differs { .. }), "{n}: {error}");
        if n % 2 == 0 {
            stage(&fixture.source(), &destination).unwrap();
        } else {
            package.unpack(&destination).unwrap();
        }
        assert_eq!(
            Staged::open(&destination).unwrap().digest,
            first.digest,
            "{n}"
        );
    }

    fixture.write("EchoWorkerContent/readme.txt", "another");
    let other = stage(&fixture.source(), &destination).unwrap();
    assert_ne!(other.digest, first.digest);
    assert_eq!(fs::read(&readme).unwrap(), b"another");
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let fixture = Fixture::echo();
    let package = open(&fixture.build().path).unwrap();
    fixture.write("home/precious", "x");
    fixture.write("site/manifest.json", "{\"name\":\"a web page's\"}");
    for name in ["home", "site"] {
        let destination = fixture.path(name);
        let before = tree(&destination);
        let error = stage(&fixture.source(), &destination).unwrap_err();
        assert!(
            matches!(error, StageError::Tree(TreeError::Occupied { .. })),
            "{error}"
        );
        assert!(!error.is_invalid());
        let error = package.unpack(&destination).unwrap_err();
        assert!(
            matches!(error, OpenError::Tree(TreeError::Occupied { .. })),
            "{error}"
        );
        assert_eq!(tree(&destination), before);
    }
    fs::create_dir(fixture.path("vacant")).unwrap();
    stage(&fixture.source(), &fixture.path("vacant")).unwrap();
    let on_a_file = fixture.path("home/precious");
    stage(&fixture.source(), &on_a_file).unwrap_err();
    stage(&fixture.source(), &on_a_file.join("below")).unwrap_err();
}

#[test]
fn a_role_without_files_has_an_approot() {
    let fixture = Fixture::echo();
    let mut source = fixture.source();
    source.roles.push(packager::RoleSource {
        name: "Empty".to_owned(),
        binary: None,
        components: None,
        content_directory: None,
        contents: Vec::new(),
    });
    let staged = stage(&source, &fixture.path("staged")).unwrap();
    assert!(staged.approot("Empty").is_dir());
    assert_eq!(staged.files_of("Empty").count(), 0);
    fs::remove_dir(staged.approot("Empty")).unwrap();
    Staged::open(&staged.root).unwrap_err();
}

#[test]
fn an_unpack_of_a_file_that_changed_is_refused() {
    let fixture = Fixture::echo();
    let package = fixture.build();
    let opened = open(&package.path).unwrap();
    let mut source = fixture.source();
    source.service = "Another".to_owned();
    let other = packager::build(&source, &fixture.path("other")).unwrap();
    // Into the same inode, which is what a rename would not do.
    fs::copy(other.path, &package.path).unwrap();
    opened.unpack(&fixture.path("unpacked")).unwrap_err();
    fs::write(&package.path, "").unwrap();
    opened.unpack(&fixture.path("unpacked")).unwrap_err();
    assert!(!fixture.path("unpacked").exists());
}
