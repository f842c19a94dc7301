//! The host: one process for each role instance, forked by the keeper, which runs the instance's startup tasks
//! and role program and is the only one that speaks to them.
//!
//! The decisions are [`host_core::Instance`]'s; this crate carries them out. It makes folders,
//! starts and watches programs, serves the runtime protocol on Unix sockets or FIFOs, keeps what the programs print
//! ([`logs`]) and how they died ([`evidence`]), and tells the fabric. It knows nothing of other instances, of the balancer,
//! or of packages.
//!
//! A host serves one fabric over [`protocol`]. When that link ends it stops its role and ends, until hosts can
//! be adopted by the next fabric. When a host dies, the kernel ends its role program, and the next host of the
//! instance kills whatever else is left before it starts anything.
//!
//! Everything runs on one thread, but for the copying of files, the writing of evidence and the wait for readers of a FIFO.

#![forbid(unsafe_code)]

mod certificates;
mod clients;
mod confine;
mod driver;
mod error;
pub mod evidence;
mod interpreter;
pub mod logs;
mod prepare;
mod programs;
pub mod protocol;
mod run;
mod runtime_server;
mod sockets;
pub mod stores;
mod tail;
mod watchdog;

pub use error::HostError;
pub use programs::resolve;
pub use run::run;
pub use sockets::takes_sockets;
