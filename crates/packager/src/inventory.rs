//! The first reading: every file hashed, and the manifest that follows from it.
//!
//! An [`Inventory`] is a promise of what the second reading will find; whoever reads again compares
//! and calls a difference [`SourceError::Changed`]. No content is kept but the definition's and the
//! bill's.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use archive::{Digest, HashingWriter, Limits, Mode, Refusal};
use rustix::fs::OFlags;

use crate::layout::{Placed, layout};
use crate::manifest::{DEFINITION_BYTES_MAX, DEFINITION_PATH};
use crate::manifest::{MANIFEST_BYTES_MAX, MANIFEST_PATH, SBOM_BYTES_MAX, SBOM_PATH};
use crate::{Content, Manifest, ManifestFile, ServiceSource, SourceError, sbom};

/// A service whose files have been read once.
pub(crate) struct Inventory {
    pub(crate) manifest: Manifest,
    pub(crate) manifest_json: Vec<u8>,
    /// Where each of the manifest's files comes from, in the same order.
    origins: Vec<Origin>,
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
        let placed = layout(&source.roles)?;
        let definition = source.definition.clone();
        check_size(DEFINITION_PATH, &definition, DEFINITION_BYTES_MAX)?;
        let mut files = vec![file_of_bytes(DEFINITION_PATH, &definition)];
        let mut origins = vec![Origin::Memory(definition)];
        for placed in placed {
            files.push(read_once(&placed)?);
            origins.push(match placed.target {
                Some(_) => Origin::Link,
                None => Origin::File(placed.origin),
            });
        }
        let sbom = sbom::render(&source.service, &files);
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

fn read_once(placed: &Placed) -> Result<ManifestFile, SourceError> {
    let content = match &placed.target {
        Some(target) => Content::Symlink {
            target: target.clone(),
        },
        None => read_file(&placed.origin)?,
    };
    let path = placed.path.clone();
    Ok(ManifestFile { path, content })
}

fn read_file(path: &Path) -> Result<Content, SourceError> {
    let file = open_source(path)?;
    let metadata = file.metadata().map_err(reading(path))?;
    let bytes_max = Limits::FILE_BYTES_MAX;
    let too_large = || SourceError::Refused {
        path: path.to_owned(),
        refusal: Refusal::TooLarge { bytes_max },
    };
    if metadata.len() > bytes_max {
        return Err(too_large());
    }
    let mut hashing = HashingWriter::new(io::sink());
    // One byte more than allowed, so that a file that grows meanwhile is seen and not followed.
    io::copy(&mut file.take(bytes_max + 1), &mut hashing).map_err(reading(path))?;
    let (_, sha256, bytes) = hashing.finish();
    if bytes > bytes_max {
        return Err(too_large());
    }
    let mode = Mode::of_bits(metadata.permissions().mode());
    Ok(Content::File {
        bytes,
        mode,
        sha256,
    })
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
