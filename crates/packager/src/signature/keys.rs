//! minisign's key files: the secret one that signs, and the public ones that are trusted.
//!
//! A public key may end: where its comment, the file's first line, which is the holder's to write,
//! has the words `expires 2027-03-31`, that day is the last, in UTC. minisign's own programs read
//! over it.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ed25519_compact::{KeyPair, PublicKey, SecretKey};
use minisign::{PublicKeyBox, SecretKeyBox};

use super::document::{KeyId, decode};
use super::{KeyError, read_text};

/// What a key's file may have in bytes; it has two lines, and minisign's comments end at 1 KiB.
const BYTES_MAX: u64 = 16 << 10;
/// The files of a folder of trusted keys.
const PUBLIC_EXTENSION: &str = "pub";
/// Ed25519, the only algorithm of keys.
const ALGORITHM: [u8; 2] = *b"Ed";
/// Where an open secret key, as bytes, has its id; after it the key itself and a checksum.
///
/// Source: minisign, "Secret key format".
const SECRET_ID: usize = 2 + 2 + 2 + 32 + 8 + 8;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A secret key as its file has it, which may be encrypted.
pub struct LockedKey {
    path: PathBuf,
    text: String,
    key: minisign::SecretKey,
}

/// A secret key that can sign.
pub struct SigningKey {
    pub(super) id: KeyId,
    pub(super) secret: SecretKey,
}

/// Nothing of the secret.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.id)
    }
}

impl LockedKey {
    /// Reads the file of a secret key.
    ///
    /// # Errors
    ///
    /// [`KeyError::Read`], [`KeyError::NoSecretKey`].
    pub fn read(path: &Path) -> Result<LockedKey, KeyError> {
        let text = read(path)?.unwrap_or_default();
        let line = text.lines().nth(1).and_then(decode);
        let key = line.and_then(|bytes| minisign::SecretKey::from_bytes(&bytes).ok());
        match key.filter(|key| key.to_bytes().starts_with(&ALGORITHM)) {
            Some(key) => Ok(LockedKey {
                path: path.to_owned(),
                text,
                key,
            }),
            None => Err(KeyError::NoSecretKey {
                path: path.to_owned(),
            }),
        }
    }

    /// Whether a password is needed.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.key.is_encrypted()
    }

    /// Decrypts the key; the password of one that is not encrypted does not matter. Takes about a
    /// second.
    ///
    /// # Errors
    ///
    /// [`KeyError::Password`] where it is wrong, [`KeyError::NoSecretKey`] where the key is damaged.
    pub fn unlock(self, password: &str) -> Result<SigningKey, KeyError> {
        let path = self.path;
        let key = if self.key.is_encrypted() {
            let boxed = SecretKeyBox::from(self.text);
            match boxed.into_secret_key(Some(password.to_owned())) {
                Ok(key) => key,
                Err(_) => return Err(KeyError::Password { path }),
            }
        } else {
            // Not through the box: minisign writes no checksum into a key without a password, and
            // the box wants one.
            self.key
        };
        let bytes = key.to_bytes();
        let (id, bytes) = bytes[SECRET_ID..]
            .split_first_chunk()
            .expect("`minisign` writes all of a key");
        let (secret, _) = bytes.split_at(SecretKey::BYTES);
        match KeyPair::from_slice(secret) {
            Ok(pair) if pair.validate().is_ok() => Ok(SigningKey {
                id: KeyId(*id),
                secret: pair.sk,
            }),
            _ => Err(KeyError::NoSecretKey { path }),
        }
    }
}

/// The public keys whose signatures count.
#[derive(Debug, Clone, Default)]
pub struct TrustedKeys {
    keys: Vec<TrustedKey>,
}

/// A public key, and until when it counts.
#[derive(Debug, Clone)]
pub(super) struct TrustedKey {
    pub(super) path: PathBuf,
    id: KeyId,
    pub(super) public: PublicKey,
    last_day: Option<LastDay>,
}

#[derive(Debug, Clone)]
struct LastDay {
    text: String,
    end: SystemTime,
}

impl TrustedKeys {
    /// Reads the files of public keys, and of each folder all that end in `.pub`.
    ///
    /// # Errors
    ///
    /// [`KeyError::Read`], [`KeyError::NoPublicKey`], [`KeyError::Expiry`], and
    /// [`KeyError::EmptyFolder`]: a key that cannot be read is not passed over.
    pub fn read(paths: &[PathBuf]) -> Result<TrustedKeys, KeyError> {
        let mut keys = Vec::new();
        for path in paths {
            if path.is_dir() {
                for file in public_keys_in(path)? {
                    keys.push(TrustedKey::read(&file)?);
                }
            } else {
                keys.push(TrustedKey::read(path)?);
            }
        }
        Ok(TrustedKeys { keys })
    }

    /// Whether no signature counts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(super) fn named(&self, id: KeyId) -> impl Iterator<Item = &TrustedKey> {
        self.keys.iter().filter(move |key| key.id == id)
    }
}

impl TrustedKey {
    fn read(path: &Path) -> Result<TrustedKey, KeyError> {
        let no_key = || KeyError::NoPublicKey {
            path: path.to_owned(),
        };
        let text = read(path)?.ok_or_else(no_key)?;
        let comment = text.lines().next().unwrap_or_default();
        let last_day = match last_day(comment) {
            Ok(last_day) => last_day,
            Err(()) => {
                let path = path.to_owned();
                return Err(KeyError::Expiry { path });
            }
        };
        let key = PublicKeyBox::from(text.clone()).into_public_key();
        let bytes = key.map_err(|_| no_key())?.to_bytes();
        let (algorithm, bytes) = bytes.split_first_chunk().ok_or_else(no_key)?;
        let (id, bytes) = bytes.split_first_chunk().ok_or_else(no_key)?;
        if *algorithm != ALGORITHM {
            return Err(no_key());
        }
        Ok(TrustedKey {
            path: path.to_owned(),
            id: KeyId(*id),
            public: PublicKey::from_slice(bytes).map_err(|_| no_key())?,
            last_day,
        })
    }

    pub(super) fn has_expired(&self, now: SystemTime) -> bool {
        self.last_day.as_ref().is_some_and(|day| day.end <= now)
    }

    /// As the file has it.
    pub(super) fn last_day(&self) -> Option<String> {
        self.last_day.as_ref().map(|day| day.text.clone())
    }
}

/// The day after the word `expires`; an error where that is none.
fn last_day(comment: &str) -> Result<Option<LastDay>, ()> {
    let mut words = comment.split([' ', '\t', ',', ';', '(', ')']);
    if !words.any(|word| word.eq_ignore_ascii_case("expires")) {
        return Ok(None);
    }
    let day = words.find(|word| !word.is_empty()).ok_or(())?;
    let begin = humantime::parse_rfc3339(&format!("{day}T00:00:00Z")).map_err(|_| ())?;
    Ok(Some(LastDay {
        text: day.to_owned(),
        end: begin + DAY,
    }))
}

fn public_keys_in(folder: &Path) -> Result<Vec<PathBuf>, KeyError> {
    let list = || {
        let mut files = Vec::new();
        for entry in folder.read_dir()? {
            let path = entry?.path();
            let is_public = path
                .extension()
                .is_some_and(|other| other == PUBLIC_EXTENSION);
            if is_public && path.is_file() {
                files.push(path);
            }
        }
        Ok(files)
    };
    let mut files = list().map_err(|source| KeyError::Read {
        path: folder.to_owned(),
        source,
    })?;
    files.sort();
    if files.is_empty() {
        let path = folder.to_owned();
        return Err(KeyError::EmptyFolder { path });
    }
    Ok(files)
}

fn read(path: &Path) -> Result<Option<String>, KeyError> {
    // Of a pipe too: a shell hands over in one what another program prints.
    let text = File::open(path).and_then(|file| read_text(file, BYTES_MAX));
    text.map_err(|source| KeyError::Read {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(comment: &str) -> Result<Option<String>, ()> {
        last_day(comment).map(|day| day.map(|day| day.text))
    }

    #[test]
    fn an_end_is_a_day_after_the_word() {
        let comment = "untrusted comment: minisign public key E177471E2A5C7313";
        assert_eq!(day(comment), Ok(None));
        for more in [
            " expires 2027-03-31",
            ", Expires 2027-03-31, then ask",
            " (expires  2027-03-31)",
        ] {
            let found = day(&format!("{comment}{more}"));
            assert_eq!(found, Ok(Some("2027-03-31".to_owned())), "{more}");
        }
        for more in [
            " expires",
            " expires soon",
            " expires 2027-02-30",
            " expires 2027-3-1",
        ] {
            assert_eq!(day(&format!("{comment}{more}")), Err(()), "{more}");
        }
    }

    #[test]
    fn the_last_day_counts_in_full() {
        let at = |time: &str| humantime::parse_rfc3339(time).unwrap();
        let day = last_day("expires 2027-03-31").unwrap().unwrap();
        assert!(day.end > at("2027-03-31T23:59:59Z"));
        assert_eq!(day.end, at("2027-04-01T00:00:00Z"));
    }
}
