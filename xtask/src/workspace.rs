//! The workspace as cargo describes it: its folders, and which package is which role's program.
//!
//! Reads `cargo metadata`, never a `Cargo.toml`; builds nothing.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::Value;
use xshell::{Shell, cmd};

/// What `cargo metadata --no-deps` says.
pub(crate) struct Workspace {
    /// The folder of the root `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Cargo's target directory, absolute.
    pub(crate) target: PathBuf,
    packages: Vec<Package>,
}

struct Package {
    name: String,
    manifest: String,
    role: Option<DeclaredRole>,
    default_run: Option<String>,
    binaries: Vec<String>,
    benches: Vec<String>,
}

/// `[package.metadata.role] service = "services/echo-cloud", role = "EchoWorker"`.
struct DeclaredRole {
    service: PathBuf,
    role: String,
}

/// A role and the binary target that is its program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Role {
    pub(crate) name: String,
    pub(crate) package: String,
    pub(crate) binary: String,
}

impl Workspace {
    /// Asks cargo, in the current directory, so that a relative `CARGO_TARGET_DIR` means what it
    /// means to cargo.
    pub(crate) fn read(sh: &Shell) -> anyhow::Result<Workspace> {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
        let metadata = cmd!(
            sh,
            "cargo metadata --format-version 1 --no-deps --manifest-path {manifest}"
        );
        Workspace::parse(&metadata.quiet().read()?).context("cargo metadata is not as expected")
    }

    fn parse(metadata: &str) -> anyhow::Result<Workspace> {
        let metadata: Value = serde_json::from_str(metadata)?;
        let packages = metadata["packages"].as_array().context("no `packages`")?;
        Ok(Workspace {
            root: text(&metadata, "workspace_root")?.into(),
            target: text(&metadata, "target_directory")?.into(),
            packages: packages.iter().map(package).collect::<Result<_, _>>()?,
        })
    }

    /// The roles of the service in `service_dir`, an absolute path without links, by name.
    ///
    /// # Errors
    ///
    /// Two packages claim one role, or it is not clear which binary of a package is meant.
    pub(crate) fn roles_of(&self, service_dir: &Path) -> anyhow::Result<Vec<Role>> {
        let mut roles: Vec<Role> = Vec::new();
        for package in &self.packages {
            let Some(declared) = &package.role else {
                continue;
            };
            if self.root.join(&declared.service) != service_dir {
                continue;
            }
            if let Some(other) = roles.iter().find(|role| role.name == declared.role) {
                let (name, other) = (&declared.role, &other.package);
                bail!(
                    "role `{name}` is built by two packages: `{other}` and `{}`",
                    package.name
                );
            }
            roles.push(Role {
                name: declared.role.clone(),
                package: package.name.clone(),
                binary: package.program()?.to_owned(),
            });
        }
        roles.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(roles)
    }

    /// The names of a package's `[[bench]]` targets; none for a package that is not there.
    pub(crate) fn benches_of(&self, package: &str) -> Vec<&str> {
        let packages = self.packages.iter().filter(|other| other.name == package);
        let benches = packages.flat_map(|package| &package.benches);
        benches.map(String::as_str).collect()
    }
}

impl Package {
    /// The binary that cargo would run.
    fn program(&self) -> anyhow::Result<&str> {
        match (&self.default_run, &self.binaries[..]) {
            (Some(default_run), _) => Ok(default_run),
            (None, [binary]) => Ok(binary),
            (None, []) => bail!("{} declares a role but has no binary", self.manifest),
            (None, binaries) => bail!(
                "{} declares a role and has several binaries: choose with `default-run`: {}",
                self.manifest,
                binaries.join(", ")
            ),
        }
    }
}

fn package(value: &Value) -> anyhow::Result<Package> {
    let manifest = text(value, "manifest_path")?.to_owned();
    Ok(Package {
        name: text(value, "name")?.to_owned(),
        role: declared_role(&value["metadata"]["role"])
            .with_context(|| format!("[package.metadata.role] of {manifest}"))?,
        default_run: value["default_run"].as_str().map(str::to_owned),
        binaries: targets(value, "bin")?,
        benches: targets(value, "bench")?,
        manifest,
    })
}

fn declared_role(value: &Value) -> anyhow::Result<Option<DeclaredRole>> {
    if value.is_null() {
        return Ok(None);
    }
    Ok(Some(DeclaredRole {
        service: text(value, "service")?.into(),
        role: text(value, "role")?.to_owned(),
    }))
}

fn targets(package: &Value, kind: &str) -> anyhow::Result<Vec<String>> {
    let targets = package["targets"].as_array().context("no `targets`")?;
    let is_wanted = |target: &&Value| {
        let kinds = target["kind"].as_array();
        kinds.is_some_and(|kinds| kinds.iter().any(|other| other == kind))
    };
    let names = targets.iter().filter(is_wanted);
    names
        .map(|target| text(target, "name").map(str::to_owned))
        .collect()
}

fn text<'a>(value: &'a Value, key: &str) -> anyhow::Result<&'a str> {
    let text = value[key].as_str();
    text.with_context(|| format!("`{key}` is not a text"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn package(name: &str, role: Value, binaries: &[&str]) -> Value {
        let target = |name: &&str| json!({"name": name, "kind": ["bin"]});
        let mut targets: Vec<Value> = binaries.iter().map(target).collect();
        targets.push(json!({"name": "dialogue", "kind": ["bench"]}));
        targets.push(json!({"name": name, "kind": ["lib"]}));
        json!({
            "name": name,
            "manifest_path": format!("/w/{name}/Cargo.toml"),
            "metadata": if role.is_null() { Value::Null } else { json!({"role": role}) },
            "targets": targets,
        })
    }

    fn echo_role(role: &str) -> Value {
        json!({"service": "services/echo-cloud", "role": role})
    }

    fn workspace(packages: &[Value]) -> anyhow::Result<Workspace> {
        let metadata = json!({
            "workspace_root": "/w", "target_directory": "/t", "packages": packages,
        });
        Workspace::parse(&metadata.to_string())
    }

    fn roles(packages: &[Value]) -> anyhow::Result<Vec<Role>> {
        workspace(packages)?.roles_of(Path::new("/w/services/echo-cloud"))
    }

    fn refused(packages: &[Value]) -> String {
        format!("{:#}", roles(packages).unwrap_err())
    }

    #[test]
    fn a_service_gets_its_own_roles_by_name() {
        let found = roles(&[
            package("schema", Value::Null, &[]),
            package("web", echo_role("Web"), &["web-program"]),
            package("echo-worker", echo_role("EchoWorker"), &["echo-worker"]),
            package(
                "other",
                json!({"service": "services/other/", "role": "R"}),
                &["other"],
            ),
        ]);
        let role = |name: &str, package: &str, binary: &str| Role {
            name: name.to_owned(),
            package: package.to_owned(),
            binary: binary.to_owned(),
        };
        let expected = [
            role("EchoWorker", "echo-worker", "echo-worker"),
            role("Web", "web", "web-program"),
        ];
        assert_eq!(found.unwrap(), expected);
    }

    #[test]
    fn the_service_folder_may_be_written_with_a_slash_or_dots() {
        let role = json!({"service": "./services/echo-cloud/", "role": "EchoWorker"});
        assert_eq!(roles(&[package("p", role, &["p"])]).unwrap().len(), 1);
    }

    #[test]
    fn default_run_chooses_among_binaries() {
        let mut package = package("p", echo_role("R"), &["a", "b"]);
        assert_eq!(
            refused(std::slice::from_ref(&package)),
            "/w/p/Cargo.toml declares a role and has several binaries: \
             choose with `default-run`: a, b"
        );
        package["default_run"] = json!("b");
        assert_eq!(roles(&[package]).unwrap()[0].binary, "b");
    }

    #[test]
    fn what_is_not_clear_is_refused() {
        let twice = ["a", "b"].map(|name| package(name, echo_role("R"), &[name]));
        assert_eq!(
            refused(&twice),
            "role `R` is built by two packages: `a` and `b`"
        );
        assert_eq!(
            refused(&[package("p", echo_role("R"), &[])]),
            "/w/p/Cargo.toml declares a role but has no binary"
        );
        assert_eq!(
            refused(&[package("p", json!({"service": "s"}), &["p"])]),
            "[package.metadata.role] of /w/p/Cargo.toml: `role` is not a text"
        );
    }

    #[test]
    fn metadata_of_another_form_is_an_error() {
        assert!(Workspace::parse("cargo").is_err());
        assert!(Workspace::parse("{}").is_err());
        assert!(workspace(&[json!({"name": "p"})]).is_err());
    }

    #[test]
    fn benches_are_those_of_one_package() {
        let workspace = workspace(&[package("e2e", Value::Null, &["x"])]).unwrap();
        assert_eq!(workspace.benches_of("e2e"), ["dialogue"]);
        assert!(workspace.benches_of("plan").is_empty());
    }

    #[test]
    fn this_workspace_is_read() {
        let workspace = Workspace::read(&Shell::new().unwrap()).unwrap();
        let service_dir = workspace.root.join("services/echo-cloud");
        let roles = workspace.roles_of(&service_dir).unwrap();
        assert_eq!(roles[0].binary, "echo-worker");
    }
}
