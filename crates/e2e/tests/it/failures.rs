//! Each failure of a start: a clear message that says which file or task, a status that is not zero, no panic.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use e2e::deployment::{Deployment, Place};
use e2e::service::{Service, echo_cloud, write, write_script};

/// Runs a service that must not start; returns its exit status and what it printed.
fn fail(service: &Service, place: &Place, arguments: &[&str]) -> (i32, String) {
    let mut deployment = Deployment::spawn(service, place, arguments);
    let status = deployment.await_end().code().unwrap();
    let printed = deployment.printed();
    assert!(!printed.contains("panicked"), "{printed}");
    deployment.assert_nothing_left(1);
    (status, printed)
}

#[track_caller]
fn check(service: &Service, expected_status: i32, expected: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let (status, printed) = fail(service, &Place::new(folder.path()), &[]);
    assert_eq!(status, expected_status, "{printed}");
    for text in expected {
        assert!(printed.contains(text), "no {text:?} in:\n{printed}");
    }
}

fn script_role(folder: &Path, script: &str) -> Service {
    write_script(folder, "role.sh", script);
    let parts = r#"    <Startup><Task commandLine="setup.sh" taskType="simple" /></Startup>
    <Runtime><EntryPoint><ProgramEntryPoint commandLine="role.sh" setReadyOnProcessStart="true" /></EntryPoint></Runtime>"#;
    write(folder, parts, 1, vec![])
}

#[test]
fn a_taken_port_names_the_endpoint_and_the_holder() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::new(folder.path());
    let _taken = TcpListener::bind((place.address, 1234)).unwrap();
    let (status, printed) = fail(&echo_cloud(), &place, &[]);
    assert_eq!(status, 1, "{printed}");
    for text in [
        &format!("{}:1234", place.address),
        "EchoWorker/EchoEndpoint",
        &format!("(pid {})", std::process::id()),
    ] {
        assert!(printed.contains(text), "no {text:?} in:\n{printed}");
    }
}

#[test]
fn an_address_that_is_not_this_machines_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place {
        address: "192.0.2.1".parse().unwrap(),
        ..Place::new(folder.path())
    };
    let (status, printed) = fail(&echo_cloud(), &place, &[]);
    assert_eq!(status, 1, "{printed}");
    assert!(printed.contains("192.0.2.1:1234"), "{printed}");
}

#[test]
fn a_missing_configuration_names_itself_and_what_there_is() {
    let service = Service {
        configuration: "Nowhere".to_owned(),
        ..echo_cloud()
    };
    check(
        &service,
        3,
        &[
            "ServiceConfiguration.Nowhere.cscfg",
            "ServiceConfiguration.Local.cscfg",
        ],
    );
}

#[test]
fn a_malformed_definition_is_shown_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let service = script_role(folder.path(), "sleep 60");
    let path = folder.path().join("ServiceDefinition.csdef");
    let text = fs::read_to_string(&path)
        .unwrap()
        .replace("</Startup>", "</Startupp>");
    fs::write(&path, text).unwrap();
    check(&service, 3, &["ServiceDefinition.csdef:4:", "Startup"]);
}

#[test]
fn a_failing_startup_task_ends_the_start() {
    let folder = tempfile::tempdir().unwrap();
    write_script(folder.path(), "setup.sh", "echo cannot set up >&2\nexit 3");
    check(
        &script_role(folder.path(), "sleep 60"),
        1,
        &[
            "Fixture_IN_0",
            "startup task `setup.sh` exited with status 3",
        ],
    );
}

#[test]
fn a_startup_task_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    check(
        &script_role(folder.path(), "sleep 60"),
        3,
        &["role `Fixture`", "startup task `setup.sh`"],
    );
}

#[test]
fn a_program_that_is_not_there_is_named_with_the_cure() {
    let service = Service {
        binaries: vec![],
        ..echo_cloud()
    };
    check(
        &service,
        3,
        &[
            "role `EchoWorker`",
            "`echo-worker`",
            "--binary EchoWorker=FILE",
            "cargo xtask run-local",
        ],
    );
}

#[test]
fn a_program_that_crashes_in_its_start_ends_the_start() {
    let folder = tempfile::tempdir().unwrap();
    write_script(folder.path(), "setup.sh", "exit 0");
    let parts = r#"<Runtime><EntryPoint><ProgramEntryPoint commandLine="role.sh" setReadyOnProcessStart="false" /></EntryPoint></Runtime>"#;
    write_script(folder.path(), "role.sh", "exit 7");
    check(
        &write(folder.path(), parts, 1, vec![]),
        1,
        &["Fixture_IN_0", "the role's program exited with status 7"],
    );
}

#[test]
fn a_program_that_cannot_be_executed_says_why() {
    let folder = tempfile::tempdir().unwrap();
    write_script(folder.path(), "setup.sh", "exit 0");
    let service = script_role(folder.path(), "");
    fs::write(
        folder.path().join("FixtureContent/role.sh"),
        "#!/no/such/interpreter\n",
    )
    .unwrap();
    check(
        &service,
        1,
        &["Fixture_IN_0", "could not be started", "role.sh"],
    );
}

#[test]
fn a_wrong_command_line_ends_with_two() {
    let folder = tempfile::tempdir().unwrap();
    let (status, printed) = fail(
        &echo_cloud(),
        &Place::new(folder.path()),
        &["--instances", "EchoWorker=many"],
    );
    assert_eq!(status, 2, "{printed}");
    let (status, printed) = fail(
        &echo_cloud(),
        &Place::new(folder.path()),
        &["--instances", "Other=2"],
    );
    assert_eq!(status, 3, "{printed}");
    assert!(
        printed.contains("the service has no role `Other`; it has `EchoWorker`"),
        "{printed}"
    );
}
