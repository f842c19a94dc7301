//! Services under test: the sample of this workspace, and small ones written on the spot.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A service folder with what its `run` needs to know.
#[derive(Debug, Clone)]
pub struct Service {
    /// The folder, or a package.
    pub path: PathBuf,
    /// `--configuration`.
    pub configuration: String,
    /// `--binary ROLE=FILE`.
    pub binaries: Vec<(String, PathBuf)>,
}

/// The sample service, with its built worker.
pub fn echo_cloud() -> Service {
    Service {
        path: workspace().join("services/echo-cloud"),
        configuration: "Local".to_owned(),
        binaries: vec![("EchoWorker".to_owned(), binary("echo-worker"))],
    }
}

/// Writes a service with one role `Fixture` into `folder`: `parts` are the children of its `WorkerRole`.
pub fn write(
    folder: &Path,
    parts: &str,
    n_instances: u32,
    binaries: Vec<(String, PathBuf)>,
) -> Service {
    let definition = format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<ServiceDefinition name="FixtureCloud" xmlns="http://schemas.microsoft.com/ServiceHosting/2008/10/ServiceDefinition">
  <WorkerRole name="Fixture">
{parts}
  </WorkerRole>
</ServiceDefinition>
"#
    );
    let configuration = format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<ServiceConfiguration serviceName="FixtureCloud" xmlns="http://schemas.microsoft.com/ServiceHosting/2008/10/ServiceConfiguration">
  <Role name="Fixture">
    <Instances count="{n_instances}" />
  </Role>
</ServiceConfiguration>
"#
    );
    fs::write(folder.join("ServiceDefinition.csdef"), definition)
        .expect("the test's folder is writable");
    fs::write(
        folder.join("ServiceConfiguration.Local.cscfg"),
        configuration,
    )
    .expect("the test's folder is writable");
    Service {
        path: folder.to_owned(),
        configuration: "Local".to_owned(),
        binaries,
    }
}

/// Writes a script into the approot of the role `Fixture`.
pub fn write_script(folder: &Path, name: &str, text: &str) {
    let content = folder.join("FixtureContent");
    fs::create_dir_all(&content).expect("the test's folder is writable");
    let path = content.join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("the test's folder is writable");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("the script is ours");
}

/// The root of the workspace.
pub fn workspace() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    root.expect("this crate lies two folders below the root")
        .to_owned()
}

/// A binary of the workspace, built in the profile that this test was built in. `cargo test` of one package builds no
/// other's binaries, so the first call builds them; where they are fresh that takes a moment.
pub fn binary(name: &str) -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    let folder = binaries();
    BUILT.get_or_init(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .current_dir(workspace())
            .args(["build", "--quiet", "--locked"]);
        cargo.args(["-p", "approot", "-p", "echo-worker", "-p", "e2e", "--bins"]);
        if folder.ends_with("release") {
            cargo.arg("--release");
        }
        let status = cargo.status().expect("cargo runs");
        assert!(status.success(), "the binaries under test do not build");
    });
    let path = folder.join(name);
    assert!(path.is_file(), "there is no {}", path.display());
    path
}

/// The folder of this profile's binaries: that of the test's own executable, less `deps`.
fn binaries() -> PathBuf {
    let own = std::env::current_exe().expect("a process has an executable");
    let folder = own.parent().expect("it lies in a folder");
    if folder.ends_with("deps") {
        folder.parent().expect("deps lies in a profile").to_owned()
    } else {
        folder.to_owned()
    }
}
