//! The package: made twice the same, listed by others, and run.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use e2e::deployment::Deployment;
use e2e::load::{broken, run};
use e2e::service::{Service, binary, echo_cloud, workspace};
use test_support::has_program;

/// Packages the service folder `from` under a file mode mask and a time zone of its own.
fn package(from: &Path, out: &Path, mask: &str, zone: &str) -> PathBuf {
    let script = format!(
        r#"umask {mask}; exec "$0" package build "$1" --configuration Local --binary "EchoWorker=$2" --out "$3""#
    );
    let output = Command::new("/bin/sh")
        .args(["-c", &script])
        .args([
            binary("approot").as_path(),
            from,
            &binary("echo-worker"),
            out,
        ])
        .env("TZ", zone)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    out.join("EchoCloud.cspkg.tar.gz")
}

/// Copies a tree with other file times, and with modes as a checkout under another mask has them.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
            continue;
        }
        fs::copy(entry.path(), &target).unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o700;
        let file = fs::File::options().write(true).open(&target).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000))
            .unwrap();
        fs::set_permissions(&target, fs::Permissions::from_mode(mode)).unwrap();
    }
}

#[test]
fn two_folders_masks_and_zones_give_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let sample = workspace().join("services/echo-cloud");
    let elsewhere = folder.path().join("else/where");
    copy(&sample, &elsewhere);
    let first = package(&sample, &folder.path().join("first"), "022", "UTC");
    let second = package(
        &elsewhere,
        &folder.path().join("second"),
        "077",
        "Asia/Tokyo",
    );
    assert!(
        fs::read(&first).unwrap() == fs::read(&second).unwrap(),
        "the packages differ"
    );
}

#[test]
fn tar_lists_the_layout_and_sha256sum_agrees() {
    if !has_program("tar") || !has_program("sha256sum") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let package = package(
        &workspace().join("services/echo-cloud"),
        folder.path(),
        "022",
        "UTC",
    );
    let listed = Command::new("tar")
        .arg("tzf")
        .arg(&package)
        .output()
        .unwrap();
    let text = String::from_utf8(listed.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines,
        [
            "manifest.json",
            "ServiceDefinition.csdef",
            "roles/EchoWorker/approot/content/menu.txt",
            "roles/EchoWorker/approot/echo-worker",
            "roles/EchoWorker/approot/startup/heartbeat.sh",
            "roles/EchoWorker/approot/startup/prepare.sh",
            "sbom.cdx.json",
        ]
    );
    let summed = Command::new("sha256sum")
        .args(["-c", "SHA256SUMS"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(summed.status.success(), "{summed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_package_runs_like_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let package = package(
        &workspace().join("services/echo-cloud"),
        folder.path(),
        "022",
        "UTC",
    );
    let verified = Command::new(binary("approot"))
        .args(["package", "verify"])
        .arg(&package)
        .output()
        .unwrap();
    assert!(verified.status.success(), "{verified:?}");
    let service = Service {
        path: package,
        binaries: vec![],
        ..echo_cloud()
    };
    let deployment = Deployment::start(&service);
    let held = run(deployment.public(1234), 20, 1).await;
    assert!(broken(&held).is_empty(), "{held:?}");
}

#[test]
fn a_damaged_package_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let package = package(
        &workspace().join("services/echo-cloud"),
        folder.path(),
        "022",
        "UTC",
    );
    let mut bytes = fs::read(&package).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&package, bytes).unwrap();
    for command in [&["package", "verify"][..], &["check"]] {
        let refused = Command::new(binary("approot"))
            .args(command)
            .arg(&package)
            .output()
            .unwrap();
        assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    }
}
