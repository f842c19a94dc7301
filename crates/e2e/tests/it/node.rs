//! A worker on Microsoft's own library for Node, unmodified: the npm package `azure` at 0.10.6.

use std::fs;
use std::path::Path;
use std::process::Command;

use e2e::deployment::Deployment;
use e2e::service::{Service, binary, workspace};

use crate::clients::{Lines, live};

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
    live(&mut deployment, 1337);
}
