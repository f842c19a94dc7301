//! The tree of a package as a directory that is there: found, verified, read.
//!
//! Nothing here writes. A tree is trusted for what its manifest says only after every file was
//! compared with it, and none more was found.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use archive::{Digest, HashingWriter};

use crate::inventory::open_source;
use crate::manifest::{MANIFEST_BYTES_MAX, MANIFEST_PATH};
use crate::tree::reading;
use crate::{Content, Manifest, ManifestError, ManifestFile, TreeError, regular};

/// The tree of a package in a directory, verified or just written.
///
/// Its files are `manifest.json`, `ServiceDefinition.csdef`, `sbom.cdx.json` and those below
/// `roles/<Role>/approot/`. Nothing keeps others from changing it later.
#[derive(Debug, Clone)]
pub struct Staged {
    /// The directory.
    pub root: PathBuf,
    /// What it holds.
    pub manifest: Manifest,
    /// The digest of `manifest.json`: equal digests are equal trees.
    pub digest: Digest,
}

impl Staged {
    /// Opens a tree that was staged or unpacked before, and verifies all of it.
    ///
    /// # Errors
    ///
    /// [`TreeError::Read`], [`TreeError::Manifest`], and [`TreeError::Differs`] where a file is not
    /// as the manifest says, is missing, or is not in it.
    pub fn open(root: &Path) -> Result<Staged, TreeError> {
        let path = root.join(MANIFEST_PATH);
        let json = read_manifest(&path).map_err(reading(&path))?;
        let manifest =
            Manifest::parse(&json).map_err(|source| TreeError::Manifest { path, source })?;
        let staged = Staged {
            root: root.to_owned(),
            manifest,
            digest: Digest::of(&json),
        };
        staged.verify()?;
        Ok(staged)
    }

    /// A staged tree at `destination` that equals `manifest`.
    ///
    /// `None` where one is to be made: nothing is there, or an empty directory, or another tree of
    /// ours.
    pub(crate) fn find(
        destination: &Path,
        manifest: &Manifest,
        manifest_json: &[u8],
    ) -> Result<Option<Staged>, TreeError> {
        let path = destination.join(MANIFEST_PATH);
        let found = match read_manifest(&path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return check_vacant(destination).map(|()| None);
            }
            Err(error) => return Err(reading(&path)(error)),
        };
        if found == manifest_json {
            let staged = Staged {
                root: destination.to_owned(),
                manifest: manifest.clone(),
                digest: Digest::of(manifest_json),
            };
            return Ok(staged.verify().is_ok().then_some(staged));
        }
        match Manifest::parse(&found) {
            Ok(_) | Err(ManifestError::FormatVersion { .. }) => Ok(None),
            Err(_) => Err(occupied(destination)),
        }
    }

    /// The approot of a role; it exists for each role of the manifest, be it empty.
    #[must_use]
    pub fn approot(&self, role: &str) -> PathBuf {
        self.root.join("roles").join(role).join("approot")
    }

    /// The files and links of a role's approot, each with its path relative to the approot.
    pub fn files_of(&self, role: &str) -> impl Iterator<Item = (&str, &ManifestFile)> {
        self.manifest.files_of(role)
    }

    /// Compares the directory with the manifest, both ways.
    fn verify(&self) -> Result<(), TreeError> {
        self.verify_nothing_more()?;
        for role in &self.manifest.roles {
            let approot = self.approot(role);
            if !approot.is_dir() {
                return Err(differs(approot, "it is not there"));
            }
        }
        let mut files = self.manifest.files.iter();
        files.try_for_each(|file| verify_file(&self.root.join(&file.path), &file.content))
    }

    /// Since no link may stand where it is not listed, no listed file is reached through one.
    fn verify_nothing_more(&self) -> Result<(), TreeError> {
        let files = self.manifest.files.iter().map(|file| file.path.as_str());
        let listed: BTreeSet<&Path> = files.chain([MANIFEST_PATH]).map(Path::new).collect();
        let mut pending = vec![PathBuf::new()];
        while let Some(directory) = pending.pop() {
            let directory_path = self.root.join(&directory);
            for entry in fs::read_dir(&directory_path).map_err(reading(&directory_path))? {
                let entry = entry.map_err(reading(&directory_path))?;
                let path = directory.join(entry.file_name());
                if entry.file_type().map_err(reading(&entry.path()))?.is_dir() {
                    pending.push(path);
                } else if !listed.contains(path.as_path()) {
                    return Err(differs(entry.path(), "it is not in the manifest"));
                }
            }
        }
        Ok(())
    }
}

fn verify_file(path: &Path, content: &Content) -> Result<(), TreeError> {
    let metadata = match path.symlink_metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(differs(path.to_owned(), "it is not there"));
        }
        Err(error) => return Err(reading(path)(error)),
    };
    let is_same = match content {
        Content::Symlink { target } => {
            metadata.is_symlink()
                && fs::read_link(path).map_err(reading(path))? == Path::new(target)
        }
        Content::File {
            bytes,
            mode,
            sha256,
        } => {
            let permissions = metadata.permissions().mode() & 0o7777;
            let looks_same =
                metadata.is_file() && metadata.len() == *bytes && permissions == mode.bits();
            looks_same && digest_of(path)? == *sha256
        }
    };
    if is_same {
        Ok(())
    } else {
        Err(differs(path.to_owned(), "it is not as the manifest says"))
    }
}

fn digest_of(path: &Path) -> Result<Digest, TreeError> {
    let mut file = open_source(path).map_err(|_| differs(path.to_owned(), "it changed"))?;
    let mut hashing = HashingWriter::new(io::sink());
    io::copy(&mut file, &mut hashing).map_err(reading(path))?;
    Ok(hashing.finish().1)
}

fn check_vacant(destination: &Path) -> Result<(), TreeError> {
    match fs::read_dir(destination).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(occupied(destination)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(reading(destination)(error)),
    }
}

fn read_manifest(path: &Path) -> io::Result<Vec<u8>> {
    let mut json = Vec::new();
    let file = regular::open(path)?;
    file.take(MANIFEST_BYTES_MAX).read_to_end(&mut json)?;
    Ok(json)
}

fn differs(path: PathBuf, how: &'static str) -> TreeError {
    TreeError::Differs { path, how }
}

fn occupied(path: &Path) -> TreeError {
    TreeError::Occupied {
        path: path.to_owned(),
    }
}
