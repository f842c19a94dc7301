//! Why there is no plan.

use std::fmt;

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
            PlanError::NoListenAddress => write!(f, "no address to listen on was given"),
        }
    }
}

impl std::error::Error for PlanError {}
