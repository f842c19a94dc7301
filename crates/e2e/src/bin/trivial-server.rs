//! The least that can be supervised: `trivial-server PORT` accepts on 127.0.0.1 and closes. For benches.

use std::net::{Ipv4Addr, TcpListener};

fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok());
    let port: u16 = port.ok_or(std::io::ErrorKind::InvalidInput)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    loop {
        drop(listener.accept());
    }
}
