//! Release builds whose bytes do not depend on where they were made.
//!
//! Rustc and the C compiler write paths into a program, for panics and asserts. Those that differ
//! between machines are replaced by fixed ones: the workspace, its target directory, the folders of
//! the dependencies' sources, and the standard library's sources, which rustc names by their place
//! in the toolchain as soon as the `rust-src` component is installed.
//!
//! `run-local` and `package` pass the same flags, so each finds the other's build. A user's own
//! `RUSTFLAGS` and `CFLAGS` do not count here. The toolchain is pinned by `rust-toolchain.toml`;
//! the C compiler and the linker are the machine's, and other ones make other bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use serde_json::Value;
use xshell::{Cmd, Shell, cmd};

use crate::workspace::{Role, Workspace};

/// The package, and the program in it, that runs and packages services.
pub(crate) const APPROOT: &str = "approot";

/// For `__DATE__` and its like in C sources. Any constant will do; the clock will not.
const SOURCE_DATE_EPOCH: &str = "0";

/// Whether cargo tells what it does. Of what is wrong it tells anyway.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Progress {
    Shown,
    Hidden,
}

/// What was built.
pub(crate) struct Built {
    /// The `approot` program.
    pub(crate) approot: PathBuf,
    /// `ROLE=FILE`, as `approot` takes them.
    pub(crate) binaries: Vec<String>,
}

/// Builds `approot` and the programs of the roles, in one go so that they share what they can.
pub(crate) fn build(
    sh: &Shell,
    workspace: &Workspace,
    roles: &[Role],
    progress: Progress,
) -> anyhow::Result<Built> {
    let _dir = sh.push_dir(&workspace.root);
    let packages = roles.iter().map(|role| role.package.as_str());
    let packages = packages.flat_map(|package| ["--package", package]);
    let command = cmd!(
        sh,
        "cargo build --release --locked --message-format json-render-diagnostics
            --package {APPROOT} {packages...}"
    );
    let command = match progress {
        Progress::Shown => command,
        Progress::Hidden => command.quiet().arg("--quiet"),
    };
    let messages = reproducible(command, sh, workspace)?.read()?;
    let executables = executables(&messages);
    let file = |binary: &str| {
        let file = executables.get(binary);
        file.with_context(|| format!("cargo built no program `{binary}`"))
    };
    let binaries = roles.iter().map(|role| {
        let file = file(&role.binary)?;
        Ok(format!("{}={file}", role.name))
    });
    Ok(Built {
        approot: file(APPROOT)?.into(),
        binaries: binaries.collect::<anyhow::Result<_>>()?,
    })
}

/// The programs that cargo's messages name, by target.
fn executables(messages: &str) -> BTreeMap<String, String> {
    let messages = messages.lines().map(serde_json::from_str::<Value>);
    let artifacts = messages.flatten().filter_map(|message| {
        let name = message["target"]["name"].as_str()?;
        Some((name.to_owned(), message["executable"].as_str()?.to_owned()))
    });
    artifacts.collect()
}

/// Adds what makes a cargo command build the same bytes anywhere.
pub(crate) fn reproducible<'a>(
    command: Cmd<'a>,
    sh: &Shell,
    workspace: &Workspace,
) -> anyhow::Result<Cmd<'a>> {
    let _dir = sh.push_dir(&workspace.root);
    let toolchain = Toolchain::read(sh)?;
    let host = &toolchain.host;
    // Downloads what is missing, so that the folders are known before the build begins.
    let metadata = cmd!(
        sh,
        "cargo metadata --format-version 1 --locked --filter-platform {host}"
    );
    let metadata = serde_json::from_str(&metadata.quiet().read()?)?;
    let mut remaps = vec![
        Remap::new(&workspace.root, "/workspace")?,
        Remap::new(&workspace.target, "/target")?,
    ];
    for folder in source_folders(&metadata)? {
        remaps.push(Remap::new(&folder, "/dependencies")?);
    }
    remaps.push(toolchain.library()?);
    Ok(command
        .env("CARGO_TARGET_DIR", &workspace.target)
        .env("CARGO_ENCODED_RUSTFLAGS", rust_flags(&remaps))
        .env("CFLAGS", c_flags(&remaps))
        // Without it the `cc` crate takes a space in a folder's name for the end of a flag.
        .env("CC_SHELL_ESCAPED_FLAGS", "1")
        .env("SOURCE_DATE_EPOCH", SOURCE_DATE_EPOCH))
}

/// The folders that hold the sources of dependencies: a registry's, a vendor folder, a checkout.
/// Their names contain the registry's address and the user's home.
fn source_folders(metadata: &Value) -> anyhow::Result<BTreeSet<PathBuf>> {
    let packages = metadata["packages"].as_array().context("no `packages`")?;
    let foreign = packages
        .iter()
        .filter(|package| !package["source"].is_null());
    let folder = |package: &Value| {
        let manifest = Path::new(package["manifest_path"].as_str()?);
        Some(manifest.parent()?.parent()?.to_owned())
    };
    foreign
        .map(|package| folder(package).context("a package without `manifest_path`"))
        .collect()
}

/// The machine that is built for, as rustc names it.
pub(crate) fn host(sh: &Shell, workspace: &Workspace) -> anyhow::Result<String> {
    let _dir = sh.push_dir(&workspace.root);
    Ok(Toolchain::read(sh)?.host)
}

/// What rustc says of itself.
struct Toolchain {
    host: String,
    sysroot: PathBuf,
    /// The folder that the standard library's sources have in programs anyway.
    library: String,
}

impl Toolchain {
    fn read(sh: &Shell) -> anyhow::Result<Toolchain> {
        let sysroot = cmd!(sh, "rustc --print sysroot").quiet().read()?;
        let version = cmd!(sh, "rustc -vV").quiet().read()?;
        Toolchain::parse(sysroot.into(), &version)
    }

    fn parse(sysroot: PathBuf, version: &str) -> anyhow::Result<Toolchain> {
        let field = |name: &str| {
            let value = version.lines().find_map(|line| line.strip_prefix(name));
            value.with_context(|| format!("rustc -vV says no `{name}`"))
        };
        // Distributions build from archives, which know no commit.
        let hash = match field("commit-hash: ")? {
            "unknown" => field("release: ")?,
            hash => hash,
        };
        Ok(Toolchain {
            host: field("host: ")?.to_owned(),
            sysroot,
            library: format!("/rustc/{hash}"),
        })
    }

    fn library(&self) -> anyhow::Result<Remap> {
        Remap::new(&self.sysroot.join("lib/rustlib/src/rust"), &self.library)
    }
}

/// `from` is written as `to`. Where several fit a path, the last one counts.
struct Remap {
    from: String,
    to: String,
}

impl Remap {
    fn new(from: &Path, to: &str) -> anyhow::Result<Remap> {
        let from = from.to_str();
        let from = from.ok_or_else(|| anyhow!("a path that is not UTF-8: it goes with {to}"))?;
        Ok(Remap {
            from: from.to_owned(),
            to: to.to_owned(),
        })
    }
}

/// Separated as `CARGO_ENCODED_RUSTFLAGS` wants it, so that paths may contain spaces.
fn rust_flags(remaps: &[Remap]) -> String {
    let flag = |Remap { from, to }: &Remap| format!("--remap-path-prefix={from}={to}");
    let flags: Vec<String> = remaps.iter().map(flag).collect();
    flags.join("\x1f")
}

/// Quoted for a shell.
fn c_flags(remaps: &[Remap]) -> String {
    let flag = |Remap { from, to }: &Remap| {
        let from = from.replace('\'', r"'\''");
        format!("'-ffile-prefix-map={from}={to}'")
    };
    let flags: Vec<String> = remaps.iter().map(flag).collect();
    flags.join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn remaps() -> [Remap; 2] {
        [("/my work", "/workspace"), ("/it's", "/target")]
            .map(|(from, to)| Remap::new(Path::new(from), to).unwrap())
    }

    #[test]
    fn flags_survive_spaces_and_quotes() {
        assert_eq!(
            rust_flags(&remaps()),
            "--remap-path-prefix=/my work=/workspace\x1f--remap-path-prefix=/it's=/target"
        );
        assert_eq!(
            c_flags(&remaps()),
            r"'-ffile-prefix-map=/my work=/workspace' '-ffile-prefix-map=/it'\''s=/target'"
        );
    }

    #[test]
    fn the_library_has_the_name_that_it_has_without_sources() {
        let version = |hash: &str| {
            format!("rustc 1.95.0\ncommit-hash: {hash}\nhost: x86_64-linux\nrelease: 1.95.0\n")
        };
        let toolchain = |hash: &str| Toolchain::parse("/sys".into(), &version(hash)).unwrap();
        let library = toolchain("5980").library().unwrap();
        assert_eq!(library.from, "/sys/lib/rustlib/src/rust");
        assert_eq!(library.to, "/rustc/5980");
        assert_eq!(toolchain("unknown").library, "/rustc/1.95.0");
        assert!(Toolchain::parse("/sys".into(), "rustc 1.95.0").is_err());
    }

    #[test]
    fn each_folder_of_sources_is_named_once() {
        let package = |source: Value, path: &str| json!({"source": source, "manifest_path": path});
        let metadata = json!({"packages": [
            package(Value::Null, "/w/crates/plan/Cargo.toml"),
            package(json!("registry+x"), "/home/r/tar-0.4.46/Cargo.toml"),
            package(json!("registry+x"), "/home/r/uuid-1.0.0/Cargo.toml"),
            package(json!("git+x"), "/home/g/abc/Cargo.toml"),
        ]});
        let expected = ["/home/g", "/home/r"].map(PathBuf::from);
        assert_eq!(source_folders(&metadata).unwrap(), BTreeSet::from(expected));
        assert!(source_folders(&json!({})).is_err());
    }

    #[test]
    fn only_programs_count_among_messages() {
        let messages = [
            json!({"reason": "compiler-artifact", "target": {"name": "plan"}, "executable": null}),
            json!({"reason": "compiler-artifact", "target": {"name": "approot"},
                "executable": "/t/release/approot"}),
            json!({"reason": "build-finished", "success": true}),
        ];
        let messages = messages.map(|message| message.to_string()).join("\n");
        let expected = [("approot".to_owned(), "/t/release/approot".to_owned())];
        assert_eq!(executables(&messages), BTreeMap::from(expected));
    }
}
