//! The package: made twice the same, listed by others, and run.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use e2e::deployment::{Deployment, Place};
use e2e::load::{broken, run};
use e2e::service::{Service, binary, echo_cloud, workspace, write, write_script};
use serde_json::Value;
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

/// All that a deployment makes of a service: for each instance its role, its approot, and the
/// environment of its program. Only what must differ is taken out.
fn made_of(
    service: &Service,
    folder: &Path,
) -> BTreeMap<String, (String, Vec<String>, Vec<String>)> {
    fs::create_dir_all(folder).unwrap();
    let place = Place::new(folder);
    let mut deployment = Deployment::spawn(service, &place, &[]);
    deployment.await_ready();
    let status = deployment.status().unwrap();
    let sockets = deployment.runtime_directory().unwrap();
    let roles = status["deployments"][0]["roles"].as_array().unwrap();
    let mut made = BTreeMap::new();
    for role in roles {
        for instance in role["instances"].as_array().unwrap() {
            let id = instance["id"].as_str().unwrap().to_owned();
            let approot = place.state.join("instances").join(&id).join("approot");
            let environment = fs::read(format!("/proc/{}/environ", instance["pid"])).unwrap();
            let environment = String::from_utf8(environment).unwrap();
            let environment = environment
                .replace(status["deployments"][0]["id"].as_str().unwrap(), "ID")
                .replace(place.state.to_str().unwrap(), "STATE")
                .replace(sockets.to_str().unwrap(), "SOCKETS");
            let mut environment: Vec<String> = environment
                .split_terminator('\0')
                .map(str::to_owned)
                .collect();
            environment.sort();
            let name = role["name"].as_str().unwrap().to_owned();
            made.insert(id, (name, tree(&approot), environment));
        }
    }
    made
}

/// Every file, link and folder below a folder, with mode and content.
fn tree(root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut pending = vec![root.to_owned()];
    while let Some(path) = pending.pop() {
        let metadata = path.symlink_metadata().unwrap();
        let content = if metadata.is_dir() {
            pending.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
            "a folder".to_owned()
        } else if metadata.is_symlink() {
            fs::read_link(&path).unwrap().display().to_string()
        } else {
            digest(&path)
        };
        let below = path.strip_prefix(root).unwrap().display();
        lines.push(format!(
            "{below} {:o} {content}",
            metadata.permissions().mode()
        ));
    }
    lines.sort();
    lines
}

fn digest(path: &Path) -> String {
    let output = Command::new("sha256sum").arg(path).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()[..64].to_owned()
}

/// A service of two instances whose program is a script, with a link and a folder beside it.
fn sleepers(folder: &Path) -> Service {
    write_script(folder, "role.sh", "exec sleep 3600");
    let content = folder.join("FixtureContent");
    fs::create_dir(content.join("data")).unwrap();
    fs::write(content.join("data/text"), "text").unwrap();
    symlink("data/text", content.join("latest")).unwrap();
    let parts = r#"<Runtime>
        <Environment><Variable name="MINE" value="%RoleRoot%" /></Environment>
        <EntryPoint><ProgramEntryPoint commandLine="role.sh" setReadyOnProcessStart="true" /></EntryPoint>
    </Runtime>"#;
    write(folder, parts, 2, vec![])
}

#[test]
fn a_package_makes_of_each_role_what_its_folder_makes() {
    if !has_program("sha256sum") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    fs::create_dir(&source).unwrap();
    let service = sleepers(&source);
    let out = folder.path().join("out");
    let built = Command::new(binary("approot"))
        .args(["package", "build", "--quiet"])
        .arg(&source)
        .arg("--out")
        .arg(&out)
        .output()
        .unwrap();
    assert!(
        built.status.success() && built.stdout.is_empty() && built.stderr.is_empty(),
        "{built:?}"
    );
    let packaged = Service {
        path: out.join("FixtureCloud.cspkg.tar.gz"),
        ..service.clone()
    };
    let [of_folder, of_package] = [("folder", &service), ("archive", &packaged)]
        .map(|(name, service)| made_of(service, &folder.path().join(name)));
    let (_, approot, environment) = &of_folder["Fixture_IN_1"];
    assert_eq!(approot.len(), 5, "{approot:#?}");
    assert!(environment.len() > 5, "{environment:#?}");
    assert_eq!(of_folder, of_package);
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

#[test]
fn two_packagers_at_once_make_one_package() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    fs::create_dir(&source).unwrap();
    sleepers(&source);
    for n in 0..40 {
        let text = format!("{n}\n").repeat(10_000);
        fs::write(source.join(format!("FixtureContent/{n}")), text).unwrap();
    }
    let out = folder.path().join("out");
    let start = || {
        let mut command = Command::new(binary("approot"));
        command.args(["package", "build", "--quiet", "--format", "json"]);
        command.arg(&source).arg("--out").arg(&out);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let digest_of = |packager: Child| {
        let output = packager.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
        summary["sha256"].as_str().unwrap().to_owned()
    };
    for round in 0..10 {
        // Every other round finds the package of the one before, and its cache.
        fs::write(source.join("FixtureContent/0"), (round / 2).to_string()).unwrap();
        let [first, second] = [start(), start()].map(digest_of);
        assert_eq!(first, second, "round {round}");
        assert_eq!(digest(&out.join("FixtureCloud.cspkg.tar.gz")), first);
        let mut names: Vec<_> = fs::read_dir(&out)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        let expected = [
            ".FixtureCloud.cspkg.tar.gz.cache",
            "FixtureCloud.cspkg.tar.gz",
            "SHA256SUMS",
            "ServiceConfiguration.Local.cscfg",
        ];
        assert_eq!(names, expected, "round {round}");
    }
}
