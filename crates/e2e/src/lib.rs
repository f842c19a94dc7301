//! What the whole-system tests and benches share: a deployment under test, and a load of dialogues.
//!
//! Real processes and real sockets of the built binaries; nothing of approot is linked in here but the SDK,
//! for the fixture role. A deployment listens on a loopback address of its own, so that tests run side by
//! side although every service has port 1234.

#![forbid(unsafe_code)]

pub mod deployment;
pub mod dialogue;
pub mod load;
pub mod processes;
pub mod service;
