//! What the controller knows of one instance.

use std::time::Duration;

use host_core::{Report, Status};

use crate::routing::Rotation;

/// Whether a host speaks for the instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host {
    /// An earlier fabric's host may still be there.
    Unknown,
    /// None, and the next may be spawned at this time.
    Absent { spawn_at: Duration },
    /// Asked for.
    Spawning,
    /// It answers.
    Present,
}

/// A drain under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Drain {
    /// The first routing that has the instance out of rotation.
    pub(crate) barrier: u64,
    /// Whether its last connection has ended.
    pub(crate) idle: bool,
    /// When the connections that are left are cut.
    pub(crate) until: Duration,
}

#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) host: Host,
    pub(crate) host_deaths: u32,
    pub(crate) report: Option<Report>,
    pub(crate) drain: Option<Drain>,
    pub(crate) was_ready: bool,
    /// The number of the first attempt of this deployment.
    pub(crate) first_attempt: Option<u64>,
    /// Whether any input endpoint leads to it.
    pub(crate) is_public: bool,
}

impl Member {
    pub(crate) fn new(is_public: bool) -> Self {
        Member {
            host: Host::Unknown,
            host_deaths: 0,
            report: None,
            drain: None,
            was_ready: false,
            first_attempt: None,
            is_public,
        }
    }

    /// The incarnation of the instance's program and its place in the rotation; `None` before the first attempt.
    pub(crate) fn rotation(&self, ignore_status: bool) -> Option<(u64, Rotation)> {
        let report = self.report.as_ref().filter(|report| report.attempt > 0)?;
        let rotation = match (report.status, report.pid) {
            (Status::Ready, _) => Rotation::In,
            (Status::Starting | Status::Busy, Some(_)) if ignore_status => Rotation::In,
            (Status::Starting | Status::Busy, _) => Rotation::Out,
            (_, Some(_)) => Rotation::Draining,
            (_, None) => Rotation::Dead,
        };
        Some((report.attempt, rotation))
    }

    pub(crate) fn recycles(&self) -> u64 {
        let attempt = self.report.as_ref().map_or(0, |report| report.attempt);
        self.first_attempt
            .map_or(0, |first| attempt.saturating_sub(first))
    }
}
