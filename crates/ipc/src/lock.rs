//! Locks that say which process holds a folder: the keeper and the fabric a state directory, a host its
//! instance.
//!
//! A POSIX lock, not flock(2): it belongs to the process, so a forked child does not keep it, and the kernel
//! names its holder. Source: fcntl(2), "Advisory record locking".

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::process::{Flock, FlockOffsetType, FlockType, fcntl_getlk};

/// How often a lock is tried for that somebody holds whom the kernel does not name: a holder that lets go in this
/// moment, or, for as long as it likes, a process outside this one's PID namespace.
const TRIES: u32 = 3;

/// Held for as long as the value lives and the process that took it does.
///
/// The process must not open and close the same file elsewhere: any close of it gives the lock up.
#[derive(Debug)]
pub struct ProcessLock {
    _file: File,
}

impl ProcessLock {
    /// Takes the lock on `path`, which is made if it is not there; does not wait.
    ///
    /// # Errors
    /// [`LockError::Held`] with the holder's pid, or [`LockError::Failed`].
    pub fn take(path: &Path) -> Result<ProcessLock, LockError> {
        let failed = |source: io::Error| LockError::Failed {
            path: path.to_owned(),
            source,
        };
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        let mut pid = 0;
        for _ in 0..TRIES {
            match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(ProcessLock { _file: file }),
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::ACCESS) => {}
                Err(errno) => return Err(failed(errno.into())),
            }
            pid = holder(&file).map_err(failed)?;
            if pid != 0 {
                break;
            }
        }
        Err(LockError::Held {
            path: path.to_owned(),
            pid,
        })
    }

    /// The process that holds the lock on `path`, if one does.
    ///
    /// Never call it for a file that this process itself has locked: closing the file gives that lock up.
    ///
    /// # Errors
    /// The file is there but cannot be asked.
    pub fn held_by(path: &Path) -> io::Result<Option<i32>> {
        match OpenOptions::new().write(true).open(path) {
            Ok(file) => Ok(Some(holder(&file)?).filter(|pid| *pid != 0)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The pid of the lock's holder, zero when nobody holds it.
fn holder(file: &File) -> io::Result<i32> {
    let wanted = Flock {
        start: 0,
        length: 0,
        pid: None,
        typ: FlockType::WriteLock,
        offset_type: FlockOffsetType::Set,
    };
    let found = fcntl_getlk(file, &wanted)?;
    Ok(found
        .and_then(|lock| lock.pid)
        .map_or(0, |pid| pid.as_raw_nonzero().get()))
}

/// A lock was not taken.
#[derive(Debug)]
pub enum LockError {
    /// Another process holds it.
    Held {
        /// The lock file.
        path: PathBuf,
        /// The process id of its holder; 0 if that is outside this process's PID namespace.
        pid: i32,
    },
    /// The lock file cannot be opened or locked.
    Failed {
        /// The lock file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockError::Held { path, pid: 0 } => {
                write!(
                    f,
                    "a process outside this PID namespace holds the lock: {}",
                    path.display()
                )
            }
            LockError::Held { path, pid } => {
                write!(f, "process {pid} holds the lock: {}", path.display())
            }
            LockError::Failed { path, .. } => write!(f, "cannot lock: {}", path.display()),
        }
    }
}

impl std::error::Error for LockError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            LockError::Held { .. } => None,
            LockError::Failed { source, .. } => Some(source),
        }
    }
}
