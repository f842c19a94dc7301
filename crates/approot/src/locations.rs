//! Where a deployment's state and sockets are, and how a running fabric is found.
//!
//! Only names are made up here; [`runtime_directory`](crate::runtime_directory) makes and removes the folder of
//! sockets. A variable of the environment that is empty or names a relative path counts as not set.
//! Source: XDG Base Directory Specification, "Environment variables".

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use fabric::LAYOUT;
use rustix::process::geteuid;

use crate::exit::{self, Failure};
use crate::runtime_directory::{STATE_FILE, answers};

/// What default places depend on.
struct Surroundings<'a> {
    uid: u32,
    variable: &'a dyn Fn(&str) -> Option<OsString>,
}

impl Surroundings<'static> {
    fn own() -> Self {
        Surroundings {
            uid: geteuid().as_raw(),
            variable: &|name| std::env::var_os(name),
        }
    }
}

impl Surroundings<'_> {
    fn is_root(&self) -> bool {
        self.uid == 0
    }

    fn path(&self, variable: &str) -> Option<PathBuf> {
        let path = PathBuf::from((self.variable)(variable)?);
        Some(path).filter(|path| path.is_absolute())
    }

    fn state_base(&self) -> Option<PathBuf> {
        if self.is_root() {
            return Some(PathBuf::from("/var/lib/approot"));
        }
        let home = || Some(self.path("HOME")?.join(".local/state"));
        let base = self.path("XDG_STATE_HOME").or_else(home)?;
        Some(base.join("approot"))
    }

    fn default_state(&self, service: &str) -> Result<PathBuf, Failure> {
        let base = self.state_base().ok_or_else(|| {
            let error = anyhow!(
                "neither XDG_STATE_HOME nor HOME names a folder; name the state directory with `--state DIR`"
            );
            exit::with(exit::USAGE, error)
        })?;
        Ok(base.join(service))
    }

    fn runtime_base(&self) -> PathBuf {
        if self.is_root() {
            return PathBuf::from("/run/approot");
        }
        let temporary = || self.path("TMPDIR").unwrap_or_else(|| "/tmp".into());
        match self.path("XDG_RUNTIME_DIR") {
            Some(directory) => directory.join("approot"),
            None => temporary().join(format!("approot-{}", self.uid)),
        }
    }
}

/// The state directory of a service that named none.
///
/// # Errors
/// This user has no home, so that it must be named.
pub(crate) fn default_state(service: &str) -> Result<PathBuf, Failure> {
    Surroundings::own().default_state(service)
}

/// Makes the state directory, for this user alone as settings may be secrets, and returns its one true path. As root
/// others pass it, as each instance has a user of its own; what it holds is closed to them. One that is there keeps
/// its mode.
pub(crate) fn make_state(state: &Path) -> anyhow::Result<PathBuf> {
    let parent = state.parent().unwrap_or(Path::new(""));
    let made = match fs::create_dir_all(parent) {
        Ok(()) => fs::DirBuilder::new().mode(state_mode()).create(state),
        failed => failed,
    };
    match made {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && state.is_dir() => {}
        made => {
            made.with_context(|| format!("cannot make the state directory {}", state.display()))?
        }
    }
    state
        .canonicalize()
        .with_context(|| format!("cannot find the state directory {}", state.display()))
}

fn state_mode() -> u32 {
    if geteuid().is_root() { 0o711 } else { 0o700 }
}

/// The runtime directory of a state directory, which must be its one true path.
pub(crate) fn runtime_directory(state: &Path) -> PathBuf {
    Surroundings::own()
        .runtime_base()
        .join(short_name(state.as_os_str().as_encoded_bytes()))
}

/// FNV-1a: short, stable, and good enough to tell a user's few state directories apart.
fn short_name(bytes: &[u8]) -> String {
    let hash: u32 = bytes.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    });
    format!("{hash:08x}")
}

/// The control socket of the fabric that is meant: that of `state`, or of the only one running.
pub(crate) fn control_socket(state: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(state) = state {
        // A state directory that is not there has no fabric either; the client says so.
        let state = state.canonicalize().unwrap_or_else(|_| state.to_owned());
        return Ok(runtime_directory(&state).join(LAYOUT.control_socket));
    }
    let running = running_below(&Surroundings::own().runtime_base());
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

/// Every fabric with sockets in a folder of `base`: its state directory and its control socket.
fn running_below(base: &Path) -> Vec<(String, PathBuf)> {
    let folders = fs::read_dir(base).into_iter().flatten().flatten();
    let mut running: Vec<(String, PathBuf)> = folders
        .filter_map(|folder| {
            let socket = folder.path().join(LAYOUT.control_socket);
            let state = fs::read_to_string(folder.path().join(STATE_FILE)).unwrap_or_default();
            answers(&socket).then_some((state, socket))
        })
        .collect();
    running.sort();
    running
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixListener;

    use super::*;

    /// The state and runtime folders of a user with these variables.
    fn places(uid: u32, variables: &[(&str, &str)]) -> (Option<PathBuf>, PathBuf) {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        let surroundings = Surroundings {
            uid,
            variable: &variable,
        };
        (surroundings.state_base(), surroundings.runtime_base())
    }

    #[track_caller]
    fn check(uid: u32, variables: &[(&str, &str)], state: &str, runtime: &str) {
        let expected = (Some(PathBuf::from(state)), PathBuf::from(runtime));
        assert_eq!(places(uid, variables), expected);
    }

    #[test]
    fn places_are_the_users_own() {
        check(0, &[("HOME", "/root")], "/var/lib/approot", "/run/approot");
        check(
            7,
            &[("HOME", "/home/u")],
            "/home/u/.local/state/approot",
            "/tmp/approot-7",
        );
        let named = [("XDG_STATE_HOME", "/s"), ("XDG_RUNTIME_DIR", "/r")];
        check(7, &named, "/s/approot", "/r/approot");
    }

    #[test]
    fn a_variable_that_is_empty_or_relative_is_ignored() {
        for value in ["", "relative/path"] {
            let variables = [
                ("HOME", "/home/u"),
                ("XDG_STATE_HOME", value),
                ("XDG_RUNTIME_DIR", value),
                ("TMPDIR", value),
            ];
            check(
                7,
                &variables,
                "/home/u/.local/state/approot",
                "/tmp/approot-7",
            );
            assert_eq!(places(7, &[("HOME", value)]).0, None);
        }
    }

    #[test]
    fn a_user_without_a_home_must_name_the_state_directory() {
        let homeless = Surroundings {
            uid: 7,
            variable: &|_| None,
        };
        let refused = homeless.default_state("EchoCloud").unwrap_err();
        assert_eq!(refused.status, exit::USAGE);
        assert!(refused.error.to_string().contains("`--state DIR`"));
    }

    #[test]
    fn state_directories_have_runtime_directories_of_their_own() {
        let a = runtime_directory(Path::new("/var/lib/approot/A"));
        assert_eq!(a, runtime_directory(Path::new("/var/lib/approot/A")));
        assert_ne!(a, runtime_directory(Path::new("/var/lib/approot/B")));
        assert_eq!(a.file_name().unwrap().len(), 8);
    }

    #[test]
    fn a_state_directory_is_made_for_its_user_alone_and_else_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let state = make_state(&folder.path().join("a/b")).unwrap();
        assert_eq!(mode(&state), state_mode());
        fs::set_permissions(&state, fs::Permissions::from_mode(0o755)).unwrap();
        make_state(&state).unwrap();
        assert_eq!(mode(&state), 0o755);
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        for not_possible in [file.clone(), file.join("below")] {
            let error = make_state(&not_possible).unwrap_err();
            assert!(
                error
                    .to_string()
                    .starts_with("cannot make the state directory"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_relative_state_directory_is_made_in_the_current_folder() {
        // `.` is there, and has no parent in its name.
        assert_eq!(
            make_state(Path::new(".")).unwrap(),
            std::env::current_dir().unwrap().canonicalize().unwrap()
        );
    }

    #[test]
    fn only_folders_whose_socket_is_held_are_running() {
        let base = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let folder = base.path().join(name);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join(STATE_FILE), format!("/state/{name}")).unwrap();
            folder.join(LAYOUT.control_socket)
        };
        let (held, stale, _none) = (make("held"), make("stale"), make("none"));
        let _listener = UnixListener::bind(&held).unwrap();
        drop(UnixListener::bind(stale).unwrap());
        assert_eq!(
            running_below(base.path()),
            [("/state/held".to_owned(), held)]
        );
        assert!(running_below(Path::new("/nowhere")).is_empty());
    }
}
