//! The folder of a deployment's sockets: made by its keeper, removed with it.
//!
//! Sockets never lie in the state directory, because their paths are short, but in a folder with a short name
//! made from it. Two state directories may come to the same name; the second is refused while the first runs.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use fabric::LAYOUT;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use rustix::process::geteuid;

/// The path of the state directory that a runtime directory belongs to.
pub(crate) const STATE_FILE: &str = "state";

/// The longest path of a Unix socket, in bytes, its final zero aside. Source: unix(7), `sun_path`.
const SOCKET_PATH_MAX: usize = 107;

/// A runtime directory, removed with all that it holds when this is dropped.
#[derive(Debug)]
pub(crate) struct RuntimeDirectory {
    path: PathBuf,
}

impl RuntimeDirectory {
    /// Makes `directory` for the deployment in `state`, whose keeper the caller must be.
    ///
    /// # Errors
    /// Its sockets' paths would be too long, it is another user's or another running deployment's, or it
    /// cannot be made.
    pub(crate) fn make(directory: &Path, state: &Path) -> anyhow::Result<RuntimeDirectory> {
        check_length(directory)?;
        let base = directory.parent().context("it has no parent")?;
        for folder in [base, directory] {
            make_own(folder)?;
        }
        check_owner(directory, state)?;
        let made = RuntimeDirectory {
            path: directory.to_owned(),
        };
        fs::write(directory.join(STATE_FILE), state.as_os_str().as_bytes())
            .with_context(|| format!("cannot write to {}", directory.display()))?;
        Ok(made)
    }
}

impl Drop for RuntimeDirectory {
    fn drop(&mut self) {
        // Nothing is left in there that anyone could use; a failure leaves an empty folder.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// An instance's sockets lie deeper; the fabric checks those, which a role's name makes longer.
fn check_length(directory: &Path) -> anyhow::Result<()> {
    for name in [LAYOUT.control_socket, LAYOUT.balancer_socket] {
        let n_bytes = directory.join(name).as_os_str().len();
        ensure!(
            n_bytes <= SOCKET_PATH_MAX,
            "the path of the socket {name} would have {n_bytes} bytes in {}, the kernel takes {SOCKET_PATH_MAX}; a \
             shorter XDG_RUNTIME_DIR or TMPDIR helps",
            directory.display()
        );
    }
    Ok(())
}

fn make_own(folder: &Path) -> anyhow::Result<()> {
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
    // As root instances have users of their own, who pass to the sockets that are theirs; the others are root's.
    if geteuid().is_root() {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o711))
            .with_context(|| format!("cannot let instances pass {}", folder.display()))?;
    }
    Ok(())
}

/// Refuses the folder of another deployment that runs; what a killed one has left is taken over.
fn check_owner(directory: &Path, state: &Path) -> anyhow::Result<()> {
    let Ok(owner) = fs::read(directory.join(STATE_FILE)) else {
        return Ok(());
    };
    if owner != state.as_os_str().as_bytes() && answers(&directory.join(LAYOUT.control_socket)) {
        bail!(
            "the folder of sockets {} is in use by the deployment in {}, whose short name is the same by chance; \
             choose another state directory",
            directory.display(),
            String::from_utf8_lossy(&owner)
        );
    }
    Ok(())
}

/// Whether somebody listens on a Unix socket. Does not wait: one with a full queue is listened on too.
pub(crate) fn answers(socket: &Path) -> bool {
    let connected = || {
        let stream = socket_with(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::NONBLOCK | SocketFlags::CLOEXEC,
            None,
        )?;
        connect(&stream, &SocketAddrUnix::new(socket)?)
    };
    matches!(connected(), Ok(()) | Err(Errno::AGAIN))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    #[test]
    fn it_is_there_for_as_long_as_it_is_held() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("below/12345678");
        let made = RuntimeDirectory::make(&path, Path::new("/state/a")).unwrap();
        assert_eq!(fs::read(path.join(STATE_FILE)).unwrap(), b"/state/a");
        assert_eq!(
            fs::metadata(&path).unwrap().mode() & 0o777,
            if geteuid().is_root() { 0o711 } else { 0o700 }
        );
        let _listener = UnixListener::bind(path.join("left.sock")).unwrap();
        drop(made);
        assert!(!path.exists());
    }

    #[test]
    fn the_folder_of_another_running_deployment_is_refused() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("12345678");
        let _first = RuntimeDirectory::make(&path, Path::new("/state/a")).unwrap();
        let listener = UnixListener::bind(path.join(LAYOUT.control_socket)).unwrap();
        let refused = RuntimeDirectory::make(&path, Path::new("/state/b")).unwrap_err();
        let text = refused.to_string();
        assert!(
            text.contains("/state/a") && text.contains("12345678"),
            "{text}"
        );
        assert!(path.exists(), "a refusal removes nothing");
        // What a killed deployment has left is taken over.
        drop(listener);
        assert!(RuntimeDirectory::make(&path, Path::new("/state/b")).is_ok());
    }

    #[test]
    fn a_path_that_is_too_long_names_the_folder_and_the_limit() {
        let base = tempfile::tempdir().unwrap();
        let longest = LAYOUT
            .control_socket
            .len()
            .max(LAYOUT.balancer_socket.len());
        let room = SOCKET_PATH_MAX - longest - 1 - base.path().as_os_str().len() - 1;
        let fits = base.path().join("x".repeat(room));
        assert!(RuntimeDirectory::make(&fits, Path::new("/state")).is_ok());
        let over = base.path().join("x".repeat(room + 1));
        let text = RuntimeDirectory::make(&over, Path::new("/state"))
            .unwrap_err()
            .to_string();
        assert!(
            text.contains(over.to_str().unwrap()) && text.contains("107"),
            "{text}"
        );
        assert!(!over.exists());
    }

    #[test]
    fn a_socket_with_a_full_queue_answers_without_a_wait() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("s.sock");
        assert!(!answers(&path));
        let listener = UnixListener::bind(&path).unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let _only = UnixStream::connect(&path).unwrap();
        assert!(answers(&path));
        drop(listener);
        assert!(!answers(&path));
    }
}
