//! Programs of the machine that work on file systems, run to their end and no longer than they may.
//!
//! They bear the mark of the instance's programs, so that whoever ends what a killed host has left finds these as
//! well. Not here: what they are told to do.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::path::Path;
use std::process::{ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// How long one may take. To check a store that holds much takes minutes on a slow disk; a fabric waits eleven for a
/// host that is to stop.
const LIMIT: Duration = Duration::from_secs(5 * 60);

/// As much of what one says is kept, in bytes.
const SAID_MAX: usize = 4096;

/// Runs programs for the instance of this folder.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tools<'p> {
    root: &'p Path,
    limit: Duration,
}

impl<'p> Tools<'p> {
    pub(super) fn of(root: &'p Path) -> Tools<'p> {
        Tools { root, limit: LIMIT }
    }

    /// Runs a program to its end; what it says of a failure is the error.
    pub(super) fn run(
        self,
        name: &str,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Result<(), String> {
        let failed = |error: io::Error| format!("`{name}`: {error}");
        let mut child = Command::new(name)
            .args(arguments)
            .env("RoleRoot", self.root)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let mut stderr = child.stderr.take().expect("it is piped");
        let Some(said) = listen(&mut stderr, Instant::now() + self.limit).map_err(failed)? else {
            // Not waited for: one that the kernel holds would be waited for without limit after all.
            let _ = child.kill();
            let seconds = self.limit.as_secs();
            return Err(format!(
                "`{name}` was killed: it took longer than {seconds} s"
            ));
        };
        let status = child.wait().map_err(failed)?;
        // A check that repaired something says 1.
        if status.success() || name == "e2fsck" && status.code() == Some(1) {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&said);
        let said = said.lines().next().unwrap_or_default();
        Err(format!("`{name}` {status}: {said}"))
    }
}

/// What a program says until it ends, which closes its side; `None` where that is not before the deadline.
fn listen(stderr: &mut ChildStderr, deadline: Instant) -> io::Result<Option<Vec<u8>>> {
    let mut said = Vec::new();
    let mut chunk = [0; 512];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).expect("a limit has few seconds");
        match poll(&mut [PollFd::new(stderr, PollFlags::IN)], Some(&left)) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let read = stderr.read(&mut chunk)?;
        if read == 0 {
            return Ok(Some(said));
        }
        let room = SAID_MAX - said.len();
        said.extend_from_slice(&chunk[..read.min(room)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(limit: Duration, script: &str) -> Result<(), String> {
        let root = Path::new("/instance");
        Tools { root, limit }.run("sh", ["-c", script])
    }

    #[test]
    fn a_program_has_the_mark_and_its_first_words_are_the_error() {
        assert_eq!(run(LIMIT, "test $RoleRoot = /instance"), Ok(()));
        let failed = run(LIMIT, "echo no room >&2; echo more >&2; exit 3");
        assert_eq!(failed.unwrap_err(), "`sh` exit status: 3: no room");
        let much = "head -c 1000000 /dev/zero >&2";
        assert_eq!(run(LIMIT, much), Ok(()));
    }

    #[test]
    fn a_program_that_does_not_end_is_killed() {
        let failed = run(Duration::ZERO, "exec sleep 1000").unwrap_err();
        assert!(failed.starts_with("`sh` was killed"), "{failed}");
    }
}
