//! Endpoints as sockets: what a role listens on.
//!
//! Each is the socket that the host has passed for the endpoint, else one that is bound here, to the instance's own
//! address and never to another: all instances of a machine share its ports.

use std::{
    io,
    net::{SocketAddr, UdpSocket as StdUdpSocket},
};

use runtime_protocol::Endpoint;
use tokio::net::{TcpListener, TcpSocket, UdpSocket};

use crate::{environment::RoleEnvironment, error::ListenError, passed};

impl RoleEnvironment {
    /// Listens on an endpoint of this instance: on the socket that the host keeps for it, where it does, else
    /// as [`RoleEnvironment::listen_at`] does. Call it within a tokio runtime.
    ///
    /// # Errors
    ///
    /// When the instance has no such endpoint, or it is none for TCP, or its address cannot be had.
    pub fn listen(&self, name: &str) -> Result<TcpListener, ListenError> {
        let endpoint = self.endpoint_for(name)?;
        if !TCP_PROTOCOLS.contains(&&*endpoint.protocol) {
            let protocol = endpoint.protocol;
            return Err(ListenError::NotTcp {
                name: name.to_owned(),
                protocol,
            });
        }
        let address = endpoint.socket_address();
        let Some(passed) = passed::tcp(name, address) else {
            return Self::listen_at(address);
        };
        let adopt = || {
            passed.set_nonblocking(true)?;
            TcpListener::from_std(passed)
        };
        adopt().map_err(|source| ListenError::Listen { address, source })
    }

    /// Listens on an address that this instance has by other means, such as outside any fabric.
    ///
    /// With `SO_REUSEADDR`, so that a restarted role can listen at once while connections of the one
    /// before still linger. Call it within a tokio runtime.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on, for instance because another program does.
    pub fn listen_at(address: SocketAddr) -> Result<TcpListener, ListenError> {
        let listen = || {
            let socket = if address.is_ipv4() {
                TcpSocket::new_v4()
            } else {
                TcpSocket::new_v6()
            }?;
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            socket.listen(BACKLOG)
        };
        listen().map_err(|source| ListenError::Listen { address, source })
    }

    /// The socket of an endpoint of this instance whose protocol is `udp`. Call it within a tokio runtime.
    ///
    /// # Errors
    ///
    /// When the instance has no such endpoint, or it is none for UDP, or its address cannot be had.
    pub fn bind_udp(&self, name: &str) -> Result<UdpSocket, ListenError> {
        let endpoint = self.endpoint_for(name)?;
        if endpoint.protocol != "udp" {
            let protocol = endpoint.protocol;
            return Err(ListenError::NotUdp {
                name: name.to_owned(),
                protocol,
            });
        }
        let address = endpoint.socket_address();
        match passed::udp(name, address) {
            Some(passed) => adopt_udp(Ok(passed), address),
            None => Self::bind_udp_at(address),
        }
    }

    /// Binds a UDP socket to an address that this instance has by other means, such as outside any fabric.
    /// Call it within a tokio runtime.
    ///
    /// # Errors
    ///
    /// When the address cannot be had.
    pub fn bind_udp_at(address: SocketAddr) -> Result<UdpSocket, ListenError> {
        adopt_udp(StdUdpSocket::bind(address), address)
    }

    fn endpoint_for(&self, name: &str) -> Result<Endpoint, ListenError> {
        self.endpoint(name)
            .ok_or_else(|| ListenError::UnknownEndpoint {
                name: name.to_owned(),
            })
    }
}

fn adopt_udp(
    socket: io::Result<StdUdpSocket>,
    address: SocketAddr,
) -> Result<UdpSocket, ListenError> {
    let adopt = || {
        let socket = socket?;
        socket.set_nonblocking(true)?;
        UdpSocket::from_std(socket)
    };
    adopt().map_err(|source| ListenError::Listen { address, source })
}

/// The protocols whose connections are TCP: the load balancer forwards http and https as they are.
const TCP_PROTOCOLS: [&str; 4] = ["tcp", "http", "https", "any"];
/// Connections that wait to be accepted; beyond it the kernel makes clients try again. The usual
/// maximum of a kernel is 4096, and a role that lags by this many has other troubles.
const BACKLOG: u32 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn outside_any_fabric_there_are_no_endpoints() {
        let environment = RoleEnvironment::unavailable();
        let unknown = "this instance has no endpoint of this name: `EchoEndpoint`";
        let error = environment.listen("EchoEndpoint").expect_err("no endpoint");
        assert_eq!(error.to_string(), unknown);
        let error = environment
            .bind_udp("EchoEndpoint")
            .expect_err("no endpoint");
        assert_eq!(error.to_string(), unknown);
    }

    #[tokio::test]
    async fn an_address_in_use_is_named() {
        let first = RoleEnvironment::listen_at("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = first.local_addr().unwrap();
        let error = RoleEnvironment::listen_at(address).expect_err("in use");
        assert_eq!(error.to_string(), format!("cannot listen: {address}"));
        let first = RoleEnvironment::bind_udp_at("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = first.local_addr().unwrap();
        let error = RoleEnvironment::bind_udp_at(address).expect_err("in use");
        assert_eq!(error.to_string(), format!("cannot listen: {address}"));
    }
}
