//! Looking into packages, and what is said of a service's files that cannot be packaged.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output};

use e2e::service::{binary, workspace};
use serde_json::Value;
use test_support::has_program;

fn approot(arguments: &[&str]) -> Output {
    Command::new(binary("approot"))
        .args(arguments)
        .env_remove("APPROOT_SURELY_NOT_SET")
        .output()
        .unwrap()
}

fn json(arguments: &[&str]) -> Value {
    let output = approot(arguments);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn build(service: &Path, out: &Path) -> String {
    let binary = format!("EchoWorker={}", binary("echo-worker").display());
    let (service, out_text) = (service.to_str().unwrap(), out.to_str().unwrap());
    let output = approot(&[
        "package",
        "build",
        service,
        "--configuration",
        "Local",
        "--binary",
        &binary,
        "--out",
        out_text,
    ]);
    assert!(output.status.success(), "{output:?}");
    out.join("EchoCloud.cspkg.tar.gz")
        .to_str()
        .unwrap()
        .to_owned()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}

fn paths(inspected: &Value) -> Vec<&str> {
    let entries = inspected["roles"][0]["entries"].as_array().unwrap();
    entries
        .iter()
        .map(|entry| entry["path"].as_str().unwrap())
        .collect()
}

#[test]
fn a_folder_and_its_package_show_the_same_tree() {
    let folder = tempfile::tempdir().unwrap();
    let sample = workspace().join("services/echo-cloud");
    let package = build(&sample, folder.path());
    let binary = format!("EchoWorker={}", binary("echo-worker").display());
    let would = json(&[
        "package",
        "inspect",
        sample.to_str().unwrap(),
        "--binary",
        &binary,
        "--format",
        "json",
    ]);
    let is = json(&["package", "inspect", &package, "--format", "json"]);
    assert_eq!(paths(&would), paths(&is));
    assert_eq!(would["roles"][0]["bytes"], is["roles"][0]["bytes"]);
    assert_eq!(is["package"]["signature"], Value::Null);
    assert!(is["package"]["sbom"]["files"].as_u64() > Some(paths(&is).len() as u64));
    let human = approot(&["package", "inspect", &package]);
    let human = String::from_utf8(human.stderr).unwrap();
    assert!(
        human.contains("  menu.txt\n") && human.contains("echo-worker*\n"),
        "{human}"
    );
}

#[test]
fn two_packages_are_unpacked_and_compared() {
    let folder = tempfile::tempdir().unwrap();
    let sample = workspace().join("services/echo-cloud");
    let before = build(&sample, &folder.path().join("before"));
    let changed = folder.path().join("service");
    copy(&sample, &changed);
    let definition = changed.join("ServiceDefinition.csdef");
    let text = fs::read_to_string(&definition).unwrap();
    fs::write(
        &definition,
        text.replacen("port=\"1234\"", "port=\"1235\"", 1),
    )
    .unwrap();
    fs::write(changed.join("EchoWorkerContent/new.txt"), "new").unwrap();
    let after = build(&changed, &folder.path().join("after"));
    let same = json(&["package", "diff", &before, &before, "--format", "json"]);
    assert_eq!(
        (&same["equal"], &same["files"]),
        (&Value::Bool(true), &Value::Array(Vec::new()))
    );
    let other = json(&["package", "diff", &before, &after, "--format", "json"]);
    assert_eq!(other["equal"], false);
    let files = other["files"].as_array().unwrap();
    let added = files
        .iter()
        .find(|change| change["change"] == "added")
        .unwrap();
    assert_eq!(added["name"], "roles/EchoWorker/approot/new.txt");
    assert_eq!(added["after"]["bytes"], 3);
    assert_eq!(
        other["endpoints"],
        serde_json::json!([{
            "name": "EchoWorker/EchoEndpoint",
            "change": "changed",
            "before": "input tcp 1234 to 1234",
            "after": "input tcp 1235 to 1235",
        }])
    );
    let out = folder.path().join("out");
    let unpacked = json(&[
        "package",
        "unpack",
        &after,
        "--out",
        out.to_str().unwrap(),
        "--format",
        "json",
    ]);
    assert_eq!(unpacked["service"], "EchoCloud");
    assert_eq!(
        fs::read(out.join("roles/EchoWorker/approot/new.txt")).unwrap(),
        b"new"
    );
    // A folder that holds anything else is left alone.
    let refused = approot(&[
        "package",
        "unpack",
        &after,
        "--out",
        changed.to_str().unwrap(),
    ]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let damaged = folder.path().join("damaged.tar.gz");
    let mut bytes = fs::read(&after).unwrap();
    bytes[1000] ^= 1;
    fs::write(&damaged, bytes).unwrap();
    let nowhere = folder.path().join("nowhere");
    let refused = approot(&[
        "package",
        "unpack",
        damaged.to_str().unwrap(),
        "--out",
        nowhere.to_str().unwrap(),
    ]);
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    assert!(!nowhere.exists());
}

/// Packages and runs the sample with one more `Content`; both must say the same and end with 3.
fn refused(path: &str, prepare: impl FnOnce(&Path)) -> String {
    let folder = tempfile::tempdir().unwrap();
    let service = folder.path().join("service");
    copy(&workspace().join("services/echo-cloud"), &service);
    let definition = service.join("ServiceDefinition.csdef");
    let text = fs::read_to_string(&definition).unwrap();
    let content = format!(
        r#"<Contents><Content destination="content"><SourceDirectory path="{path}" /></Content>"#
    );
    assert!(text.contains("<Contents>"));
    fs::write(&definition, text.replacen("<Contents>", &content, 1)).unwrap();
    prepare(&service);
    let service = service.to_str().unwrap();
    let (out, state) = (folder.path().join("out"), folder.path().join("state"));
    let (out, state) = (out.to_str().unwrap(), state.to_str().unwrap());
    let built = approot(&[
        "package",
        "build",
        service,
        "--configuration",
        "Local",
        "--out",
        out,
    ]);
    let ran = approot(&["run", service, "--configuration", "Local", "--state", state]);
    for output in [&built, &ran] {
        assert_eq!(output.status.code(), Some(3), "{output:?}");
    }
    assert_eq!(built.stderr, ran.stderr);
    String::from_utf8(built.stderr).unwrap()
}

#[test]
fn what_is_wrong_with_sources_is_told_at_its_place() {
    let check = |text: &str, code: &str, parts: &[&str]| {
        assert!(
            text.contains(&format!("error[{code}]: role `EchoWorker`"))
                || text.contains(&format!("error[{code}]: the environment")),
            "{text}"
        );
        assert!(text.contains("ServiceDefinition.csdef:"), "{text}");
        parts
            .iter()
            .for_each(|part| assert!(text.contains(part), "{part} in {text}"));
    };
    check(
        &refused("gone", |_| {}),
        "AR0201",
        &["looked for", "/service/gone"],
    );
    check(
        &refused("%APPROOT_SURELY_NOT_SET%/x", |_| {}),
        "AR0203",
        &["`APPROOT_SURELY_NOT_SET`"],
    );
    let two = |service: &Path| {
        fs::create_dir(service.join("More")).unwrap();
        fs::create_dir(service.join("more")).unwrap();
    };
    check(&refused("MORE", two), "AR0202", &["/More`", "/more`"]);
    let clash = |service: &Path| {
        fs::create_dir(service.join("more")).unwrap();
        fs::write(service.join("more/MENU.TXT"), "").unwrap();
    };
    check(
        &refused(r".\More", clash),
        "AR0205",
        &["more/MENU.TXT", "menu.txt"],
    );
}

/// Runs approot within a minute; what waits for the other end of a fifo takes longer.
fn ends(arguments: &[&str], status: i32, words: &str) {
    let output = Command::new("timeout")
        .arg("60")
        .arg(binary("approot"))
        .args(arguments)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {text}");
    assert!(text.contains(words), "{arguments:?}: {text}");
}

#[test]
fn nothing_waits_for_what_is_no_file() {
    if !has_program("mkfifo") || !has_program("timeout") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let fifo = |path: &str| {
        let made = Command::new("mkfifo").arg(path).status().unwrap();
        assert!(made.success());
    };
    let package = build(
        &workspace().join("services/echo-cloud"),
        &folder.path().join("out"),
    );
    let (pipe, socket) = (at("pipe"), at("socket"));
    fifo(&pipe);
    let _listener = UnixListener::bind(&socket).unwrap();
    for other in [&pipe, &socket, &at("out"), "/dev/zero"] {
        ends(&["package", "verify", other], 1, "cannot open");
        ends(
            &["package", "unpack", other, "--out", &at("tree")],
            1,
            "cannot open",
        );
        ends(&["package", "diff", &package, other], 1, "cannot open");
        ends(&["package", "inspect", other], 3, "error: ");
        ends(&["run", other], 3, "error: ");
    }
    assert!(!folder.path().join("tree").exists());

    // In the place of a file that goes with what was named.
    fs::create_dir(at("tree")).unwrap();
    fifo(&at("tree/manifest.json"));
    ends(
        &["package", "unpack", &package, "--out", &at("tree")],
        1,
        "not a regular file",
    );
    fifo(&format!("{package}.minisig"));
    ends(&["package", "verify", &package], 1, "not a regular file");
    for name in [
        "ServiceDefinition.csdef",
        "ServiceConfiguration.Local.cscfg",
    ] {
        let service = folder.path().join(format!("with a pipe for {name}"));
        copy(&workspace().join("services/echo-cloud"), &service);
        fs::remove_file(service.join(name)).unwrap();
        fifo(service.join(name).to_str().unwrap());
        let service = service.to_str().unwrap();
        ends(&["check", service], 3, "not a regular file");
        let out = at("out");
        ends(
            &[
                "package",
                "build",
                service,
                "--configuration",
                "Local",
                "--out",
                &out,
            ],
            3,
            "error",
        );
    }
    for kind in ["pipe", "socket"] {
        let service = folder.path().join(format!("with a {kind}"));
        copy(&workspace().join("services/echo-cloud"), &service);
        let inside = service.join("EchoWorkerContent/inside");
        let _listener = match kind {
            "pipe" => {
                fifo(inside.to_str().unwrap());
                None
            }
            _ => Some(UnixListener::bind(&inside).unwrap()),
        };
        let service = service.to_str().unwrap();
        let words = "neither a file nor a symbolic link";
        ends(&["package", "inspect", service], 3, words);
        ends(&["run", service, "--configuration", "Local"], 3, words);
    }
}
