//! What is taken from the sources, and what stays out.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;

use expect_test::{Expect, expect};
use packager::{EntryKind, Part, RoleSource, ServiceSource, SourceError, build, list, stage};

use crate::support::{Fixture, chain, content};

fn role(fixture: &Fixture, contents: &[(&str, &str)]) -> ServiceSource {
    let contents = contents
        .iter()
        .map(|(destination, from)| content(destination, fixture.path(from)));
    fixture.source_of(RoleSource {
        components: None,
        name: "EchoWorker".to_owned(),
        binary: None,
        content_directory: None,
        contents: contents.collect(),
    })
}

/// Listing, staging and packaging must agree on the paths.
fn paths(fixture: &Fixture, source: &ServiceSource) -> Vec<String> {
    let listing = list(source).unwrap();
    let listed = listing.entries_of("EchoWorker");
    let listed: Vec<String> = listed.map(|(path, _)| path.to_owned()).collect();
    let staged = stage(source, &fixture.path("staged")).unwrap();
    let built = build(source, &fixture.path("out.tar.gz")).unwrap();
    for manifest in [&staged.manifest, &built.manifest] {
        let files = manifest.files_of("EchoWorker").map(|(path, _)| path);
        assert!(files.eq(&listed));
    }
    listed
}

#[test]
fn folders_are_found_without_regard_to_case() {
    let fixture = Fixture::empty();
    fixture.write("Assets/Data/x", "");
    let source = role(&fixture, &[("d", "assets/DATA")]);
    assert_eq!(paths(&fixture, &source), ["d/x"]);
    fixture.write("assets/Data/y", "");
    assert_eq!(
        paths(&fixture, &role(&fixture, &[("d", "assets/Data")])),
        ["d/y"]
    );
    let error = list(&role(&fixture, &[("d", "ASSETS/Data")])).unwrap_err();
    assert!(error.is_invalid());
    expect!["role `EchoWorker`: `Data` is not there, and only case tells it from each of: /Assets, /assets"]
        .assert_eq(&chain(&error, &fixture));
}

#[test]
fn approotignore_leaves_files_out() {
    let fixture = Fixture::empty();
    for path in ["a.log", "a.txt", "tmp/x", "deep/tmp/x", "deep/keep.log"] {
        fixture.write(&format!("source/{path}"), "");
    }
    fixture.write(
        "source/.approotignore",
        "# left out\n*.log\n!keep.log\n/tmp/\n.socket\nbad*\n",
    );
    // Another folder's rules, and deeper ones, are files of no meaning here.
    fixture.write("source/deep/.approotignore", "*");
    fixture.write("other/a.log", "");
    // What stays out is not asked whether it could be packaged.
    let _socket = UnixListener::bind(fixture.path("source/.socket")).unwrap();
    let bad = fixture.path("source").join(OsStr::from_bytes(b"bad\xff"));
    fs::write(bad, "").unwrap();
    fixture.link("source/bad-link", "/etc/passwd");
    let source = role(&fixture, &[("", "source"), ("other", "other")]);
    assert_eq!(
        paths(&fixture, &source),
        [
            "a.txt",
            "deep/.approotignore",
            "deep/keep.log",
            "deep/tmp/x",
            "other/a.log"
        ]
    );
}

#[test]
fn an_approotignore_must_be_a_text_of_patterns() {
    let check = |make: &dyn Fn(&Fixture), expected: &Expect| {
        let fixture = Fixture::empty();
        fixture.write("source/x", "");
        make(&fixture);
        let error = list(&role(&fixture, &[("", "source")])).unwrap_err();
        assert!(error.is_invalid());
        expected.assert_eq(&chain(&error, &fixture));
    };
    check(
        &|fixture| fixture.write("source/.approotignore", "x\n[z-a]\n"),
        &expect![
            "/source/.approotignore:2: not a pattern of gitignore: error parsing glob '[z-a]': invalid range; 'z' > 'a'"
        ],
    );
    check(
        &|fixture| fixture.link("source/.approotignore", "x"),
        &expect!["cannot use `/source/.approotignore`: it is not a regular file"],
    );
    check(
        &|fixture| fs::write(fixture.path("source/.approotignore"), b"\xff").unwrap(),
        &expect!["cannot use `/source/.approotignore`: it is not UTF-8"],
    );
    check(
        &|fixture| fixture.write("source/.approotignore", &"#".repeat(65537)),
        &expect![
            "cannot use `/source/.approotignore`: it is too large, the limit in bytes is 65536"
        ],
    );
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let fixture = Fixture::echo();
    for path in ["one/x", "two/x", "two/Dir/a", "two/Dir/b", "one/dir/a"] {
        fixture.write(path, "");
    }
    let contents = [("", "one"), ("", "gone"), ("", "two"), ("..", "one")];
    let error = list(&role(&fixture, &contents)).unwrap_err();
    assert!(error.is_invalid());
    let each = error.into_each();
    let told: Vec<String> = each.iter().map(|error| chain(error, &fixture)).collect();
    expect![[r#"
        role `EchoWorker`: `gone` is not there, looked for: /gone
        role `EchoWorker`: two sources for `x` (the path is there already): /one/x and /two/x
        role `EchoWorker`: two sources for `Dir/a` (only case tells it from `dir`): /one/dir/a and /two/Dir/a
        role `EchoWorker`: a content's destination leaves the approot: `..`"#]]
    .assert_eq(&told.join("\n"));
    let parts = each.iter().map(|error| match error {
        SourceError::Missing { part, .. } | SourceError::Destination { part, .. } => (None, *part),
        SourceError::Conflict(conflict) => (Some(conflict.first_part), conflict.second_part),
        other => panic!("{other}"),
    });
    let content = Part::Content;
    assert!(parts.eq([
        (None, content(1)),
        (Some(content(0)), content(2)),
        (Some(content(0)), content(2)),
        (None, content(3)),
    ]));
}

#[test]
fn a_listing_tells_sizes_and_links_and_reads_no_content() {
    let fixture = Fixture::echo();
    // All hole, of a size that takes minutes to read here.
    let huge = fs::File::create(fixture.path("scripts/huge")).unwrap();
    huge.set_len(4 << 30).unwrap();
    let listing = list(&fixture.source()).unwrap();
    assert_eq!(
        (listing.service.as_str(), &listing.roles[..]),
        ("EchoCloud", &["EchoWorker".to_owned()][..])
    );
    let told = listing.entries_of("EchoWorker").map(|(path, entry)| {
        let kind = match &entry.kind {
            EntryKind::File { mode, bytes } => format!("{:o} {bytes}", mode.bits()),
            EntryKind::Symlink { target } => format!("-> {target}"),
        };
        format!("{path} {kind} {:?}\n", entry.part)
    });
    expect![[r#"
        data.txt 644 35 ContentDirectory
        data/a.txt 644 0 ContentDirectory
        data/b.txt 644 2 ContentDirectory
        data/latest -> ../readme.txt ContentDirectory
        echo-worker 755 15 Program
        readme.txt 644 7 ContentDirectory
        tools/scripts/deep/start.sh 755 10 Content(0)
        tools/scripts/huge 644 4294967296 Content(0)
    "#]]
    .assert_eq(&told.collect::<String>());
}

#[test]
fn a_file_of_holes_is_a_file_of_zeros() {
    let fixture = Fixture::empty();
    fixture.write("source/holes", "begin");
    let holes = fs::File::options()
        .write(true)
        .open(fixture.path("source/holes"))
        .unwrap();
    holes.set_len(3 << 20).unwrap();
    paths(&fixture, &role(&fixture, &[("", "source")]));
    let staged = fs::read(fixture.path("staged/roles/EchoWorker/approot/holes")).unwrap();
    assert_eq!((staged.len(), &staged[..6]), (3 << 20, &b"begin\0"[..]));
    assert!(staged[5..].iter().all(|byte| *byte == 0));
}
