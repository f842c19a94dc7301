//! The data plane: accepts clients and moves their bytes to and from the instances.
//!
//! A process of its own, on one thread. It is told what to do over a Unix socket by the fabric
//! ([`Message`]) and answers ([`Event`]); without a fabric it goes on with the last table it got. Which
//! instance gets a connection is decided in `balancer-core`; this crate has the sockets and the clock.
//!
//! Promises: a client is never accepted to be refused; while no byte of it was forwarded and none
//! delivered, a connection whose instance fails goes on to another one unseen; otherwise it ends the
//! way its instance ended it, and is counted with the cause.
//!
//! Deliberately absent: opening listening sockets (they are passed in), roles and deployments, TLS,
//! UDP, access control, and printing or logging.
//!
//! The flow: [`run`] → a session with the fabric → listeners → one task a connection, which is seated
//! at an instance (`connection`), watched until its first byte (`opening`), and pumped (`pump`).

#![forbid(unsafe_code)]

mod buffers;
mod connection;
mod error;
mod front;
mod limits;
mod listener;
mod opening;
mod protocol;
mod pump;
mod run;
mod session;

pub use buffers::{BUFFER_BYTES, BUFFERS_KEPT_MAX};
pub use connection::{CONNECT_LIMIT, MOVES_MAX, PARK_LIMIT};
pub use error::BalancerError;
pub use limits::DESCRIPTORS_RESERVED;
pub use listener::LISTENERS_MAX;
pub use protocol::{Event, Message};
pub use pump::IDLE_LIMIT;
pub use run::run;
