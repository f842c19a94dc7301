//! What a role is given besides its endpoints: command lines as they were written for Windows, certificates,
//! and local stores of their declared sizes.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use e2e::deployment::{Deployment, PATIENCE, Place};
use e2e::processes;
use e2e::service::{Service, write, write_script};
use rustix::process::Signal;
use test_support::{has_program, is_root, wait_within};

fn openssl(folder: &Path, words: &str) -> String {
    let output = Command::new("openssl")
        .args(words.split(' '))
        .current_dir(folder)
        .output()
        .expect("openssl starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}: {error}");
    String::from_utf8(output.stdout).expect("it prints text")
}

/// A role that is a TLS server with a certificate of the service, whose thumbprint the configuration has.
fn tls_service(folder: &Path, thumbprint: &str) -> Service {
    let parts = r#"
    <Certificates>
      <Certificate name="Tls" storeLocation="LocalMachine" storeName="My" permissionLevel="limitedOrElevated" />
    </Certificates>
    <Endpoints><InputEndpoint name="Secure" protocol="https" port="4433" certificate="Tls" /></Endpoints>
    <Startup>
      <Task commandLine="setup.cmd &quot;%Mode%&quot; > logs\setup.txt 2>&amp;1 &amp;&amp; setup.cmd again >> logs\setup.txt">
        <Environment><Variable name="MODE" value="fast; touch evil" /></Environment>
      </Task>
    </Startup>
    <Runtime>
      <Environment>
        <Variable name="Address"><RoleInstanceValue xpath="/RoleEnvironment/CurrentInstance/Endpoints/Endpoint[@name='Secure']/@address" /></Variable>
      </Environment>
      <EntryPoint>
        <ProgramEntryPoint commandLine="openssl s_server -quiet -www -accept %ADDRESS%:4433 -cert %APPROOT_CERTIFICATE_TLS%.crt -key %APPROOT_ENDPOINT_SECURE_CERTIFICATE%.key" setReadyOnProcessStart="true" />
      </EntryPoint>
    </Runtime>"#;
    let service = write(folder, parts, 1, vec![]);
    let file = folder.join("ServiceConfiguration.Local.cscfg");
    let text = fs::read_to_string(&file).expect("it was written");
    let certificates = format!(
        "<Certificates><Certificate name=\"Tls\" thumbprint=\"{thumbprint}\" thumbprintAlgorithm=\"sha1\" />\
         </Certificates></Role>"
    );
    fs::write(file, text.replace("</Role>", &certificates)).expect("the test's folder is writable");
    write_script(
        folder,
        "setup.sh",
        "mkdir -p logs; echo \"$1\"; env | grep -i '^mode='",
    );
    fs::create_dir_all(folder.join("FixtureContent/logs")).expect("the test's folder is writable");
    fs::write(folder.join("FixtureContent/logs/setup.txt"), "old\n").expect("it is ours");
    service
}

/// What a client sees of the certificate: its SHA-1.
fn shown(place: &Place) -> Option<String> {
    let mut client = Command::new("openssl")
        .args(["s_client", "-connect", &format!("{}:4433", place.address)])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl starts");
    let mut said = Vec::new();
    let mut output = client.stdout.take().expect("it was asked for");
    output.read_to_end(&mut said).expect("a pipe is readable");
    client.wait().expect("the child is ours");
    let mut x509 = Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl starts");
    let mut input = x509.stdin.take().expect("it was asked for");
    input.write_all(&said).expect("it reads");
    drop(input);
    let output = x509.wait_with_output().expect("the child is ours");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (_, digits) = text.trim().split_once('=')?;
    Some(digits.replace(':', ""))
}

#[test]
fn a_role_shows_the_certificate_that_the_configuration_names() {
    if !has_program("openssl") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    openssl(
        folder,
        "req -x509 -nodes -days 30 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=own -keyout own.key -out own.pem",
    );
    let said = openssl(folder, "x509 -in own.pem -noout -fingerprint -sha1");
    let pasted = said.trim().split_once('=').unwrap().1.to_lowercase();
    let thumbprint = pasted.replace(':', "").to_uppercase();
    let service = tls_service(folder, &pasted);
    let place = Place::new(folder);

    let mut without = Deployment::spawn(&service, &place, &[]);
    assert_eq!(without.await_end().code(), Some(3), "{}", without.printed());
    let printed = without.printed();
    assert!(
        printed.contains(&thumbprint) && printed.contains("`Tls`"),
        "{printed}"
    );

    let mut stand_in = Deployment::spawn(&service, &place, &["--dev-certificates"]);
    stand_in.await_ready();
    wait_within(PATIENCE, "the stand-in is shown", || {
        shown(&place).ok_or(())
    });
    assert!(shown(&place).is_some_and(|shown| shown != thumbprint));
    let authority = place.state.join("certificates/development/authority.crt");
    let told = stand_in.printed();
    assert!(told.contains(authority.to_str().unwrap()), "{told}");
    stop(&mut stand_in);

    fs::create_dir(folder.join("certificates")).unwrap();
    openssl(
        folder,
        "pkcs12 -export -in own.pem -inkey own.key -passout pass:secret -out certificates/own.pfx",
    );
    fs::write(folder.join("certificates/own.pfx.password"), "secret\n").unwrap();
    let mut own = Deployment::spawn(&service, &place, &[]);
    own.await_ready();
    let is_shown = || match shown(&place) {
        Some(shown) if shown == thumbprint => Ok(()),
        other => Err(other),
    };
    wait_within(PATIENCE, "the own one is shown", is_shown);
    let root = place.state.join("instances/Fixture_IN_0");
    let key = root.join("certificates/LocalMachine/My/Tls.key");
    let key = fs::read_to_string(key).unwrap();
    let database = fs::read(place.state.join("fabric.db")).unwrap();
    let secret = key.lines().nth(1).unwrap().as_bytes();
    let has_secret = database
        .windows(secret.len())
        .any(|window| window == secret);
    assert!(!has_secret, "no key is in the database");

    let log = fs::read_to_string(root.join("approot/logs/setup.txt")).unwrap();
    let mut lines: Vec<&str> = log.lines().collect();
    lines.sort_unstable();
    let mode = "fast; touch evil";
    let set = |name: &str| format!("{name}={mode}");
    let expected = [
        set("MODE"),
        set("MODE"),
        "again".into(),
        mode.into(),
        set("mode"),
        set("mode"),
    ];
    assert_eq!(lines, expected);
    assert!(!root.join("approot/evil").exists());
    stop(&mut own);
}

const STORES: &str = r#"
    <LocalResources>
      <LocalStorage name="Kept" sizeInMB="8" cleanOnRoleRecycle="false" />
      <LocalStorage name="Cleaned" sizeInMB="2" />
    </LocalResources>
    <Runtime>
      <Environment>
        <Variable name="KEPT"><RoleInstanceValue xpath="/RoleEnvironment/CurrentInstance/LocalResources/LocalResource[@name='Kept']/@path" /></Variable>
        <Variable name="CLEANED"><RoleInstanceValue xpath="/RoleEnvironment/CurrentInstance/LocalResources/LocalResource[@name='Cleaned']/@path" /></Variable>
      </Environment>
      <EntryPoint><ProgramEntryPoint commandLine="fill.sh" setReadyOnProcessStart="true" /></EntryPoint>
    </Runtime>"#;

/// Says what is in the stores, and puts 16 MB into the one that is kept, or as much of it as there is room for.
const FILL: &str = "echo found $(ls $KEPT) and $(ls $CLEANED)
head -c 16777216 /dev/zero > ${KEPT}filler || echo full
echo x > ${CLEANED}note
echo filled
exec sleep 1000";

fn stop(deployment: &mut Deployment) {
    deployment.signal(Signal::TERM);
    assert!(deployment.await_end().success(), "{}", deployment.printed());
}

/// What is started meanwhile is killed too.
fn kill_all(place: &Place) {
    wait_within(PATIENCE, "nothing is left", || {
        match processes::of_state(&place.state) {
            left if left.is_empty() => Ok(()),
            left => {
                left.iter().for_each(|pid| processes::kill(*pid));
                Err(left)
            }
        }
    });
}

fn mounts_of(place: &Place) -> usize {
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("proc is there");
    let state = place.state.to_str().expect("the test's folder is text");
    mounts.lines().filter(|line| line.contains(state)).count()
}

fn logged(deployment: &Deployment, text: &str) {
    logged_by(deployment, text, 1);
}

/// Waits until so many instances have printed it; returns the logs.
fn logged_by(deployment: &Deployment, text: &str, n_instances: usize) -> String {
    let logs = || {
        let output = deployment.approot(&["logs"]);
        let output = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.matches(text).count() >= n_instances {
            Ok(output)
        } else {
            Err(output)
        }
    };
    wait_within(PATIENCE, &format!("`{text}` is logged"), logs)
}

#[test]
fn a_store_has_the_size_that_was_declared() {
    if !(is_root() && has_program("mkfs.ext4")) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let service = write(folder.path(), STORES, 1, vec![]);
    write_script(folder.path(), "fill.sh", FILL);
    let place = Place::new(folder.path());
    let mut deployment = Deployment::spawn(&service, &place, &[]);
    deployment.await_ready();
    logged(&deployment, "full");
    assert_eq!(mounts_of(&place), 2);
    let limitations = deployment.status().unwrap()["limitations"].to_string();
    assert!(!limitations.contains("stores"), "{limitations}");
    deployment.approot(&["recycle", "Fixture_IN_0"]);
    logged(&deployment, "found filler and\n");
    assert_eq!(mounts_of(&place), 2, "they stay mounted");
    // All at once, as when a machine loses its power: nothing is unmounted.
    kill_all(&place);
    drop(deployment);
    let mut next = Deployment::spawn(&service, &place, &[]);
    next.await_ready();
    assert_eq!(mounts_of(&place), 2, "the next hosts take them over");
    stop(&mut next);
    assert_eq!(mounts_of(&place), 0);
    fs::remove_dir_all(&place.state).unwrap();
}

/// Below a folder that others may not pass, as here, each instance has a mount namespace of its own.
#[test]
fn a_store_outlives_a_reboot_beside_other_instances() {
    if !(is_root() && has_program("mkfs.ext4")) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let service = write(folder.path(), STORES, 2, vec![]);
    write_script(folder.path(), "fill.sh", FILL);
    let place = Place::new(folder.path());
    let mut deployment = Deployment::spawn(&service, &place, &[]);
    deployment.await_ready();
    logged_by(&deployment, "out: filled\n", 2);
    for instance in ["Fixture_IN_0", "Fixture_IN_1"] {
        let rebooted = deployment.approot(&["reboot", instance]);
        assert!(rebooted.status.success(), "{rebooted:?}");
    }
    let logs = logged_by(&deployment, "found filler and\n", 2);
    assert!(!logs.contains("is in use"), "{logs}");
    assert_eq!(mounts_of(&place), 4);
    stop(&mut deployment);
    assert_eq!(mounts_of(&place), 0);
}

#[test]
fn a_store_that_no_machine_bounds_is_watched() {
    let folder = tempfile::tempdir().unwrap();
    let service = write(folder.path(), STORES, 1, vec![]);
    write_script(folder.path(), "fill.sh", FILL);
    let place = Place::new(folder.path());
    // Without the folder of mkfs.ext4, root cannot do it either.
    let mut deployment =
        Deployment::spawn_with(&service, &place, &[], &[("PATH", "/usr/bin:/bin")]);
    deployment.await_ready();
    logged(
        &deployment,
        "the local store Kept holds 16 MB, and 8 MB are declared",
    );
    let is_told = || {
        let detail = deployment.instances()[0]["detail"].to_string();
        if detail.contains("8 MB are declared") {
            Ok(())
        } else {
            Err(detail)
        }
    };
    wait_within(PATIENCE, "the status says so", is_told);
    let limitations = deployment.status().unwrap()["limitations"].to_string();
    assert!(
        limitations.contains("watched, not enforced"),
        "{limitations}"
    );
    stop(&mut deployment);
    assert_eq!(mounts_of(&place), 0);
}

#[test]
fn a_file_system_that_is_being_made_is_not_cut_short() {
    if !(is_root() && has_program("mkfs.ext4")) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let service = write(folder.path(), STORES, 1, vec![]);
    write_script(folder.path(), "fill.sh", FILL);
    let place = Place::new(folder.path());
    let path = std::env::var("PATH").unwrap();
    let slow = format!(
        r#"#!/bin/sh
cd "$(dirname "$0")"
touch began
while ! test -e go; do sleep 0.05; done
PATH='{path}' mkfs.ext4 "$@" && touch made"#
    );
    let tools = folder.path().join("tools");
    fs::create_dir(&tools).unwrap();
    fs::write(tools.join("mkfs.ext4"), slow).unwrap();
    fs::set_permissions(tools.join("mkfs.ext4"), Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{path}", tools.display());
    let mut deployment = Deployment::spawn_with(&service, &place, &[], &[("PATH", &path)]);
    let there = |name: &str| tools.join(name).exists().then_some(()).ok_or(());
    wait_within(PATIENCE, "it begins", || there("began"));
    deployment.signal(Signal::TERM);
    logged(&deployment, "is brought to its end first");
    fs::write(tools.join("go"), "").unwrap();
    deployment.await_end();
    assert_eq!(there("made"), Ok(()));
    assert_eq!(mounts_of(&place), 0);
}

/// Does not stop when it is told to, and leaves somebody in a store.
const STUBBORN: &str = "trap '' TERM
cd $KEPT
setsid sleep 1000 &
echo stays
while :; do sleep 1; done";

#[test]
fn an_instance_that_leaves_with_its_host_killed_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let service = write(folder.path(), STORES, 2, vec![]);
    write_script(folder.path(), "fill.sh", STUBBORN);
    let place = Place::new(folder.path());
    let mut deployment = Deployment::spawn(&service, &place, &[]);
    deployment.await_ready();
    let root = place.state.join("instances/Fixture_IN_1");
    wait_within(PATIENCE, "both stay", || {
        let output = deployment.approot(&["logs"]);
        let output = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.matches("stays").count() == 2 {
            Ok(())
        } else {
            Err(output)
        }
    });
    let mounts = mounts_of(&place);
    std::thread::scope(|scope| {
        let scaling = scope.spawn(|| deployment.approot(&["scale", "Fixture=1"]));
        wait_within(PATIENCE, "the configuration is committed", || {
            let printed = deployment.printed();
            if printed.contains("configuration 2") {
                Ok(())
            } else {
                Err(printed)
            }
        });
        let host = processes::lock_holder(&root.join("lock")).expect("its role does not stop");
        processes::kill(host);
        let scaled = scaling.join().unwrap();
        assert!(scaled.status.success(), "{scaled:?}");
    });
    wait_within(PATIENCE, "the folder is gone", || {
        if root.exists() {
            Err(deployment.printed())
        } else {
            Ok(())
        }
    });
    assert_eq!(mounts_of(&place), mounts / 2);
    let printed = deployment.printed();
    assert!(!printed.contains("cannot"), "{printed}");
    kill_all(&place);
    drop(deployment);
    for store in ["Kept", "Cleaned"] {
        let path = place
            .state
            .join("instances/Fixture_IN_0/directory")
            .join(store);
        let _ = Command::new("umount")
            .arg("-l")
            .arg(path)
            .stderr(Stdio::null())
            .status();
    }
}
