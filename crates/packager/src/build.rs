//! Writing a package: the second reading, compressed into one file that appears whole or not at
//! all.

use std::error::Error;
use std::fmt;
use std::io::{self, Read, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};

use archive::{ArchiveWriter, Digest, Finished, Hasher, Limits, Mode, WriteError};

use crate::cache::{Cache, KnownFiles, KnownPackage};
use crate::inventory::{BUFFER_BYTES, FirstReading, Inventory, Origin, open_source};
use crate::manifest::MANIFEST_PATH;
use crate::progress::{Progress, Step, Told};
use crate::{
    Content, Manifest, ManifestFile, ServiceSource, SourceError, parallel, regular, temporary,
};

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
    /// Whether it was there already, and only verified.
    pub is_reused: bool,
}

/// How a package is made; nothing of it changes what is made.
#[derive(Clone, Copy)]
pub struct BuildOptions<'a> {
    /// How many threads hash, and then how many compress.
    pub n_threads: NonZero<usize>,
    /// Whether to keep a cache beside the package, `.<package>.cache`, and to use the one there.
    pub cache: bool,
    /// Who is told how far it has come.
    pub progress: &'a dyn Progress,
}

impl Default for BuildOptions<'_> {
    /// All threads, no cache, no progress.
    fn default() -> Self {
        BuildOptions {
            n_threads: parallel::available(),
            cache: false,
            progress: &(),
        }
    }
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
    build_with(source, out, BuildOptions::default())
}

/// The same, in a way of the caller's.
///
/// With a cache, files that have not changed are not hashed, and where the package would be the
/// same and is there, it is only verified. See `cache` for what is believed and what is checked.
///
/// # Errors
///
/// As [`build`].
pub fn build_with(
    source: &ServiceSource,
    out: &Path,
    options: BuildOptions<'_>,
) -> Result<Package, BuildError> {
    let mut cache = match options.cache {
        true => Cache::load(out),
        false => Cache::default(),
    };
    let mut inventory = take(source, &cache.files, options)?;
    // What the last packaging knew is needed no longer, and of many files it is much.
    cache.files = KnownFiles::default();
    let known = cache.package.filter(|known| {
        known.manifest == inventory.manifest_text.sha256 && is_there(known, out, options.progress)
    });
    let package = match known {
        Some(known) => {
            temporary::remove_abandoned(temporary::folder_of(out));
            known
        }
        None => match write_package(&inventory, out, options) {
            Err(BuildError::Source(SourceError::Changed { .. })) if inventory.is_from_memory => {
                // It may have changed before, unseen: the cache is wrong then, and not the file.
                inventory = take(source, &KnownFiles::default(), options)?;
                write_package(&inventory, out, options)?
            }
            outcome => outcome?,
        },
    };
    if options.cache
        && let Err((path, error)) = cache.store(out, package, inventory.settled())
    {
        options.progress.cache_not_kept(&path, &error);
    }
    Ok(Package {
        manifest: inventory.manifest,
        path: out.to_owned(),
        sha256: package.sha256,
        bytes: package.bytes,
        is_reused: known.is_some(),
    })
}

/// The first reading.
fn take<'a>(
    source: &'a ServiceSource,
    known: &KnownFiles,
    options: BuildOptions<'_>,
) -> Result<Inventory<'a>, BuildError> {
    let reading = FirstReading {
        n_threads: options.n_threads,
        known,
        progress: options.progress,
    };
    Inventory::take_by(source, reading).map_err(BuildError::Source)
}

/// Whether `out` is the package that is known, byte for byte.
fn is_there(known: &KnownPackage, out: &Path, progress: &dyn Progress) -> bool {
    let digest = || {
        let file = regular::open_unlinked(out)?;
        if file.metadata()?.len() != known.bytes {
            return Ok(None);
        }
        progress.begin(Step::Verify, known.bytes);
        let mut hasher = Hasher::new();
        let mut inner = file.take(known.bytes + 1);
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            match (Told {
                inner: &mut inner,
                progress,
            })
            .read(&mut buffer)
            {
                Ok(0) => return Ok(Some(hasher.finish())),
                Ok(n) => hasher.update(&buffer[..n]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    };
    // One that cannot be read is made again, which says what is wrong if that cannot be done.
    matches!(digest(), Ok(Some(digest)) if digest == known.sha256)
}

/// The second reading. Apart from the first, so that a test can come between them.
fn write_package(
    inventory: &Inventory<'_>,
    out: &Path,
    options: BuildOptions<'_>,
) -> Result<KnownPackage, BuildError> {
    let creating = |source| BuildError::Create {
        path: out.to_owned(),
        source,
    };
    let temporary = temporary::file_in(temporary::folder_of(out)).map_err(creating)?;
    let finished = write_archive(inventory, out, temporary, options)?;
    temporary::give_name(finished.output, out).map_err(creating)?;
    Ok(KnownPackage {
        manifest: inventory.manifest_text.sha256,
        sha256: finished.sha256,
        bytes: finished.compressed_bytes,
    })
}

fn write_archive<W: Write>(
    inventory: &Inventory<'_>,
    out: &Path,
    output: W,
    options: BuildOptions<'_>,
) -> Result<Finished<W>, BuildError> {
    let writing = |source| BuildError::Write {
        path: out.to_owned(),
        source,
    };
    let content_bytes = inventory
        .files()
        .map(|(file, _)| file.entry_kind().content_bytes());
    options.progress.begin(Step::Compress, content_bytes.sum());
    let mut archive = ArchiveWriter::with_threads(output, Limits::default(), options.n_threads);
    let manifest_bytes = inventory.manifest_text.bytes;
    let make = |output: &mut dyn Write| inventory.manifest.write_json(output);
    archive
        .append_made(MANIFEST_PATH, Mode::Plain, manifest_bytes, make)
        .map_err(writing)?;
    for (file, origin) in inventory.files() {
        match (origin, &file.content) {
            (Origin::Bill, Content::File { bytes, mode, .. }) => {
                let make = |output: &mut dyn Write| inventory.write_bill(output);
                archive
                    .append_made(&file.path, *mode, *bytes, make)
                    .map_err(writing)?;
                options.progress.advance(*bytes);
            }
            (origin, _) => append(&mut archive, file, &origin, out, options.progress)?,
        }
    }
    archive.finish().map_err(writing)
}

fn append<W: Write>(
    archive: &mut ArchiveWriter<W>,
    file: &ManifestFile,
    origin: &Origin<'_>,
    out: &Path,
    progress: &dyn Progress,
) -> Result<(), BuildError> {
    let written = match (&file.content, origin) {
        (Content::Symlink { target }, _) => {
            let appended = archive.append_symlink(&file.path, target);
            return appended.map_err(|error| blame(error, origin, out));
        }
        (Content::File { bytes, mode, .. }, Origin::File(path)) => {
            let inner = open_source(path).map_err(BuildError::Source)?;
            archive.append_file(&file.path, *mode, *bytes, Told { inner, progress })
        }
        (Content::File { bytes, mode, .. }, Origin::Definition(inner)) => archive.append_file(
            &file.path,
            *mode,
            *bytes,
            Told {
                inner: *inner,
                progress,
            },
        ),
        (Content::File { .. }, Origin::Link | Origin::Bill) => {
            unreachable!("the inventory made both")
        }
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
fn blame(error: WriteError, origin: &Origin<'_>, out: &Path) -> BuildError {
    let path = match origin {
        Origin::File(path) => path.clone(),
        Origin::Definition(_) | Origin::Link | Origin::Bill => PathBuf::new(),
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
