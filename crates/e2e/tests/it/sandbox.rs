//! What a limited role may not do and an elevated one may; and that an instance that exceeds its memory dies alone.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use e2e::deployment::{Deployment, PATIENCE, Place, instances};
use e2e::service::{Service, binary};
use serde_json::Value;
use test_support::{has_program, is_root, wait_within};

/// Waits for orders in its store: `probe` runs `probe.sh`, whose answers go into the store; `hog` makes the program
/// take memory without end.
const ROLE: &str = r#"#!/bin/sh
echo "$RoleInstanceID" > "$STORE/secret"
while :; do
    [ -e "$STORE/probe" ] && rm "$STORE/probe" && . ./probe.sh > "$STORE/answers.new" 2> "$STORE/errors" \
        && mv "$STORE/answers.new" "$STORE/answers"
    [ -e "$STORE/hog" ] && rm "$STORE/hog" && exec tail -n 1 /dev/zero
    sleep 0.02
done
"#;

/// Each line is a name and whether it was possible.
const PROBE: &str = r#"
try() { name=$1; shift; if "$@" > /dev/null 2>&1; then echo "$name yes"; else echo "$name no"; fi; }
instances=$(dirname "$RoleRoot")
other="$instances/Limited_IN_0"
[ "$RoleInstanceID" = Limited_IN_0 ] && other="$instances/Limited_IN_1"
socket='exit !IO::Socket::UNIX->new($ARGV[0])'
try own-store cat "$STORE/secret"
try own-approot sh -c 'echo > ./written'
try own-temp sh -c 'echo > "$TEMP/written"'
try own-output sh -c 'echo > /dev/stdout'
try own-endpoint perl -MIO::Socket::UNIX -e "$socket" "$WaRuntimeEndpoint"
try system ls /usr/lib
try own-program "$STORE/id"
try other-store cat "$other/directory/Data/secret"
try other-endpoint perl -MIO::Socket::UNIX -e "$socket" "$(dirname "$(dirname "$WaRuntimeEndpoint")")/$(basename "$other")/runtime.sock"
try elevated-key cat "$RoleRoot/certificates/LocalMachine/My/Elevated.key"
try limited-key cat "$RoleRoot/certificates/LocalMachine/My/Limited.key"
try fabric-socket perl -MIO::Socket::UNIX -e "$socket" "$CONTROL"
try state-files cat "$instances/../fabric.db"
try home ls /root
try write-outside sh -c 'echo > /var/tmp/approot-sandbox-$$ && rm /var/tmp/approot-sandbox-$$'
try own-logs ls "$RoleRoot/logs"
echo "setuid $(./setuid-id -u)"
echo "capabilities $(sed -n 's/^CapBnd:[[:space:]]*//p' /proc/self/status)"
"#;

/// A program that may execute no other, and tries at its start.
const MANAGED: &str = r#"#!/usr/bin/perl
use strict;
my $own = "$ENV{STORE}id";
my ($loader) = glob("/lib64/ld-linux-*.so.*");
my %tries = ("machine" => ["/usr/bin/id"], "own" => [$own], "mapped" => [$loader, $own]);
open(my $answers, ">", "$ENV{STORE}answers.new") or die;
for my $name (sort keys %tries) {
    my $done = system(@{$tries{$name}}) == 0 ? "yes" : "no";
    print $answers "$name $done\n";
}
close($answers);
rename("$ENV{STORE}answers.new", "$ENV{STORE}answers") or die;
sleep(3600);
"#;

const MANAGED_ONLY: &str = r#"enableNativeCodeExecution="false""#;

/// What a limited program can do; an elevated one can do all.
const POSSIBLE: &[&str] = &[
    "own-store",
    "own-approot",
    "own-temp",
    "own-output",
    "own-endpoint",
    "system",
    "own-program",
    "limited-key",
];

fn service(folder: &Path, control: &Path) -> Service {
    let role = |name: &str, attributes: &str, context: &str| {
        format!(
            r#"<WorkerRole name="{name}" vmsize="ExtraSmall" {attributes}>
    <Runtime executionContext="{context}">
      <Environment>
        <Variable name="STORE"><RoleInstanceValue xpath="/RoleEnvironment/CurrentInstance/LocalResources/LocalResource[@name='Data']/@path" /></Variable>
        <Variable name="CONTROL" value="{}" />
      </Environment>
      <EntryPoint><ProgramEntryPoint commandLine="role.sh" setReadyOnProcessStart="true" /></EntryPoint>
    </Runtime>
    <LocalResources><LocalStorage name="Data" sizeInMB="10" cleanOnRoleRecycle="false" /></LocalResources>
    <Certificates>
      <Certificate name="Elevated" storeLocation="LocalMachine" storeName="My" permissionLevel="elevated" />
      <Certificate name="Limited" storeLocation="LocalMachine" storeName="My" permissionLevel="limitedOrElevated" />
    </Certificates>
  </WorkerRole>"#,
            control.display()
        )
    };
    let schema = "http://schemas.microsoft.com/ServiceHosting/2008/10";
    let definition = format!(
        r#"<ServiceDefinition name="Confined" xmlns="{schema}/ServiceDefinition">{}{}{}</ServiceDefinition>"#,
        role("Limited", "", "limited"),
        role("Elevated", "", "elevated"),
        role("Managed", MANAGED_ONLY, "limited") + &role("Trusted", MANAGED_ONLY, "elevated")
    );
    let configured = |name: &str, n_instances: u32| {
        let certificate = |name: &str, thumbprint: String| {
            format!(
                r#"<Certificate name="{name}" thumbprint="{thumbprint}" thumbprintAlgorithm="sha1" />"#
            )
        };
        format!(
            r#"<Role name="{name}"><Instances count="{n_instances}" /><Certificates>{}{}</Certificates></Role>"#,
            certificate("Elevated", "A".repeat(40)),
            certificate("Limited", "B".repeat(40)),
        )
    };
    let configuration = format!(
        r#"<ServiceConfiguration serviceName="Confined" xmlns="{schema}/ServiceConfiguration">{}{}{}{}</ServiceConfiguration>"#,
        configured("Limited", 2),
        configured("Elevated", 1),
        configured("Managed", 1),
        configured("Trusted", 1),
    );
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("ServiceDefinition.csdef"), definition).unwrap();
    fs::write(
        folder.join("ServiceConfiguration.Local.cscfg"),
        configuration,
    )
    .unwrap();
    for role in ["Limited", "Elevated", "Managed", "Trusted"] {
        let content = folder.join(format!("{role}Content"));
        fs::create_dir_all(&content).unwrap();
        let is_managed = matches!(role, "Managed" | "Trusted");
        let program = if is_managed { MANAGED } else { ROLE };
        fs::write(content.join("role.sh"), program).unwrap();
        fs::set_permissions(content.join("role.sh"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(content.join("probe.sh"), PROBE).unwrap();
    }
    Service {
        path: folder.to_owned(),
        configuration: "Local".to_owned(),
        binaries: vec![],
    }
}

fn store(state: &Path, instance: &str) -> PathBuf {
    state
        .join("instances")
        .join(instance)
        .join("directory/Data")
}

/// Has the instance run its probes; returns the answers, name and result.
fn probe(state: &Path, instance: &str) -> Vec<(String, String)> {
    let store = store(state, instance);
    fs::write(store.join("probe"), "").unwrap();
    answers(state, instance)
}

fn answers(state: &Path, instance: &str) -> Vec<(String, String)> {
    let store = store(state, instance);
    let text = wait_within(PATIENCE, "the probes have run", || {
        fs::read_to_string(store.join("answers"))
            .map_err(|_| fs::read_to_string(store.join("errors")).unwrap_or_default())
    });
    let pair = |line: &str| {
        line.split_once(' ')
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
    };
    text.lines().filter_map(pair).collect()
}

fn answer<'a>(answers: &'a [(String, String)], name: &str) -> &'a str {
    let found = answers.iter().find(|(known, _)| known == name);
    found.map_or("", |(_, answer)| answer)
}

fn possible(answers: &[(String, String)]) -> Vec<&str> {
    let yes = answers.iter().filter(|(_, answer)| answer == "yes");
    yes.map(|(name, _)| name.as_str()).collect()
}

const INSTANCES: [&str; 3] = ["Limited_IN_0", "Limited_IN_1", "Elevated_IN_0"];

/// Places a program into the store of an instance.
fn place_program(state: &Path, instance: &str) {
    let store = store(state, instance);
    fs::create_dir_all(&store).unwrap();
    fs::copy("/usr/bin/id", store.join("id")).unwrap();
}

/// Places a program that would be its owner's for anyone into the approot of an instance.
fn place_setuid(state: &Path, instance: &str) {
    let program = store(state, instance).join("../../approot/setuid-id");
    fs::copy("/usr/bin/id", &program).unwrap();
    fs::set_permissions(program, fs::Permissions::from_mode(0o4755)).unwrap();
}

#[test]
fn a_limited_role_is_kept_in_its_place_and_an_elevated_one_is_not() {
    if !is_root() || !has_program("perl") {
        return;
    }
    // With a state directory that others pass, and with one that they do not, as below `/root`.
    for mode in [0o711, 0o700] {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
        let place = Place::new(folder.path());
        let control = folder.path().join("control");
        let service = service(&folder.path().join("service"), &control);
        for instance in INSTANCES {
            place_program(&place.state, instance);
        }
        for instance in ["Managed_IN_0", "Trusted_IN_0"] {
            place_program(&place.state, instance);
        }
        let mut deployment = Deployment::spawn(&service, &place, &["--dev-certificates"]);
        deployment.await_ready();
        let status = deployment.status().unwrap();
        assert_eq!(status["limitations"], Value::Array(vec![]), "{status}");
        std::os::unix::fs::symlink(status["control"].as_str().unwrap(), &control).unwrap();
        check_probes(&place.state);
        exceed_memory(&deployment);
        let groups = control_groups(&deployment);
        assert!(!groups.is_empty());
        deployment.signal(rustix::process::Signal::TERM);
        let ended = deployment.await_end();
        assert!(ended.success(), "{}", deployment.printed());
        let left: Vec<&PathBuf> = groups.iter().filter(|group| group.exists()).collect();
        assert_eq!(left, [] as [&PathBuf; 0]);
        for instance in INSTANCES {
            let root = fs::metadata(place.state.join("instances").join(instance)).unwrap();
            assert_eq!((root.mode() & 0o777, root.uid(), root.gid()), (0o700, 0, 0));
        }
    }
}

fn check_probes(state: &Path) {
    for instance in INSTANCES {
        place_setuid(state, instance);
    }
    for instance in &INSTANCES[..2] {
        let answers = probe(state, instance);
        assert_eq!(possible(&answers), POSSIBLE, "{instance}: {answers:?}");
        assert!(answer(&answers, "setuid").parse::<u32>().unwrap() > 0x7061_0000);
        assert_eq!(answer(&answers, "capabilities"), "0000000000000000");
    }
    // That there are answers says that an elevated one has kept what lets it write what is the instance's user's.
    for instance in ["Managed_IN_0", "Trusted_IN_0"] {
        let managed = answers(state, instance);
        assert_eq!(possible(&managed), [] as [&str; 0], "{managed:?}");
    }
    let answers = probe(state, INSTANCES[2]);
    let refused = answers.iter().filter(|(_, answer)| answer == "no");
    let refused: Vec<&str> = refused.map(|(name, _)| name.as_str()).collect();
    assert_eq!(refused, [] as [&str; 0], "{answers:?}");
    assert_eq!(answer(&answers, "setuid"), "0");
}

/// The control groups of the first instance's program, on every hierarchy where it is in one of approot's.
fn control_groups(deployment: &Deployment) -> Vec<PathBuf> {
    let pid = deployment.programs()[0];
    let own = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let paths = own.lines().filter_map(|line| line.rsplit(':').next());
    let ours: Vec<&str> = paths.filter(|path| path.contains("/approot-")).collect();
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let folders = mounts.lines().filter(|line| line.contains(" cgroup"));
    folders
        .filter_map(|line| line.split(' ').nth(1))
        .flat_map(|mount| {
            ours.iter()
                .map(move |path| PathBuf::from(format!("{mount}{path}")))
        })
        .filter(|group| group.exists())
        .collect()
}

/// The other instances are not disturbed by one that takes memory without end, and it comes back.
fn exceed_memory(deployment: &Deployment) {
    let pids = |status: &Value| -> Vec<(String, Value)> {
        let named = |found: &Value| {
            (
                found["id"].as_str().unwrap().to_owned(),
                found["pid"].clone(),
            )
        };
        instances(status).iter().map(named).collect()
    };
    let before = pids(&deployment.status().unwrap());
    fs::write(store(deployment.state(), "Limited_IN_0").join("hog"), "").unwrap();
    let after = wait_within(PATIENCE, "the instance has died and is back", || {
        let status = deployment.status().unwrap();
        let hog = &instances(&status)[0];
        let others = instances(&status)[1..]
            .iter()
            .all(|other| other["status"] == "Ready");
        assert!(others, "{status}");
        match hog["status"] == "Ready" && hog["recycles"].as_i64() > Some(0) {
            true => Ok(pids(&status)),
            false => Err(status.to_string()),
        }
    });
    assert_ne!(before[0], after[0]);
    assert_eq!(before[1..], after[1..]);
    let logs = deployment.approot(&["logs", "Limited_IN_0"]);
    let logs = String::from_utf8_lossy(&logs.stdout).into_owned();
    assert!(logs.contains("was killed by signal 9"), "{logs}");
    let why = deployment.approot(&["why", "Limited_IN_0", "--format", "json"]);
    let why: Value = serde_json::from_slice(&why.stdout).unwrap();
    assert_eq!(why["causes"][0]["code"], "AW0309", "{why}");
    let cure = why["causes"][0]["cure"].as_str().unwrap();
    assert!(cure.contains("a larger `vmsize`"), "{why}");
    assert_eq!(
        why["death"]["limits"],
        serde_json::json!(["memory"]),
        "{why}"
    );
}

/// Runs a command as a user that is not root.
fn as_nobody(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
    command.arg(folder.join("approot")).args(arguments);
    command.env("TMPDIR", folder).env_remove("XDG_RUNTIME_DIR");
    command.output().unwrap()
}

#[test]
fn without_root_a_limited_role_writes_only_what_is_its_own_and_the_rest_is_said() {
    if !is_root() || !has_program("setpriv") || !has_program("perl") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    fs::copy(binary("approot"), folder.join("approot")).unwrap();
    service(&folder.join("service"), &folder.join("control"));
    let place = Place::new(&folder);
    for instance in ["Limited_IN_0", "Elevated_IN_0", "Managed_IN_0"] {
        place_program(&place.state, instance);
    }
    let chowned = Command::new("chown")
        .args(["-R", "65534:65534"])
        .arg(&folder)
        .status();
    assert!(chowned.unwrap().success());
    let (service, state) = (
        folder.join("service"),
        place.state.to_str().unwrap().to_owned(),
    );
    let listen = place.address.to_string();
    let run = as_nobody(
        &folder,
        &[
            "run",
            service.to_str().unwrap(),
            "--configuration",
            "Local",
            "--state",
            &state,
            "--listen",
            &listen,
            "--dev-certificates",
            "--detach",
            "--format",
            "json",
        ],
    );
    assert!(run.status.success(), "{run:?}");
    let status: Value = serde_json::from_slice(&run.stdout).unwrap();
    let shown = as_nobody(&folder, &["status", "--state", &state]);
    let notes = String::from_utf8_lossy(&shown.stderr).into_owned();
    assert_eq!(
        notes.matches("note: the sandbox is weaker").count(),
        1,
        "{notes}"
    );
    let limitations = status["limitations"].as_array().unwrap();
    assert_eq!(limitations.len(), 2, "{limitations:?}");
    let stores = limitations[1].as_str().unwrap();
    assert!(stores.contains("watched, not enforced"), "{stores}");
    let said = limitations[0].as_str().unwrap();
    assert!(
        said.contains("run as the user that started approot"),
        "{said}"
    );

    for instance in INSTANCES {
        place_setuid(&place.state, instance);
    }
    let limited = probe(&place.state, "Limited_IN_0");
    let elevated = probe(&place.state, "Elevated_IN_0");
    let managed = answers(&place.state, "Managed_IN_0");
    assert_eq!(possible(&managed), ["mapped"], "{managed:?}");
    let stopped = as_nobody(&folder, &["stop", "--state", &state]);
    assert!(stopped.status.success(), "{stopped:?}");
    for (name, in_limited, in_elevated) in [
        ("own-store", "yes", "yes"),
        ("own-approot", "yes", "yes"),
        ("own-temp", "yes", "yes"),
        ("own-endpoint", "yes", "yes"),
        ("other-store", "yes", "yes"),
        ("write-outside", "no", "yes"),
        ("home", "no", "no"),
    ] {
        assert_eq!(
            answer(&limited, name),
            in_limited,
            "limited {name}: {limited:?}"
        );
        assert_eq!(
            answer(&elevated, name),
            in_elevated,
            "elevated {name}: {elevated:?}"
        );
    }
}
