//! Where a deployment's state and sockets are, and how a running fabric is found.
//!
//! Sockets never lie in the state directory, because their paths end at 107 bytes, but in a short folder
//! named after it.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, ensure};
use fabric::LAYOUT;
use rustix::process::geteuid;

use crate::exit::{self, Failure};

/// In a runtime directory: the path of the state directory that it belongs to.
const STATE_FILE: &str = "state";

/// The state directory of a service that named none.
pub(crate) fn default_state(service: &str) -> PathBuf {
    if geteuid().is_root() {
        return Path::new("/var/lib/approot").join(service);
    }
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".local/state");
    std::env::var_os("XDG_STATE_HOME")
        .map_or_else(home, PathBuf::from)
        .join("approot")
        .join(service)
}

/// Makes the state directory and returns its one true path.
pub(crate) fn make_state(state: &Path) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(state)
        .with_context(|| format!("cannot make the state directory {}", state.display()))?;
    state
        .canonicalize()
        .with_context(|| format!("cannot find the state directory {}", state.display()))
}

/// Makes the runtime directory of a state directory.
pub(crate) fn make_runtime_directory(state: &Path) -> anyhow::Result<PathBuf> {
    let directory = runtime_directory(state);
    let base = directory.parent().expect("it was joined to a base");
    for folder in [base, directory.as_path()] {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .with_context(|| format!("cannot make the folder of sockets {}", folder.display()))?;
        // In a temporary directory that everyone writes to, another user may have been there first.
        let found = fs::symlink_metadata(folder)
            .with_context(|| format!("cannot look at {}", folder.display()))?;
        let is_ours = found.is_dir() && found.uid() == geteuid().as_raw();
        ensure!(
            is_ours,
            "the folder of sockets is another user's: {}",
            folder.display()
        );
    }
    fs::write(
        directory.join(STATE_FILE),
        state.as_os_str().as_encoded_bytes(),
    )
    .with_context(|| format!("cannot write to {}", directory.display()))?;
    Ok(directory)
}

/// The runtime directory of a state directory, which must be its one true path.
fn runtime_directory(state: &Path) -> PathBuf {
    runtime_base().join(format!(
        "{:08x}",
        hash(state.as_os_str().as_encoded_bytes())
    ))
}

fn runtime_base() -> PathBuf {
    if geteuid().is_root() {
        return PathBuf::from("/run/approot");
    }
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(directory) => PathBuf::from(directory).join("approot"),
        None => std::env::temp_dir().join(format!("approot-{}", geteuid().as_raw())),
    }
}

/// FNV-1a: short, stable, and good enough to tell a user's few state directories apart.
fn hash(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

/// The control socket of the fabric that is meant: that of `state`, or of the only one running.
pub(crate) fn control_socket(state: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(state) = state {
        // A state directory that is not there has no fabric either; the client says so.
        let state = state.canonicalize().unwrap_or_else(|_| state.to_owned());
        return Ok(runtime_directory(&state).join(LAYOUT.control_socket));
    }
    let running = running();
    match running.as_slice() {
        [(_, socket)] => Ok(socket.clone()),
        [] => Err(exit::with(
            exit::NO_FABRIC,
            anyhow!("no fabric runs; `approot run` starts one"),
        )),
        several => {
            let states: Vec<&str> = several.iter().map(|(state, _)| state.as_str()).collect();
            let error = anyhow!(
                "several fabrics run, name one with `--state`: {}",
                states.join(", ")
            );
            Err(exit::with(exit::USAGE, error))
        }
    }
}

/// Every fabric of this user that answers: its state directory and its control socket.
fn running() -> Vec<(String, PathBuf)> {
    let folders = fs::read_dir(runtime_base()).into_iter().flatten().flatten();
    let mut running: Vec<(String, PathBuf)> = folders
        .filter_map(|folder| {
            let socket = folder.path().join(LAYOUT.control_socket);
            UnixStream::connect(&socket).ok()?;
            let state = fs::read_to_string(folder.path().join(STATE_FILE)).unwrap_or_default();
            Some((state, socket))
        })
        .collect();
    running.sort();
    running
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_directories_have_runtime_directories_of_their_own() {
        let a = runtime_directory(Path::new("/var/lib/approot/A"));
        assert_eq!(a, runtime_directory(Path::new("/var/lib/approot/A")));
        assert_ne!(a, runtime_directory(Path::new("/var/lib/approot/B")));
        assert_eq!(a.file_name().unwrap().len(), 8);
    }
}
