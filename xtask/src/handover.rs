//! The end of `run-local` and `package`: this process becomes the `approot` program.
//!
//! Signals and the exit status are then that program's own. What `cargo` and `rustup` put into the
//! environment of `cargo xtask` stays behind: a role shall see what it would see without them.

use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::anyhow;

/// Replaces this process, and returns only where that failed.
pub(crate) fn hand_over(mut command: Command, target: &Path) -> anyhow::Error {
    without_cargo(&mut command, target);
    let error = command.exec();
    let program = command.get_program().to_string_lossy().into_owned();
    anyhow!(error).context(format!("start {program}"))
}

/// Keeps from a command what `cargo` and `rustup` have put into this process's environment.
pub(crate) fn without_cargo(command: &mut Command, target: &Path) {
    for (name, _) in env::vars_os().filter(|(name, _)| is_of_cargo(name)) {
        command.env_remove(name);
    }
    let mut builders = vec![target.to_owned()];
    builders.extend(env::var_os("RUSTUP_HOME").map(PathBuf::from));
    if let Some(path) = env::var_os("LD_LIBRARY_PATH") {
        match without(&path, &builders) {
            Some(path) => command.env("LD_LIBRARY_PATH", path),
            None => command.env_remove("LD_LIBRARY_PATH"),
        };
    }
}

/// Variables that `cargo run` sets, and rustup's count of its own nested calls.
fn is_of_cargo(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name == "CARGO"
        || name == "RUST_RECURSION_COUNT"
        || name.starts_with("CARGO_MANIFEST_")
        || name.starts_with("CARGO_PKG_")
}

/// A search path without the folders below any of `roots`; `None` where nothing is left.
fn without(path: &OsStr, roots: &[PathBuf]) -> Option<OsString> {
    let is_foreign = |folder: &PathBuf| !roots.iter().any(|root| folder.starts_with(root));
    let left: Vec<PathBuf> = env::split_paths(path).filter(is_foreign).collect();
    let left = env::join_paths(left).expect("parts of a search path contain no separator");
    (!left.is_empty()).then_some(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_adds_is_known_from_what_users_set() {
        let added = [
            "CARGO",
            "CARGO_PKG_NAME",
            "CARGO_MANIFEST_DIR",
            "RUST_RECURSION_COUNT",
        ];
        assert!(added.iter().all(|name| is_of_cargo(OsStr::new(name))));
        let own = ["CARGO_HOME", "CARGO_TARGET_DIR", "RUST_BACKTRACE", "PATH"];
        assert!(!own.iter().any(|name| is_of_cargo(OsStr::new(name))));
    }

    #[test]
    fn a_search_path_keeps_the_users_folders() {
        let left = |path: &str| without(OsStr::new(path), &["/t".into(), "/rustup".into()]);
        let mixed = "/t/debug:/t/debug/deps:/opt/lib:/rustup/toolchains/x/lib:/t2";
        assert_eq!(left(mixed), Some("/opt/lib:/t2".into()));
        assert_eq!(left("/t/debug:/rustup/lib"), None);
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = hand_over(Command::new("/nowhere/approot"), Path::new("/t"));
        let error = format!("{error:#}");
        assert!(
            error.starts_with("start /nowhere/approot: No such file"),
            "{error}"
        );
    }
}
