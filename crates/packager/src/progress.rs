//! How far a long work has come, for whoever shows it.
//!
//! The crate prints nothing; it tells a [`Progress`].

use std::io::{self, Read};
use std::path::Path;

/// Is told how far packaging has come; `()` does not listen.
pub trait Progress: Sync {
    /// A step begins that takes `bytes` bytes of content.
    fn begin(&self, step: Step, bytes: u64);

    /// As many bytes more were taken; called from several threads, at least for each MiB.
    fn advance(&self, bytes: u64);

    /// The cache could not be kept at `path`; the package is as good without, and the next one
    /// takes longer.
    fn cache_not_kept(&self, path: &Path, error: &io::Error);
}

/// A part of packaging.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The first reading, for the manifest.
    Hash,
    /// The second reading, into the package.
    Compress,
    /// The package that is there already is read, to be used again.
    Verify,
}

impl Progress for () {
    fn begin(&self, _step: Step, _bytes: u64) {}

    fn advance(&self, _bytes: u64) {}

    fn cache_not_kept(&self, _path: &Path, _error: &io::Error) {}
}

/// Tells of what passes through.
pub(crate) struct Told<'a, R> {
    pub(crate) inner: R,
    pub(crate) progress: &'a dyn Progress,
}

impl<R: Read> Read for Told<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.progress.advance(n as u64);
        Ok(n)
    }
}
