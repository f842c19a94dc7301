//! The workflow that others copy, `docs/ci/package.yml`: its own steps, run in a clone.
//!
//! Also what `cargo xtask package --verify` stands for: the whole build twice, in two folders under
//! two homes, is part of them.

use std::fs;
use std::path::Path;
use std::process::Command;

use e2e::service::workspace;
use serde_json::Value;
use test_support::has_program;

/// What the steps use of others. The runner does these; here a clone stands for the checkout, and
/// nothing is cached or kept.
const ACTIONS: &[&str] = &[
    "actions/checkout@v6",
    "actions/cache@v5",
    "actions/upload-artifact@v7",
];

/// The workflow's only job, and the variables of all its steps.
fn job() -> (Value, Value) {
    let path = workspace().join("docs/ci/package.yml");
    let text = fs::read_to_string(path).unwrap();
    let workflow: Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(workflow["defaults"]["run"]["shell"], "bash");
    let jobs = workflow["jobs"].as_object().unwrap();
    let jobs: Vec<&Value> = jobs.values().collect();
    let [job] = jobs[..] else {
        panic!("one job, not {}", jobs.len());
    };
    (job.clone(), workflow["env"].clone())
}

/// Runs a step as the runner does. Source: "Workflow syntax for GitHub Actions", `defaults.run`:
/// what `shell: bash` stands for.
fn run(script: &str, variables: &Value, clone: &Path) {
    assert!(
        !script.contains("${{"),
        "only the runner knows this: {script}"
    );
    let mut command = Command::new("bash");
    command
        .args(["--noprofile", "--norc", "-eo", "pipefail", "-c", script])
        .current_dir(clone)
        // Cargo's default is meant: the steps name files below it.
        .env_remove("CARGO_TARGET_DIR");
    for (name, value) in variables.as_object().unwrap() {
        command.env(name, value.as_str().unwrap());
    }
    let output = command.output().unwrap();
    let (out, words) = (output.stdout, output.stderr);
    let [out, words] = [out, words].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(
        output.status.success(),
        "{}: {script}\n{out}\n{words}",
        output.status
    );
}

#[test]
fn the_steps_of_the_workflow_make_a_package() {
    if !has_program("git") || !has_program("bash") || !has_program("sha256sum") {
        return;
    }
    let (job, variables) = job();
    let folder = tempfile::tempdir().unwrap();
    let clone = folder.path().join("clone");
    let cloned = Command::new("git")
        .args(["clone", "--quiet"])
        .args([&workspace(), &clone])
        .status();
    assert!(cloned.unwrap().success());
    let mut n_run = 0;
    for step in job["steps"].as_array().unwrap() {
        match (step["uses"].as_str(), step["run"].as_str()) {
            (Some(action), None) => assert!(ACTIONS.contains(&action), "{action}"),
            (None, Some(script)) => {
                run(script, &variables, &clone);
                n_run += 1;
            }
            _ => panic!("neither an action nor a script: {step}"),
        }
    }
    assert!(n_run >= 4, "{n_run} scripts were run");
    let summary = fs::read(clone.join("package.json")).unwrap();
    let summary: Value = serde_json::from_slice(&summary).unwrap();
    let package = clone.join(summary["path"].as_str().unwrap());
    assert_eq!(
        package.metadata().unwrap().len(),
        summary["bytes"].as_u64().unwrap()
    );
    assert_eq!(summary["service"], "EchoCloud");
    assert_eq!(summary["roles"], serde_json::json!(["EchoWorker"]));
    assert_eq!(summary["signed"], false);
}
