//! Others read what we write.

use std::path::Path;
use std::process::{Command, Output};

use packager::write_sums;

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
        assert_eq!(files(&fixture.path("ours")), files(&fixture.path("theirs")));
    }
}

/// The lines of [`tree`] without those of directories, which are tar's own to make, under its
/// umask.
fn files(root: &Path) -> Vec<String> {
    let is_directory = |line: &String| root.join(line.split(' ').next().unwrap()).is_dir();
    tree(root)
        .into_iter()
        .filter(|line| !is_directory(line))
        .collect()
}

#[test]
fn python_reads_the_whole_with_its_strict_filter() {
    let fixture = fixture();
    let script = "import tarfile; tarfile.open('EchoCloud.cspkg.tar.gz').extractall('theirs', filter='data')";
    if run("python3", &["-c", script], &fixture).is_some() {
        let opened = packager::open(&fixture.path("EchoCloud.cspkg.tar.gz")).unwrap();
        for file in &opened.manifest().files {
            let path = fixture.path("theirs").join(&file.path);
            path.symlink_metadata().unwrap();
        }
    }
}

#[test]
fn sha256sum_checks_the_sums() {
    let fixture = fixture();
    write_sums(&fixture.path(""), &["EchoCloud.cspkg.tar.gz", "target"]).unwrap_err();
    write_sums(&fixture.path(""), &["EchoCloud.cspkg.tar.gz"]).unwrap();
    run("sha256sum", &["--strict", "-c", "SHA256SUMS"], &fixture);
}
