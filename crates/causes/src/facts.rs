//! What is known of an instance in the moment of the question.

use std::time::Duration;

use host_core::Status;
use serde::{Deserialize, Serialize};

use crate::death::{Death, Endpoint, Listener, Phase};

/// What takes longer than this is a cause; before, it is work. Most programs start, and most tasks end, in less.
pub const SLOW: Duration = Duration::from_secs(5);

/// A death longer ago than this does not make a Ready instance worth explaining. The restart pacing forgives after
/// the same time.
pub const RECENT: Duration = Duration::from_secs(60);

/// What an instance does, and since when, as its host says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doing {
    /// Where in its life it is.
    pub phase: Phase,
    /// The command lines of the startup tasks that run.
    pub tasks: Vec<String>,
    /// Since when the phase lasts, in RFC 3339.
    pub since: String,
}

/// Everything that [`causes`](crate::causes) may look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The instance's id.
    pub instance: String,
    /// Its status.
    pub status: Status,
    /// What the status table shows beside it.
    pub detail: Option<String>,
    /// The number of the attempt.
    pub attempt: u64,
    /// What it does; `None` before its host has said anything.
    pub doing: Option<Doing>,
    /// How long it does that.
    pub lasts: Duration,
    /// The command lines of its startup tasks, in document order.
    pub tasks: Vec<String>,
    /// The command line of its program.
    pub program: String,
    /// The latest death.
    pub death: Option<Death>,
    /// How long ago that was.
    pub death_age: Duration,
    /// Where its processes listen; empty where nothing of it runs.
    pub listens: Vec<Listener>,
    /// Its TCP endpoints, and who listens there.
    pub endpoints: Vec<Endpoint>,
    /// The last lines of its log.
    pub lines: Vec<String>,
}

impl Facts {
    /// Where in its life the instance is.
    pub fn phase(&self) -> Option<Phase> {
        self.doing.as_ref().map(|doing| doing.phase)
    }

    /// The death that explains how the instance is now: of this attempt or of the one before, and of something
    /// that the instance depends on.
    pub(crate) fn death_that_counts(&self) -> Option<&Death> {
        let death = self.death.as_ref()?;
        let is_of_now = death.attempt + 1 >= self.attempt;
        let is_news = self.status != Status::Ready || self.death_age < RECENT;
        (is_of_now && is_news && death.matters()).then_some(death)
    }
}
