//! Starting a program below a host.
//!
//! The child goes through the [`STEPS`] in their order before the program is executed, and writes the number of the
//! one that failed into a pipe. Nothing in it allocates: what the steps need was made before the fork.
//!
//! Why in this order: groups, namespaces and the bounding set need the rights that the change of user takes away.
//! The parent-death signal is cleared by that change, so it comes after, and then the check that the parent still
//! lives, which may have died before. That signal fires when the *thread* that spawned ends, so spawn from one that
//! lasts as long as the host. Landlock is last, as it needs that no new privileges can be gained, and as it would hide
//! what earlier steps open.
//!
//! Source: prctl(2), setsid(2), capabilities(7), landlock(7), setns(2).

use std::ffi::{CString, OsString};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{ChildStderr, ChildStdout, Command, Stdio};
use std::sync::Arc;

use rustix::fs::{Gid, Mode, Uid, fchown};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, chdir, getpid, getppid, pidfd_open,
    set_parent_process_death_signal, setrlimit, setsid, umask,
};
use rustix::thread::{
    CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};

use crate::cgroup::Cgroup;
use crate::files::Files;
use crate::view::View;

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

/// What keeps a program in its place. The default keeps it nowhere: that is what `elevated` means.
#[derive(Debug, Clone, Copy, Default)]
pub struct Confinement<'a> {
    /// The groups that it is in.
    pub group: Option<&'a Cgroup>,
    /// The most memory that each of its processes may have, where no group limits it.
    pub data_limit: Option<u64>,
    /// The mount namespace that it is in.
    pub view: Option<&'a View>,
    /// The user and group that it runs as, without any capability.
    pub identity: Option<u32>,
    /// Whether it has no capability, also where it stays the user that it is. Root gets them back with what it
    /// executes unless it has [`no_new_privileges`](Self::no_new_privileges).
    pub no_capabilities: bool,
    /// Whether it, and whatever it executes, can gain no privilege.
    pub no_new_privileges: bool,
    /// What it may do with files; needs [`no_new_privileges`](Self::no_new_privileges).
    pub files: Option<&'a Files>,
}

/// What the child does before it executes the program, in this order; each completes "cannot".
pub const STEPS: [&str; 15] = [
    "lead a session",
    "set the file mode mask",
    "join the control group",
    "limit the memory",
    "enter the mount namespace",
    "enter the working directory",
    "give the output to the instance's user",
    "drop the capabilities of the bounding set",
    "leave the groups",
    "become the instance's group",
    "become the instance's user",
    "drop the capabilities",
    "end with the host",
    "give up new privileges",
    "confine files",
];

/// A program was not started.
#[derive(Debug)]
pub struct SpawnError {
    /// The step that failed; none where it was the fork or the execution itself.
    pub step: Option<&'static str>,
    /// What the kernel said.
    pub source: io::Error,
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            Some(step) => write!(f, "cannot {step}"),
            None => write!(f, "cannot execute it"),
        }
    }
}

impl std::error::Error for SpawnError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

impl From<io::Error> for SpawnError {
    fn from(source: io::Error) -> Self {
        SpawnError { step: None, source }
    }
}

/// Starts `program` with no standard input and piped output.
///
/// # Errors
/// What fork, the steps or execve say; the program has not run then.
pub fn spawn(program: &Program, confinement: &Confinement<'_>) -> Result<Spawned, SpawnError> {
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
    let (passing, mut execution) = passing::prepare(program)?.unzip();
    let (failed, report) =
        pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).map_err(io::Error::from)?;
    let child = Child::new(program, confinement)?;
    let report_to = report.as_raw_fd();
    // SAFETY: between fork and exec the closure makes system calls alone and allocates nothing: `child` was made
    // before, with the descriptors that it names. Those are open until `spawn` has returned, which is after the
    // program has been executed or has failed to be: `confinement` and `report` live longer than that.
    unsafe {
        command.pre_exec(move || {
            child.prepare().map_err(|(step, errno)| {
                let report = BorrowedFd::borrow_raw(report_to);
                let _ = rustix::io::write(report, &[step]);
                io::Error::from(errno)
            })?;
            // It executes: what would follow here does not.
            execution
                .as_mut()
                .map_or(Ok(()), |execution| Err(execution.execute()))
        });
    }
    let spawned = command.spawn();
    drop(report);
    let mut child = spawned.map_err(|source| {
        let mut step = [0];
        let is_step = matches!(rustix::io::read(&failed, &mut step), Ok(1));
        let step = is_step.then(|| STEPS.get(usize::from(step[0])).copied());
        SpawnError {
            step: step.flatten(),
            source,
        }
    })?;
    drop(passing);
    let pid = Pid::from_child(&child);
    let pidfd = match pidfd_open(pid, PidfdFlags::NONBLOCK) {
        Ok(pidfd) => pidfd,
        Err(errno) => {
            // A program that nobody watches must not run on.
            child.kill()?;
            child.wait()?;
            return Err(io::Error::from(errno).into());
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

/// What the child needs, in a form that needs no memory to be made.
struct Child {
    parent: Pid,
    directory: CString,
    group: Vec<libc::c_int>,
    data_limit: Option<u64>,
    view: Option<libc::c_int>,
    identity: Option<(Uid, Gid)>,
    no_capabilities: bool,
    no_new_privileges: bool,
    files: Option<libc::c_int>,
}

/// One of the [`STEPS`].
type Step = fn(&Child) -> Result<(), Errno>;

impl Child {
    fn new(program: &Program, confinement: &Confinement<'_>) -> io::Result<Child> {
        let entries = confinement.group.into_iter().flat_map(Cgroup::entries);
        let raw = |descriptor: BorrowedFd<'_>| descriptor.as_raw_fd();
        Ok(Child {
            parent: getpid(),
            directory: CString::new(program.directory.as_os_str().as_bytes())?,
            group: entries.map(raw).collect(),
            data_limit: confinement.data_limit,
            view: confinement.view.map(|view| raw(view.as_fd())),
            identity: confinement
                .identity
                .map(|id| (Uid::from_raw(id), Gid::from_raw(id))),
            no_capabilities: confinement.no_capabilities,
            no_new_privileges: confinement.no_new_privileges,
            files: confinement.files.map(|files| raw(files.as_fd())),
        })
    }

    /// Goes through the [`STEPS`]; an error has the number of the one that failed.
    fn prepare(&self) -> Result<(), (u8, Errno)> {
        let steps: [Step; STEPS.len()] = [
            |_| setsid().map(drop),
            |_| {
                umask(Mode::WGRP | Mode::WOTH);
                Ok(())
            },
            Child::join_group,
            Child::limit_memory,
            Child::enter_view,
            |child| chdir(child.directory.as_c_str()),
            Child::give_output,
            Child::drop_bounding_set,
            |child| child.as_other(|_, _| set_thread_groups(&[])),
            |child| child.as_other(|_, gid| set_thread_res_gid(gid, gid, gid)),
            |child| child.as_other(|uid, _| set_thread_res_uid(uid, uid, uid)),
            Child::drop_capabilities,
            Child::end_with_parent,
            |child| match child.no_new_privileges {
                true => set_no_new_privs(true),
                false => Ok(()),
            },
            Child::confine_files,
        ];
        for (step, number) in steps.iter().zip(0..) {
            step(self).map_err(|errno| (number, errno))?;
        }
        Ok(())
    }

    fn join_group(&self) -> Result<(), Errno> {
        for entry in &self.group {
            // SAFETY: the descriptor is open by the contract of `spawn`'s closure.
            let entry = unsafe { BorrowedFd::borrow_raw(*entry) };
            rustix::io::write(entry, b"0")?;
        }
        Ok(())
    }

    fn limit_memory(&self) -> Result<(), Errno> {
        let Some(bytes) = self.data_limit else {
            return Ok(());
        };
        let limit = Rlimit {
            current: Some(bytes),
            maximum: Some(bytes),
        };
        setrlimit(Resource::Data, limit)
    }

    fn enter_view(&self) -> Result<(), Errno> {
        match self.view {
            // SAFETY: the call takes no pointer, and the descriptor is open by the contract of `spawn`'s closure.
            Some(view) => call(unsafe { libc::setns(view, libc::CLONE_NEWNS) }.into()),
            None => Ok(()),
        }
    }

    /// A program opens its output again by `/dev/stdout`, which its owner may.
    fn give_output(&self) -> Result<(), Errno> {
        self.as_other(|uid, gid| {
            for output in [rustix::stdio::stdout(), rustix::stdio::stderr()] {
                fchown(output, Some(uid), Some(gid))?;
            }
            Ok(())
        })
    }

    fn drop_bounding_set(&self) -> Result<(), Errno> {
        self.as_other(|_, _| {
            for capability in 0..libc::c_ulong::from(u8::MAX) {
                // SAFETY: the call takes no pointer.
                let dropped =
                    call(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) }.into());
                match dropped {
                    Ok(()) => {}
                    // One after the last that this kernel knows.
                    Err(Errno::INVAL) => break,
                    Err(errno) => return Err(errno),
                }
            }
            Ok(())
        })
    }

    fn drop_capabilities(&self) -> Result<(), Errno> {
        if !self.no_capabilities && self.identity.is_none() {
            return Ok(());
        }
        let none = CapabilitySets {
            effective: CapabilitySet::empty(),
            permitted: CapabilitySet::empty(),
            inheritable: CapabilitySet::empty(),
        };
        set_capabilities(None, none)
    }

    fn end_with_parent(&self) -> Result<(), Errno> {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        match getppid() == Some(self.parent) {
            true => Ok(()),
            false => Err(Errno::SRCH),
        }
    }

    fn confine_files(&self) -> Result<(), Errno> {
        match self.files {
            // SAFETY: the call takes no pointer, and the descriptor is open by the contract of `spawn`'s closure.
            Some(files) => {
                call(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, files, 0_u32) })
            }
            None => Ok(()),
        }
    }

    fn as_other(&self, step: impl FnOnce(Uid, Gid) -> Result<(), Errno>) -> Result<(), Errno> {
        self.identity.map_or(Ok(()), |(uid, gid)| step(uid, gid))
    }
}

/// What a call of libc has come to.
fn call(returned: libc::c_long) -> Result<(), Errno> {
    match returned {
        -1 => Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::INVAL)),
        _ => Ok(()),
    }
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
        let script = "umask; env | grep -c APPROOT_TEST; echo $GREETING; read line";
        let mut spawned = spawn(&shell(script), &Confinement::default()).unwrap();
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
    fn capabilities_are_dropped_only_where_that_is_asked_for() {
        let effective = |confinement: &Confinement<'_>| {
            let script = "sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status";
            let mut spawned = spawn(&shell(script), confinement).unwrap();
            let mut out = String::new();
            spawned.stdout.read_to_string(&mut out).unwrap();
            u64::from_str_radix(out.trim(), 16).unwrap()
        };
        let unconfined = effective(&Confinement::default());
        let no_new_privileges = Confinement {
            no_new_privileges: true,
            ..Confinement::default()
        };
        assert_eq!(effective(&no_new_privileges), unconfined);
        let no_capabilities = Confinement {
            no_capabilities: true,
            ..no_new_privileges
        };
        assert_eq!(effective(&no_capabilities), 0);
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error() {
        let program = Program {
            executable: "/nowhere/program".into(),
            ..shell("")
        };
        let error = spawn(&program, &Confinement::default()).unwrap_err();
        assert_eq!(
            (error.step, error.source.kind()),
            (None, io::ErrorKind::NotFound)
        );
    }
}
