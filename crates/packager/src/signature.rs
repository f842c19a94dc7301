//! Who made a package: signatures that the program `minisign` makes and verifies too.
//!
//! A signature is a file beside the package, `….minisig`. [`sign`] writes it with a [`SigningKey`];
//! [`Trust::check`] decides by it whether a package is accepted, before anything of the package is
//! parsed. Both read the package once, in small pieces, and sign or verify its BLAKE2b digest
//! (minisign's prehashed form; the older one would need the whole file in memory and is refused).
//!
//! Same inputs, same bytes: Ed25519 signatures are made without randomness, and the trusted comment
//! holds the service, the file and no clock. That is why the signing itself is not left to the
//! `minisign` crate, which mixes random bytes in and verifies comment and content only together;
//! it reads and decrypts the keys.
//!
//! A signature says nothing of when it was made that could be believed: a key that has expired
//! today is not trusted for a package of yesterday either.
//!
//! Source: <https://jedisct1.github.io/minisign/>, "Signature format", "Key formats".

mod document;
mod error;
mod keys;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use archive::{Digest, Hasher};
use blake2::digest::Digest as _;
use blake2::{Blake2b512, digest};

pub use self::error::{KeyError, SignatureError};
pub use self::keys::{LockedKey, SigningKey, TrustedKeys};

use self::document::Document;
use self::keys::TrustedKey;
use crate::{Package, regular, replace_file};

/// What the name of a signature ends in; before it stands the name of the package.
pub const SIGNATURE_SUFFIX: &str = ".minisig";

/// How much of a package is read at a time, in bytes.
const BUFFER_BYTES: usize = 256 << 10;

/// Whose packages are accepted.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// The keys whose signatures count.
    pub keys: TrustedKeys,
    /// Whether a package without a signature is refused.
    pub is_required: bool,
}

/// What is known of the maker of a package that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signing {
    /// There is no signature, and none was required.
    Unsigned,
    /// There is a signature, and no key to check it with.
    Unchecked {
        /// The key that it names, as minisign prints it.
        key_id: String,
    },
    /// A trusted key signed it.
    Signed(Signed),
}

/// A signature that a trusted key made for exactly this package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The key, as minisign prints it.
    pub key_id: String,
    /// The file of the key.
    pub key_file: PathBuf,
    /// What the signer wrote, covered by the signature.
    pub trusted_comment: String,
    /// The digest of the package that was checked, to recognise it by when it is read again.
    pub sha256: Digest,
}

/// The file that the signature of a package is in.
#[must_use]
pub fn signature_path(package: &Path) -> PathBuf {
    let mut path = OsString::from(package);
    path.push(SIGNATURE_SUFFIX);
    path.into()
}

/// Signs a package that was built, and writes the signature beside it; an older one is replaced.
///
/// `signed_at` is a time in seconds since 1970 for the trusted comment. Without it the same key and
/// package make the same bytes whenever that is.
///
/// # Errors
///
/// [`SignatureError::Read`], [`SignatureError::Write`], [`SignatureError::Name`], and
/// [`SignatureError::Changed`] where the file is no longer what was built.
pub fn sign(
    package: &Package,
    key: &SigningKey,
    signed_at: Option<u64>,
) -> Result<PathBuf, SignatureError> {
    let path = signature_path(&package.path);
    let read = Hashed::of(&package.path)?;
    if read.sha256 != package.sha256 {
        let path = package.path.clone();
        return Err(SignatureError::Changed { path });
    }
    let comment = trusted_comment(package, signed_at)?;
    let text = Document::sign(key, &read.prehash, comment).to_text();
    match replace_file(&path, text.as_bytes()) {
        Ok(()) => Ok(path),
        Err(source) => Err(SignatureError::Write { path, source }),
    }
}

impl Trust {
    /// Decides by its signature whether a package is accepted at the time `now`.
    ///
    /// Reads the signature and, where there is a key for it, the package; writes nothing.
    ///
    /// # Errors
    ///
    /// Any [`SignatureError`] but those of [`sign`];
    /// [`is_invalid`](SignatureError::is_invalid) tells a refusal from a failure to read.
    pub fn check(&self, package: &Path, now: SystemTime) -> Result<Signing, SignatureError> {
        let path = signature_path(package);
        let Some(document) = Document::read(&path)? else {
            if self.is_required {
                let package = package.to_owned();
                return Err(SignatureError::Unsigned { package });
            }
            return Ok(Signing::Unsigned);
        };
        let key_id = document.key_id.to_string();
        if self.keys.is_empty() && !self.is_required {
            return Ok(Signing::Unchecked { key_id });
        }
        let key = self.signer(&document, &path, now)?;
        let hashed = Hashed::of(package)?;
        if !document.is_of_content(key, &hashed.prehash) {
            return Err(SignatureError::OtherContent {
                package: package.to_owned(),
                signed: document.file_name().map(str::to_owned),
            });
        }
        Ok(Signing::Signed(Signed {
            key_id,
            key_file: key.path.clone(),
            trusted_comment: document.trusted_comment,
            sha256: hashed.sha256,
        }))
    }

    /// The trusted key that made the document, whatever it is the signature of.
    fn signer(
        &self,
        document: &Document,
        path: &Path,
        now: SystemTime,
    ) -> Result<&TrustedKey, SignatureError> {
        let path = || path.to_owned();
        let key_id = document.key_id;
        let mut makers: Vec<&TrustedKey> = self.keys.named(key_id).collect();
        if makers.is_empty() {
            let key_id = key_id.to_string();
            let path = path();
            return Err(SignatureError::UnknownKey { path, key_id });
        }
        // Whoever makes a key chooses its id, and a key may be there twice, with a later end.
        makers.retain(|key| document.is_made_by(key));
        let Some(first) = makers.first() else {
            let key_id = key_id.to_string();
            let path = path();
            return Err(SignatureError::Forged { path, key_id });
        };
        match makers.iter().find(|key| !key.has_expired(now)) {
            Some(fresh) => Ok(fresh),
            None => Err(SignatureError::Expired {
                path: path(),
                key_id: key_id.to_string(),
                key_file: first.path.clone(),
                last_day: first.last_day().unwrap_or_default(),
            }),
        }
    }
}

fn trusted_comment(package: &Package, signed_at: Option<u64>) -> Result<String, SignatureError> {
    let path = &package.path;
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.filter(|name| !name.contains(char::is_control));
    let service = &package.manifest.service;
    let (Some(name), false) = (name, service.contains(char::is_control)) else {
        let path = path.clone();
        return Err(SignatureError::Name { path });
    };
    let time = signed_at.map_or(String::new(), |seconds| format!("timestamp:{seconds}\t"));
    Ok(format!("{time}service:{service}\tfile:{name}\thashed"))
}

/// A package that was read once: what is signed, and what it is recognised by.
struct Hashed {
    prehash: digest::Output<Blake2b512>,
    sha256: Digest,
}

impl Hashed {
    fn of(path: &Path) -> Result<Hashed, SignatureError> {
        let hash = || {
            let mut file = regular::open(path)?;
            let (mut prehash, mut sha256) = (Blake2b512::new(), Hasher::new());
            let mut buffer = vec![0; BUFFER_BYTES];
            loop {
                match file.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(n) => {
                        prehash.update(&buffer[..n]);
                        sha256.update(&buffer[..n]);
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(Hashed {
                prehash: prehash.finalize(),
                sha256: sha256.finish(),
            })
        };
        hash().map_err(|source| SignatureError::Read {
            path: path.to_owned(),
            source,
        })
    }
}

/// Reads a text of which a reasonable one has a few hundred bytes; `None` where it is not UTF-8 or
/// has more than `bytes_max`.
fn read_text(file: File, bytes_max: u64) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    let is_small = bytes.len() as u64 <= bytes_max;
    Ok(String::from_utf8(bytes).ok().filter(|_| is_small))
}
