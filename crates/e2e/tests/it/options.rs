//! What `approot.toml` says holds, and what it says wrongly is told with its place.

use std::fs;
use std::path::Path;
use std::process::Command;

use e2e::deployment::{Deployment, PATIENCE, Place};
use e2e::service::{Service, binary, write, write_script};
use test_support::wait_within;

use crate::clients::log_of;

/// Ready by notification. Silent in its first life; in later ones it gives signs of life and will not be stopped.
const ROLE: &str = r#"
import os, signal, socket, sys, time

def notify(words):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as host:
        host.sendto(words, os.environ["NOTIFY_SOCKET"])

marker = os.path.join(sys.argv[1], "marker")
is_first = not os.path.exists(marker)
open(marker, "w").close()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("to be heard of every", os.environ["WATCHDOG_USEC"], flush=True)
notify(b"MAINPID=1\nREADY=1\nSTATUS=first\n" if is_first else b"READY=1\nSTATUS=second\n")
while True:
    time.sleep(0.2)
    if not is_first:
        notify(b"WATCHDOG=1")
"#;

fn service(folder: &Path, options: &str) -> Service {
    write_script(folder, "role.sh", r#"exec python3 role.py "$1""#);
    fs::write(folder.join("FixtureContent/role.py"), ROLE).unwrap();
    fs::write(folder.join("approot.toml"), options).unwrap();
    let parts = r#"    <LocalResources><LocalStorage name="S" sizeInMB="1" cleanOnRoleRecycle="false" /></LocalResources>
    <Runtime>
      <Environment><Variable name="STORE">
        <RoleInstanceValue xpath="/RoleEnvironment/CurrentInstance/LocalResources/LocalResource[@name='S']/@path" />
      </Variable></Environment>
      <EntryPoint><ProgramEntryPoint commandLine="role.sh %STORE%" setReadyOnProcessStart="false" /></EntryPoint>
    </Runtime>"#;
    write(folder, parts, 1, vec![])
}

#[test]
fn a_silent_program_is_ended_and_a_stop_has_its_limit() {
    if !test_support::has_program("python3") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let service = service(
        folder.path(),
        "[role.Fixture]\nwatchdog_s = 1\nstop_limit_s = 1\n",
    );
    let mut deployment = Deployment::start(&service);
    wait_within(PATIENCE, "the second life", || {
        let instance = deployment.instances().remove(0);
        match instance["detail"] == "second" && instance["status"] == "Ready" {
            true => Ok(()),
            false => Err(instance),
        }
    });
    assert_eq!(deployment.instances()[0]["recycles"], 1);
    let why = deployment.approot(&["why", "Fixture_IN_0"]);
    let why = String::from_utf8_lossy(&why.stderr).into_owned();
    assert!(why.contains("\nAW0316: the role's program"), "{why}");
    let output = deployment.approot(&["stop"]);
    assert!(output.status.success(), "{output:?}");
    deployment.await_end();
    let log = log_of(&deployment, "Fixture_IN_0");
    for words in [
        "out: to be heard of every 1000000\n",
        "host: the role's program has promised a sign of life every 1 s and gave none: it gets SIGABRT\n",
        "host: the role's program was killed by signal 6 (SIGABRT)\n",
        "host: the limit for stopping has passed: what still runs is killed\n",
    ] {
        assert_eq!(
            log.matches(words).count(),
            if words.starts_with("out") { 2 } else { 1 },
            "{log}"
        );
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place_by_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(folder.path(), "[role.Fixture]\nstop_limit = 1\n");
    let file = folder.path().join("approot.toml");
    let place = format!("{}:2:1", file.display());
    let approot = |arguments: &[&str]| {
        let mut command = Command::new(binary("approot"));
        command.arg(arguments[0]).args(&arguments[1..]);
        let output = command.output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), words)
    };
    let path = service.path.to_str().unwrap();
    let out = folder.path().join("out");
    let out = out.to_str().unwrap();
    let build = [
        "package",
        "build",
        path,
        "--configuration",
        "Local",
        "--out",
        out,
    ];
    for arguments in [&["check", path][..], &build] {
        let (status, words) = approot(arguments);
        assert_eq!(status, Some(3), "{words}");
        assert!(words.contains(&place), "{words}");
        assert!(words.contains("AR0302"), "{words}");
    }
    let mut deployment = Deployment::spawn(&service, &Place::new(folder.path()), &[]);
    let status = deployment.await_end();
    let printed = deployment.printed();
    assert!(
        status.code() == Some(3) && printed.contains(&place),
        "{printed}"
    );

    // Another file may be named; it goes beside the package under its usual name.
    let other = folder.path().join("other.toml");
    fs::write(&other, "[role.Fixture]\nstop_limit_s = 1\n").unwrap();
    let options = [&build[..], &["--options", other.to_str().unwrap()]].concat();
    let (status, words) = approot(&options);
    assert_eq!(status, Some(0), "{words}");
    let sums = fs::read_to_string(folder.path().join("out/SHA256SUMS")).unwrap();
    assert!(sums.contains("  approot.toml\n"), "{sums}");
    let copied = fs::read_to_string(folder.path().join("out/approot.toml")).unwrap();
    assert_eq!(copied, fs::read_to_string(&other).unwrap());
}
