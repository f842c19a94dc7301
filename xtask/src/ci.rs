//! `cargo xtask ci`: what CI runs, and what a person runs before handing in.
//!
//! Installs the programs that tests speak to where it may (as root, with apt-get; Python's packages
//! below the target directory), then format,
//! lints, documents, shell scripts, tests, fuzz targets; the first step that fails ends it, but for
//! failed tests, which are counted in the closing line. It sets `CI`, under which a test that lacks
//! something fails instead of being skipped.

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, bail};
use xshell::{Shell, cmd};

use crate::fuzz;
use crate::python;
use crate::test::{conclude, test};
use crate::workspace::Workspace;

/// Programs and the Debian packages that have them.
const PROGRAMS: &[(&str, &str)] = &[
    ("bsdtar", "libarchive-tools"),
    ("curl", "curl"),
    ("g++", "g++"),
    ("git", "git"),
    ("haproxy", "haproxy"),
    ("minisign", "minisign"),
    ("mkfs.ext4", "e2fsprogs"),
    ("mount", "mount"),
    ("nc", "netcat-openbsd"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("node", "nodejs"),
    ("openssl", "openssl"),
    ("python3", "python3"),
    ("shellcheck", "shellcheck"),
    ("telnet", "telnet"),
    ("xmllint", "libxml2-utils"),
];

pub(crate) fn run(sh: &Shell) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::read(sh)?;
    let _dir = sh.push_dir(&workspace.root);
    let _target = sh.push_env("CARGO_TARGET_DIR", &workspace.target);
    let _ci = sh.push_env("CI", env::var_os("CI").unwrap_or("true".into()));
    timed("install", || {
        install(sh)?;
        python::install(sh, &workspace)
    })?;
    timed("format", || Ok(cmd!(sh, "cargo fmt --all --check").run()?))?;
    timed("lints", || lint(sh))?;
    timed("documents", || document(sh))?;
    timed("shell scripts", || check_scripts(sh, &workspace.root))?;
    let summary = timed("test", || test(sh, &workspace))?;
    timed("fuzz", || fuzz::all(sh, &workspace))?;
    conclude(summary)
}

fn timed<T>(step: &str, run: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let begin = Instant::now();
    let result = run().with_context(|| format!("step `{step}`"));
    println!("{step}: {:.1} s", begin.elapsed().as_secs_f64());
    result
}

fn install(sh: &Shell) -> anyhow::Result<()> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut packages = missing_packages(|program| {
        env::split_paths(&path).any(|folder| folder.join(program).is_file())
    });
    if !python::can_make_environments(sh) {
        packages.push("python3-venv");
    }
    if packages.is_empty() {
        return Ok(());
    }
    let is_root = cmd!(sh, "id -u").quiet().read()? == "0";
    if !is_root {
        bail!("install as root: apt-get install {}", packages.join(" "));
    }
    let _frontend = sh.push_env("DEBIAN_FRONTEND", "noninteractive");
    cmd!(sh, "apt-get update --quiet").run()?;
    cmd!(
        sh,
        "apt-get install --quiet --yes --no-install-recommends {packages...}"
    )
    .run()?;
    Ok(())
}

fn missing_packages(is_there: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let missing = PROGRAMS.iter().filter(|(program, _)| !is_there(program));
    missing.map(|(_, package)| *package).collect()
}

fn lint(sh: &Shell) -> anyhow::Result<()> {
    let clippy = cmd!(
        sh,
        "cargo clippy --workspace --all-targets --locked -- -D warnings"
    );
    Ok(clippy.run()?)
}

fn document(sh: &Shell) -> anyhow::Result<()> {
    let doc = cmd!(sh, "cargo doc --workspace --no-deps --locked");
    Ok(doc.env("RUSTDOCFLAGS", "-D warnings").run()?)
}

fn check_scripts(sh: &Shell, root: &Path) -> anyhow::Result<()> {
    let mut scripts = shell_scripts(&root.join("services"))?;
    scripts.push(root.join(".ci/run"));
    Ok(cmd!(sh, "shellcheck {scripts...}").run()?)
}

/// Every `*.sh` below a folder, by path.
fn shell_scripts(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut scripts = Vec::new();
    let entries = folder.read_dir();
    for entry in entries.with_context(|| format!("list {}", folder.display()))? {
        let path = entry?.path();
        // What npm has installed is not ours.
        if path.ends_with("node_modules") {
            continue;
        }
        if path.is_dir() && !path.is_symlink() {
            scripts.extend(shell_scripts(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "sh") {
            scripts.push(path);
        }
    }
    scripts.sort();
    Ok(scripts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_installed() {
        assert!(missing_packages(|_| true).is_empty());
        let packages = missing_packages(|program| !["nc", "telnet"].contains(&program));
        assert_eq!(packages, ["netcat-openbsd", "telnet"]);
    }

    #[test]
    fn scripts_are_found_at_any_depth() {
        let services = concat!(env!("CARGO_MANIFEST_DIR"), "/../services");
        let scripts = shell_scripts(Path::new(services)).unwrap();
        assert!(
            scripts
                .iter()
                .any(|path| path.ends_with("startup/prepare.sh"))
        );
        assert!(shell_scripts(Path::new("/nowhere")).is_err());
    }

    #[test]
    fn a_failed_step_is_named() {
        let failed: anyhow::Result<()> = timed("lints", || bail!("no"));
        assert_eq!(format!("{:#}", failed.unwrap_err()), "step `lints`: no");
    }
}
