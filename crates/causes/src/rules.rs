//! The rules, and the order in which they are asked.

mod ending;
mod executing;
mod needs;
mod waiting;

use diagnostics::Code;
use serde::{Deserialize, Serialize};

use crate::codes;
use crate::death::{Death, End, Limit, Process};
use crate::facts::Facts;

/// Why something is as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Keeps its meaning for ever.
    pub code: String,
    /// What it comes from, in this case.
    pub cause: String,
    /// What helps.
    pub cure: String,
    /// What this was taken from: lines of output, ends of processes, files and sockets that were looked at.
    pub evidence: Vec<String>,
}

impl Cause {
    fn new(code: Code, cause: impl Into<String>, evidence: Vec<String>) -> Cause {
        let entry = codes::ALL.iter().find(|entry| entry.code == code);
        Cause {
            code: code.to_string(),
            cause: cause.into(),
            cure: entry.map_or("", |entry| entry.cure).to_owned(),
            evidence,
        }
    }
}

type DeathRule = fn(&Death) -> Option<Cause>;

/// What the facts say of their causes, the nearest first; none where no rule has evidence.
pub fn causes(facts: &Facts) -> Vec<Cause> {
    let mut causes: Vec<Cause> = waiting::RULES
        .iter()
        .filter_map(|rule| rule(facts))
        .collect();
    let Some(death) = facts.death_that_counts() else {
        return causes;
    };
    let specific = executing::RULES.iter().chain(needs::RULES);
    let specific: Vec<Cause> = specific.filter_map(|rule| rule(death)).collect();
    if specific.is_empty() {
        causes.extend(ending::RULES.iter().find_map(|rule| rule(death)));
    } else {
        causes.extend(specific);
    }
    causes
}

impl Death {
    /// Whether the instance depends on what died. The end of a task that it does not wait for changes nothing, unless
    /// it held a stop back.
    pub fn matters(&self) -> bool {
        match &self.process {
            Process::Task { is_simple, .. } => {
                let held_back = |limit: &Limit| matches!(limit, Limit::Stop | Limit::Foreground);
                *is_simple || self.limits.iter().any(held_back)
            }
            Process::Preparation | Process::Program { .. } => true,
        }
    }

    /// Whether its last words are of an address in use: then it is worth looking who listens there.
    pub fn speaks_of_addresses(&self) -> bool {
        self.line_with(needs::IN_USE).is_some() || self.reason_with(needs::IN_USE).is_some()
    }

    /// Whether its last words are of missing space: then it is worth looking how full the stores are.
    pub fn speaks_of_space(&self) -> bool {
        self.line_with(needs::SPACE).is_some() || self.reason_with(needs::SPACE).is_some()
    }

    /// Why it could not be started, where one of these words is in that.
    fn reason_with(&self, words: &[&str]) -> Option<&String> {
        match &self.end {
            End::NotStarted { reason, .. } => {
                Some(reason).filter(|reason| words.iter().any(|word| reason.contains(word)))
            }
            End::Exited(_) | End::Killed(_) => None,
        }
    }

    /// The subject of a sentence about it.
    fn subject(&self) -> String {
        match &self.process {
            Process::Preparation => "the instance's preparation".to_owned(),
            Process::Task { command_line, .. } => format!("startup task `{command_line}`"),
            Process::Program { command_line } => format!("the role's program `{command_line}`"),
        }
    }

    /// Whether it ended by its own failure: it did not end well, and nobody killed it.
    fn failed(&self) -> bool {
        match self.end {
            End::Exited(status) => status != 0,
            End::Killed(signal) => signal == signals::ABRT,
            End::NotStarted { .. } => false,
        }
    }

    /// How it ended, as evidence.
    fn end(&self) -> String {
        let subject = self.subject();
        let end = match &self.end {
            End::Exited(status) => format!("{subject} exited with status {status}"),
            End::Killed(signal) => {
                let name = signals::name(*signal);
                format!("{subject} was ended by signal {signal}{name}")
            }
            End::NotStarted { reason, .. } => format!("{subject} could not be started: {reason}"),
        };
        format!("attempt {}, {}: {end}", self.attempt, self.time)
    }

    /// The latest line that `says` it.
    fn line(&self, says: impl Fn(&str) -> bool) -> Option<&String> {
        self.lines.iter().rev().find(|line| says(line))
    }

    /// The latest line with one of these words.
    fn line_with(&self, words: &[&str]) -> Option<&String> {
        self.line(|line| words.iter().any(|word| line.contains(word)))
    }
}

/// The signals that rules know. Source: signal(7); the numbers are those of every machine that approot runs on.
mod signals {
    pub(super) const ILL: i32 = 4;
    pub(super) const TRAP: i32 = 5;
    pub(super) const ABRT: i32 = 6;
    pub(super) const BUS: i32 = 7;
    pub(super) const KILL: i32 = 9;
    pub(super) const SEGV: i32 = 11;
    pub(super) const XFSZ: i32 = 25;

    pub(super) fn name(signal: i32) -> &'static str {
        match signal {
            1 => " (SIGHUP)",
            2 => " (SIGINT)",
            ILL => " (SIGILL)",
            TRAP => " (SIGTRAP)",
            ABRT => " (SIGABRT)",
            BUS => " (SIGBUS)",
            8 => " (SIGFPE)",
            KILL => " (SIGKILL)",
            SEGV => " (SIGSEGV)",
            13 => " (SIGPIPE)",
            15 => " (SIGTERM)",
            XFSZ => " (SIGXFSZ)",
            31 => " (SIGSYS)",
            _ => "",
        }
    }
}

#[cfg(test)]
mod tests;
