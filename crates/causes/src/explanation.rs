//! The answer of `approot why`.

use host_core::Status;
use serde::{Deserialize, Serialize};

use crate::death::Death;
use crate::facts::Facts;
use crate::rules::{Cause, causes};

/// Why an instance is as it is. A contract: fields may be added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The instance's id.
    pub instance: String,
    /// Its status.
    pub status: Status,
    /// Since when, in RFC 3339; `null` before its host has said anything.
    pub since: Option<String>,
    /// How long that is, in milliseconds.
    pub since_ms: u64,
    /// What the status table shows beside it.
    pub detail: Option<String>,
    /// The number of its attempt.
    pub attempt: u64,
    /// Whether it is Ready, and nothing has happened lately.
    pub is_healthy: bool,
    /// What it comes from; empty where no rule fires.
    pub causes: Vec<Cause>,
    /// The death that explains how it is now.
    pub death: Option<Death>,
    /// The last lines of its log, where there is something to explain.
    pub last_lines: Vec<String>,
}

/// Explains how an instance is.
pub fn explain(facts: &Facts) -> Explanation {
    let causes = causes(facts);
    let death = facts.death_that_counts();
    let is_healthy = facts.status == Status::Ready && causes.is_empty() && death.is_none();
    Explanation {
        instance: facts.instance.clone(),
        status: facts.status,
        since: facts.doing.as_ref().map(|doing| doing.since.clone()),
        since_ms: u64::try_from(facts.lasts.as_millis()).unwrap_or(u64::MAX),
        detail: facts.detail.clone(),
        attempt: facts.attempt,
        is_healthy,
        causes,
        death: death.cloned(),
        last_lines: if is_healthy {
            Vec::new()
        } else {
            facts.lines.clone()
        },
    }
}
