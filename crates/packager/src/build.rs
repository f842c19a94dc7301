//! Writing a package: the second reading, compressed into one file that appears whole or not at
//! all.

use std::error::Error;
use std::fmt;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use archive::{ArchiveWriter, Digest, HashingWriter, Limits, Mode, WriteError};

use crate::inventory::{Inventory, Origin, open_source};
use crate::manifest::MANIFEST_PATH;
use crate::{Content, Manifest, ManifestFile, ServiceSource, SourceError, temporary};

/// A package that was written.
#[derive(Debug, Clone)]
pub struct Package {
    /// What it holds.
    pub manifest: Manifest,
    /// Where it is.
    pub path: PathBuf,
    /// The digest of the file.
    pub sha256: Digest,
    /// The size of the file in bytes.
    pub bytes: u64,
}

/// Packages a service into the file `out`, whose folder must exist; a file of that name is
/// replaced.
///
/// The same sources make the same bytes, wherever they lie. A crash at any moment leaves the old
/// file or the new one, and at worst a hidden temporary file beside it, which the next call removes.
///
/// # Errors
///
/// [`BuildError::Source`] for what is wrong with the sources; the rest is about the file.
pub fn build(source: &ServiceSource, out: &Path) -> Result<Package, BuildError> {
    let inventory = Inventory::take(source).map_err(BuildError::Source)?;
    write_package(inventory, out)
}

/// The second reading. Apart from the first, so that a test can come between them.
fn write_package(inventory: Inventory, out: &Path) -> Result<Package, BuildError> {
    let creating = |source| BuildError::Create {
        path: out.to_owned(),
        source,
    };
    let temporary = temporary::file_in(temporary::folder_of(out)).map_err(creating)?;
    let output = HashingWriter::new(BufWriter::new(temporary));
    let output = write_archive(&inventory, out, output)?;
    let (output, sha256, bytes) = output.finish();
    let temporary = output
        .into_inner()
        .map_err(|error| creating(error.into_error()))?;
    temporary::give_name(temporary, out).map_err(creating)?;
    Ok(Package {
        manifest: inventory.manifest,
        path: out.to_owned(),
        sha256,
        bytes,
    })
}

fn write_archive<W: Write>(inventory: &Inventory, out: &Path, output: W) -> Result<W, BuildError> {
    let writing = |source| BuildError::Write {
        path: out.to_owned(),
        source,
    };
    let mut archive = ArchiveWriter::new(output, Limits::default());
    let json = &inventory.manifest_json;
    archive
        .append_file(MANIFEST_PATH, Mode::Plain, json.len() as u64, &json[..])
        .map_err(writing)?;
    for (file, origin) in inventory.files() {
        append(&mut archive, file, origin, out)?;
    }
    Ok(archive.finish().map_err(writing)?.output)
}

fn append<W: Write>(
    archive: &mut ArchiveWriter<W>,
    file: &ManifestFile,
    origin: &Origin,
    out: &Path,
) -> Result<(), BuildError> {
    let written = match (&file.content, origin) {
        (Content::Symlink { target }, _) => {
            let appended = archive.append_symlink(&file.path, target);
            return appended.map_err(|error| blame(error, origin, out));
        }
        (Content::File { bytes, mode, .. }, Origin::File(path)) => {
            let content = open_source(path).map_err(BuildError::Source)?;
            archive.append_file(&file.path, *mode, *bytes, content)
        }
        (Content::File { bytes, mode, .. }, Origin::Memory(content)) => {
            archive.append_file(&file.path, *mode, *bytes, &content[..])
        }
        (Content::File { .. }, Origin::Link) => unreachable!("the inventory made both"),
    };
    let written = written.map_err(|error| blame(error, origin, out))?;
    match (&file.content, origin) {
        (Content::File { sha256, .. }, Origin::File(path)) if written != *sha256 => {
            let path = path.clone();
            Err(BuildError::Source(SourceError::Changed { path }))
        }
        _ => Ok(()),
    }
}

/// Tells a source that cannot be read, or has another length now, from an archive that cannot be
/// written.
fn blame(error: WriteError, origin: &Origin, out: &Path) -> BuildError {
    let path = match origin {
        Origin::File(path) => path.clone(),
        Origin::Memory(_) | Origin::Link => PathBuf::new(),
    };
    match error {
        WriteError::Content { source, .. } => {
            BuildError::Source(SourceError::Read { path, source })
        }
        WriteError::ContentLength { .. } => BuildError::Source(SourceError::Changed { path }),
        source => BuildError::Write {
            path: out.to_owned(),
            source,
        },
    }
}

/// Why a package could not be built.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// Something about the sources; shown as if it were this error.
    Source(SourceError),
    /// The content does not make an archive within the limits, or could not be written.
    Write {
        /// The package.
        path: PathBuf,
        /// What is wrong.
        source: WriteError,
    },
    /// The file could not be created, made lasting or given its name.
    Create {
        /// The package.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl BuildError {
    /// Whether the service is to blame, and not the reading or writing.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        match self {
            BuildError::Source(error) => error.is_invalid(),
            BuildError::Write { source, .. } => !matches!(source, WriteError::Write { .. }),
            BuildError::Create { .. } => false,
        }
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::Source(error) => error.fmt(f),
            BuildError::Write { path, .. } => write!(f, "cannot package into `{}`", path.display()),
            BuildError::Create { path, .. } => write!(f, "cannot write `{}`", path.display()),
        }
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            BuildError::Source(error) => error.source(),
            BuildError::Write { source, .. } => Some(source),
            BuildError::Create { source, .. } => Some(source),
        }
    }
}

#[cfg(test)]
mod tests;
