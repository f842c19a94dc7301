//! A worker on Microsoft's own library for Node, unmodified: the npm package `azure` at 0.10.6.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use e2e::deployment::{Deployment, PATIENCE};
use e2e::service::{Service, binary, workspace};
use serde_json::Value;
use test_support::{wait_until, wait_within};

use crate::clients::{Lines, live, log_of};

const IDS: [&str; 2] = ["NodeWorker_IN_0", "NodeWorker_IN_1"];

/// How soon after the command a change is known to the worker.
const CHANGE_LIMIT: Duration = Duration::from_secs(1);

/// The service with what npm installs, in a folder of its own.
fn node_cloud(folder: &Path) -> Service {
    let path = folder.join("node-cloud");
    copy(&workspace().join("services/node-cloud"), &path);
    // Below cargo's folder, so that it is downloaded once.
    let cache = binary("approot").with_file_name("npm-cache");
    let mut npm = Command::new("npm");
    npm.current_dir(path.join("NodeWorkerContent"));
    npm.args(["ci", "--ignore-scripts", "--no-bin-links", "--no-audit"]);
    npm.args(["--no-fund", "--prefer-offline", "--cache"])
        .arg(cache);
    let output = npm.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    Service {
        path,
        configuration: "Local".to_owned(),
        binaries: Vec::new(),
    }
}

/// Copies what is ours: not what npm has installed there for somebody else.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.ends_with("node_modules") {
            continue;
        }
        if source.is_dir() {
            copy(&source, &target);
        } else {
            fs::copy(&source, &target).unwrap();
        }
    }
}

#[test]
fn a_worker_on_the_published_library_lives_as_on_the_platform() {
    if !test_support::has_program("node") || !test_support::has_program("npm") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut deployment = Deployment::start(&node_cloud(folder.path()));
    let mut lines = Lines::connect(deployment.public(1337));
    let status = deployment.status().unwrap();
    let id = status["deployments"][0]["id"].as_str().unwrap();
    assert_eq!(lines.ask("deployment"), id);
    assert_eq!(lines.ask("emulated"), "false");
    let greeting = "Hello <there> & välkommen";
    assert_eq!(lines.ask("setting Greeting"), greeting);
    assert_eq!(lines.ask("setting OnChanging"), "accept");
    assert_eq!(lines.ask("roles"), "NodeWorker");
    drop(lines);
    is_told_of_changes(&deployment, folder.path());
    live(&mut deployment, 1337, 1);
}

/// A change without a restart, then one that the worker cancels.
fn is_told_of_changes(deployment: &Deployment, folder: &Path) {
    let before = deployment.programs();
    let began = Instant::now();
    configure(deployment, folder, &[("välkommen", "welcome")]);
    for id in IDS {
        wait_until("changing and changed", || {
            let log = log_of(deployment, id);
            match log.contains("out: changing: Config") && log.contains("out: changed\n") {
                true => Ok(()),
                false => Err(log),
            }
        });
    }
    assert!(began.elapsed() < CHANGE_LIMIT, "{:?}", began.elapsed());
    for id in IDS {
        let mut lines = Lines::to(deployment.public(1337), id);
        assert_eq!(lines.ask("setting Greeting"), "Hello <there> & welcome");
    }
    assert_eq!(deployment.programs(), before, "without a restart");

    let cancel = ("value=\"accept\"", "value=\"cancel\"");
    configure(deployment, folder, &[("välkommen", "willkommen"), cancel]);
    wait_within(PATIENCE, "both recycled and Ready", || {
        let instances = deployment.instances();
        let is_back = |instance: &Value| instance["recycles"] == 1 && instance["status"] == "Ready";
        match instances.iter().all(is_back) {
            true => Ok(()),
            false => Err(instances),
        }
    });
    for id in IDS {
        let log = log_of(deployment, id);
        assert_eq!(log.matches("out: cancelled\n").count(), 1, "{log}");
        assert_eq!(log.matches("out: changed\n").count(), 1, "{log}");
        let mut lines = Lines::to(deployment.public(1337), id);
        assert_eq!(lines.ask("setting OnChanging"), "cancel");
        assert_eq!(lines.ask("setting Greeting"), "Hello <there> & willkommen");
    }
}

/// Gives the deployment its configuration with some of the text replaced.
fn configure(deployment: &Deployment, folder: &Path, replaced: &[(&str, &str)]) {
    let path = folder.join("node-cloud/ServiceConfiguration.Local.cscfg");
    let mut text = fs::read_to_string(path).unwrap();
    for (old, new) in replaced {
        assert!(text.contains(old), "{old}");
        text = text.replace(old, new);
    }
    let path = folder.join("changed.cscfg");
    fs::write(&path, text).unwrap();
    let output = deployment.approot(&["configure", path.to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
}
