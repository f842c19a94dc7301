//! The SDK that a Rust role is written on: [`RoleEntryPoint`] and [`RoleEnvironment`].
//!
//! A role's `main` is one line, `runtime::start(MyRole)`. [`start`] finds the host through
//! `WaRuntimeEndpoint`, reads the role environment, calls the role's methods in their order and tells
//! the host how the role is; the module `life` draws that order. Where the variable is absent the same
//! program runs as a plain one: [`RoleEnvironment::is_available`] is false, and signals stop it.
//!
//! It speaks the protocol of `runtime-protocol` and no other, and decides nothing that is the host's:
//! no restarts, no health, no limits on time. It reads no file but the role environment, writes none,
//! and says on stderr what went wrong; all other output is the role's.

#![forbid(unsafe_code)]

mod entry_point;
mod environment;
mod error;
mod host;
mod lease;
mod life;
mod signals;

pub use runtime_protocol::{Change, Endpoint, Expiration, Instance, LocalResource, Role};

pub use entry_point::{BoxError, Response, RoleEntryPoint};
pub use environment::RoleEnvironment;
pub use error::{HostError, LifeError, ListenError};
pub use life::{Ending, live, start, start_async};
