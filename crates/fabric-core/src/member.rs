//! What the controller knows of one instance.

use std::time::Duration;

use host_core::{Order, Report, Status};
use plan::InstancePlan;

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
    /// What its host has to be told of a new plan: [`Order::Change`] or [`Order::Replace`].
    pub(crate) due: Option<Order>,
    /// How many new plans its host was told of.
    pub(crate) changes: u64,
    /// It was told to replace its program, and has not been Ready since.
    pub(crate) is_replacing: bool,
    /// Its host is to end, or has ended, because the instance is started anew.
    pub(crate) is_rebooting: bool,
    /// It is in the plan no more.
    pub(crate) leaving: Option<Leaving>,
}

/// An instance on its way out of the deployment.
#[derive(Debug)]
pub(crate) struct Leaving {
    /// What its host runs.
    pub(crate) plan: InstancePlan,
    /// When a host that has not ended is killed.
    pub(crate) kill_at: Duration,
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
            due: None,
            changes: 0,
            is_replacing: false,
            is_rebooting: false,
            leaving: None,
        }
    }

    /// Whether something that a new configuration asks of it is still to come.
    pub(crate) fn is_pending(&self) -> bool {
        let taken = self.report.as_ref().map_or(0, |report| report.changes);
        let is_untold = self.host == Host::Present && taken < self.changes;
        self.leaving.is_some() || self.due.is_some() || self.is_replacing || is_untold
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
