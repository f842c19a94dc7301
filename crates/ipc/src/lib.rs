//! Messages between approot's own processes: keeper, fabric, balancer and hosts.
//!
//! A message is one JSON document behind a small header, over a Unix stream socket; file descriptors
//! travel with the message they belong to. The two ends exchange a [`Hello`] first and refuse another
//! [`PROTOCOL`]. This crate knows no message of its own besides that: each process defines what it
//! says in a `protocol` module beside the code that acts on it.
//!
//! Deliberately absent: reconnecting, time-outs and request ids. Whoever owns a link decides those.
//!
//! [`ProcessLock`] says which live process a folder belongs to.
//!
//! [`Link`] is for tokio, [`BlockingLink`] for the keeper, which has a single thread and no runtime.

#![forbid(unsafe_code)]

mod blocking;
mod error;
mod frame;
mod hello;
mod link;
mod lock;
mod socket;

pub use blocking::BlockingLink;
pub use error::LinkError;
pub use frame::{DESCRIPTORS_MAX, FRAME_BYTES_MAX};
pub use hello::{Hello, PROTOCOL, greet};
pub use link::{Link, Receiver, Sender};
pub use lock::{LockError, ProcessLock};
