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
        /// What is wrong, with line and column; as text, since it quotes the manifest.
        reason: String,
    },
    /// It is of a version that this packager does not read.
    FormatVersion {
        /// Its version.
        format_version: u32,
    },
    /// The name of the service or the version of the packager is no line of text.
    Word {
        /// Its key.
        key: &'static str,
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
            ManifestError::Json { reason } => {
                write!(f, "the manifest is malformed: {}", shown(reason))
            }
            ManifestError::Word { key } => write!(
                f,
                "the manifest has a value that is empty, too long or no single line: `{key}`"
            ),
            ManifestError::FormatVersion { format_version } => write!(
                f,
                "the manifest is of a format version that this approot does not read, which is {FORMAT_VERSION}: {format_version}"
            ),
            ManifestError::Role { role } => {
                let role = shown(role);
                write!(
                    f,
                    "the manifest names a role that is no file name, out of order or there twice: `{role}`"
                )
            }
            ManifestError::Missing { path } => {
                write!(f, "the manifest does not list, at its place: `{path}`")
            }
            ManifestError::Refused { entry, refusal } => {
                write!(f, "the manifest lists `{}`: {refusal}", shown(entry))
            }
            ManifestError::Misplaced { entry } => write!(
                f,
                "the manifest lists a path in no role's approot, or out of order: `{}`",
                shown(entry)
            ),
            ManifestError::TarBytes { stated, counted } => write!(
                f,
                "the manifest states another `tar_bytes` than its files add up to, which is {counted}: {stated}"
            ),
        }
    }
}

/// The most characters of a text from a manifest that a message repeats: more than a path may have.
const SHOWN_MAX: usize = 1100;

/// A text from a manifest as one that no terminal acts upon, and that ends.
fn shown(text: &str) -> String {
    let mut shown: String = text.escape_debug().take(SHOWN_MAX).collect();
    if text.escape_debug().nth(SHOWN_MAX).is_some() {
        shown.push('…');
    }
    shown
}

impl Error for ManifestError {}
