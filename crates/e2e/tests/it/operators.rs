//! What operators do to a deployment without meaning to: closed terminals, full disks, repeated commands.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use e2e::deployment::{Deployment, PATIENCE, Place};
use e2e::processes::{kill, lock_holder, of_state};
use e2e::service::{Service, binary, write, write_script};
use rustix::fs::{FlockOperation, fcntl_lock};
use serde_json::Value;
use test_support::{has_program, not_run, wait_until, wait_within};

/// What every sandbox-less deployment says of itself.
const LIMITATION: &str = "note: the sandbox is weaker here: ";

fn approot(arguments: &[&str]) -> Output {
    finish(Command::new(binary("approot")).args(arguments))
}

/// Runs a command to its end, which a deployment that was to be refused would never come to.
fn finish(command: &mut Command) -> Output {
    let [stdout, stderr] = [(); 2].map(|()| tempfile::NamedTempFile::new().unwrap());
    command.stdin(Stdio::null());
    command.stdout(stdout.reopen().unwrap());
    command.stderr(stderr.reopen().unwrap());
    let mut child = Guard(command.spawn().unwrap());
    let status = wait_within(PATIENCE, "the command has ended", || {
        let printed = || fs::read_to_string(stderr.path()).unwrap();
        child.0.try_wait().unwrap().ok_or_else(printed)
    });
    Output {
        status,
        stdout: fs::read(stdout.path()).unwrap(),
        stderr: fs::read(stderr.path()).unwrap(),
    }
}

#[track_caller]
fn check(arguments: &[&str], expected_status: i32, expected: &str) {
    let output = approot(arguments);
    let printed = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(expected_status), "{printed}");
    assert!(printed.contains(expected), "no {expected:?} in:\n{printed}");
}

/// A service with one instance that needs no built program.
fn sleeper(folder: &Path) -> Service {
    write_script(folder, "role.sh", "exec sleep 3600");
    let parts = r#"<Runtime><EntryPoint><ProgramEntryPoint commandLine="role.sh" setReadyOnProcessStart="true" /></EntryPoint></Runtime>"#;
    write(folder, parts, 1, vec![])
}

/// The arguments of `run` for a service in a place.
fn run_arguments(service: &Service, place: &Place) -> Vec<String> {
    let mut arguments = vec![
        "run".to_owned(),
        service.path.display().to_string(),
        "--configuration".to_owned(),
        service.configuration.clone(),
        "--state".to_owned(),
        place.state.display().to_string(),
        "--listen".to_owned(),
        place.address.to_string(),
    ];
    for (role, file) in &service.binaries {
        arguments.push("--binary".to_owned());
        arguments.push(format!("{role}={}", file.display()));
    }
    arguments
}

/// The only instance of a deployment, once it is Ready with a program other than `pid`.
fn await_ready(state: &str, pid: Option<i64>) -> i64 {
    wait_until("the instance is Ready", || {
        let output = approot(&["status", "--format", "json", "--state", state]);
        let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let instance = &status["deployments"][0]["roles"][0]["instances"][0];
        let is_ready = instance["status"] == "Ready";
        match instance["pid"].as_i64() {
            Some(found) if is_ready && Some(found) != pid => Ok(found),
            _ => Err(instance.to_string()),
        }
    })
}

/// Runtime directories that belong to a state directory.
fn runtime_directories(state: &Path) -> Vec<PathBuf> {
    let bases = [
        PathBuf::from("/run/approot"),
        std::env::var_os("XDG_RUNTIME_DIR").map_or_else(PathBuf::new, PathBuf::from),
    ];
    let folders = bases
        .iter()
        .flat_map(|base| fs::read_dir(base).into_iter().flatten().flatten());
    let is_its = |folder: &PathBuf| {
        fs::read_to_string(folder.join("state")).is_ok_and(|text| Path::new(&text) == state)
    };
    folders.map(|folder| folder.path()).filter(is_its).collect()
}

/// Ends a child of a test that fails.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Ends what a failing test leaves of a detached deployment, which is found by its state directory.
struct Detached<'a>(&'a Path);

impl Drop for Detached<'_> {
    fn drop(&mut self) {
        of_state(self.0).into_iter().for_each(kill);
    }
}

#[test]
fn a_deployment_outlives_its_broken_streams() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::new(folder.path());
    let state = place.state.to_str().unwrap();
    let mut command = Command::new(binary("approot"));
    command
        .args(run_arguments(&sleeper(folder.path()), &place))
        .args(["--format", "json"])
        .stdin(Stdio::null())
        .stdout(File::options().write(true).open("/dev/full").unwrap())
        .stderr(Stdio::piped());
    let mut run = Guard(command.spawn().unwrap());
    drop(run.0.stderr.take());
    let first = await_ready(state, None);
    let fabric = lock_holder(&place.state.join("fabric.lock"));
    kill(i32::try_from(first).unwrap());
    await_ready(state, Some(first));
    assert_eq!(
        lock_holder(&place.state.join("fabric.lock")),
        fabric,
        "the fabric has told of the end, to nobody, and lives on"
    );
    assert!(approot(&["stop", "--state", state]).status.success());
    assert_eq!(run.0.wait().unwrap().code(), Some(0));
}

#[test]
fn results_that_cannot_be_written_fail_the_command_unless_the_reader_left() {
    let folder = tempfile::tempdir().unwrap();
    let service = sleeper(folder.path());
    let deployment = Deployment::start(&service);
    let state = deployment.state().to_str().unwrap();
    for arguments in [&["logs"][..], &["status", "--format", "json"]] {
        let mut command = Command::new(binary("approot"));
        command.args(arguments).args(["--state", state]);
        command.stdout(File::options().write(true).open("/dev/full").unwrap());
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let printed = String::from_utf8(output.stderr).unwrap();
        assert!(
            printed.contains("cannot write to standard output"),
            "{printed}"
        );

        let (reading, writing) = std::io::pipe().unwrap();
        drop(reading);
        command.stdout(writing);
        let output = command.output().unwrap();
        assert_eq!(
            (output.status.code(), output.stderr.as_slice()),
            (Some(0), &b""[..])
        );
    }
}

#[test]
fn limitations_are_notes_of_the_status_and_said_once() {
    let folder = tempfile::tempdir().unwrap();
    let deployment = Deployment::start(&sleeper(folder.path()));
    wait_until("the start is over", || {
        let printed = deployment.printed();
        match printed.contains("every instance is Ready") {
            true => Ok(()),
            false => Err(printed),
        }
    });
    // None where the machine gives everything.
    let status = deployment.status().unwrap();
    let n_limitations = status["limitations"].as_array().unwrap().len();
    let printed = deployment.printed();
    assert_eq!(
        printed.matches(LIMITATION).count(),
        n_limitations,
        "{printed}"
    );
    let status = deployment.approot(&["status"]);
    let printed = String::from_utf8(status.stderr).unwrap();
    assert_eq!(
        printed.matches(LIMITATION).count(),
        n_limitations,
        "{printed}"
    );
}

#[test]
fn followers_are_bounded_and_leave_their_places() {
    let folder = tempfile::tempdir().unwrap();
    let deployment = Deployment::start(&sleeper(folder.path()));
    let follow = || {
        let mut command = Command::new(binary("approot"));
        command
            .args(["logs", "-f", "--state"])
            .arg(deployment.state())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut follower = Guard(command.spawn().unwrap());
        let mut line = String::new();
        BufReader::new(follower.0.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        (follower, line)
    };
    let mut followers = Vec::new();
    let refused = loop {
        let (follower, line) = follow();
        if line.is_empty() {
            break follower;
        }
        followers.push(follower);
        assert!(followers.len() < 100, "there is no bound");
    };
    drop(refused);
    let state = deployment.state().to_str().unwrap();
    let n_followers = followers.len();
    check(
        &["logs", "--state", state],
        1,
        &format!("{n_followers} clients read logs already"),
    );
    // Nothing is written meanwhile: their departure alone is what is noticed.
    drop(followers);
    wait_until("a place is free", || {
        let output = deployment.approot(&["logs"]);
        match output.status.success() {
            true => Ok(()),
            false => Err(output),
        }
    });
}

#[test]
fn a_refused_detached_run_leaves_the_live_ones_log_alone() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::new(folder.path());
    let state = place.state.to_str().unwrap();
    let arguments = run_arguments(&sleeper(folder.path()), &place);
    let detach = || {
        // With a descriptor that it inherits and must not keep.
        let mut command = Command::new("sh");
        command
            .args(["-c", r#"exec "$0" "$@" --detach 7</dev/zero"#])
            .arg(binary("approot"));
        finish(command.args(&arguments))
    };
    let _detached = Detached(&place.state);
    let first = detach();
    assert!(first.status.success(), "{first:?}");
    let keeper = lock_holder(&place.state.join("keeper.lock")).unwrap();
    let log = place.state.join("keeper.log");
    let before = fs::read_to_string(&log).unwrap();
    assert!(before.contains("every instance is Ready"), "{before}");

    let second = detach();
    let printed = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert_eq!(
        printed.trim_end(),
        format!("error: another `approot run`, pid {keeper}, holds the state directory {state}")
    );
    assert_eq!(fs::read_to_string(&log).unwrap(), before);

    let open: Vec<PathBuf> = fs::read_dir(format!("/proc/{keeper}/fd"))
        .unwrap()
        .filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
        .collect();
    assert!(!open.contains(&PathBuf::from("/dev/zero")), "{open:?}");
    let stdin = fs::read_link(format!("/proc/{keeper}/fd/0")).unwrap();
    assert_eq!(stdin, Path::new("/dev/null"));

    let program = await_ready(state, None);
    kill(i32::try_from(program).unwrap());
    await_ready(state, Some(program));
    let after = fs::read_to_string(&log).unwrap();
    assert!(
        after.starts_with(&before) && after.contains("killed by signal 9"),
        "{after}"
    );
    assert!(approot(&["stop", "--state", state]).status.success());
}

#[test]
fn a_failed_start_leaves_no_folder_of_sockets() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::new(folder.path());
    write_script(folder.path(), "role.sh", "exit 7");
    // Not Ready by its mere start, so that its end is that of the deployment's.
    let parts = r#"<Runtime><EntryPoint><ProgramEntryPoint commandLine="role.sh" setReadyOnProcessStart="false" /></EntryPoint></Runtime>"#;
    let service = write(folder.path(), parts, 1, vec![]);
    let arguments = run_arguments(&service, &place);
    for detach in [&[][..], &["--detach"]] {
        let arguments: Vec<&str> = arguments
            .iter()
            .map(String::as_str)
            .chain(detach.iter().copied())
            .collect();
        check(&arguments, 1, "the role's program exited with status 7");
        assert!(runtime_directories(&place.state).is_empty());
    }
    // A role that the service does not have is found by the fabric, before there is a deployment.
    let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    arguments.extend(["--instances", "Other=1"]);
    check(&arguments, 3, "the service has no role `Other`");
    assert!(runtime_directories(&place.state).is_empty());
}

#[test]
fn a_lock_from_outside_the_pid_namespace_is_an_error_at_once() {
    let in_namespace = |program: &Path| {
        let mut command = Command::new("unshare");
        command.args([
            "--user",
            "--map-root-user",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
        ]);
        command.arg(program);
        command
    };
    if !has_program("unshare") {
        return;
    }
    if !finish(&mut in_namespace(Path::new("true")))
        .status
        .success()
    {
        return not_run("needs a user namespace");
    }
    let folder = tempfile::tempdir().unwrap();
    let arguments = run_arguments(&sleeper(folder.path()), &Place::new(folder.path()));
    let state = folder.path().join("state");
    fs::create_dir(&state).unwrap();
    for lock in ["keeper.lock", "fabric.lock"] {
        let held = File::create(state.join(lock)).unwrap();
        fcntl_lock(&held, FlockOperation::NonBlockingLockExclusive).unwrap();
        let output = finish(in_namespace(&binary("approot")).args(&arguments));
        let printed = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{printed}");
        assert!(printed.contains("of another pid namespace"), "{printed}");
    }
}

#[test]
fn what_contradicts_itself_is_a_wrong_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let service = sleeper(folder.path());
    let place = Place::new(folder.path());
    let program = binary("approot").display().to_string();
    let arguments = run_arguments(&service, &place);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let twice = |option: &'static str, first: &str, second: &str| {
        let mut arguments = arguments.clone();
        arguments.extend([option, first, option, second]);
        check(
            &arguments,
            2,
            &format!("`{option}` is given more than once for role `Fixture`"),
        );
    };
    twice("--instances", "Fixture=1", "Fixture=2");
    twice(
        "--binary",
        &format!("Fixture={program}"),
        &format!("Fixture={program}"),
    );
    assert!(!place.state.exists(), "a refusal makes nothing");
    let configuration = folder.path().join("ServiceConfiguration.Local.cscfg");
    check(
        &[
            "check",
            configuration.to_str().unwrap(),
            "--configuration",
            "Local",
        ],
        2,
        "`--configuration` goes with a definition",
    );
    let out = folder.path().join("out");
    let build = [
        "package",
        "build",
        folder.path().to_str().unwrap(),
        "--configuration",
        "Local",
        "--out",
        out.to_str().unwrap(),
        "--binary",
        &format!("Fixture={program}"),
        "--binary",
        &format!("Fixture={program}"),
    ];
    check(&build, 2, "`--binary` is given more than once");
}

#[test]
fn paths_that_are_not_there_are_invalid() {
    let folder = tempfile::tempdir().unwrap();
    sleeper(folder.path());
    let definition = folder.path().join("ServiceDefinition.csdef");
    let text = fs::read_to_string(&definition).unwrap();
    fs::write(&definition, text.replace("</Runtime>", "</Runtimee>")).unwrap();
    let missing = folder.path().join("missing");
    let missing = missing.to_str().unwrap();
    let output = approot(&[
        "check",
        missing,
        folder.path().to_str().unwrap(),
        "--format",
        "json",
    ]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let findings: Value = serde_json::from_slice(&output.stdout).unwrap();
    let of = |file: &str| {
        let findings = findings.as_array().unwrap().iter();
        let codes = findings.filter(|finding| finding["file"].as_str().unwrap().contains(file));
        codes
            .map(|finding| finding["code"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("missing"), ["AR0001"]);
    assert!(!of("ServiceDefinition.csdef").is_empty(), "{findings}");

    // A folder without a definition does not hide what the other path has either.
    let empty = tempfile::tempdir().unwrap();
    let output = approot(&[
        "check",
        empty.path().to_str().unwrap(),
        definition.to_str().unwrap(),
    ]);
    let printed = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{printed}");
    assert!(
        printed.contains("there is no service definition")
            && printed.contains("ServiceDefinition.csdef:4:"),
        "{printed}"
    );
    check(&["package", "verify", missing], 3, missing);
    check(&["run", missing], 3, missing);
}
