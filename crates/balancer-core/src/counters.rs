//! What is counted, as documents.
//!
//! Only totals and gauges; rates, histograms and their rendering are for whoever reads them. Totals
//! grow as long as the endpoint (or the backend at it) is in the table or has a connection, across
//! incarnations and tables, and are gone afterwards.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a client's connection ended other than by the choice of its two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Its instance's program died. An upper bound: a killed program's connections end like those that it closes itself,
    /// so one that it had closed within the last 20 ms before its death was reported counts here too.
    InstanceDied,
    /// Its instance, alive, reset it.
    InstanceReset,
    /// The client reset it while an instance served it.
    ClientReset,
    /// The client was gone before an instance served it.
    ClientVanished,
    /// Its instance drained and the deadline passed.
    DrainDeadline,
    /// No byte either way for too long.
    IdleTimeout,
    /// No instance could serve it for too long.
    ParkTimeout,
    /// The endpoint or its listener was taken away while the client waited.
    EndpointClosed,
    /// The balancer had no memory or descriptor left for it.
    OutOfResources,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cause::InstanceDied => "because the instance died",
            Cause::InstanceReset => "reset by the instance",
            Cause::ClientReset => "reset by the client",
            Cause::ClientVanished => "left by the client before they were served",
            Cause::DrainDeadline => "at the end of a drain",
            Cause::IdleTimeout => "after too long a silence",
            Cause::ParkTimeout => "after too long a wait for an instance",
            Cause::EndpointClosed => "with their endpoint",
            Cause::OutOfResources => "for want of descriptors or memory",
        })
    }
}

/// Bytes of clients' connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bytes {
    /// From clients to instances.
    pub up: u64,
    /// From instances to clients.
    pub down: u64,
}

/// Everything that is counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// By name of the endpoint.
    pub endpoints: BTreeMap<String, EndpointCounters>,
}

/// What happened at one endpoint.
///
/// `accepted` is always the sum of `open`, `ended`, `settling` and all of `cut`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointCounters {
    /// Clients accepted so far.
    pub accepted: u64,
    /// Clients here now, served or not.
    pub open: u64,
    /// Clients that wait for an instance now; part of `open`.
    pub parked: u64,
    /// Clients that had to wait so far, each once.
    pub parked_total: u64,
    /// Times a client went on to another instance, unaware of it.
    pub retried: u64,
    /// Connections ended by their two ends.
    pub ended: u64,
    /// Connections ended by their instances so recently that its death may still be reported.
    pub settling: u64,
    /// Connections ended otherwise.
    pub cut: BTreeMap<Cause, u64>,
    /// What was moved.
    pub bytes: Bytes,
    /// By the instance's id.
    pub backends: BTreeMap<String, BackendCounters>,
}

/// What happened between one endpoint and one instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendCounters {
    /// Connections made so far.
    pub connections: u64,
    /// Connections that stand now.
    pub open: u64,
    /// Connections being made now.
    pub connecting: u64,
    /// Whether it is in rotation and yet gets nothing but a trial now and then.
    pub suspect: bool,
}
