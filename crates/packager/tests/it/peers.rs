//! Others read what we write.

use std::iter;
use std::process::{Command, Output};

use packager::write_sums;
use serde_json::Value;

use crate::support::{Fixture, tree};

/// `None` where the program is not installed.
fn run(program: &str, arguments: &[&str], fixture: &Fixture) -> Option<Output> {
    if !test_support::has_program(program) {
        return None;
    }
    let output = Command::new(program)
        .args(arguments)
        .current_dir(fixture.path(""))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    assert_eq!(errors, "", "{program} {arguments:?}");
    Some(output)
}

/// Long and foreign names besides the usual: what ustar alone cannot hold.
fn fixture() -> Fixture {
    let fixture = Fixture::echo();
    fixture.write("EchoWorkerContent/größe/naïve.txt", "x");
    let folder = "d".repeat(120);
    fixture.write(&format!("EchoWorkerContent/{folder}/{folder}.txt"), "long");
    fixture.link(
        "EchoWorkerContent/long-link",
        &format!("{folder}/{folder}.txt"),
    );
    fixture.build();
    fixture
}

#[test]
fn tar_lists_the_layout() {
    let fixture = Fixture::echo();
    fixture.build();
    let Some(output) = run("tar", &["tzf", "EchoCloud.cspkg.tar.gz"], &fixture) else {
        return;
    };
    expect_test::expect![[r#"
        manifest.json
        ServiceDefinition.csdef
        roles/EchoWorker/approot/data.txt
        roles/EchoWorker/approot/data/a.txt
        roles/EchoWorker/approot/data/b.txt
        roles/EchoWorker/approot/data/latest
        roles/EchoWorker/approot/echo-worker
        roles/EchoWorker/approot/readme.txt
        roles/EchoWorker/approot/tools/scripts/deep/start.sh
        sbom.cdx.json
    "#]]
    .assert_eq(&String::from_utf8(output.stdout).unwrap());
}

#[test]
fn tar_and_gzip_read_the_whole() {
    let fixture = fixture();
    run("gzip", &["-t", "EchoCloud.cspkg.tar.gz"], &fixture);
    let ours = packager::open(&fixture.path("EchoCloud.cspkg.tar.gz")).unwrap();
    ours.unpack(&fixture.path("ours")).unwrap();
    std::fs::create_dir(fixture.path("theirs")).unwrap();
    let arguments = ["xzpf", "EchoCloud.cspkg.tar.gz", "-C", "theirs"];
    if run("tar", &arguments, &fixture).is_some() {
        assert_eq!(files_of(&fixture, "ours"), files_of(&fixture, "theirs"));
    }
}

/// The lines of [`tree`] without those of directories, which are tar's own to make, under its
/// umask.
fn files_of(fixture: &Fixture, folder: &str) -> Vec<String> {
    let root = fixture.path(folder);
    let is_directory = |line: &String| root.join(line.split(' ').next().unwrap()).is_dir();
    tree(&root)
        .into_iter()
        .filter(|line| !is_directory(line))
        .collect()
}

#[test]
fn bsdtar_reads_the_whole() {
    let fixture = fixture();
    let Some(listed) = run("bsdtar", &["-tf", "EchoCloud.cspkg.tar.gz"], &fixture) else {
        return;
    };
    let opened = packager::open(&fixture.path("EchoCloud.cspkg.tar.gz")).unwrap();
    let files = opened.manifest().files.iter().map(|file| &file.path[..]);
    let expected: Vec<&str> = iter::once("manifest.json").chain(files).collect();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert_eq!(listed.lines().collect::<Vec<_>>(), expected);
    opened.unpack(&fixture.path("ours")).unwrap();
    std::fs::create_dir(fixture.path("theirs")).unwrap();
    let arguments = ["-xpf", "EchoCloud.cspkg.tar.gz", "-C", "theirs"];
    run("bsdtar", &arguments, &fixture);
    assert_eq!(files_of(&fixture, "ours"), files_of(&fixture, "theirs"));
}

/// What Python makes of each entry, as the manifest would have it.
const PYTHON: &str = "
import hashlib, json, tarfile
with tarfile.open('EchoCloud.cspkg.tar.gz') as package:
    for member in package:
        entry = {'path': member.name}
        if member.issym():
            entry['target'] = member.linkname
        else:
            entry['bytes'] = member.size
            entry['mode'] = format(member.mode, '04o')
            entry['sha256'] = hashlib.sha256(package.extractfile(member).read()).hexdigest()
        print(json.dumps(entry))
    package.extractall('theirs', filter='data')
";

#[test]
fn python_reads_the_whole_with_its_strict_filter() {
    let fixture = fixture();
    let Some(output) = run("python3", &["-c", PYTHON], &fixture) else {
        return;
    };
    let opened = packager::open(&fixture.path("EchoCloud.cspkg.tar.gz")).unwrap();
    opened.unpack(&fixture.path("ours")).unwrap();
    assert_eq!(files_of(&fixture, "ours"), files_of(&fixture, "theirs"));
    let json = std::fs::read(fixture.path("ours/manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&json).unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let mut printed = printed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let first: Value = printed.next().unwrap();
    assert_eq!(
        (&first["path"], first["bytes"].as_u64()),
        (&Value::from("manifest.json"), Some(json.len() as u64))
    );
    assert_eq!(Value::Array(printed.collect()), manifest["files"]);
}

#[test]
fn sha256sum_checks_the_sums() {
    let fixture = fixture();
    write_sums(&fixture.path(""), &["EchoCloud.cspkg.tar.gz", "target"]).unwrap_err();
    write_sums(&fixture.path(""), &["EchoCloud.cspkg.tar.gz"]).unwrap();
    run("sha256sum", &["--strict", "-c", "SHA256SUMS"], &fixture);
}
