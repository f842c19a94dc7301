//! Why a keeper cannot start or go on.

use std::fmt;
use std::io;

/// A call that a keeper cannot do without failed.
#[derive(Debug)]
pub struct KeeperError {
    doing: &'static str,
    source: io::Error,
}

impl KeeperError {
    /// For `map_err`: `doing` completes "failed to".
    pub(crate) fn doing(doing: &'static str) -> impl FnOnce(io::Error) -> KeeperError {
        move |source| KeeperError { doing, source }
    }
}

impl fmt::Display for KeeperError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the keeper failed to {}", self.doing)
    }
}

impl std::error::Error for KeeperError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
