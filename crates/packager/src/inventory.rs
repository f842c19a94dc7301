//! The first reading: every file hashed, and the manifest that follows from it.
//!
//! An [`Inventory`] is a promise of what the second reading will find; whoever reads again compares
//! and calls a difference [`SourceError::Changed`]. No content is kept but the definition's and the
//! bill's.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::num::NonZero;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use archive::{Digest, Hasher, Limits, Mode, Refusal};
use rustix::fs::OFlags;

use crate::identity::Identity;
use crate::layout::{Placed, layout};
use crate::manifest::{DEFINITION_BYTES_MAX, DEFINITION_PATH};
use crate::manifest::{MANIFEST_BYTES_MAX, MANIFEST_PATH, SBOM_BYTES_MAX, SBOM_PATH};
use crate::progress::{Progress, Step};
use crate::{Content, Manifest, ManifestFile, ServiceSource, SourceError, parallel, sbom};

/// How much of a file is read at a time, in bytes: few system calls, and it stays in a core's own
/// cache between reading and hashing.
pub(crate) const BUFFER_BYTES: usize = 256 << 10;

/// A service whose files have been read once.
pub(crate) struct Inventory {
    pub(crate) manifest: Manifest,
    pub(crate) manifest_json: Vec<u8>,
    /// Where each of the manifest's files comes from, in the same order.
    origins: Vec<Origin>,
    /// The digests of files that are settled, to be known the next time.
    pub(crate) settled: Vec<(Identity, Digest)>,
    /// Whether a digest was taken as known, and not computed.
    pub(crate) is_from_memory: bool,
}

/// How the sources are read the first time.
#[derive(Clone, Copy)]
pub(crate) struct FirstReading<'a> {
    pub(crate) n_threads: NonZero<usize>,
    /// What is known from before: these files are not read.
    pub(crate) known: &'a HashMap<Identity, Digest>,
    pub(crate) progress: &'a dyn Progress,
}

/// Where the content of a file comes from.
pub(crate) enum Origin {
    /// It is here.
    Memory(Vec<u8>),
    /// It is to be read from this file.
    File(PathBuf),
    /// There is none: a link.
    Link,
}

impl Inventory {
    /// Lists and reads the sources of a service.
    pub(crate) fn take(source: &ServiceSource) -> Result<Inventory, SourceError> {
        let reading = FirstReading {
            n_threads: parallel::available(),
            known: &HashMap::new(),
            progress: &(),
        };
        Inventory::take_by(source, reading)
    }

    /// Lists the sources of a service, and reads what is not known.
    pub(crate) fn take_by(
        source: &ServiceSource,
        reading: FirstReading<'_>,
    ) -> Result<Inventory, SourceError> {
        let begin = SystemTime::now();
        let placed = layout(&source.roles)?;
        let definition = source.definition.clone();
        check_size(DEFINITION_PATH, &definition, DEFINITION_BYTES_MAX)?;
        let mut files = vec![file_of_bytes(DEFINITION_PATH, &definition)];
        let mut origins = vec![Origin::Memory(definition)];
        let mut settled = Vec::new();
        let found = find_all(&placed, reading)?;
        let is_from_memory = found.iter().any(|found| found.is_from_memory());
        for (placed, found) in placed.into_iter().zip(found) {
            let (content, origin) = match found {
                Found::Link { target } => (Content::Symlink { target }, Origin::Link),
                Found::File(file) => {
                    if file.identity.is_settled(begin) {
                        settled.push((file.identity, file.sha256));
                    }
                    (file.content(), Origin::File(placed.origin))
                }
            };
            let path = placed.path;
            files.push(ManifestFile { path, content });
            origins.push(origin);
        }
        let sbom = sbom::render(source, &files);
        check_size(SBOM_PATH, &sbom, SBOM_BYTES_MAX)?;
        files.push(file_of_bytes(SBOM_PATH, &sbom));
        origins.push(Origin::Memory(sbom));
        let roles = source.roles.iter().map(|role| role.name.clone()).collect();
        let manifest = Manifest::new(source.service.clone(), roles, files);
        let manifest_json = manifest.to_json();
        check_size(MANIFEST_PATH, &manifest_json, MANIFEST_BYTES_MAX)?;
        Ok(Inventory {
            manifest,
            manifest_json,
            origins,
            settled,
            is_from_memory,
        })
    }

    /// Every file of the manifest with its origin, in the package's order.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&ManifestFile, &Origin)> {
        self.manifest.files.iter().zip(&self.origins)
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

/// What was found at one of the places.
enum Found {
    Link { target: String },
    File(FoundFile),
}

struct FoundFile {
    identity: Identity,
    mode: Mode,
    bytes: u64,
    sha256: Digest,
    is_from_memory: bool,
}

impl Found {
    fn is_from_memory(&self) -> bool {
        matches!(self, Found::File(file) if file.is_from_memory)
    }
}

impl FoundFile {
    fn content(&self) -> Content {
        Content::File {
            bytes: self.bytes,
            mode: self.mode,
            sha256: self.sha256,
        }
    }
}

/// Looks at every place, and reads the files that are not known, the large ones first: a thread that
/// comes to one last would keep the others waiting. What is wrong with several is told of the first.
fn find_all(placed: &[Placed], reading: FirstReading<'_>) -> Result<Vec<Found>, SourceError> {
    let looked_at = parallel::map(
        reading.n_threads,
        placed,
        || (),
        |placed, ()| look(placed, reading),
    );
    let mut found = Vec::with_capacity(placed.len());
    let mut unread = Vec::new();
    for (at, looked) in looked_at.into_iter().enumerate() {
        match looked? {
            Looked::Found(one) => found.push(Some(one)),
            Looked::Unread { bytes } => {
                found.push(None);
                unread.push((bytes, at));
            }
        }
    }
    let bytes = unread.iter().map(|(bytes, _)| bytes).sum();
    reading.progress.begin(Step::Hash, bytes);
    unread.sort_unstable_by_key(|(bytes, at)| (Reverse(*bytes), *at));
    let read = parallel::map(
        reading.n_threads,
        &unread,
        || vec![0; BUFFER_BYTES],
        |(_, at), buffer| read_file(&placed[*at].origin, buffer, reading.progress),
    );
    let mut read: Vec<_> = unread.iter().map(|(_, at)| *at).zip(read).collect();
    read.sort_unstable_by_key(|(at, _)| *at);
    for (at, file) in read {
        found[at] = Some(Found::File(file?));
    }
    let found = found.into_iter();
    Ok(found
        .map(|one| one.expect("what was unread has been read"))
        .collect())
}

enum Looked {
    Found(Found),
    Unread { bytes: u64 },
}

fn look(placed: &Placed, first: FirstReading<'_>) -> Result<Looked, SourceError> {
    if let Some(target) = &placed.target {
        let target = target.clone();
        return Ok(Looked::Found(Found::Link { target }));
    }
    let metadata = fs::symlink_metadata(&placed.origin).map_err(reading(&placed.origin))?;
    let identity = Identity::of(&metadata);
    let bytes = metadata.len();
    let known = first.known.get(&identity).filter(|_| metadata.is_file());
    Ok(match known {
        Some(sha256) => Looked::Found(Found::File(FoundFile {
            identity,
            mode: mode_of(&metadata),
            bytes,
            sha256: *sha256,
            is_from_memory: true,
        })),
        None => Looked::Unread { bytes },
    })
}

fn read_file(
    path: &Path,
    buffer: &mut [u8],
    progress: &dyn Progress,
) -> Result<FoundFile, SourceError> {
    let mut file = open_source(path)?;
    let metadata = file.metadata().map_err(reading(path))?;
    let bytes_max = Limits::FILE_BYTES_MAX;
    let mut hasher = Hasher::new();
    let mut bytes = 0;
    // A file that grows meanwhile is seen and not followed.
    while metadata.len().max(bytes) <= bytes_max {
        match file.read(buffer) {
            Ok(0) => {
                return Ok(FoundFile {
                    identity: Identity::of(&metadata),
                    mode: mode_of(&metadata),
                    bytes,
                    sha256: hasher.finish(),
                    is_from_memory: false,
                });
            }
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

fn mode_of(metadata: &Metadata) -> Mode {
    Mode::of_bits(metadata.permissions().mode())
}

fn file_of_bytes(path: &str, bytes: &[u8]) -> ManifestFile {
    ManifestFile {
        path: path.to_owned(),
        content: Content::File {
            bytes: bytes.len() as u64,
            mode: Mode::Plain,
            sha256: Digest::of(bytes),
        },
    }
}

fn check_size(path: &str, bytes: &[u8], bytes_max: u64) -> Result<(), SourceError> {
    if bytes.len() as u64 <= bytes_max {
        return Ok(());
    }
    Err(SourceError::Refused {
        path: PathBuf::from(path),
        refusal: Refusal::TooLarge { bytes_max },
    })
}
