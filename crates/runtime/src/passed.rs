//! Sockets that the host opened for this program and keeps when it dies (`LISTEN_FDS`, sd_listen_fds(3)).
//!
//! A connection that comes while the program is being replaced waits in the kernel's queue instead of being
//! refused. Sockets are known by name, the endpoint's. What was passed is adopted once and kept for the life of the
//! process, so that an endpoint may be listened on again; what is wrong of it in count, kind or name is left alone.

use std::{
    collections::BTreeMap,
    hint::black_box,
    net::{SocketAddr, TcpListener, UdpSocket},
    sync::OnceLock,
};

use listenfd::ListenFd;
use runtime_protocol::TAKES_PASSED_SOCKETS;

/// A static, so that the program's file holds it in one piece.
static MARK: [u8; TAKES_PASSED_SOCKETS.len()] = TAKES_PASSED_SOCKETS;

/// One passed socket.
enum Passed {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

static PASSED: OnceLock<BTreeMap<String, Passed>> = OnceLock::new();

/// Takes what was passed, and takes it out of the environment, where it would mislead programs that this one
/// starts. Later calls do nothing.
pub(crate) fn adopt() {
    PASSED.get_or_init(take);
}

/// The passed listener of the endpoint `name`, if it is one for `address`.
pub(crate) fn tcp(name: &str, address: SocketAddr) -> Option<TcpListener> {
    match PASSED.get_or_init(take).get(name)? {
        Passed::Tcp(listener) if listener.local_addr().ok()? == address => {
            listener.try_clone().ok()
        }
        _ => None,
    }
}

/// The passed socket of the endpoint `name`, if it is one for `address`.
pub(crate) fn udp(name: &str, address: SocketAddr) -> Option<UdpSocket> {
    match PASSED.get_or_init(take).get(name)? {
        Passed::Udp(socket) if socket.local_addr().ok()? == address => socket.try_clone().ok(),
        _ => None,
    }
}

fn take() -> BTreeMap<String, Passed> {
    // Keeps the mark in the file, whole, whatever compiler and linker think of its use.
    black_box(&MARK);
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut sockets = ListenFd::from_env();
    let passed = (0..sockets.len()).zip(names.split(':'));
    let adopted = passed.filter_map(|(index, name)| {
        let socket = match sockets.take_tcp_listener(index) {
            Ok(listener) => Passed::Tcp(listener?),
            Err(_) => Passed::Udp(sockets.take_udp_socket(index).ok()??),
        };
        Some((name.to_owned(), socket))
    });
    adopted.collect()
}
