//! Why there is no plan.

use std::fmt;

use crate::command_line::CommandLineError;

/// A service that cannot be planned with the options given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanError {
    /// `--instances` names a role that the service does not have.
    UnknownRole {
        /// The name given.
        role: String,
        /// The roles there are.
        known: Vec<String>,
    },
    /// `--instances ROLE=0`.
    NoInstances {
        /// The role.
        role: String,
    },
    /// More instances than a block of loopback addresses holds.
    TooManyInstances {
        /// How many the deployment has.
        wanted: usize,
        /// How many addresses are left.
        available: usize,
    },
    /// A `commandLine` that cannot be split into words.
    CommandLine {
        /// The role.
        role: String,
        /// The command line as it was declared.
        command_line: String,
        /// What is wrong with it.
        error: CommandLineError,
    },
    /// No listen address was given.
    NoListenAddress,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlanError::UnknownRole { role, known } => {
                let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
                write!(
                    f,
                    "the service has no role `{role}`; it has {}",
                    known.join(", ")
                )
            }
            PlanError::NoInstances { role } => {
                write!(f, "role `{role}` needs at least one instance")
            }
            PlanError::TooManyInstances { wanted, available } => write!(
                f,
                "the deployment has {wanted} instances, and its block of loopback addresses has room for {available}"
            ),
            PlanError::CommandLine {
                role, command_line, ..
            } => {
                write!(
                    f,
                    "role `{role}` has a command line that cannot be run: `{command_line}`"
                )
            }
            PlanError::NoListenAddress => write!(f, "no address to listen on was given"),
        }
    }
}

impl std::error::Error for PlanError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            PlanError::CommandLine { error, .. } => Some(error),
            PlanError::UnknownRole { .. }
            | PlanError::NoInstances { .. }
            | PlanError::TooManyInstances { .. }
            | PlanError::NoListenAddress => None,
        }
    }
}
