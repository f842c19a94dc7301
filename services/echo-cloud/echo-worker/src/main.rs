//! The echo worker: a small service over TCP that tells the date and the time.
//!
//! The role of `services/echo-cloud`, written on the SDK `runtime`. Pure: [`dialogue`] (what is said),
//! [`lines`] (bytes to lines), [`settings`]. Sockets: [`connection`] (one dialogue), [`lobby`] (all of
//! them, their limits). [`worker`] is the role's entry point that joins them.
//!
//! It knows nothing of load balancing or of other instances. Outside any fabric it runs as a plain
//! program and listens on `127.0.0.1:1234`, or on the address in `ECHO_LISTEN`.

#![forbid(unsafe_code)]

mod connection;
mod dialogue;
mod lines;
mod lobby;
mod settings;
mod worker;

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::start(worker::EchoWorker::default())
}
