//! Refusals whose exit status says more than 1, on the contract of the `approot` program.

use std::fmt;
use std::process::ExitCode;

/// Why a command did not begin.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: Status,
    message: String,
}

/// What kind of mistake it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// The command line asks for what cannot be.
    Usage = 2,
    /// The definition or configuration is not there.
    Invalid = 3,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> ExitCode {
        ExitCode::from(status as u8)
    }
}

impl Refusal {
    pub(crate) fn usage(message: impl Into<String>) -> Refusal {
        let message = message.into();
        Refusal {
            status: Status::Usage,
            message,
        }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Refusal {
        let message = message.into();
        Refusal {
            status: Status::Invalid,
            message,
        }
    }

    /// Options of the contract that a later version honours.
    ///
    /// # Errors
    ///
    /// Names the first option that was given.
    pub(crate) fn not_built_yet(options: &[(&str, bool)]) -> Result<(), Refusal> {
        match options.iter().find(|(_, is_given)| *is_given) {
            Some((option, _)) => Err(Refusal::usage(format!("`{option}` is not built yet"))),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}
