//! The first reading: every file hashed, and the manifest that follows from it.
//!
//! An [`Inventory`] is a promise of what the second reading will find; whoever reads again compares
//! and calls a difference [`SourceError::Changed`]. No content is kept. Manifest and bill, which have
//! hundreds of bytes for each file, are measured here and made anew where they are written: of each
//! file, memory holds little more than its path and its digest.

use std::cmp::Reverse;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::num::NonZero;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use archive::{Digest, Hasher, HashingWriter, Limits, Mode, Refusal};
use rustix::fs::OFlags;

use crate::cache::KnownFiles;
use crate::identity::Identity;
use crate::layout::{Placed, SourceTree, layout};
use crate::manifest::{DEFINITION_BYTES_MAX, DEFINITION_PATH};
use crate::manifest::{MANIFEST_BYTES_MAX, MANIFEST_PATH, SBOM_BYTES_MAX, SBOM_PATH};
use crate::progress::{Progress, Step};
use crate::{Content, Manifest, ManifestFile, ServiceSource, SourceError, parallel, sbom};

/// How much of a file is read at a time, in bytes: few system calls, and it stays in a core's own
/// cache between reading and hashing.
pub(crate) const BUFFER_BYTES: usize = 256 << 10;

/// A service whose files have been read once.
pub(crate) struct Inventory<'a> {
    source: &'a ServiceSource,
    pub(crate) manifest: Manifest,
    /// The manifest as it stands in the package.
    pub(crate) manifest_text: Measured,
    /// More of each of the manifest's files but the first and the last, in the same order.
    found: Vec<Found>,
    /// Whether a digest was taken as known, and not computed.
    pub(crate) is_from_memory: bool,
}

/// A text that is made when it is needed.
#[derive(Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) bytes: u64,
    pub(crate) sha256: Digest,
}

/// What the manifest does not say of a file of the sources.
struct Found {
    tree: Arc<SourceTree>,
    /// That of a file that is settled, to be known the next time.
    identity: Option<Identity>,
}

/// How the sources are read the first time.
#[derive(Clone, Copy)]
pub(crate) struct FirstReading<'a> {
    pub(crate) n_threads: NonZero<usize>,
    /// What is known from before: these files are not read.
    pub(crate) known: &'a KnownFiles,
    pub(crate) progress: &'a dyn Progress,
}

/// Where the content of a file comes from.
pub(crate) enum Origin<'a> {
    /// It is the definition.
    Definition(&'a [u8]),
    /// It is to be read from this file.
    File(PathBuf),
    /// There is none: a link.
    Link,
    /// It is the bill of materials, which [`Inventory::write_bill`] makes.
    Bill,
}

impl<'a> Inventory<'a> {
    /// Lists and reads the sources of a service.
    pub(crate) fn take(source: &'a ServiceSource) -> Result<Inventory<'a>, SourceError> {
        let reading = FirstReading {
            n_threads: parallel::available(),
            known: &KnownFiles::default(),
            progress: &(),
        };
        Inventory::take_by(source, reading)
    }

    /// Lists the sources of a service, and reads what is not known.
    pub(crate) fn take_by(
        source: &'a ServiceSource,
        reading: FirstReading<'_>,
    ) -> Result<Inventory<'a>, SourceError> {
        let begin = SystemTime::now();
        let placed = layout(&source.roles)?;
        let definition = Measured::of_bytes(&source.definition);
        check_size(DEFINITION_PATH, definition, DEFINITION_BYTES_MAX)?;
        let mut files = Vec::with_capacity(placed.len() + 2);
        files.push(definition.as_file(DEFINITION_PATH));
        let mut found = Vec::with_capacity(placed.len());
        for placed in placed {
            let (file, more) = not_read(placed);
            files.push(file);
            found.push(more);
        }
        let is_from_memory = read_all(&mut files[1..], &mut found, begin, reading)?;
        let bill = Measured::of(|bill| sbom::write(source, &files, bill));
        check_size(SBOM_PATH, bill, SBOM_BYTES_MAX)?;
        files.push(bill.as_file(SBOM_PATH));
        let roles = source.roles.iter().map(|role| role.name.clone()).collect();
        let manifest = Manifest::new(source.service.clone(), roles, files);
        let manifest_text = Measured::of(|text| manifest.write_json(text));
        check_size(MANIFEST_PATH, manifest_text, MANIFEST_BYTES_MAX)?;
        Ok(Inventory {
            source,
            manifest,
            manifest_text,
            found,
            is_from_memory,
        })
    }

    /// Every file of the manifest with its origin, in the package's order.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&ManifestFile, Origin<'_>)> {
        let [definition, files @ .., bill] = &self.manifest.files[..] else {
            unreachable!("the manifest has both");
        };
        let files = files.iter().zip(&self.found).map(|(file, found)| {
            let origin = match file.content {
                Content::File { .. } => Origin::File(found.tree.origin(&file.path)),
                Content::Symlink { .. } => Origin::Link,
            };
            (file, origin)
        });
        [(definition, Origin::Definition(&self.source.definition))]
            .into_iter()
            .chain(files)
            .chain([(bill, Origin::Bill)])
    }

    /// The digests of files that are settled, to be known the next time.
    pub(crate) fn settled(&self) -> impl Iterator<Item = (Identity, Digest)> {
        let files = self.manifest.files.iter().skip(1).zip(&self.found);
        files.filter_map(|(file, found)| match file.content {
            Content::File { sha256, .. } => Some((found.identity?, sha256)),
            Content::Symlink { .. } => None,
        })
    }

    /// Writes the bill of materials.
    pub(crate) fn write_bill(&self, output: &mut dyn Write) -> io::Result<()> {
        let files = &self.manifest.files;
        sbom::write(self.source, &files[..files.len() - 1], output)
    }
}

impl Measured {
    /// Measures what `write` writes.
    fn of(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Measured {
        let mut output = BufWriter::new(HashingWriter::new(io::sink()));
        let written = write(&mut output).and_then(|()| output.into_inner().map_err(Into::into));
        let (_, sha256, bytes) = written.expect("hashing does not fail").finish();
        Measured { bytes, sha256 }
    }

    fn of_bytes(bytes: &[u8]) -> Measured {
        Measured {
            bytes: bytes.len() as u64,
            sha256: Digest::of(bytes),
        }
    }

    fn as_file(self, path: &str) -> ManifestFile {
        let Measured { bytes, sha256 } = self;
        ManifestFile {
            path: path.to_owned(),
            content: Content::File {
                bytes,
                mode: Mode::Plain,
                sha256,
            },
        }
    }
}

/// Opens a file of the sources for reading, and with it whatever has taken its place: not through a
/// link, and without waiting for the other end of a fifo.
pub(crate) fn open_source(path: &Path) -> Result<File, SourceError> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(flags.bits().cast_signed());
    let open = || {
        let file = options.open(path)?;
        let is_file = file.metadata()?.is_file();
        Ok((file, is_file))
    };
    let (file, is_file) = open().map_err(reading(path))?;
    if is_file {
        Ok(file)
    } else {
        let path = path.to_owned();
        Err(SourceError::Changed { path })
    }
}

pub(crate) fn reading(path: &Path) -> impl FnOnce(io::Error) -> SourceError {
    let path = path.to_owned();
    |source| SourceError::Read { path, source }
}

/// What is known of a place before it is read: of a link all, of a file its path.
fn not_read(placed: Placed) -> (ManifestFile, Found) {
    let Placed { path, tree, target } = placed;
    let content = match target {
        Some(target) => Content::Symlink { target },
        None => Content::File {
            bytes: 0,
            mode: Mode::Plain,
            sha256: Digest::of_bytes([0; Digest::BYTES]),
        },
    };
    let identity = None;
    (ManifestFile { path, content }, Found { tree, identity })
}

/// A file that is to be read, and where what is found goes.
struct Unread<'f> {
    bytes: u64,
    at: usize,
    file: &'f mut ManifestFile,
    found: &'f mut Found,
}

impl Unread<'_> {
    fn origin(&self) -> PathBuf {
        self.found.tree.origin(&self.file.path)
    }

    fn fill(&mut self, metadata: &Metadata, bytes: u64, sha256: Digest, begin: SystemTime) {
        self.file.content = Content::File {
            bytes,
            mode: Mode::of_bits(metadata.permissions().mode()),
            sha256,
        };
        self.found.identity = Some(Identity::of(metadata)).filter(|one| one.is_settled(begin));
    }
}

/// What is wrong with several is told of the first in the package's order, whichever was read first.
#[derive(Default)]
struct First(Mutex<Option<(usize, SourceError)>>);

impl First {
    fn note(&self, at: usize, error: SourceError) {
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if first.as_ref().is_none_or(|(other, _)| at < *other) {
            *first = Some((at, error));
        }
    }

    fn result(self) -> Result<(), SourceError> {
        let first = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        first.map_or(Ok(()), |(_, error)| Err(error))
    }
}

/// Looks at every place, and reads the files that are not known, the large ones first: a thread that
/// comes to one last would keep the others waiting. Says whether some were known.
fn read_all(
    files: &mut [ManifestFile],
    found: &mut [Found],
    begin: SystemTime,
    reading: FirstReading<'_>,
) -> Result<bool, SourceError> {
    let wrong = First::default();
    let places = files.iter_mut().zip(found).enumerate();
    let places = places.filter(|(_, (file, _))| matches!(file.content, Content::File { .. }));
    let places: Vec<_> = places
        .map(|(at, (file, found))| Unread {
            bytes: 0,
            at,
            file,
            found,
        })
        .collect();
    let n_places = places.len();
    let mut unread = parallel::filter_map(
        reading.n_threads,
        places.into_iter(),
        || (),
        |place, ()| look(place, begin, reading.known, &wrong),
    );
    wrong.result()?;
    unread.sort_unstable_by_key(|one| (Reverse(one.bytes), one.at));
    let bytes = unread.iter().map(|one| one.bytes).sum();
    reading.progress.begin(Step::Hash, bytes);
    let is_from_memory = unread.len() < n_places;
    let wrong = First::default();
    parallel::filter_map(
        reading.n_threads,
        unread.into_iter(),
        || vec![0; BUFFER_BYTES],
        |mut one, buffer| -> Option<()> {
            match read_file(&one.origin(), buffer, reading.progress) {
                Ok((metadata, bytes, sha256)) => one.fill(&metadata, bytes, sha256, begin),
                Err(error) => wrong.note(one.at, error),
            }
            None
        },
    );
    wrong.result()?;
    Ok(is_from_memory)
}

/// Gives a file back that is not known.
fn look<'f>(
    mut place: Unread<'f>,
    begin: SystemTime,
    known: &KnownFiles,
    wrong: &First,
) -> Option<Unread<'f>> {
    let origin = place.origin();
    let metadata = match fs::symlink_metadata(&origin) {
        Ok(metadata) => metadata,
        Err(error) => {
            wrong.note(place.at, reading(&origin)(error));
            return None;
        }
    };
    place.bytes = metadata.len();
    let is_file = metadata.is_file();
    let Some(sha256) = known.get(&Identity::of(&metadata)).filter(|_| is_file) else {
        return Some(place);
    };
    place.fill(&metadata, metadata.len(), sha256, begin);
    None
}

fn read_file(
    path: &Path,
    buffer: &mut [u8],
    progress: &dyn Progress,
) -> Result<(Metadata, u64, Digest), SourceError> {
    let mut file = open_source(path)?;
    let metadata = file.metadata().map_err(reading(path))?;
    let bytes_max = Limits::FILE_BYTES_MAX;
    let mut hasher = Hasher::new();
    let mut bytes = 0;
    // A file that grows meanwhile is seen and not followed.
    while metadata.len().max(bytes) <= bytes_max {
        match file.read(buffer) {
            Ok(0) => return Ok((metadata, bytes, hasher.finish())),
            Ok(n) => {
                hasher.update(&buffer[..n]);
                bytes += n as u64;
                progress.advance(n as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(reading(path)(error)),
        }
    }
    Err(SourceError::Refused {
        path: path.to_owned(),
        refusal: Refusal::TooLarge { bytes_max },
    })
}

fn check_size(path: &str, text: Measured, bytes_max: u64) -> Result<(), SourceError> {
    if text.bytes <= bytes_max {
        return Ok(());
    }
    Err(SourceError::Refused {
        path: PathBuf::from(path),
        refusal: Refusal::TooLarge { bytes_max },
    })
}
