//! `SHA256SUMS`: the digests of the files that are handed out beside each other.
//!
//! It lists files of one folder by name, in the form that `sha256sum -c` reads.
//!
//! Source: GNU coreutils manual, "md5sum invocation".

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use archive::{Digest, HashingWriter};

use crate::{regular, replace_file};

/// The name of the list.
const SUMS_NAME: &str = "SHA256SUMS";

/// Writes `SHA256SUMS` into `directory` for the `files` there, sorted by name; the list appears
/// whole or not at all, and replaces an older one.
///
/// # Errors
///
/// [`SumsError::Name`] for what is no plain name of a file, [`SumsError::Read`],
/// [`SumsError::Write`].
pub fn write_sums(directory: &Path, files: &[&str]) -> Result<(), SumsError> {
    write_sums_knowing(directory, files, &[])
}

/// The same, where the digests of some of the files are known and need not be computed again.
///
/// # Errors
///
/// As [`write_sums`].
pub fn write_sums_knowing(
    directory: &Path,
    files: &[&str],
    known: &[(&str, Digest)],
) -> Result<(), SumsError> {
    let mut names = files.to_vec();
    names.sort_unstable();
    let mut list = String::new();
    for name in names {
        if name.is_empty() || name.contains(['/', '\\', '\n', '\r']) {
            let name = name.to_owned();
            return Err(SumsError::Name { name });
        }
        let digest = match known.iter().find(|(known, _)| *known == name) {
            Some((_, digest)) => *digest,
            None => digest_of(directory.join(name))?,
        };
        list += &format!("{digest}  {name}\n");
    }
    let path = directory.join(SUMS_NAME);
    replace_file(&path, list.as_bytes()).map_err(|source| SumsError::Write { path, source })
}

fn digest_of(path: PathBuf) -> Result<Digest, SumsError> {
    let mut hashing = HashingWriter::new(io::sink());
    regular::open(&path)
        .and_then(|mut file| io::copy(&mut file, &mut hashing))
        .map_err(|source| SumsError::Read { path, source })?;
    let (_, digest, _) = hashing.finish();
    Ok(digest)
}

/// Why the list could not be written.
#[derive(Debug)]
#[non_exhaustive]
pub enum SumsError {
    /// Not the plain name of a file in the folder.
    Name {
        /// The name.
        name: String,
    },
    /// A file could not be read.
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The list could not be written.
    Write {
        /// The list.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl fmt::Display for SumsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SumsError::Name { name } => {
                write!(f, "not the plain name of a file: `{}`", name.escape_debug())
            }
            SumsError::Read { path, .. } => write!(f, "cannot read `{}`", path.display()),
            SumsError::Write { path, .. } => write!(f, "cannot write `{}`", path.display()),
        }
    }
}

impl Error for SumsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            SumsError::Name { .. } => None,
            SumsError::Read { source, .. } | SumsError::Write { source, .. } => Some(source),
        }
    }
}
