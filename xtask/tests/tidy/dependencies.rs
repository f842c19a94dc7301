//! Which of our crates may use which, so that a new edge is seen and talked about.
//!
//! The picture of it is in ARCHITECTURE.md. Dependencies of tests and benchmarks are free.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use crate::files::{none, root};

/// A crate, and those of ours that it may use.
const EDGES: &[(&str, &[&str])] = &[
    (
        "approot",
        &[
            "balancer",
            "balancer-core",
            "causes",
            "control",
            "diagnostics",
            "fabric",
            "host",
            "ipc",
            "keeper",
            "options",
            "packager",
            "plan",
            "sandbox",
            "schema",
        ],
    ),
    ("archive", &[]),
    ("balancer", &["balancer-core", "ipc"]),
    ("balancer-core", &[]),
    ("causes", &["diagnostics", "host-core"]),
    ("certificates", &[]),
    ("control", &["causes", "fabric", "host", "plan"]),
    ("diagnostics", &[]),
    ("e2e", &["runtime", "test-support"]),
    ("echo-worker", &["runtime"]),
    (
        "fabric",
        &[
            "balancer",
            "balancer-core",
            "diagnostics",
            "causes",
            "certificates",
            "fabric-core",
            "host",
            "host-core",
            "ipc",
            "keeper",
            "packager",
            "plan",
            "sandbox",
            "schema",
        ],
    ),
    ("fabric-core", &["host-core", "plan"]),
    (
        "host",
        &[
            "causes",
            "host-core",
            "ipc",
            "plan",
            "runtime-protocol",
            "sandbox",
        ],
    ),
    ("host-core", &["plan"]),
    ("ipc", &[]),
    ("keeper", &["ipc", "sandbox"]),
    ("options", &["diagnostics", "plan", "schema"]),
    ("packager", &["archive"]),
    ("plan", &["schema"]),
    ("runtime", &["runtime-protocol"]),
    ("runtime-protocol", &["xml-tree"]),
    ("sandbox", &[]),
    ("schema", &["diagnostics", "xml-tree"]),
    ("test-support", &[]),
    ("xml-tree", &["diagnostics"]),
    ("xtask", &[]),
];

/// Every package of the workspace, and what it uses of it, tests aside.
pub(crate) fn packages() -> BTreeMap<String, Package> {
    let cargo = std::env::var("CARGO").unwrap();
    let output = Command::new(cargo)
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    packages
        .iter()
        .map(|package| (name(package), Package::from(package)))
        .collect()
}

/// The names of a package's dependencies, those of tests aside.
#[derive(Default)]
pub(crate) struct Package {
    own: Vec<String>,
    pub(crate) foreign: Vec<String>,
}

impl From<&Value> for Package {
    fn from(package: &Value) -> Package {
        let mut names = Package::default();
        let dependencies = package["dependencies"].as_array().unwrap();
        for dependency in dependencies.iter().filter(|other| other["kind"] != "dev") {
            let kind = match dependency["path"].is_null() {
                true => &mut names.foreign,
                false => &mut names.own,
            };
            kind.push(dependency["name"].as_str().unwrap().to_owned());
        }
        names
    }
}

#[test]
fn edges_between_our_crates_are_those_of_the_list() {
    let allowed: BTreeMap<&str, &[&str]> = EDGES.iter().copied().collect();
    let mut faults = Vec::new();
    for (name, package) in packages() {
        let Some(allowed) = allowed.get(name.as_str()) else {
            faults.push(format!("{name} is not in the list"));
            continue;
        };
        let new = package
            .own
            .iter()
            .filter(|other| !allowed.contains(&other.as_str()));
        faults.extend(new.map(|other| format!("{name} -> {other}")));
    }
    none(
        "a new edge: if it is right, add it to EDGES here and to the picture in ARCHITECTURE.md",
        faults,
    );
}

#[test]
fn the_list_names_crates_that_exist() {
    let packages = packages();
    let named = EDGES
        .iter()
        .flat_map(|(name, others)| others.iter().chain([name]));
    let gone = named.filter(|name| !packages.contains_key(**name));
    none(
        "a crate of EDGES that is not there",
        gone.map(|name| (*name).to_owned()).collect(),
    );
}
