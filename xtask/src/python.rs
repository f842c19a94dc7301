//! Python's packages that tests have as judges: in an environment below the target directory, so
//! that nothing is installed on the machine.
//!
//! Every version is pinned, those of what a package needs too. `cargo xtask ci` makes the
//! environment; both `ci` and `test` put its `python3` first on `PATH` where it is there.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use xshell::{Shell, cmd};

use crate::workspace::Workspace;

/// In the form that `pip install --requirement` reads.
const PACKAGES: &str = include_str!("python-packages.txt");

/// What the environment has been given; there only when all of it was.
const INSTALLED: &str = "installed.txt";

/// Whether this machine's Python can make one; Debian has that in a package of its own.
pub(crate) fn can_make_environments(sh: &Shell) -> bool {
    let tried = cmd!(sh, "python3 -c 'import ensurepip, venv'");
    tried.quiet().ignore_stderr().run().is_ok()
}

/// Makes the environment where it is not there yet, or has other packages.
pub(crate) fn install(sh: &Shell, workspace: &Workspace) -> anyhow::Result<()> {
    let folder = folder(workspace);
    if is_installed(&folder) {
        return Ok(());
    }
    cmd!(sh, "python3 -m venv --clear {folder}")
        .run()
        .context("Debian's package python3-venv has what this needs")?;
    let (pip, list) = (folder.join("bin/pip"), folder.join("packages.txt"));
    fs::write(&list, PACKAGES).with_context(|| format!("write {}", list.display()))?;
    cmd!(
        sh,
        "{pip} install --quiet --disable-pip-version-check --no-deps --requirement {list}"
    )
    .run()?;
    let installed = folder.join(INSTALLED);
    fs::rename(&list, &installed).with_context(|| format!("write {}", installed.display()))
}

/// `PATH` with the environment first, if it is there.
pub(crate) fn path(workspace: &Workspace) -> anyhow::Result<OsString> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folder = folder(workspace);
    let first = is_installed(&folder).then(|| folder.join("bin"));
    Ok(env::join_paths(
        first.into_iter().chain(env::split_paths(&path)),
    )?)
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target.join("python")
}

fn is_installed(folder: &Path) -> bool {
    fs::read_to_string(folder.join(INSTALLED)).is_ok_and(|installed| installed == PACKAGES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_is_pinned() {
        let lines = PACKAGES.lines().filter(|line| !line.starts_with('#'));
        for line in lines {
            let (name, version) = line.split_once("==").unwrap();
            assert!(!name.is_empty() && version.starts_with(|c: char| c.is_ascii_digit()));
        }
    }
}
