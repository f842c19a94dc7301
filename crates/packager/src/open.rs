//! Opening a package: checked from end to end before anything of it is used.
//!
//! [`open`] reads the whole file, writes nothing, and accepts it only where every entry is the one
//! that the manifest lists at that place, digest for digest, and the tar is as long as stated.
//! [`Opened`] keeps the file open; [`Opened::unpack`] reads the same file again and checks again
//! while it writes, so that a file changed in between does no harm.
//!
//! Who made the package is not asked here: [`Trust`](crate::Trust) decides that before, and
//! [`Opened::expect_digest`] makes sure that it is still the same file.

mod error;
mod pass;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use archive::Digest;

pub use self::error::OpenError;
use self::pass::{Input, Pass};
use crate::manifest::{DEFINITION_PATH, SBOM_PATH};
use crate::tree::{PendingTree, Receive};
use crate::{Manifest, ManifestFile, SbomSummary, Staged, TreeError, regular, temporary};

/// A package that was found to be whole.
#[derive(Debug)]
pub struct Opened {
    path: PathBuf,
    file: File,
    manifest: Manifest,
    manifest_json: Vec<u8>,
    definition: Vec<u8>,
    sha256: Digest,
    bytes: u64,
}

/// What [`verify`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The package.
    pub path: PathBuf,
    /// The size of the package in bytes.
    pub bytes: u64,
    /// The digest of the package.
    pub sha256: Digest,
    /// The name of its service.
    pub service: String,
    /// The version of the packager that wrote it.
    pub packager_version: String,
    /// The names of its roles.
    pub roles: Vec<String>,
    /// How many files and links it holds, the manifest not counted.
    pub n_files: usize,
    /// How many bytes its files have in all, the manifest not counted.
    pub content_bytes: u64,
}

/// Opens a package and checks all of it.
///
/// # Errors
///
/// Any [`OpenError`] but [`OpenError::Changed`] and [`OpenError::Tree`];
/// [`is_invalid`](OpenError::is_invalid) tells a bad package from a failure to read it.
pub fn open(package: &Path) -> Result<Opened, OpenError> {
    let opening = |source| OpenError::Open {
        path: package.to_owned(),
        source,
    };
    let file = regular::open(package).map_err(opening)?;
    let bytes = file.metadata().map_err(opening)?.len();
    let mut input = Input::new(&file);
    let mut definition = Keep::only(DEFINITION_PATH);
    let pass = Pass::begin(package, &mut input, bytes)?;
    let (manifest_json, manifest) = pass.finish(&mut definition)?;
    let sha256 = input.hasher.finish();
    Ok(Opened {
        path: package.to_owned(),
        file,
        manifest,
        manifest_json,
        definition: definition.bytes,
        sha256,
        bytes,
    })
}

/// Checks all of a package.
///
/// # Errors
///
/// As [`open`].
pub fn verify(package: &Path) -> Result<Report, OpenError> {
    Ok(open(package)?.report())
}

/// Whether a path names a package: a file whose name ends in `.tar.gz`, or that begins as gzip.
///
/// A guess, for telling a package from a folder or a definition; `false` for a folder and for a
/// file that cannot be read.
#[must_use]
pub fn is_package(path: &Path) -> bool {
    let is_named_so = path.to_string_lossy().ends_with(".tar.gz");
    let begins_as_gzip = || {
        let mut magic = [0; 2];
        let read = regular::open(path).and_then(|mut file| file.read_exact(&mut magic));
        read.is_ok() && magic == [0x1f, 0x8b]
    };
    path.is_file() && (is_named_so || begins_as_gzip())
}

impl Opened {
    /// What the package holds.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// `ServiceDefinition.csdef`, byte for byte.
    #[must_use]
    pub fn definition(&self) -> &[u8] {
        &self.definition
    }

    /// Insists on a digest that the whole file was found to have before.
    ///
    /// # Errors
    ///
    /// [`OpenError::Changed`] where it has another one.
    pub fn expect_digest(&self, sha256: Digest) -> Result<(), OpenError> {
        if self.sha256 == sha256 {
            Ok(())
        } else {
            let path = self.path.clone();
            Err(OpenError::Changed { path })
        }
    }

    /// What there is to tell about the package.
    #[must_use]
    pub fn report(&self) -> Report {
        let files = &self.manifest.files;
        Report {
            path: self.path.clone(),
            bytes: self.bytes,
            sha256: self.sha256,
            service: self.manifest.service.clone(),
            packager_version: self.manifest.packager_version.clone(),
            roles: self.manifest.roles.clone(),
            n_files: files.len(),
            content_bytes: files
                .iter()
                .map(|file| file.entry_kind().content_bytes())
                .sum(),
        }
    }

    /// Counts what the bill of materials lists, for which the package is read and checked again.
    ///
    /// # Errors
    ///
    /// As [`open`], and [`OpenError::Sbom`] where the bill is not one.
    pub fn sbom_summary(&self) -> Result<SbomSummary, OpenError> {
        let mut sbom = Keep::only(SBOM_PATH);
        let mut input = Input::new(&self.file);
        Pass::begin(&self.path, &mut input, self.bytes)?.finish(&mut sbom)?;
        SbomSummary::of(&sbom.bytes).ok_or_else(|| OpenError::Sbom {
            path: self.path.clone(),
        })
    }

    /// Puts the tree of the package into the directory `destination`, as [`stage`](crate::stage)
    /// would from its sources, and with the same care for what is there. May be repeated.
    ///
    /// # Errors
    ///
    /// [`OpenError::Tree`] for the destination; any other [`OpenError`] where the file is no longer
    /// what it was.
    pub fn unpack(&self, destination: &Path) -> Result<Staged, OpenError> {
        let found = Staged::find(destination, &self.manifest, &self.manifest_json);
        if let Some(staged) = found.map_err(OpenError::Tree)? {
            temporary::remove_abandoned(temporary::folder_of(destination));
            return Ok(staged);
        }
        let mut input = Input::new(&self.file);
        let pass = Pass::begin(&self.path, &mut input, self.bytes)?;
        if pass.manifest_json != self.manifest_json {
            let path = self.path.clone();
            return Err(OpenError::Changed { path });
        }
        let mut tree = PendingTree::new(destination).map_err(OpenError::Tree)?;
        let (json, manifest) = pass.finish(&mut tree)?;
        tree.commit(destination, manifest, &json)
            .map_err(OpenError::Tree)
    }
}

/// Keeps one file and lets the rest go by.
struct Keep {
    path: &'static str,
    bytes: Vec<u8>,
    is_current: bool,
}

impl Keep {
    fn only(path: &'static str) -> Keep {
        Keep {
            path,
            bytes: Vec::new(),
            is_current: false,
        }
    }
}

impl Receive for Keep {
    fn begin(&mut self, file: &ManifestFile) -> Result<(), TreeError> {
        self.is_current = file.path == self.path;
        Ok(())
    }

    fn content(&mut self, bytes: &[u8]) -> Result<(), TreeError> {
        if self.is_current {
            self.bytes.extend_from_slice(bytes);
        }
        Ok(())
    }
}
