//! What the program of a role was built from, as CycloneDX documents that `approot package build`
//! takes.
//!
//! The graph is that of `cargo metadata`, normal dependencies for this machine; it also lists
//! crates that only an unused optional feature would bring, so those that `cargo tree` does not
//! build are left out. Both look at the packages that are built together, since cargo joins their
//! features. Macros that run in the compiler, and what only they use, are in the list with the
//! scope `excluded`. The checksums are those of `Cargo.lock`. Paths and clocks are in none of it.
//!
//! Source: CycloneDX 1.5 JSON reference, <https://cyclonedx.org/docs/1.5/json/>; package URLs of
//! type `cargo`, <https://github.com/package-url/purl-spec>.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::{Value, json};
use xshell::{Shell, cmd};

use crate::workspace::{Role, Workspace};

/// How cargo names the registry whose crates a package URL means by itself.
const DEFAULT_REGISTRIES: [&str; 2] = [
    "registry+https://github.com/rust-lang/crates.io-index",
    "sparse+https://index.crates.io/",
];

/// Writes a document for each role below the target directory; `ROLE=FILE`, as `approot` takes
/// them. `packages` are those that are built together with the roles'.
pub(crate) fn write(
    sh: &Shell,
    workspace: &Workspace,
    roles: &[Role],
    host: &str,
    packages: &[&str],
) -> anyhow::Result<Vec<String>> {
    let _dir = sh.push_dir(&workspace.root);
    let metadata = cmd!(
        sh,
        "cargo metadata --format-version 1 --locked --filter-platform {host}"
    );
    let metadata: Value = serde_json::from_str(&metadata.quiet().read()?)?;
    let together = roles.iter().map(|role| role.package.as_str());
    let together = together.chain(packages.iter().copied());
    let together = together.flat_map(|package| ["--package", package]);
    let tree = cmd!(
        sh,
        "cargo tree --locked --edges normal --target {host} --prefix none {together...}"
    );
    let lock = sh.read_file(workspace.root.join("Cargo.lock"))?;
    let graph = Graph::new(&metadata, &tree.quiet().read()?, &lock, &workspace.root)?;
    let folder = sh.create_dir(workspace.target.join("components"))?;
    let write = |role: &Role| {
        let file = folder.join(format!("{}.cdx.json", role.name));
        let document = graph.document(&role.package)?;
        fs::write(&file, format!("{document:#}\n"))
            .with_context(|| format!("write {}", file.display()))?;
        let file = file.to_str().context("a folder that is not UTF-8")?;
        Ok(format!("{}={file}", role.name))
    };
    roles.iter().map(write).collect()
}

/// The crates that are built, each with those it uses, by cargo's ids.
struct Graph {
    packages: BTreeMap<String, Package>,
}

struct Package {
    name: String,
    component: Value,
    url: String,
    is_ours: bool,
    is_macro: bool,
    uses: Vec<String>,
}

impl Graph {
    fn new(metadata: &Value, tree: &str, lock: &str, root: &Path) -> anyhow::Result<Graph> {
        let built: BTreeSet<(&str, &str)> = tree.lines().filter_map(name_and_version).collect();
        let checksums = checksums(lock);
        let mut packages = BTreeMap::new();
        for package in list(&metadata["packages"])? {
            let (name, version) = (text(&package["name"])?, text(&package["version"])?);
            if built.contains(&(name, version)) {
                let id = text(&package["id"])?.to_owned();
                packages.insert(id, Package::new(package, &checksums, root)?);
            }
        }
        for node in list(&metadata["resolve"]["nodes"])? {
            let mut uses = Vec::new();
            for used in list(&node["deps"])?.iter().filter(|used| is_normal(used)) {
                let id = text(&used["pkg"])?;
                uses.extend(packages.contains_key(id).then(|| id.to_owned()));
            }
            if let Some(package) = packages.get_mut(text(&node["id"])?) {
                package.uses = uses;
            }
        }
        Ok(Graph { packages })
    }

    /// The document of a program of a package in the workspace.
    fn document(&self, package: &str) -> anyhow::Result<Value> {
        let mut found = self.packages.iter();
        // A foreign package may have the same name.
        let root = found.find(|(_, other)| other.is_ours && other.name == package);
        let (root_id, root) = root.with_context(|| format!("cargo knows no `{package}`"))?;
        let all = self.reachable(root_id, |_| true);
        let at_run_time = self.reachable(root_id, |package| !package.is_macro);
        let mut components = BTreeMap::new();
        let mut dependencies = BTreeMap::new();
        for id in all {
            let package = &self.packages[id];
            let mut component = package.component.clone();
            if !at_run_time.contains(id) || package.is_macro {
                component["scope"] = json!("excluded");
            }
            if id != root_id {
                components.insert(&package.url, component);
            }
            let mut uses: Vec<&str> = package
                .uses
                .iter()
                .map(|id| self.packages[id].url.as_str())
                .collect();
            uses.sort_unstable();
            uses.dedup();
            let dependency = json!({"ref": package.url, "dependsOn": uses});
            dependencies.insert(&package.url, dependency);
        }
        let mut component = root.component.clone();
        component["type"] = json!("application");
        Ok(json!({
            "bomFormat": "CycloneDX",
            "specVersion": "1.5",
            "version": 1,
            "metadata": {"component": component},
            "components": components.into_values().collect::<Vec<_>>(),
            "dependencies": dependencies.into_values().collect::<Vec<_>>(),
        }))
    }

    /// What a package uses, directly or not, itself included; beyond those that `may_pass` refuses
    /// nothing is looked for.
    fn reachable<'a>(
        &'a self,
        root: &'a str,
        may_pass: impl Fn(&Package) -> bool,
    ) -> BTreeSet<&'a str> {
        let mut found = BTreeSet::new();
        let mut pending = vec![root];
        while let Some(id) = pending.pop() {
            let package = &self.packages[id];
            if found.insert(id) && may_pass(package) {
                pending.extend(package.uses.iter().map(String::as_str));
            }
        }
        found
    }
}

impl Package {
    fn new(
        package: &Value,
        checksums: &BTreeMap<(&str, &str, &str), &str>,
        root: &Path,
    ) -> anyhow::Result<Package> {
        let (name, version) = (text(&package["name"])?, text(&package["version"])?);
        let source = package["source"].as_str();
        let url = match source {
            Some(source) => foreign_url(name, version, source),
            None => own_url(name, version, text(&package["manifest_path"])?, root)?,
        };
        let mut component = json!({
            "type": "library", "bom-ref": url, "name": name, "version": version, "purl": url,
        });
        if let Some(license) = package["license"].as_str() {
            // The old form, which cargo still takes.
            let expression = license.replace('/', " OR ");
            component["licenses"] = json!([{"expression": expression}]);
        }
        if let Some(checksum) = source.and_then(|source| checksums.get(&(name, version, source))) {
            component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
        }
        let targets = list(&package["targets"])?;
        let mut kinds = targets.iter().flat_map(|target| target["kind"].as_array());
        let is_macro = kinds.any(|kinds| kinds.iter().any(|kind| kind == "proc-macro"));
        Ok(Package {
            name: name.to_owned(),
            component,
            url,
            is_ours: source.is_none(),
            is_macro,
            uses: Vec::new(),
        })
    }
}

fn foreign_url(name: &str, version: &str, source: &str) -> String {
    let url = format!("pkg:cargo/{name}@{}", escaped(version));
    if DEFAULT_REGISTRIES.contains(&source) {
        return url;
    }
    match source.split_once('+') {
        Some(("git", _)) => {
            let (repository, commit) = source.split_once('#').unwrap_or((source, ""));
            let repository = repository.split('?').next().unwrap_or_default();
            let place = format!("{repository}@{commit}");
            format!("{url}?vcs_url={}", escaped(&place))
        }
        Some((_, registry)) => format!("{url}?repository_url={}", escaped(registry)),
        None => url,
    }
}

/// With the folder in the workspace, so that it is not taken for a crate of that name that somebody
/// has published.
fn own_url(name: &str, version: &str, manifest: &str, root: &Path) -> anyhow::Result<String> {
    let folder = Path::new(manifest).parent().unwrap_or(Path::new(""));
    let Ok(Some(folder)) = folder.strip_prefix(root).map(Path::to_str) else {
        bail!("a crate from outside the workspace: {manifest}");
    };
    let place = escaped(&format!("file:{folder}"));
    let version = escaped(version);
    Ok(format!("pkg:cargo/{name}@{version}?download_url={place}"))
}

/// Percent-encoded as in package URLs.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' | b'/' => {
                escaped.push(byte.into());
            }
            other => escaped.push_str(&format!("%{other:02X}")),
        }
    }
    escaped
}

/// The checksums of `Cargo.lock` by name, version and source. Cargo writes it, one key a line.
fn checksums(lock: &str) -> BTreeMap<(&str, &str, &str), &str> {
    let packages = lock.split("[[package]]").skip(1);
    let checksums = packages.filter_map(|package| {
        let field = |key: &str| {
            let mut lines = package.lines();
            lines.find_map(|line| {
                line.strip_prefix(key)?
                    .strip_prefix(" = \"")?
                    .strip_suffix('"')
            })
        };
        let key = (field("name")?, field("version")?, field("source")?);
        Some((key, field("checksum")?))
    });
    checksums.collect()
}

/// A line such as `serde_derive v1.0.229 (proc-macro)`.
fn name_and_version(line: &str) -> Option<(&str, &str)> {
    let mut words = line.split(' ');
    Some((words.next()?, words.next()?.strip_prefix('v')?))
}

fn is_normal(used: &Value) -> bool {
    let kinds = used["dep_kinds"].as_array();
    kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind["kind"].is_null()))
}

fn list(value: &Value) -> anyhow::Result<&Vec<Value>> {
    value.as_array().context("cargo's metadata lack a list")
}

fn text(value: &Value) -> anyhow::Result<&str> {
    value.as_str().context("cargo's metadata lack a text")
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &str = DEFAULT_REGISTRIES[0];

    fn package(name: &str, source: Value, kind: &str) -> Value {
        json!({
            "id": name, "name": name, "version": "1.0.0", "source": source,
            "license": "MIT/Apache-2.0", "targets": [{"kind": [kind]}],
            "manifest_path": format!("/w/crates/{name}/Cargo.toml"),
        })
    }

    fn node(name: &str, uses: &[(&str, Value)]) -> Value {
        let used =
            |(name, kind): &(&str, Value)| json!({"pkg": name, "dep_kinds": [{"kind": kind}]});
        json!({"id": name, "deps": uses.iter().map(used).collect::<Vec<_>>()})
    }

    fn document() -> Value {
        let metadata = json!({
            "packages": [
                package("worker", Value::Null, "bin"),
                package("serde", json!(INDEX), "lib"),
                package("derive", json!(INDEX), "proc-macro"),
                package("syn", json!(INDEX), "lib"),
                package("test", json!(INDEX), "lib"),
                package("unused", json!(INDEX), "lib"),
            ],
            "resolve": {"nodes": [
                node("worker", &[("serde", Value::Null), ("test", json!("dev"))]),
                node("serde", &[("derive", Value::Null), ("unused", Value::Null)]),
                node("derive", &[("syn", Value::Null)]),
                node("syn", &[]), node("test", &[]), node("unused", &[]),
            ]},
        });
        let tree = "worker v1.0.0 (/w/crates/worker)\nserde v1.0.0\n\
                    derive v1.0.0 (proc-macro)\nsyn v1.0.0 (*)\n\n";
        let lock = format!(
            "version = 4\n\n[[package]]\nname = \"serde\"\nversion = \"1.0.0\"\n\
             source = \"{INDEX}\"\nchecksum = \"abc\"\ndependencies = [\n \"derive\",\n]\n"
        );
        let graph = Graph::new(&metadata, tree, &lock, Path::new("/w")).unwrap();
        assert!(graph.document("test").is_err());
        graph.document("worker").unwrap()
    }

    #[test]
    fn a_document_has_what_is_built_and_how_it_hangs_together() {
        let document = document();
        let worker = "pkg:cargo/worker@1.0.0?download_url=file:crates/worker";
        assert_eq!(document["metadata"]["component"]["bom-ref"], worker);
        assert_eq!(document["metadata"]["component"]["type"], "application");
        let component = |name: &str| {
            let url = format!("pkg:cargo/{name}@1.0.0");
            json!({
                "type": "library", "bom-ref": url, "purl": url, "name": name, "version": "1.0.0",
                "licenses": [{"expression": "MIT OR Apache-2.0"}],
            })
        };
        let (mut derive, mut serde, mut syn) =
            (component("derive"), component("serde"), component("syn"));
        derive["scope"] = json!("excluded");
        syn["scope"] = json!("excluded");
        serde["hashes"] = json!([{"alg": "SHA-256", "content": "abc"}]);
        assert_eq!(document["components"], json!([derive, serde, syn]));
        let used = |name: &str, uses: &[&str]| json!({"ref": name, "dependsOn": uses});
        let dependencies = json!([
            used("pkg:cargo/derive@1.0.0", &["pkg:cargo/syn@1.0.0"]),
            used("pkg:cargo/serde@1.0.0", &["pkg:cargo/derive@1.0.0"]),
            used("pkg:cargo/syn@1.0.0", &[]),
            used(worker, &["pkg:cargo/serde@1.0.0"]),
        ]);
        assert_eq!(document["dependencies"], dependencies);
    }

    #[test]
    fn where_a_crate_is_from_stands_in_its_url() {
        let url = |source: &str| foreign_url("a", "1.0.0+x", source);
        assert_eq!(url(INDEX), "pkg:cargo/a@1.0.0%2Bx");
        assert_eq!(
            url("git+https://host.example/a?branch=b#0123"),
            "pkg:cargo/a@1.0.0%2Bx?vcs_url=git%2Bhttps://host.example/a%400123"
        );
        assert_eq!(
            url("sparse+https://crates.example/index/"),
            "pkg:cargo/a@1.0.0%2Bx?repository_url=https://crates.example/index/"
        );
        assert!(own_url("a", "1.0.0", "/else/a/Cargo.toml", Path::new("/w")).is_err());
    }

    #[test]
    fn this_workspace_is_listed() {
        let sh = Shell::new().unwrap();
        let workspace = Workspace::read(&sh).unwrap();
        let service = workspace.root.join("services/echo-cloud");
        let roles = workspace.roles_of(&service).unwrap();
        let host = crate::build::host(&sh, &workspace).unwrap();
        let written = write(&sh, &workspace, &roles, &host, &["approot"]).unwrap();
        let file = written[0].strip_prefix("EchoWorker=").unwrap();
        let text = fs::read_to_string(file).unwrap();
        let document: Value = serde_json::from_str(&text).unwrap();
        let components = document["components"].as_array().unwrap();
        let named = |name: &str| components.iter().find(|other| other["name"] == name);
        assert!(named("tokio").unwrap()["hashes"][0]["content"].is_string());
        assert_eq!(
            named("runtime").unwrap()["licenses"][0]["expression"],
            "MIT"
        );
        assert!(named("expect-test").is_none() && named("approot").is_none());
        assert!(!text.contains(workspace.root.to_str().unwrap()));
    }
}
