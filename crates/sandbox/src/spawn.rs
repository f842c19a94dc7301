//! Starting a program below a host.
//!
//! In the child, in this order, before the program is executed:
//! 1. a new session, so that a signal to the process group reaches the program and its children, and no
//!    terminal's Ctrl-C does;
//! 2. the parent-death signal SIGKILL, so that a host killed with -9 takes its program along. It fires when
//!    the *thread* that spawned ends, so spawn from one that lasts as long as the host; a change of uid
//!    would clear it, so it has to come after one;
//! 3. a check that the parent still lives: it may have died before step 2, and then nothing would fire;
//! 4. the file mode mask of a service, whatever the person who started approot had;
//! 5. the sockets that are passed to it, see `passing`.
//!
//! Source: prctl(2) PR_SET_PDEATHSIG, setsid(2).

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{ChildStderr, ChildStdout, Command, Stdio};
use std::sync::Arc;

use rustix::fs::Mode;
use rustix::process::{
    Pid, PidfdFlags, Signal, getpid, getppid, pidfd_open, set_parent_process_death_signal, setsid,
    umask,
};

use crate::passing;

/// What to execute.
#[derive(Debug, Clone)]
pub struct Program {
    /// The file to execute, absolute.
    pub executable: PathBuf,
    /// The words after the program's name.
    pub arguments: Vec<OsString>,
    /// The whole environment; nothing is inherited.
    pub environment: Vec<(OsString, OsString)>,
    /// The working directory.
    pub directory: PathBuf,
    /// Sockets that are passed to it, each with its name (`LISTEN_FDS`).
    pub sockets: Vec<(String, Arc<OwnedFd>)>,
}

/// A running program. Dropping it neither kills nor reaps.
#[derive(Debug)]
pub struct Spawned {
    /// The program's process id, also that of its session and process group.
    pub pid: Pid,
    /// Readable when the program has ended; `waitid(P_PIDFD)` on it reaps.
    pub pidfd: OwnedFd,
    /// The reading end of the program's standard output.
    pub stdout: ChildStdout,
    /// The reading end of the program's standard error.
    pub stderr: ChildStderr,
}

/// Starts `program` with no standard input and piped output.
///
/// # Errors
/// What fork, the steps above or execve say; the program has not run then.
pub fn spawn(program: &Program) -> io::Result<Spawned> {
    let parent = getpid();
    let (passing, mut execution) = passing::prepare(program)?.unzip();
    let mut command = Command::new(&program.executable);
    command
        .args(&program.arguments)
        .env_clear()
        .envs(
            program
                .environment
                .iter()
                .map(|(name, value)| (name, value)),
        )
        .current_dir(&program.directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // SAFETY: between fork and exec the closure makes system calls and allocates nothing; `parent` is copied in.
    unsafe {
        command.pre_exec(move || {
            setsid()?;
            set_parent_process_death_signal(Some(Signal::KILL))?;
            if getppid() != Some(parent) {
                return Err(io::Error::from(io::ErrorKind::BrokenPipe));
            }
            umask(Mode::WGRP | Mode::WOTH);
            // The last step, as it executes: what would follow here does not.
            execution
                .as_mut()
                .map_or(Ok(()), |execution| Err(execution.execute()))
        });
    }
    let mut child = command.spawn()?;
    drop(passing);
    let pid = Pid::from_child(&child);
    let pidfd = match pidfd_open(pid, PidfdFlags::NONBLOCK) {
        Ok(pidfd) => pidfd,
        Err(errno) => {
            // A program that nobody watches must not run on.
            child.kill()?;
            child.wait()?;
            return Err(errno.into());
        }
    };
    let stdout = child
        .stdout
        .take()
        .expect("standard output was asked for as a pipe");
    let stderr = child
        .stderr
        .take()
        .expect("standard error was asked for as a pipe");
    Ok(Spawned {
        pid,
        pidfd,
        stdout,
        stderr,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use rustix::process::{WaitId, WaitIdOptions, getsid, waitid};

    use super::*;

    fn shell(script: &str) -> Program {
        Program {
            executable: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            environment: vec![("GREETING".into(), "hello".into())],
            directory: "/".into(),
            sockets: vec![],
        }
    }

    #[test]
    fn a_program_sees_its_environment_only_and_leads_a_session() {
        let mut spawned = spawn(&shell(
            "umask; env | grep -c APPROOT_TEST; echo $GREETING; read line",
        ))
        .unwrap();
        assert_eq!(
            getsid(Some(spawned.pid)).ok().unwrap_or(spawned.pid),
            spawned.pid
        );
        let mut out = String::new();
        spawned.stdout.read_to_string(&mut out).unwrap();
        assert_eq!(out, "0022\n0\nhello\n");
        waitid(
            WaitId::PidFd(std::os::fd::AsFd::as_fd(&spawned.pidfd)),
            WaitIdOptions::EXITED,
        )
        .ok();
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error() {
        let program = Program {
            executable: "/nowhere/program".into(),
            ..shell("")
        };
        assert_eq!(spawn(&program).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
