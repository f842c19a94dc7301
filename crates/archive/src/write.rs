//! Writing an archive, entry by entry, in the caller's order.
//!
//! [`ArchiveWriter`] decides everything but the order. It holds a fixed number of buffers, whatever
//! the size of the content, and the names so far, to refuse what
//! [`ArchiveReader`](crate::ArchiveReader) would. Content is read straight into the block that will
//! be compressed, and hashed there.

use std::error::Error;
use std::fmt;
use std::io::{self, Read, Write};
use std::num::NonZero;

use crate::gzip::GzipWriter;
use crate::header::{self, END_BYTES};
use crate::{Digest, EntryKind, Hasher, Limits, Mode, Names, Refusal, check_link, check_path};

/// Writes a `tar.gz`. After an error it is of no further use: drop it, and what it wrote.
pub struct ArchiveWriter<W: Write> {
    gzip: GzipWriter<W>,
    limits: Limits,
    names: Names,
    n_entries: u64,
    tar_bytes: u64,
}

/// A whole archive, as [`ArchiveWriter::finish`] leaves it.
#[derive(Debug)]
pub struct Finished<W> {
    /// What the archive was written to, flushed.
    pub output: W,
    /// The digest of the archive.
    pub sha256: Digest,
    /// The size of the archive in bytes.
    pub compressed_bytes: u64,
    /// The size of the tar inside in bytes, the zero blocks at its end included.
    pub tar_bytes: u64,
}

impl<W: Write> ArchiveWriter<W> {
    /// Begins an archive that is compressed on one thread beside the caller's.
    pub fn new(output: W, limits: Limits) -> ArchiveWriter<W> {
        ArchiveWriter::with_threads(output, limits, NonZero::<usize>::MIN)
    }

    /// Begins an archive that is compressed on up to `n_threads` threads, which its bytes do not
    /// depend on. Output is written in large pieces: it needs no buffer of its own.
    pub fn with_threads(output: W, limits: Limits, n_threads: NonZero<usize>) -> ArchiveWriter<W> {
        ArchiveWriter {
            gzip: GzipWriter::new(output, n_threads),
            limits,
            names: Names::new(),
            n_entries: 0,
            tar_bytes: 0,
        }
    }

    /// Writes a file of exactly `bytes` bytes and returns the digest of what was written.
    ///
    /// # Errors
    ///
    /// [`WriteError::Refused`] for its path or size, [`WriteError::TooMuch`], and for the content
    /// [`WriteError::Content`] or, where it is shorter or longer, [`WriteError::ContentLength`].
    pub fn append_file(
        &mut self,
        path: &str,
        mode: Mode,
        bytes: u64,
        content: impl Read,
    ) -> Result<Digest, WriteError> {
        self.append_file_header(path, mode, bytes)?;
        let digest = self.append_content(path, bytes, content)?;
        self.write_padding(bytes)?;
        Ok(digest)
    }

    /// Writes a file whose content is made meanwhile: of exactly the `bytes` bytes that `make` writes.
    ///
    /// # Errors
    ///
    /// As [`ArchiveWriter::append_file`], and [`WriteError::Content`] where `make` fails by itself.
    pub fn append_made(
        &mut self,
        path: &str,
        mode: Mode,
        bytes: u64,
        make: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Digest, WriteError> {
        self.append_file_header(path, mode, bytes)?;
        let mut content = MadeContent {
            gzip: &mut self.gzip,
            hasher: Hasher::new(),
            left: Some(bytes),
            failed: None,
        };
        let made = make(&mut content);
        let MadeContent {
            hasher,
            left,
            failed,
            ..
        } = content;
        let entry = || path.to_owned();
        match (made, left, failed) {
            (_, _, Some(source)) => return Err(writing(source)),
            (_, None, _) | (Ok(()), Some(1..), _) => {
                let (entry, stated) = (entry(), bytes);
                return Err(WriteError::ContentLength { entry, stated });
            }
            (Err(source), _, _) => {
                let entry = entry();
                return Err(WriteError::Content { entry, source });
            }
            (Ok(()), Some(0), None) => self.tar_bytes += bytes,
        }
        self.write_padding(bytes)?;
        Ok(hasher.finish())
    }

    /// Writes a symbolic link.
    ///
    /// # Errors
    ///
    /// [`WriteError::Refused`] for its path or target, or [`WriteError::TooMuch`].
    pub fn append_symlink(&mut self, path: &str, target: &str) -> Result<(), WriteError> {
        check_link(path, target, &self.limits).map_err(refused(path))?;
        let target = target.to_owned();
        self.append_header(path, &EntryKind::Symlink { target })
    }

    /// Ends the archive.
    ///
    /// # Errors
    ///
    /// [`WriteError::TooMuch`] where the archive is so small for its content that a reader would
    /// take it for a bomb, or [`WriteError::Write`].
    pub fn finish(mut self) -> Result<Finished<W>, WriteError> {
        self.write(&[0; END_BYTES as usize])?;
        let (output, sha256, compressed_bytes) = self.gzip.finish().map_err(writing)?;
        let max = self.limits.tar_bytes_max_for(compressed_bytes);
        if self.tar_bytes > max {
            let what = "bytes for an archive of this size";
            return Err(WriteError::TooMuch { what, max });
        }
        Ok(Finished {
            output,
            sha256,
            compressed_bytes,
            tar_bytes: self.tar_bytes,
        })
    }

    fn append_file_header(&mut self, path: &str, mode: Mode, bytes: u64) -> Result<(), WriteError> {
        let bytes_max = self.limits.file_bytes_max.min(Limits::FILE_BYTES_MAX);
        if bytes > bytes_max {
            return Err(refused(path)(Refusal::TooLarge { bytes_max }));
        }
        self.append_header(path, &EntryKind::File { mode, bytes })
    }

    fn write_padding(&mut self, bytes: u64) -> Result<(), WriteError> {
        self.write(&[0; header::BLOCK_BYTES][..header::padding_bytes(bytes)])
    }

    fn append_header(&mut self, path: &str, kind: &EntryKind) -> Result<(), WriteError> {
        check_path(path, &self.limits).map_err(refused(path))?;
        self.names.insert(path).map_err(refused(path))?;
        self.n_entries += 1;
        if self.n_entries > self.limits.entries_max {
            let (what, max) = ("entries", self.limits.entries_max);
            return Err(WriteError::TooMuch { what, max });
        }
        let entry_bytes = header::entry_bytes(path, kind);
        if self.tar_bytes + entry_bytes + END_BYTES > self.limits.tar_bytes_max {
            let (what, max) = ("bytes", self.limits.tar_bytes_max);
            return Err(WriteError::TooMuch { what, max });
        }
        self.write(&header::encode(path, kind))
    }

    fn append_content(
        &mut self,
        path: &str,
        bytes: u64,
        mut content: impl Read,
    ) -> Result<Digest, WriteError> {
        let reading = |source| WriteError::Content {
            entry: path.to_owned(),
            source,
        };
        let other_length = || WriteError::ContentLength {
            entry: path.to_owned(),
            stated: bytes,
        };
        let mut hasher = Hasher::new();
        let mut left = bytes;
        while left > 0 {
            let space = self.gzip.space();
            let n_most = usize::try_from(left).map_or(space.len(), |left| left.min(space.len()));
            let n_read = read(&mut content, &mut space[..n_most]).map_err(reading)?;
            if n_read == 0 {
                return Err(other_length());
            }
            hasher.update(&space[..n_read]);
            self.gzip.advance(n_read).map_err(writing)?;
            left -= n_read as u64;
        }
        if read(&mut content, &mut [0]).map_err(reading)? > 0 {
            return Err(other_length());
        }
        self.tar_bytes += bytes;
        Ok(hasher.finish())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.tar_bytes += bytes.len() as u64;
        self.gzip.write_all(bytes).map_err(writing)
    }
}

/// Where the content of one file goes that is made meanwhile.
struct MadeContent<'a, W: Write> {
    gzip: &'a mut GzipWriter<W>,
    hasher: Hasher,
    /// What is still to come in bytes; `None` once there was more.
    left: Option<u64>,
    /// What the output said.
    failed: Option<io::Error>,
}

impl<W: Write> Write for MadeContent<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self
            .left
            .and_then(|left| left.checked_sub(bytes.len() as u64));
        self.left = left;
        if left.is_none() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.hasher.update(bytes);
        if let Err(error) = self.gzip.write_all(bytes) {
            let kind = error.kind();
            self.failed = Some(error);
            return Err(kind.into());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads once; an interruption is not the end.
fn read(content: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match content.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

fn refused(path: &str) -> impl FnOnce(Refusal) -> WriteError {
    let entry = path.to_owned();
    |refusal| WriteError::Refused { entry, refusal }
}

fn writing(source: io::Error) -> WriteError {
    WriteError::Write { source }
}

/// Why an archive could not be written.
#[derive(Debug)]
#[non_exhaustive]
pub enum WriteError {
    /// An entry may not be in an archive.
    Refused {
        /// Its path.
        entry: String,
        /// Why.
        refusal: Refusal,
    },
    /// The archive passes one of the [`Limits`].
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// How much there may be.
        max: u64,
    },
    /// The content of a file could not be read.
    Content {
        /// Its path in the archive.
        entry: String,
        /// What the reader said.
        source: io::Error,
    },
    /// The content of a file is shorter or longer than stated.
    ContentLength {
        /// Its path in the archive.
        entry: String,
        /// The length that was stated, in bytes.
        stated: u64,
    },
    /// The output could not be written.
    Write {
        /// What the output said.
        source: io::Error,
    },
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WriteError::Refused { entry, refusal } => {
                write!(f, "cannot pack `{}`: {refusal}", entry.escape_debug())
            }
            WriteError::TooMuch { what, max } => {
                write!(f, "the archive holds too many {what}, the limit is {max}")
            }
            WriteError::Content { entry, .. } => {
                write!(f, "cannot read the content of `{}`", entry.escape_debug())
            }
            WriteError::ContentLength { entry, stated } => {
                let entry = entry.escape_debug();
                write!(
                    f,
                    "the content of `{entry}` has not the stated length in bytes: {stated}"
                )
            }
            WriteError::Write { .. } => f.write_str("cannot write the archive"),
        }
    }
}

impl Error for WriteError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            WriteError::Content { source, .. } | WriteError::Write { source } => Some(source),
            WriteError::Refused { .. }
            | WriteError::TooMuch { .. }
            | WriteError::ContentLength { .. } => None,
        }
    }
}
