//! Opening listening sockets.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixListener};

use socket2::{Domain, Protocol, Socket, Type};

use crate::protocol::Address;

/// Connections the kernel holds for us before they are accepted. A burst beyond it is answered by the
/// client's own retry after a second, which people notice; the memory for an entry is a few hundred bytes.
/// The kernel lowers it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Opens a listening socket, non-blocking.
///
/// # Errors
/// What the kernel says; `EADDRINUSE` is the usual one.
pub(crate) fn open(address: &Address) -> io::Result<OwnedFd> {
    match address {
        Address::Tcp(address) => {
            let socket = Socket::new(
                Domain::for_address(*address),
                Type::STREAM,
                Some(Protocol::TCP),
            )?;
            // A port whose last connections are still resting is free for a new listener.
            socket.set_reuse_address(true)?;
            if address.is_ipv6() {
                socket.set_only_v6(true)?;
            }
            socket.bind(&(*address).into())?;
            socket.listen(BACKLOG)?;
            socket.set_nonblocking(true)?;
            Ok(socket.into())
        }
        Address::Unix(path) => {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let listener = UnixListener::bind(path)?;
            // Its folder is 0700, so nobody else could connect in between.
            fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
            listener.set_nonblocking(true)?;
            Ok(listener.into())
        }
        Address::Abstract(name) => {
            let listener = UnixListener::bind_addr(&UnixAddress::from_abstract_name(name)?)?;
            Ok(listener.into())
        }
    }
}
