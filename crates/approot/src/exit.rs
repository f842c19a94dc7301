//! Exit statuses: one meaning each, the same for every command.

/// Done.
pub(crate) const DONE: u8 = 0;
/// The operation failed.
pub(crate) const FAILED: u8 = 1;
/// The command line is wrong. clap uses the same.
pub(crate) const USAGE: u8 = 2;
/// The definition, the configuration or the package is invalid.
pub(crate) const INVALID: u8 = 3;
/// No fabric answers.
pub(crate) const NO_FABRIC: u8 = 4;
/// Done, but not every instance is Ready.
pub(crate) const NOT_READY: u8 = 5;
/// The time to wait has passed.
pub(crate) const TIMED_OUT: u8 = 6;

/// Why a command ends, and with which status.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: u8,
    pub(crate) error: anyhow::Error,
}

/// What a command comes to.
pub(crate) type Outcome = Result<u8, Failure>;

/// An error without a status of its own is a failed operation.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Failure {
            status: FAILED,
            error,
        }
    }
}

/// Gives an error its exit status.
pub(crate) fn with(status: u8, error: impl Into<anyhow::Error>) -> Failure {
    Failure {
        status,
        error: error.into(),
    }
}
