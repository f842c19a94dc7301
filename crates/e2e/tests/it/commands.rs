//! The operator's commands and their contracts.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use e2e::deployment::Deployment;
use e2e::service::{binary, echo_cloud, workspace};
use serde_json::{Value, json};
use test_support::wait_until;

#[test]
fn status_has_the_shape_of_its_contract() {
    let deployment = Deployment::start(&echo_cloud());
    let status = deployment.status().unwrap();
    assert_eq!(status["service"], "EchoCloud");
    let first = &status["deployments"][0];
    assert_eq!(first["id"].as_str().unwrap().len(), 32);
    assert_eq!(
        (&first["slot"], &first["incarnation"]),
        (&json!("production"), &json!(1))
    );
    assert_eq!(status["dashboard"], Value::Null);
    assert!(
        status["control"]
            .as_str()
            .unwrap()
            .ends_with("/control.sock")
    );
    let instance = &first["roles"][0]["instances"][3];
    let public = deployment.public(1234).to_string();
    let address = instance["endpoints"][0]["address"].as_str().unwrap();
    assert!(
        address.starts_with("127.17.") && address.ends_with(":1234"),
        "{address}"
    );
    for (field, expected) in [
        ("id", json!("EchoWorker_IN_3")),
        ("status", json!("Ready")),
        ("detail", Value::Null),
        ("upgrade_domain", json!(1)),
        ("fault_domain", json!(1)),
        ("recycles", json!(0)),
        (
            "endpoints",
            json!([{"name": "EchoEndpoint", "kind": "input", "protocol": "tcp", "address": address, "public": public}]),
        ),
    ] {
        assert_eq!(instance[field], expected, "{field}");
    }
    assert!(instance["pid"].as_i64().is_some_and(|pid| pid > 0));
    let human = deployment.approot(&["status"]);
    assert!(
        human.stdout.is_empty(),
        "approot's own words go to standard error"
    );
    assert!(
        String::from_utf8(human.stderr)
            .unwrap()
            .contains("EchoWorker_IN_3  Ready")
    );
}

#[test]
fn recycle_returns_when_the_instance_is_ready_again() {
    let deployment = Deployment::start(&echo_cloud());
    let before = deployment.instances();
    let output = deployment.approot(&["recycle", "EchoWorker_IN_2", "--format", "json"]);
    assert!(output.status.success(), "{output:?}");
    let again: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&again["status"], &again["recycles"]),
        (&json!("Ready"), &json!(1))
    );
    let after = deployment.instances();
    assert_ne!(after[2]["pid"], before[2]["pid"]);
    assert_eq!(after[1]["pid"], before[1]["pid"]);
    let unknown = deployment.approot(&["recycle", "EchoWorker_IN_9"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(
        String::from_utf8(unknown.stderr)
            .unwrap()
            .contains("there is no instance `EchoWorker_IN_9`")
    );
}

#[test]
fn logs_are_led_by_their_instance_and_can_be_followed() {
    let deployment = Deployment::start(&echo_cloud());
    let one = deployment.approot(&["logs", "EchoWorker_IN_1"]);
    let text = String::from_utf8(one.stdout).unwrap();
    assert!(
        text.lines().count() > 1
            && text
                .lines()
                .all(|line| line.starts_with("EchoWorker_IN_1 ")),
        "{text}"
    );
    assert!(text.contains("task startup/prepare.sh out: "), "{text}");
    let as_json = deployment.approot(&["logs", "EchoWorker_IN_1", "--format", "json"]);
    let first: Value = serde_json::from_str(
        String::from_utf8(as_json.stdout)
            .unwrap()
            .lines()
            .next()
            .unwrap(),
    )
    .unwrap();
    assert_eq!(
        (&first["instance"], &first["source"]),
        (&json!("EchoWorker_IN_1"), &json!("host"))
    );

    let followed = tempfile::NamedTempFile::new().unwrap();
    let mut command = Command::new(binary("approot"));
    command
        .args(["logs", "-f", "--state"])
        .arg(deployment.state());
    let mut follower = command
        .stdout(followed.reopen().unwrap())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    deployment.approot(&["recycle", "EchoWorker_IN_0"]);
    wait_until("the recycle in the followed log", || {
        let text = std::fs::read_to_string(followed.path()).unwrap();
        if text.contains("attempt 2 of EchoWorker_IN_0") {
            Ok(())
        } else {
            Err(text)
        }
    });
    follower.kill().unwrap();
    follower.wait().unwrap();
    let unknown = deployment.approot(&["logs", "Nobody"]);
    assert_eq!(unknown.status.code(), Some(1));
}

#[test]
fn commands_without_a_fabric_end_with_four() {
    let folder = tempfile::tempdir().unwrap();
    for command in [
        &["status"][..],
        &["stop"],
        &["logs"],
        &["recycle", "A_IN_0"],
    ] {
        let output = Command::new(binary("approot"))
            .args(command)
            .arg("--state")
            .arg(folder.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(4), "{command:?}: {output:?}");
    }
}

#[test]
fn check_passes_the_sample() {
    let sample = check(&[], &workspace().join("services/echo-cloud"));
    assert_eq!(sample.status.code(), Some(0), "{sample:?}");
    let commands = check(
        &["--format", "github"],
        &workspace().join("services/echo-cloud"),
    );
    assert!(
        !String::from_utf8(commands.stdout)
            .unwrap()
            .contains("::error")
    );
}

#[test]
fn check_tells_findings_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let parts = r#"    <Runtime><EntryPoint><ProgramEntryPoint commandLine="a" setReadyOnProcessStart="true" /></EntryPoint></Runtime>
    <Endpoints><InputEndpoint name="A" protocol="tcp" port="80" /><InputEndpoint name="B" protocol="tcp" port="80" /></Endpoints>"#;
    e2e::service::write(folder.path(), parts, 1, vec![]);
    let file = folder.path().join("ServiceDefinition.csdef");
    let file = file.to_str().unwrap();
    let endpoints = parts.lines().nth(1).unwrap();
    let columns: Vec<usize> = endpoints
        .match_indices("80")
        .map(|(at, _)| at + 1)
        .collect();
    let [first, second] = columns[..] else {
        panic!("{columns:?}")
    };

    let human = check(&[], folder.path());
    assert_eq!(human.status.code(), Some(3));
    assert!(human.stdout.is_empty(), "{human:?}");
    let text = String::from_utf8(human.stderr).unwrap();
    assert!(
        text.contains("error[AR0107]") && text.contains("ServiceDefinition.csdef:5:"),
        "{text}"
    );

    let findings: Value = serde_json::from_str(&for_programs("json", folder.path())).unwrap();
    assert_eq!(findings[0]["code"], "AR0107");

    let log: Value = serde_json::from_str(&for_programs("sarif", folder.path())).unwrap();
    let run = &log["runs"][0];
    assert_eq!(run["tool"]["driver"]["rules"][0]["id"], "AR0107");
    let result = &run["results"][0];
    assert_eq!(
        (&result["ruleId"], &result["level"]),
        (&json!("AR0107"), &json!("error"))
    );
    for (location, column) in [
        (&result["locations"][0], second),
        (&result["relatedLocations"][0], first),
    ] {
        let place = &location["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], format!("file://{file}"));
        assert_eq!(
            place["region"],
            json!({"startLine": 5, "startColumn": column, "endLine": 5, "endColumn": column + 2})
        );
    }

    let commands = for_programs("github", folder.path());
    let expected = format!(
        "::error file={file},line=5,endLine=5,col={second},endColumn={},title=AR0107::",
        second + 2
    );
    assert!(commands.starts_with(&expected), "{commands}");
    assert_eq!(commands.lines().count(), 1, "{commands}");
}

fn check(arguments: &[&str], folder: &Path) -> Output {
    Command::new(binary("approot"))
        .arg("check")
        .args(arguments)
        .arg(folder)
        .output()
        .unwrap()
}

/// What `check` prints on standard output about a broken service, and nothing on standard error.
fn for_programs(format: &str, folder: &Path) -> String {
    let output = check(&["--format", format], folder);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
