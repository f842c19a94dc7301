//! Why a tree could not be made, or is not what it should be.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use archive::ExtractError;

use crate::ManifestError;

pub(crate) fn reading(path: &Path) -> impl FnOnce(io::Error) -> TreeError {
    let path = path.to_owned();
    |source| TreeError::Read { path, source }
}

/// Why a tree could not be made, or is not what it should be.
#[derive(Debug)]
#[non_exhaustive]
pub enum TreeError {
    /// The tree could not be begun, or not be given its name.
    Create {
        /// Its destination.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of the tree could not be created; shown as the error inside.
    Extract(ExtractError),
    /// A file of the tree could not be written.
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file or directory could not be read.
    Read {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The destination holds something that is no staged tree, and is left as it is.
    Occupied {
        /// The destination.
        path: PathBuf,
    },
    /// The tree has a manifest that is not accepted.
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with it.
        source: ManifestError,
    },
    /// The tree is not what its manifest says.
    Differs {
        /// The file.
        path: PathBuf,
        /// In which way.
        how: &'static str,
    },
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TreeError::Create { path, .. } => write!(f, "cannot create `{}`", path.display()),
            TreeError::Extract(error) => error.fmt(f),
            TreeError::Write { path, .. } => write!(f, "cannot write `{}`", path.display()),
            TreeError::Read { path, .. } => write!(f, "cannot read `{}`", path.display()),
            TreeError::Occupied { path } => write!(
                f,
                "the destination is neither empty nor a staged package, and is left as it is: {}",
                path.display()
            ),
            TreeError::Manifest { path, .. } => write!(f, "cannot use `{}`", path.display()),
            TreeError::Differs { path, how } => {
                write!(f, "the staged tree was changed, {how}: {}", path.display())
            }
        }
    }
}

impl Error for TreeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            TreeError::Create { source, .. }
            | TreeError::Write { source, .. }
            | TreeError::Read { source, .. } => Some(source),
            TreeError::Extract(error) => error.source(),
            TreeError::Manifest { source, .. } => Some(source),
            TreeError::Occupied { .. } | TreeError::Differs { .. } => None,
        }
    }
}
