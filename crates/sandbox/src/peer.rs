//! The other end of a Unix socket: which process it is, and what it has not read yet.
//!
//! Source: unix(7) `SO_PEERPIDFD` (Linux 6.5) and `SIOCOUTQ`; neither has a safe form elsewhere.

use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use rustix::process::Pid;

use crate::Pidfd;

/// `SO_PEERPIDFD`, which the `libc` crate does not have. Source: asm-generic/socket.h.
const SO_PEERPIDFD: libc::c_int = 77;

impl Pidfd {
    /// Takes hold of the process that connected `socket`, whatever has become of its number since. `pid` is that
    /// number, for kernels that know no better. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// The process is gone, or there is no descriptor left.
    pub fn of_peer(socket: impl AsFd, pid: Pid) -> io::Result<Pidfd> {
        let mut descriptor: libc::c_int = -1;
        let mut length = mem::size_of_val(&descriptor) as libc::socklen_t;
        // SAFETY: `descriptor` and `length` outlive the call, and `length` is the size of what `descriptor` has room for.
        let result = unsafe {
            libc::getsockopt(
                socket.as_fd().as_raw_fd(),
                libc::SOL_SOCKET,
                SO_PEERPIDFD,
                (&raw mut descriptor).cast(),
                &raw mut length,
            )
        };
        if result == 0 {
            // SAFETY: the kernel has made this descriptor for us in this call, so that nobody else owns it.
            return Pidfd::new(unsafe { OwnedFd::from_raw_fd(descriptor) });
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::ENOPROTOOPT) => Pidfd::open(pid),
            _ => Err(error),
        }
    }
}

/// How much of what was written to a connected Unix socket waits to be read, in bytes of the kernel's memory: 0 when all
/// of it has been.
///
/// # Errors
/// It is no such socket.
pub fn unread_bytes(socket: impl AsFd) -> io::Result<usize> {
    let mut n: libc::c_int = 0;
    // SAFETY: `TIOCOUTQ`, which is `SIOCOUTQ` for sockets, writes one `int` through the pointer, and `n` outlives the call.
    let result = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::TIOCOUTQ, &raw mut n) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(usize::try_from(n).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[tokio::test]
    async fn the_peer_is_the_process_that_connected() {
        let (one, _other) = UnixStream::pair().unwrap();
        let own = Pid::from_raw(std::process::id().cast_signed()).unwrap();
        let pidfd = Pidfd::of_peer(&one, own).unwrap();
        let ended = pidfd.ended();
        let in_a_moment = tokio::time::timeout(std::time::Duration::from_millis(1), ended);
        assert!(in_a_moment.await.is_err(), "this process lives");
    }

    #[test]
    fn what_is_read_is_no_longer_waiting() {
        let (mut one, mut other) = UnixStream::pair().unwrap();
        assert_eq!(unread_bytes(&one).unwrap(), 0);
        one.write_all(b"hello").unwrap();
        assert!(unread_bytes(&one).unwrap() > 0);
        other.read_exact(&mut [0; 5]).unwrap();
        assert_eq!(unread_bytes(&one).unwrap(), 0);
    }
}
