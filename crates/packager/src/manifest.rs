//! `manifest.json`: the list of everything in a package, and the first thing in it.
//!
//! [`Manifest::parse`] judges a manifest from outside by itself: names, order, arithmetic. Whether
//! the files are as it says is for `open` and `staged`. It is JSON with a fixed order of keys:
//!
//! ```json
//! {
//!   "format_version": 1,
//!   "service": "EchoCloud",
//!   "packager_version": "0.1.0",
//!   "roles": ["EchoWorker"],
//!   "tar_bytes": 4096,
//!   "files": [
//!     { "path": "ServiceDefinition.csdef", "bytes": 12, "mode": "0644", "sha256": "…" },
//!     { "path": "roles/EchoWorker/approot/link", "target": "echo-worker" }
//!   ]
//! }
//! ```
//!
//! `files` holds every entry of the package but the manifest, in the package's order. `tar_bytes`
//! is the size of the tar from the end of the manifest's own entry to the tar's end: for each file
//! its header blocks and its content, padded to 512, and then the 1024 zeros that end the tar.

mod error;
mod wire;

use std::io::{self, Write};

use archive::{Digest, END_BYTES, EntryKind, Limits, Mode, Names, Refusal};
use archive::{check_link, check_path, entry_bytes};
use serde::{Deserialize, Serialize};

pub use self::error::ManifestError;
use self::wire::WireFile;

/// The version of the format that this crate writes and the only one it reads.
const FORMAT_VERSION: u32 = 1;
/// The manifest's own path.
pub(crate) const MANIFEST_PATH: &str = "manifest.json";
/// The path of the service definition.
pub(crate) const DEFINITION_PATH: &str = "ServiceDefinition.csdef";
/// The path of the bill of materials.
pub(crate) const SBOM_PATH: &str = "sbom.cdx.json";
/// The largest manifest in bytes: about 250 for each of the most entries, and as much again.
pub(crate) const MANIFEST_BYTES_MAX: u64 = 96 << 20;
/// The largest bill of materials in bytes; it has about as much for each file as the manifest.
pub(crate) const SBOM_BYTES_MAX: u64 = MANIFEST_BYTES_MAX;
/// The longest name of a service in bytes: it is part of a file name.
const WORD_BYTES_MAX: usize = Limits::STEP_BYTES_MAX;
/// The most roles; the platform allowed 25.
const ROLES_MAX: usize = 100;
/// The largest service definition in bytes; it is held in memory, and real ones have some KiB.
pub(crate) const DEFINITION_BYTES_MAX: u64 = 16 << 20;

/// What a package holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    format_version: u32,
    /// The name of the service.
    pub service: String,
    /// The version of the packager that wrote the package.
    pub packager_version: String,
    /// The names of the roles, by their bytes.
    #[serde(deserialize_with = "wire::roles")]
    pub roles: Vec<String>,
    /// The size of the tar after the manifest's entry, in bytes.
    pub tar_bytes: u64,
    /// Every entry but the manifest, in the package's order.
    #[serde(deserialize_with = "wire::files")]
    pub files: Vec<ManifestFile>,
}

/// One file or link of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WireFile", into = "WireFile")]
pub struct ManifestFile {
    /// Its path in the package.
    pub path: String,
    /// What lies there.
    pub content: Content,
}

/// The content of a file or link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A regular file.
    File {
        /// Its length in bytes.
        bytes: u64,
        /// Its permissions.
        mode: Mode,
        /// The digest of its content.
        sha256: Digest,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points; inside the approot.
        target: String,
    },
}

impl ManifestFile {
    /// The entry of the archive that the file makes.
    pub(crate) fn entry_kind(&self) -> EntryKind {
        match &self.content {
            Content::File { bytes, mode, .. } => EntryKind::File {
                mode: *mode,
                bytes: *bytes,
            },
            Content::Symlink { target } => EntryKind::Symlink {
                target: target.clone(),
            },
        }
    }
}

impl Manifest {
    /// The manifest of `files`, which stand in the package's order.
    pub(crate) fn new(
        service: String,
        mut roles: Vec<String>,
        files: Vec<ManifestFile>,
    ) -> Manifest {
        roles.sort();
        Manifest {
            format_version: FORMAT_VERSION,
            service,
            packager_version: env!("CARGO_PKG_VERSION").to_owned(),
            roles,
            tar_bytes: tar_bytes(&files),
            files,
        }
    }

    /// Reads and judges the bytes of a manifest.
    ///
    /// # Errors
    ///
    /// The first [`ManifestError`] that applies.
    pub fn parse(json: &[u8]) -> Result<Manifest, ManifestError> {
        #[derive(Deserialize)]
        struct Version {
            format_version: u32,
        }
        let malformed = |error: serde_json::Error| ManifestError::Json {
            reason: error.to_string(),
        };
        // First the version alone: a newer manifest may look different in everything else.
        let Version { format_version } = serde_json::from_slice(json).map_err(malformed)?;
        if format_version != FORMAT_VERSION {
            return Err(ManifestError::FormatVersion { format_version });
        }
        let manifest: Manifest = serde_json::from_slice(json).map_err(malformed)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The bytes of the manifest; the same for equal manifests.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = Vec::new();
        self.write_json(&mut json).expect("memory takes it");
        json
    }

    /// Writes those bytes.
    pub(crate) fn write_json(&self, output: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *output, self)?;
        output.write_all(b"\n")
    }

    /// The files and links of a role's approot, each with its path there.
    pub fn files_of(&self, role: &str) -> impl Iterator<Item = (&str, &ManifestFile)> {
        let prefix = approot_prefix(role);
        self.files.iter().filter_map(move |file| {
            let in_approot = file.path.strip_prefix(&prefix)?;
            Some((in_approot, file))
        })
    }

    fn check(&self) -> Result<(), ManifestError> {
        check_word("service", &self.service)?;
        check_word("packager_version", &self.packager_version)?;
        self.check_roles()?;
        let (Some(first), Some(last)) = (self.files.first(), self.files.last()) else {
            let path = DEFINITION_PATH;
            return Err(ManifestError::Missing { path });
        };
        for (file, path) in [(first, DEFINITION_PATH), (last, SBOM_PATH)] {
            let is_plain = matches!(
                file.content,
                Content::File {
                    mode: Mode::Plain,
                    ..
                }
            );
            if file.path != path || !is_plain {
                return Err(ManifestError::Missing { path });
            }
        }
        let limits = Limits::default();
        let mut names = Names::new();
        let mut previous = "";
        for file in &self.files[1..self.files.len() - 1] {
            let refused = |refusal| ManifestError::Refused {
                entry: file.path.clone(),
                refusal,
            };
            check_path(&file.path, &limits).map_err(refused)?;
            let in_approot = self.in_approot(&file.path);
            let in_approot = in_approot.filter(|_| previous < file.path.as_str());
            let Some(in_approot) = in_approot else {
                let entry = file.path.clone();
                return Err(ManifestError::Misplaced { entry });
            };
            names.insert(&file.path).map_err(refused)?;
            if let Content::Symlink { target } = &file.content {
                check_link(in_approot, target, &limits).map_err(refused)?;
            }
            previous = &file.path;
        }
        self.check_sizes()
    }

    fn check_roles(&self) -> Result<(), ManifestError> {
        let mut names = Names::new();
        let mut previous = "";
        for role in &self.roles {
            let is_one_step = check_path(role, &Limits::default()).is_ok() && !role.contains('/');
            let is_next = previous < role.as_str();
            if !is_one_step || !is_next || names.insert(role).is_err() {
                let role = role.clone();
                return Err(ManifestError::Role { role });
            }
            previous = role;
        }
        Ok(())
    }

    fn check_sizes(&self) -> Result<(), ManifestError> {
        for file in &self.files {
            let bytes_max = match file.path.as_str() {
                DEFINITION_PATH => DEFINITION_BYTES_MAX,
                SBOM_PATH => SBOM_BYTES_MAX,
                _ => Limits::FILE_BYTES_MAX,
            };
            if file.entry_kind().content_bytes() > bytes_max {
                let (entry, refusal) = (file.path.clone(), Refusal::TooLarge { bytes_max });
                return Err(ManifestError::Refused { entry, refusal });
            }
        }
        let counted = tar_bytes(&self.files);
        if counted == self.tar_bytes {
            Ok(())
        } else {
            let stated = self.tar_bytes;
            Err(ManifestError::TarBytes { stated, counted })
        }
    }

    /// The part of `path` below the approot that it lies in, if a role has that approot.
    fn in_approot<'a>(&self, path: &'a str) -> Option<&'a str> {
        let (role, rest) = path.strip_prefix("roles/")?.split_once('/')?;
        let in_approot = rest.strip_prefix("approot/")?;
        self.roles
            .iter()
            .any(|name| name == role)
            .then_some(in_approot)
    }
}

/// Judges a text that is shown to people.
fn check_word(key: &'static str, word: &str) -> Result<(), ManifestError> {
    let is_line = !word.is_empty() && !word.contains(char::is_control);
    if is_line && word.len() <= WORD_BYTES_MAX {
        Ok(())
    } else {
        Err(ManifestError::Word { key })
    }
}

/// What the paths of a role's approot begin with.
pub(crate) fn approot_prefix(role: &str) -> String {
    format!("roles/{role}/approot/")
}

fn tar_bytes(files: &[ManifestFile]) -> u64 {
    let entries = files
        .iter()
        .map(|file| entry_bytes(&file.path, &file.entry_kind()));
    entries.fold(END_BYTES, u64::saturating_add)
}
