//! What can be wrong with signatures and keys.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a package was not accepted by its signature, or could not be signed.
#[derive(Debug)]
#[non_exhaustive]
pub enum SignatureError {
    /// There is no signature, and one was required.
    Unsigned {
        /// The package.
        package: PathBuf,
    },
    /// The file of the signature is not what minisign writes.
    Malformed {
        /// The signature.
        path: PathBuf,
        /// What is wrong.
        why: &'static str,
    },
    /// The signature names a key that is not trusted.
    UnknownKey {
        /// The signature.
        path: PathBuf,
        /// The key that it names.
        key_id: String,
    },
    /// The signature names a trusted key that did not make it.
    Forged {
        /// The signature.
        path: PathBuf,
        /// The key that it names.
        key_id: String,
    },
    /// The key was trusted for some time only, and that is over.
    Expired {
        /// The signature.
        path: PathBuf,
        /// The key.
        key_id: String,
        /// The file of the key.
        key_file: PathBuf,
        /// The last day that it counted.
        last_day: String,
    },
    /// A trusted key signed something else.
    OtherContent {
        /// The package.
        package: PathBuf,
        /// The name of the file that was signed, if the signer said it.
        signed: Option<String>,
    },
    /// The name of the package or of its service cannot stand in a signature.
    Name {
        /// The package.
        path: PathBuf,
    },
    /// The package is not the one that was built.
    Changed {
        /// The package.
        path: PathBuf,
    },
    /// The package or its signature could not be read.
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The signature could not be written.
    Write {
        /// The signature.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl SignatureError {
    /// Whether the package or its signature is to blame, and not the reading or writing.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        match self {
            SignatureError::Unsigned { .. }
            | SignatureError::Malformed { .. }
            | SignatureError::UnknownKey { .. }
            | SignatureError::Forged { .. }
            | SignatureError::Expired { .. }
            | SignatureError::OtherContent { .. }
            | SignatureError::Name { .. } => true,
            SignatureError::Changed { .. }
            | SignatureError::Read { .. }
            | SignatureError::Write { .. } => false,
        }
    }
}

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SignatureError::Unsigned { package } => write!(
                f,
                "the package is not signed, and a signature is required: {}",
                package.display()
            ),
            SignatureError::Malformed { path, why } => {
                write!(f, "not a valid signature, {why}: {}", path.display())
            }
            SignatureError::UnknownKey { path, key_id } => write!(
                f,
                "the signature is by key {key_id}, which is not among the trusted ones: {}",
                path.display()
            ),
            SignatureError::Forged { path, key_id } => write!(
                f,
                "the signature was changed, or is not by key {key_id}, which it names: {}",
                path.display()
            ),
            SignatureError::Expired {
                path,
                key_id,
                key_file,
                last_day,
            } => write!(
                f,
                "the signature is by key {key_id}, which was trusted until {last_day} ({}): {}",
                key_file.display(),
                path.display()
            ),
            SignatureError::OtherContent { package, signed } => {
                let (name, package_name) = (signed.as_deref(), package.file_name());
                match name {
                    Some(name) if Some(name.as_ref()) != package_name => write!(
                        f,
                        "the signature is that of another file, `{}`: {}",
                        name.escape_debug(),
                        package.display()
                    ),
                    _ => write!(
                        f,
                        "the package is not the one that was signed: {}",
                        package.display()
                    ),
                }
            }
            SignatureError::Name { path } => write!(
                f,
                "the name of the package or of its service cannot stand in a signature: {}",
                path.display()
            ),
            SignatureError::Changed { path } => write!(
                f,
                "the package changed before it was signed: {}",
                path.display()
            ),
            SignatureError::Read { path, .. } => write!(f, "cannot read `{}`", path.display()),
            SignatureError::Write { path, .. } => write!(f, "cannot write `{}`", path.display()),
        }
    }
}

impl Error for SignatureError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            SignatureError::Read { source, .. } | SignatureError::Write { source, .. } => {
                Some(source)
            }
            _ => None,
        }
    }
}

/// Why a key cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum KeyError {
    /// The file holds no secret key.
    NoSecretKey {
        /// The file.
        path: PathBuf,
    },
    /// The file holds no public key.
    NoPublicKey {
        /// The file.
        path: PathBuf,
    },
    /// The comment of the key has no day after `expires`.
    Expiry {
        /// The file.
        path: PathBuf,
    },
    /// No file of the folder ends in `.pub`.
    EmptyFolder {
        /// The folder.
        path: PathBuf,
    },
    /// The password is wrong.
    Password {
        /// The file.
        path: PathBuf,
    },
    /// The file or folder could not be read.
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyError::NoSecretKey { path } => {
                write!(f, "not a secret key of minisign: {}", path.display())
            }
            KeyError::NoPublicKey { path } => {
                write!(f, "not a public key of minisign: {}", path.display())
            }
            KeyError::Expiry { path } => write!(
                f,
                "the key's comment has no day such as 2027-03-31 after `expires`: {}",
                path.display()
            ),
            KeyError::EmptyFolder { path } => {
                write!(f, "there is no `*.pub` in the folder {}", path.display())
            }
            KeyError::Password { path } => {
                write!(f, "wrong password for the key {}", path.display())
            }
            KeyError::Read { path, .. } => write!(f, "cannot read `{}`", path.display()),
        }
    }
}

impl Error for KeyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            KeyError::Read { source, .. } => Some(source),
            _ => None,
        }
    }
}
