//! Why a manifest is not accepted.

use std::error::Error;
use std::fmt;

use archive::Refusal;

use super::FORMAT_VERSION;

/// Why a manifest is not accepted.
#[derive(Debug)]
#[non_exhaustive]
pub enum ManifestError {
    /// It is not JSON, or not of the right shape.
    Json {
        /// What is wrong, with line and column.
        source: serde_json::Error,
    },
    /// It is of a version that this packager does not read.
    FormatVersion {
        /// Its version.
        format_version: u32,
    },
    /// The name of a role is no file name, or out of order, or there twice.
    Role {
        /// The name.
        role: String,
    },
    /// The definition is not the first file of the list, or the bill of materials not the last.
    Missing {
        /// Which of the two.
        path: &'static str,
    },
    /// A path may not be in a package.
    Refused {
        /// The path.
        entry: String,
        /// Why.
        refusal: Refusal,
    },
    /// A path lies in no role's approot, or stands before one that it should follow.
    Misplaced {
        /// The path.
        entry: String,
    },
    /// The size of the tar is not the sum of its parts.
    TarBytes {
        /// What the manifest states, in bytes.
        stated: u64,
        /// What the list adds up to, in bytes.
        counted: u64,
    },
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ManifestError::Json { .. } => f.write_str("the manifest is malformed"),
            ManifestError::FormatVersion { format_version } => write!(
                f,
                "the manifest is of a format version that this approot does not read, which is {FORMAT_VERSION}: {format_version}"
            ),
            ManifestError::Role { role } => {
                let role = role.escape_debug();
                write!(
                    f,
                    "the manifest names a role that is no file name, out of order or there twice: `{role}`"
                )
            }
            ManifestError::Missing { path } => {
                write!(f, "the manifest does not list, at its place: `{path}`")
            }
            ManifestError::Refused { entry, refusal } => {
                write!(
                    f,
                    "the manifest lists `{}`: {refusal}",
                    entry.escape_debug()
                )
            }
            ManifestError::Misplaced { entry } => write!(
                f,
                "the manifest lists a path in no role's approot, or out of order: `{}`",
                entry.escape_debug()
            ),
            ManifestError::TarBytes { stated, counted } => write!(
                f,
                "the manifest states another `tar_bytes` than its files add up to, which is {counted}: {stated}"
            ),
        }
    }
}

impl Error for ManifestError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ManifestError::Json { source } => Some(source),
            _ => None,
        }
    }
}
