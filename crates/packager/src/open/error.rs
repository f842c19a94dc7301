//! Why a package could not be opened.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use archive::{Digest, ReadError};

use crate::manifest::{MANIFEST_PATH, SBOM_PATH};
use crate::{ManifestError, TreeError};

/// Why a package could not be opened. Each names the package.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// The file could not be opened.
    Open {
        /// The package.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The archive is not accepted, or could not be read.
    Archive {
        /// The package.
        path: PathBuf,
        /// What is wrong.
        source: ReadError,
    },
    /// The first entry is no manifest of an acceptable size.
    NoManifest {
        /// The package.
        path: PathBuf,
    },
    /// The manifest is not accepted.
    Manifest {
        /// The package.
        path: PathBuf,
        /// What is wrong.
        source: ManifestError,
    },
    /// Where the manifest lists one entry stands another, or the end.
    Misplaced {
        /// The package.
        path: PathBuf,
        /// What the manifest lists.
        expected: String,
        /// What the archive holds.
        found: Option<String>,
    },
    /// The archive holds an entry that the manifest does not list.
    Unlisted {
        /// The package.
        path: PathBuf,
        /// The entry.
        entry: String,
    },
    /// An entry is not as the manifest lists it.
    Differs {
        /// The package.
        path: PathBuf,
        /// The entry.
        entry: String,
        /// In what it differs.
        how: &'static str,
    },
    /// The content of an entry is not what the manifest lists.
    DigestMismatch {
        /// The package.
        path: PathBuf,
        /// The entry.
        entry: String,
        /// What the manifest lists.
        expected: Digest,
        /// What the content has.
        actual: Digest,
    },
    /// The tar is longer than its manifest states.
    TarBytes {
        /// The package.
        path: PathBuf,
        /// What the manifest states, in bytes.
        stated: u64,
        /// What there is, in bytes.
        actual: u64,
    },
    /// The bill of materials is none.
    Sbom {
        /// The package.
        path: PathBuf,
    },
    /// The file is another than when it was opened.
    Changed {
        /// The package.
        path: PathBuf,
    },
    /// Something about the place that the package is unpacked to; shown as the error inside.
    Tree(TreeError),
}

impl OpenError {
    /// Whether the package is to blame, and not the reading or writing.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        match self {
            OpenError::Archive { source, .. } => source.is_invalid(),
            OpenError::NoManifest { .. }
            | OpenError::Manifest { .. }
            | OpenError::Misplaced { .. }
            | OpenError::Unlisted { .. }
            | OpenError::Differs { .. }
            | OpenError::DigestMismatch { .. }
            | OpenError::TarBytes { .. }
            | OpenError::Sbom { .. } => true,
            OpenError::Open { .. } | OpenError::Changed { .. } | OpenError::Tree(_) => false,
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Open { path, .. } => write!(f, "cannot open `{}`", path.display()),
            OpenError::Archive { path, source } if source.is_invalid() => {
                write!(f, "not a valid package: {}", path.display())
            }
            OpenError::Archive { path, .. } => write!(f, "cannot read `{}`", path.display()),
            OpenError::NoManifest { path } => write!(
                f,
                "not a package, it does not begin with a `{MANIFEST_PATH}`: {}",
                path.display()
            ),
            OpenError::Manifest { path, .. } => {
                write!(f, "not a valid package: {}", path.display())
            }
            OpenError::Misplaced {
                path,
                expected,
                found,
            } => {
                let found = found.as_deref().map_or("its end".to_owned(), quoted);
                let expected = quoted(expected);
                write!(
                    f,
                    "package `{}` holds {found} where its manifest lists {expected}",
                    path.display()
                )
            }
            OpenError::Unlisted { path, entry } => write!(
                f,
                "package `{}` holds an entry that its manifest does not list: {}",
                path.display(),
                quoted(entry)
            ),
            OpenError::Differs { path, entry, how } => write!(
                f,
                "package `{}` holds an entry of another {how} than its manifest lists: {}",
                path.display(),
                quoted(entry)
            ),
            OpenError::DigestMismatch {
                path,
                entry,
                expected,
                actual,
            } => write!(
                f,
                "package `{}` holds {} with another digest than its manifest lists, which is {expected}: {actual}",
                path.display(),
                quoted(entry)
            ),
            OpenError::TarBytes {
                path,
                stated,
                actual,
            } => write!(
                f,
                "package `{}` holds a tar of another size in bytes than its manifest states, which is {stated}: {actual}",
                path.display()
            ),
            OpenError::Sbom { path } => write!(
                f,
                "package `{}` holds no bill of materials in its `{SBOM_PATH}`",
                path.display()
            ),
            OpenError::Changed { path } => {
                write!(
                    f,
                    "the package changed while it was open: {}",
                    path.display()
                )
            }
            OpenError::Tree(error) => error.fmt(f),
        }
    }
}

/// A name from a package as text that no terminal acts upon.
fn quoted(name: &str) -> String {
    format!("`{}`", name.escape_debug())
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            OpenError::Open { source, .. } => Some(source),
            OpenError::Archive { source, .. } => Some(source),
            OpenError::Manifest { source, .. } => Some(source),
            OpenError::Tree(error) => error.source(),
            _ => None,
        }
    }
}
