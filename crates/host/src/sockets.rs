//! The sockets of an instance's endpoints, where the host holds them and not its program.
//!
//! They are opened before the program's first start and kept until the host ends, so a connection that comes
//! while the program is being replaced waits in the kernel's queue instead of being refused. Only for a program that
//! takes them: another could not bind its own. By [`takes_sockets`] the fabric finds out.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use memchr::memmem::Finder;
use plan::InstancePlan;
use runtime_protocol::TAKES_PASSED_SOCKETS;

/// Connections that the kernel holds until the program accepts them, also while there is none. A burst beyond it
/// is answered by the client's own retry after a second. The kernel lowers it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// How much of a file is looked at in one go, in bytes.
const WINDOW: usize = 256 << 10;

/// An endpoint's address could not be had.
#[derive(Debug)]
pub(crate) struct SocketError {
    endpoint: String,
    address: SocketAddr,
    source: io::Error,
}

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot listen for endpoint `{}` at {}",
            self.endpoint, self.address
        )
    }
}

impl std::error::Error for SocketError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// The open sockets, with the names of their endpoints; none until [`Sockets::open`].
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    open: Vec<(String, Arc<OwnedFd>)>,
}

impl Sockets {
    /// Opens those that `plan` wants the host to hold, the first time; they are the same ever after.
    pub(crate) fn open(
        &mut self,
        plan: &InstancePlan,
    ) -> Result<Vec<(String, Arc<OwnedFd>)>, SocketError> {
        if plan.pass_sockets && self.open.is_empty() {
            let endpoints = plan.endpoints.iter();
            let opened = endpoints.map(|endpoint| {
                let socket = open(&endpoint.protocol, endpoint.address);
                let socket = socket.map_err(|source| SocketError {
                    endpoint: endpoint.name.clone(),
                    address: endpoint.address,
                    source,
                })?;
                Ok((endpoint.name.clone(), Arc::new(socket)))
            });
            self.open = opened.collect::<Result<_, _>>()?;
        }
        Ok(self.open.clone())
    }
}

fn open(protocol: &str, address: SocketAddr) -> io::Result<OwnedFd> {
    if protocol == "udp" {
        return Ok(UdpSocket::bind(address)?.into());
    }
    // With SO_REUSEADDR, as the standard library does.
    let listener = TcpListener::bind(address)?;
    rustix::net::listen(&listener, BACKLOG)?;
    Ok(listener.into())
}

/// Whether the program in `file` takes passed sockets, by its own word; the SDK says it for every role on it.
///
/// # Errors
/// The file cannot be read.
pub fn takes_sockets(file: &Path) -> io::Result<bool> {
    let mut file = File::open(file)?;
    let finder = Finder::new(&TAKES_PASSED_SOCKETS);
    let overlap = TAKES_PASSED_SOCKETS.len() - 1;
    let mut window = vec![0; WINDOW];
    let mut kept = 0;
    loop {
        let read = file.read(&mut window[kept..])?;
        if read == 0 {
            return Ok(false);
        }
        let end = kept + read;
        if finder.find(&window[..end]).is_some() {
            return Ok(true);
        }
        kept = overlap.min(end);
        window.copy_within(end - kept..end, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_is_found_wherever_it_lies() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        for at in [0, WINDOW - 20, WINDOW, 2 * WINDOW - 60, 3 * WINDOW - 1] {
            let mut bytes = vec![b'a'; at];
            std::fs::write(&path, &bytes).unwrap();
            assert!(!takes_sockets(&path).unwrap());
            bytes.extend(TAKES_PASSED_SOCKETS);
            std::fs::write(&path, &bytes).unwrap();
            assert!(takes_sockets(&path).unwrap(), "at {at}");
        }
    }
}
