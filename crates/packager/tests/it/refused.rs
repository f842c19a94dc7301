//! Sources that do not make a package, each with its message.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;

use expect_test::{Expect, expect};
use packager::{RoleSource, ServiceSource, build, stage};

use crate::support::{Fixture, chain, content};

/// Building and staging must say the same.
fn check(fixture: &Fixture, source: &ServiceSource, expected: &Expect) {
    let built = build(source, &fixture.path("out.tar.gz")).unwrap_err();
    assert!(built.is_invalid());
    expected.assert_eq(&chain(&built, fixture));
    let staged = stage(source, &fixture.path("staged")).unwrap_err();
    assert!(staged.is_invalid());
    assert_eq!(chain(&staged, fixture), chain(&built, fixture));
    assert!(!fixture.path("out.tar.gz").exists() && !fixture.path("staged").exists());
}

fn check_content(fixture: &Fixture, contents: &[(&str, &str)], expected: &Expect) {
    let contents = contents
        .iter()
        .map(|(destination, from)| content(destination, fixture.path(from)));
    let source = fixture.source_of(RoleSource {
        name: "EchoWorker".to_owned(),
        binary: None,
        components: None,
        content_directory: None,
        contents: contents.collect(),
    });
    check(fixture, &source, expected);
}

#[test]
fn missing_and_wrong_sources() {
    let fixture = Fixture::echo();
    check_content(
        &fixture,
        &[(".", "gone")],
        &expect!["role `EchoWorker`: `gone` is not there, looked for: /gone"],
    );
    check_content(
        &fixture,
        &[(".", "scripts/deep/start.sh")],
        &expect!["role `EchoWorker`: `start.sh` is not a folder: /scripts/deep/start.sh"],
    );
    check_content(
        &fixture,
        &[(".", "scripts/deep/start.sh/below")],
        &expect![
            "role `EchoWorker`: `below` is not there, looked for: /scripts/deep/start.sh/below"
        ],
    );
    let mut source = fixture.source();
    source.roles[0].binary = Some(fixture.path("target/gone"));
    check(
        &fixture,
        &source,
        &expect!["role `EchoWorker`: `the role's program` is not there, looked for: /target/gone"],
    );
    source.roles[0].binary = Some(fixture.path("target"));
    check(
        &fixture,
        &source,
        &expect!["role `EchoWorker`: `the role's program` is not a file: /target"],
    );
    source.roles[0].binary = None;
    source.roles[0].content_directory = Some(fixture.path("NoContent"));
    check(
        &fixture,
        &source,
        &expect!["role `EchoWorker`: `EchoWorkerContent` is not there, looked for: /NoContent"],
    );
}

#[test]
fn destinations() {
    let fixture = Fixture::echo();
    check_content(
        &fixture,
        &[("..\\x", "scripts")],
        &expect![[r#"role `EchoWorker`: a content's destination leaves the approot: `..\x`"#]],
    );
    check_content(
        &fixture,
        &[("a/../../x", "scripts")],
        &expect!["role `EchoWorker`: a content's destination leaves the approot: `a/../../x`"],
    );
    check_content(
        &fixture,
        &[("/x", "scripts")],
        &expect!["role `EchoWorker`: a content's destination leaves the approot: `/x`"],
    );
    check_content(
        &fixture,
        &[("\\x", "scripts")],
        &expect![[r#"role `EchoWorker`: a content's destination leaves the approot: `\x`"#]],
    );
    check_content(
        &fixture,
        &[("C:\\x", "scripts")],
        &expect![[r#"role `EchoWorker`: a content's destination leaves the approot: `C:\x`"#]],
    );
}

#[test]
fn destinations_that_stay() {
    let fixture = Fixture::echo();
    for destination in ["", ".", ".\\", "a/..", "a\\.."] {
        let role = RoleSource {
            name: "EchoWorker".to_owned(),
            binary: None,
            components: None,
            content_directory: None,
            contents: vec![content(destination, fixture.path("scripts"))],
        };
        let staged = stage(&fixture.source_of(role), &fixture.path("staged")).unwrap();
        let paths: Vec<&str> = staged
            .files_of("EchoWorker")
            .map(|(path, _)| path)
            .collect();
        assert_eq!(paths, ["deep/start.sh"], "{destination}");
    }
}

#[test]
fn conflicts_name_both() {
    let fixture = Fixture::empty();
    for path in [
        "one/x",
        "two/x",
        "upper/X",
        "folder/x/below",
        "upperfolder/X/other",
    ] {
        fixture.write(path, "");
    }
    check_content(
        &fixture,
        &[(".", "one"), (".", "two")],
        &expect![
            "role `EchoWorker`: two sources for `x` (the path is there already): /one/x and /two/x"
        ],
    );
    check_content(
        &fixture,
        &[(".", "one"), (".", "upper")],
        &expect![
            "role `EchoWorker`: two sources for `X` (only case tells it from `x`): /one/x and /upper/X"
        ],
    );
    check_content(
        &fixture,
        &[(".", "one"), (".", "folder")],
        &expect![
            "role `EchoWorker`: two sources for `x/below` (it lies below a file or link: `x`): /one/x and /folder/x/below"
        ],
    );
    check_content(
        &fixture,
        &[(".", "folder"), (".", "one")],
        &expect![
            "role `EchoWorker`: two sources for `x` (the path is there already): /folder/x/below and /one/x"
        ],
    );
    check_content(
        &fixture,
        &[(".", "folder"), (".", "upperfolder")],
        &expect![
            "role `EchoWorker`: two sources for `X/other` (only case tells it from `x`): /folder/x/below and /upperfolder/X/other"
        ],
    );
    fixture.program("target/echo-worker", "");
    fixture.write("EchoWorkerContent/echo-worker", "");
    fs::create_dir(fixture.path("scripts")).unwrap();
    check(
        &fixture,
        &fixture.source(),
        &expect![
            "role `EchoWorker`: two sources for `echo-worker` (the path is there already): /target/echo-worker and /EchoWorkerContent/echo-worker"
        ],
    );
}

#[test]
fn links_that_leave() {
    for target in ["/etc/passwd", "../../x", "deep/../../../x"] {
        let fixture = Fixture::echo();
        fixture.link("scripts/leaves", target);
        let expected = &match target {
            "/etc/passwd" => expect![
                "cannot package this file, its link leaves the root: `/etc/passwd`: /scripts/leaves"
            ],
            "../../x" => expect![
                "cannot package this file, its link leaves the root: `../../x`: /scripts/leaves"
            ],
            _ => expect![
                "cannot package this file, its link leaves the root: `deep/../../../x`: /scripts/leaves"
            ],
        };
        check_content(&fixture, &[("", "scripts")], expected);
    }
}

#[test]
fn a_link_may_use_the_depth_of_its_destination() {
    let fixture = Fixture::echo();
    fixture.link("scripts/up", "../../readme.txt");
    let staged = stage(&fixture.source(), &fixture.path("staged")).unwrap();
    let link = staged.approot("EchoWorker").join("tools/scripts/up");
    assert_eq!(fs::read(link).unwrap(), b"read me");
}

#[test]
fn names_and_kinds() {
    let fixture = Fixture::echo();
    fs::write(
        fixture.path("scripts").join(OsStr::from_bytes(b"a\xff")),
        "",
    )
    .unwrap();
    check_content(
        &fixture,
        &[("", "scripts")],
        &expect!["cannot package this file, its path is not UTF-8: /scripts/a�"],
    );
    let fixture = Fixture::echo();
    fixture.write("scripts/a", "");
    fs::remove_file(fixture.path("scripts/a")).unwrap();
    std::os::unix::fs::symlink(OsStr::from_bytes(b"a\xff"), fixture.path("scripts/a")).unwrap();
    check_content(
        &fixture,
        &[("", "scripts")],
        &expect!["cannot package this file, its path is not UTF-8: /scripts/a"],
    );
    let fixture = Fixture::echo();
    let _socket = UnixListener::bind(fixture.path("scripts/socket")).unwrap();
    check_content(
        &fixture,
        &[("", "scripts")],
        &expect![
            "cannot package this file, it is neither a file nor a symbolic link: socket: /scripts/socket"
        ],
    );
    let fixture = Fixture::echo();
    let fifo = fixture.path("scripts/fifo");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    check_content(
        &fixture,
        &[("", "scripts")],
        &expect![
            "cannot package this file, it is neither a file nor a symbolic link: fifo: /scripts/fifo"
        ],
    );
}

#[test]
fn files_beyond_the_limit() {
    let fixture = Fixture::echo();
    // All hole: takes no space.
    let huge = fs::File::create(fixture.path("scripts/huge")).unwrap();
    huge.set_len(8 << 30).unwrap();
    check_content(
        &fixture,
        &[("", "scripts")],
        &expect![
            "cannot package this file, the file is too large, the limit in bytes is 8589934591: /scripts/huge"
        ],
    );
}

#[test]
fn names_of_roles() {
    let fixture = Fixture::echo();
    let mut source = fixture.source();
    source.roles[0].name = "../x".to_owned();
    check(
        &fixture,
        &source,
        &expect!["the name of a role is used twice or is no file name: `../x`"],
    );
    source.roles[0].name = "a/b".to_owned();
    check(
        &fixture,
        &source,
        &expect!["the name of a role is used twice or is no file name: `a/b`"],
    );
    let mut source = fixture.source();
    source.roles.push(source.roles[0].clone());
    source.roles[1].name = "ECHOWORKER".to_owned();
    check(
        &fixture,
        &source,
        &expect!["the name of a role is used twice or is no file name: `ECHOWORKER`"],
    );
}
