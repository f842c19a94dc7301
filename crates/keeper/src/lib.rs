//! The keeper: the process at the root of a deployment, which everything else is forked from.
//!
//! One thread. It holds every listening socket by name, forks the fabric, the balancer and the hosts, reaps
//! all that ends below it, and starts fabric and balancer again when they die. It decides nothing: which
//! sockets and hosts there are is the fabric's business, told in [`protocol`], and a terminal's signals are
//! passed on to the fabric.
//!
//! ```text
//!   approot run ── keeper ─┬─ fabric      restarted by the keeper; finds its sockets and hosts again by asking
//!                          ├─ balancer    restarted by the keeper; gets its table from the fabric
//!                          └─ host …      forked when the fabric asks; its end is told to the fabric
//! ```
//!
//! The keeper does not know what its processes do: [`Processes`] holds one function for each, and a host's
//! order is opaque text. When the keeper itself dies, the fabric stops the deployment; handing the
//! sockets over to another keeper, and replacing the binary in place, belong to the controller's later work.
//!
//! [`Client`] is the fabric's end.

#![forbid(unsafe_code)]

mod client;
mod error;
mod pacing;
pub mod protocol;
mod signals;
mod sockets;
mod supervise;

pub use client::Client;
pub use error::KeeperError;
pub use supervise::{FabricStart, HostStart, Options, Processes, run};
