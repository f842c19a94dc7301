//! What the last packaging into a file learnt, kept beside that file.
//!
//! A [`Cache`] says which digest a file of a given [`Identity`] had, and which package followed from
//! which manifest. It is never trusted:
//!
//! - one that does not end with its own digest, or that another form of packages made, is as good as
//!   none;
//! - a package is used again only where its manifest, made anew, is the same, and where the file has
//!   the digest that the cache states: it is read to its end for that;
//! - where a package is written after all, each file is read and held against its digest.
//!
//! So the one thing believed unread is that a file of the same identity, settled when it was read,
//! has the same content, and that only where all files have theirs.
//!
//! It lies beside the package so that it goes with it, and so that whoever can write the one can
//! write the other. It is written whole under another name, synced, and renamed: a crash or a second
//! packager leave one that fits the package or one that does not, and the latter is seen.
//!
//! The form: the digest of [`FORM`]; the digest of the manifest; digest and size of the package; for
//! each file its identity and digest; the digest of all that. Numbers are little-endian.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use archive::{Digest, Limits};
use rustix::fs::OFlags;

use crate::identity::Identity;
use crate::replace_file;

/// What a cache was made by; whatever changes the bytes of a package must change this.
const FORM: &str = concat!("approot package cache 1\n", env!("CARGO_PKG_VERSION"), "\n");
const HEAD_BYTES: usize = 3 * Digest::BYTES + 8;
const RECORD_BYTES: usize = 8 * Identity::WORDS + Digest::BYTES;
/// The largest cache in bytes, for as many files as a package may hold.
const BYTES_MAX: u64 =
    (HEAD_BYTES + Digest::BYTES) as u64 + Limits::ENTRIES_MAX * RECORD_BYTES as u64;

/// What is known from before; nothing by default.
#[derive(Default)]
pub(crate) struct Cache {
    pub(crate) files: HashMap<Identity, Digest>,
    pub(crate) package: Option<KnownPackage>,
    /// The cache's own digest.
    digest: Option<Digest>,
}

/// A package, and what it was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KnownPackage {
    /// The digest of the manifest's text.
    pub(crate) manifest: Digest,
    /// The digest of the file.
    pub(crate) sha256: Digest,
    /// The size of the file in bytes.
    pub(crate) bytes: u64,
}

impl Cache {
    /// Reads the cache of the package `out`; an empty one where there is none that is whole.
    pub(crate) fn load(out: &Path) -> Cache {
        read(&path_beside(out))
            .ok()
            .and_then(|bytes| Cache::decode(&bytes))
            .unwrap_or_default()
    }

    /// Keeps what is known now, unless it is what was known before.
    pub(crate) fn store(
        &self,
        out: &Path,
        package: KnownPackage,
        files: &[(Identity, Digest)],
    ) -> Result<(), (PathBuf, io::Error)> {
        let bytes = encode(package, files);
        let (_, digest) = split_digest(&bytes).expect("just encoded");
        if self.digest == Some(digest) {
            return Ok(());
        }
        let path = path_beside(out);
        replace_file(&path, &bytes).map_err(|error| (path, error))
    }

    fn decode(bytes: &[u8]) -> Option<Cache> {
        let (content, digest) = split_digest(bytes)?;
        if Digest::of(content) != digest {
            return None;
        }
        let (head, records) = content.split_at_checked(HEAD_BYTES)?;
        let (digests, package_bytes) = head.as_chunks::<{ Digest::BYTES }>();
        if digests[0] != *Digest::of(form().as_bytes()).as_bytes() {
            return None;
        }
        let package = KnownPackage {
            manifest: Digest::of_bytes(digests[1]),
            sha256: Digest::of_bytes(digests[2]),
            bytes: u64::from_le_bytes(package_bytes.try_into().ok()?),
        };
        let (records, rest) = records.as_chunks::<RECORD_BYTES>();
        rest.is_empty().then(|| Cache {
            files: records.iter().map(decode_record).collect(),
            package: Some(package),
            digest: Some(digest),
        })
    }
}

fn form() -> String {
    format!("{FORM}{}\n", archive::ENCODING)
}

fn encode(package: KnownPackage, files: &[(Identity, Digest)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD_BYTES + files.len() * RECORD_BYTES + Digest::BYTES);
    for digest in [
        Digest::of(form().as_bytes()),
        package.manifest,
        package.sha256,
    ] {
        bytes.extend_from_slice(digest.as_bytes());
    }
    bytes.extend_from_slice(&package.bytes.to_le_bytes());
    for (identity, digest) in files {
        for word in identity.words() {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(digest.as_bytes());
    }
    let digest = Digest::of(&bytes);
    bytes.extend_from_slice(digest.as_bytes());
    bytes
}

fn decode_record(record: &[u8; RECORD_BYTES]) -> (Identity, Digest) {
    let (identity, digest) = record.split_at(8 * Identity::WORDS);
    let (words, _) = identity.as_chunks::<8>();
    let words = std::array::from_fn(|at| u64::from_le_bytes(words[at]));
    let digest = digest.try_into().expect("what is left is a digest");
    (Identity::of_words(words), Digest::of_bytes(digest))
}

/// Cuts the cache's own digest off.
fn split_digest(bytes: &[u8]) -> Option<(&[u8], Digest)> {
    let (content, digest) = bytes.split_last_chunk::<{ Digest::BYTES }>()?;
    Some((content, Digest::of_bytes(*digest)))
}

/// `.<package>.cache`, in the package's folder.
fn path_beside(out: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(out.file_name().unwrap_or_default());
    name.push(".cache");
    out.with_file_name(name)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = open_regular(path)?;
    let mut bytes = Vec::new();
    file.take(BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Opens a regular file, not through a link and without waiting for the other end of a fifo.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::ErrorKind::InvalidInput.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (KnownPackage, Vec<(Identity, Digest)>) {
        let package = KnownPackage {
            manifest: Digest::of(b"manifest"),
            sha256: Digest::of(b"package"),
            bytes: 7,
        };
        let file = |n: u64| {
            let identity = Identity::of_words(std::array::from_fn(|at| n + at as u64));
            (identity, Digest::of(&n.to_le_bytes()))
        };
        (package, (0..3).map(file).collect())
    }

    #[test]
    fn what_was_stored_is_loaded() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("p");
        assert!(Cache::load(&out).package.is_none());
        let (package, files) = sample();
        Cache::default().store(&out, package, &files).unwrap();
        let cache = Cache::load(&out);
        assert_eq!(cache.package, Some(package));
        assert_eq!(cache.files, files.into_iter().collect());
    }

    #[test]
    fn every_flipped_bit_and_every_cut_makes_it_empty() {
        let (package, files) = sample();
        let good = encode(package, &files);
        assert!(Cache::decode(&good).is_some());
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Cache::decode(&bad).is_none(), "{bit}");
        }
        for length in 0..good.len() {
            assert!(Cache::decode(&good[..length]).is_none(), "{length}");
        }
    }

    #[test]
    fn what_another_form_made_is_as_good_as_none() {
        let (package, files) = sample();
        let mut bytes = encode(package, &files);
        bytes[..Digest::BYTES].copy_from_slice(Digest::of(b"other").as_bytes());
        let content = bytes.len() - Digest::BYTES;
        let digest = Digest::of(&bytes[..content]);
        bytes[content..].copy_from_slice(digest.as_bytes());
        assert!(Cache::decode(&bytes).is_none());
    }
}
