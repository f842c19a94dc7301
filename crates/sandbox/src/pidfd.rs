//! Waiting on tokio for a process to end.
//!
//! Source: pidfd_open(2), waitid(2).

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, WaitIdStatus, pidfd_open, waitid};
use tokio::io::unix::AsyncFd;

/// A process, held so that its number cannot come to mean another one.
#[derive(Debug)]
pub struct Pidfd {
    descriptor: AsyncFd<OwnedFd>,
}

impl Pidfd {
    /// Takes hold of a running process, or of a child that has ended and was not reaped. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// There is no such process any more, or no descriptor left.
    pub fn open(pid: Pid) -> io::Result<Pidfd> {
        Pidfd::new(pidfd_open(pid, PidfdFlags::NONBLOCK)?)
    }

    /// Watches a descriptor of pidfd_open(2). Call it inside a tokio runtime.
    ///
    /// # Errors
    /// The descriptor cannot be polled.
    pub fn new(descriptor: OwnedFd) -> io::Result<Pidfd> {
        // SAFETY: an `OwnedFd` is open and stays the same descriptor until it is dropped, and the `AsyncFd` owns it: nobody
        // else can close or exchange it.
        let descriptor = unsafe { AsyncFd::register(descriptor) }.map_err(io::Error::from)?;
        Ok(Pidfd { descriptor })
    }

    /// Waits until the process has ended, without reaping it. Cancel safe.
    pub async fn ended(&self) {
        // An error means that it cannot be watched any more; whoever waits must not wait for ever.
        let _ = self.descriptor.readable().await;
    }

    /// Waits until a child has ended and reaps it; `None` when somebody else has. Cancel safe.
    pub async fn reap(&self) -> Option<WaitIdStatus> {
        loop {
            let ready = self.descriptor.readable().await;
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
            match (
                waitid(WaitId::PidFd(self.descriptor.as_fd()), options),
                ready,
            ) {
                (Ok(Some(status)), _) => return Some(status),
                (Ok(None), Ok(mut guard)) => guard.clear_ready(),
                (Err(_), _) | (_, Err(_)) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Confinement, Program, spawn};

    use super::*;

    #[tokio::test]
    async fn an_exit_status_is_reaped_once() {
        let program = Program {
            executable: "/bin/sh".into(),
            arguments: vec!["-c".into(), "exit 3".into()],
            environment: vec![],
            directory: "/".into(),
            sockets: vec![],
        };
        let spawned = spawn(&program, &Confinement::default()).unwrap();
        let other = Pidfd::open(spawned.pid).unwrap();
        let pidfd = Pidfd::new(spawned.pidfd).unwrap();
        pidfd.ended().await;
        assert_eq!(
            pidfd.reap().await.and_then(|status| status.exit_status()),
            Some(3)
        );
        assert!(other.reap().await.is_none());
        assert!(Pidfd::open(spawned.pid).is_err());
    }
}
