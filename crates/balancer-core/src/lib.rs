//! Chooses the instance that receives each new connection.
//!
//! Pure: no sockets, no clock, no threads, no randomness; time comes in as a [`Duration`] since some
//! fixed start. A [`Pool`] is given whole [`Table`]s and is told what became of each client. It
//! answers [`Pool::pick`], keeps the line of clients that wait for an instance, and counts. It does
//! not accept, connect or move bytes; the `balancer` crate does. It knows endpoints and backends,
//! not roles or deployments.
//!
//! Invariants: a backend that is not in rotation is never picked; clients that wait are served in the
//! order in which they came; a table is acknowledged only when no pick that it forbids is under way;
//! every client that was accepted is present, ended, or cut with a cause.
//!
//! [`Duration`]: std::time::Duration

#![forbid(unsafe_code)]

mod client;
mod counters;
mod endings;
mod endpoint;
mod pool;
mod program;
mod table;
mod target;

pub use client::{Client, End, Pick, Ticket};
pub use counters::{BackendCounters, Bytes, Cause, Counters, EndpointCounters};
pub use endings::{DEATH_REPORT_LIMIT, RECENT_ENDINGS_MAX};
pub use endpoint::PARKED_MAX;
pub use pool::{Pool, PoolEvent};
pub use program::Program;
pub use table::{BACKENDS_MAX, Backend, ENDPOINTS_MAX, Endpoint, Rotation, Table, TableError};
pub use target::{LATE_TRIAL_INTERVAL, TRIAL_INTERVAL};
