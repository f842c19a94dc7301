//! One checked passage through a package, from its first byte to its last.
//!
//! [`Pass`] compares each entry with the manifest and hands its content on before it has seen all
//! of it: what the receiver got is worth something only when [`Pass::finish`] succeeds.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use archive::{ArchiveReader, EntryKind, Hasher, Limits, Mode, ReadError};

use super::OpenError;
use crate::manifest::{MANIFEST_BYTES_MAX, MANIFEST_PATH};
use crate::tree::Receive;
use crate::{Content, Manifest, ManifestFile};

/// How much content is read at a time, in bytes.
const BUFFER_BYTES: usize = 64 << 10;

/// One reading of the file from its start, which does not disturb another.
pub(super) struct Input<'a> {
    file: &'a File,
    offset: u64,
    pub(super) hasher: Hasher,
}

impl<'a> Input<'a> {
    pub(super) fn new(file: &'a File) -> Input<'a> {
        Input {
            file,
            offset: 0,
            hasher: Hasher::new(),
        }
    }
}

impl Read for Input<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(buffer, self.offset)?;
        self.offset += n as u64;
        self.hasher.update(&buffer[..n]);
        Ok(n)
    }
}

/// One checked passage through a package, past its manifest.
pub(super) struct Pass<'a, 'i> {
    package: &'a Path,
    reader: ArchiveReader<&'i mut Input<'a>>,
    manifest: Manifest,
    pub(super) manifest_json: Vec<u8>,
}

impl<'a, 'i> Pass<'a, 'i> {
    /// Reads and judges the manifest.
    pub(super) fn begin(
        package: &'a Path,
        input: &'i mut Input<'a>,
        bytes: u64,
    ) -> Result<Pass<'a, 'i>, OpenError> {
        let path = || package.to_owned();
        let limits = Limits::default();
        let mut reader = ArchiveReader::new(input, bytes, limits);
        let first = reader.next_entry().map_err(reading(package))?;
        let is_manifest = first.is_some_and(|entry| match entry.kind {
            EntryKind::File {
                mode: Mode::Plain,
                bytes,
            } => entry.path == MANIFEST_PATH && bytes <= MANIFEST_BYTES_MAX,
            EntryKind::File { .. } | EntryKind::Symlink { .. } => false,
        });
        if !is_manifest {
            return Err(OpenError::NoManifest { path: path() });
        }
        let mut manifest_json = Vec::new();
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            match reader.read_content(&mut buffer).map_err(reading(package))? {
                0 => break,
                n => manifest_json.extend_from_slice(&buffer[..n]),
            }
        }
        let manifest = Manifest::parse(&manifest_json).map_err(|source| OpenError::Manifest {
            path: path(),
            source,
        })?;
        // The reader would refuse it too, after it has read as much as is allowed.
        let max = limits.tar_bytes_max_for(bytes);
        if manifest.tar_bytes > max {
            let what = "bytes for an archive of this size";
            return Err(reading(package)(ReadError::TooMuch { what, max }));
        }
        Ok(Pass {
            package,
            reader,
            manifest,
            manifest_json,
        })
    }

    /// Hands every file to `receiver` and compares it with the manifest.
    pub(super) fn finish(
        mut self,
        receiver: &mut impl Receive,
    ) -> Result<(Vec<u8>, Manifest), OpenError> {
        let after_manifest = self.reader.position();
        let files = std::mem::take(&mut self.manifest.files);
        for file in &files {
            self.file(file, receiver)?;
        }
        self.manifest.files = files;
        if let Some(entry) = self.reader.next_entry().map_err(reading(self.package))? {
            return Err(OpenError::Unlisted {
                path: self.package.to_owned(),
                entry: entry.path,
            });
        }
        let (stated, actual) = (
            self.manifest.tar_bytes,
            self.reader.position() - after_manifest,
        );
        if stated != actual {
            let path = self.package.to_owned();
            return Err(OpenError::TarBytes {
                path,
                stated,
                actual,
            });
        }
        Ok((self.manifest_json, self.manifest))
    }

    fn file(&mut self, file: &ManifestFile, receiver: &mut impl Receive) -> Result<(), OpenError> {
        let path = || self.package.to_owned();
        let entry = self.reader.next_entry().map_err(reading(self.package))?;
        match entry {
            Some(entry) if entry.path == file.path && entry.kind == file.entry_kind() => {}
            Some(entry) if entry.path == file.path => {
                return Err(OpenError::Differs {
                    path: path(),
                    entry: entry.path,
                    how: difference(&entry.kind, &file.content),
                });
            }
            other => {
                return Err(OpenError::Misplaced {
                    path: path(),
                    expected: file.path.clone(),
                    found: other.map(|entry| entry.path),
                });
            }
        }
        receiver.begin(file).map_err(OpenError::Tree)?;
        let Content::File { sha256, .. } = &file.content else {
            return Ok(());
        };
        let mut hasher = Hasher::new();
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            match self
                .reader
                .read_content(&mut buffer)
                .map_err(reading(self.package))?
            {
                0 => break,
                n => {
                    hasher.update(&buffer[..n]);
                    receiver.content(&buffer[..n]).map_err(OpenError::Tree)?;
                }
            }
        }
        let actual = hasher.finish();
        if actual == *sha256 {
            return Ok(());
        }
        Err(OpenError::DigestMismatch {
            path: path(),
            entry: file.path.clone(),
            expected: *sha256,
            actual,
        })
    }
}

/// What tells an entry from the file that the manifest lists under its path.
fn difference(entry: &EntryKind, listed: &Content) -> &'static str {
    match (entry, listed) {
        (EntryKind::File { bytes, .. }, Content::File { bytes: listed, .. }) if bytes != listed => {
            "size"
        }
        (EntryKind::File { .. }, Content::File { .. }) => "mode",
        (EntryKind::Symlink { .. }, Content::Symlink { .. }) => "link target",
        (EntryKind::File { .. }, Content::Symlink { .. })
        | (EntryKind::Symlink { .. }, Content::File { .. }) => "kind",
    }
}

fn reading(package: &Path) -> impl FnOnce(ReadError) -> OpenError {
    let path = package.to_owned();
    |source| OpenError::Archive { path, source }
}
