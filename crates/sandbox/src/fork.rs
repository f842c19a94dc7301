//! Forking without executing: how the keeper starts the fabric, the balancer and the hosts.
//!
//! A forked process shares the pages of the keeper's, so a hundred hosts cost little more than one, and
//! starting one takes no reading of files. The price is that only a process with a single thread may do
//! it: a lock that another thread held would stay locked for ever in the child.
//!
//! Source: fork(2), signal-safety(7).

use std::io;
use std::os::fd::RawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::process::{Pid, setsid};

/// The exit status of a forked process whose `main` panicked; the same that Rust's own runtime uses.
const PANIC_STATUS: i32 = 101;

/// Forks; the child leads a session of its own, runs `main` and exits with what it returns.
///
/// The child's descriptors are the parent's: call [`close_descriptors_except`] there first.
///
/// # Errors
/// What fork(2) says, usually that the user's limit of processes is reached.
///
/// # Panics
/// If this process has more than one thread.
pub fn fork(main: impl FnOnce() -> i32) -> io::Result<Pid> {
    assert_eq!(
        threads()?,
        1,
        "only a single-threaded process may fork without executing"
    );
    // SAFETY: this process has exactly one thread (checked above; only that thread could start another, and
    // it is here), so no lock is held by a thread that the child lacks, and the child may run any code.
    let pid = unsafe { libc::fork() };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            // Cannot fail: a process just forked leads no group.
            let _ = setsid();
            let status = catch_unwind(AssertUnwindSafe(main)).unwrap_or(PANIC_STATUS);
            std::process::exit(status)
        }
        pid => Ok(Pid::from_raw(pid).expect("fork returns a positive pid to the parent")),
    }
}

fn threads() -> io::Result<usize> {
    Ok(std::fs::read_dir("/proc/self/task")?.count())
}

/// Closes every descriptor of this process but 0, 1, 2 and those in `keep`.
///
/// For a process just forked: the keeper's listening sockets must not live on in a host, or a port
/// would stay taken after the deployment has ended. The values that own the closed descriptors must never
/// be used or dropped afterwards; [`fork`]'s child never returns to the code that holds them.
///
/// # Errors
/// `/proc/self/fd` cannot be read.
pub fn close_descriptors_except(keep: &[RawFd]) -> io::Result<()> {
    let mut open = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        if let Some(number) = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<RawFd>().ok())
        {
            open.push(number);
        }
    }
    for number in open {
        if number > 2 && !keep.contains(&number) {
            // SAFETY: by this function's contract nothing uses or drops the owner of `number` in this process any
            // more. The descriptor of the listing itself is closed already, and closing it again fails harmlessly.
            unsafe { libc::close(number) };
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    // A test binary has several threads, so forking is tested where single-threaded processes are: the keeper's
    // integration test, which is a program of its own.
    use super::*;

    #[test]
    fn forking_is_refused_where_another_thread_runs() {
        let refused = catch_unwind(|| fork(|| 0));
        assert!(refused.is_err());
    }
}
