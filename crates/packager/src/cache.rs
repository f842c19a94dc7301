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
//! each file its identity and digest; the digest of all that. Numbers are
//! little-endian. The files stand in the order of their bytes, to be found where they stand.

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use archive::{Digest, Limits};

use crate::identity::Identity;
use crate::{regular, replace_file};

/// What a cache was made by; whatever changes the bytes of a package must change this.
const FORM: &str = concat!("approot package cache 2\n", env!("CARGO_PKG_VERSION"), "\n");
const HEAD_BYTES: usize = 3 * Digest::BYTES + 8;
const IDENTITY_BYTES: usize = 8 * Identity::WORDS;
const RECORD_BYTES: usize = IDENTITY_BYTES + Digest::BYTES;
/// The largest cache in bytes, for as many files as a package may hold.
const BYTES_MAX: u64 =
    (HEAD_BYTES + Digest::BYTES) as u64 + Limits::ENTRIES_MAX * RECORD_BYTES as u64;

/// What is known from before; nothing by default.
#[derive(Default)]
pub(crate) struct Cache {
    pub(crate) files: KnownFiles,
    pub(crate) package: Option<KnownPackage>,
    /// The cache's own digest.
    digest: Option<Digest>,
}

/// The files of a cache: the whole of it, or nothing.
#[derive(Default)]
pub(crate) struct KnownFiles(Vec<u8>);

impl KnownFiles {
    /// The digest of the file that has this identity.
    pub(crate) fn get(&self, identity: &Identity) -> Option<Digest> {
        let records = self.0.get(HEAD_BYTES..)?.as_chunks::<RECORD_BYTES>().0;
        let identity = identity_bytes(identity);
        let at = records.binary_search_by(|record| record[..identity.len()].cmp(&identity));
        let (_, digest) = records[at.ok()?].split_last_chunk()?;
        Some(Digest::of_bytes(*digest))
    }
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
            .and_then(Cache::decode)
            .unwrap_or_default()
    }

    /// Keeps what is known now, unless it is what was known before.
    pub(crate) fn store(
        &self,
        out: &Path,
        package: KnownPackage,
        files: impl Iterator<Item = (Identity, Digest)>,
    ) -> Result<(), (PathBuf, io::Error)> {
        let bytes = encode(package, files);
        let (_, digest) = split_digest(&bytes).expect("just encoded");
        if self.digest == Some(digest) {
            return Ok(());
        }
        let path = path_beside(out);
        replace_file(&path, &bytes).map_err(|error| (path, error))
    }

    fn decode(bytes: Vec<u8>) -> Option<Cache> {
        let (content, digest) = split_digest(&bytes)?;
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
        let is_whole = records.len().is_multiple_of(RECORD_BYTES);
        is_whole.then_some(Cache {
            files: KnownFiles(bytes),
            package: Some(package),
            digest: Some(digest),
        })
    }
}

fn form() -> String {
    format!("{FORM}{}\n", archive::ENCODING)
}

fn encode(package: KnownPackage, files: impl Iterator<Item = (Identity, Digest)>) -> Vec<u8> {
    let n_most = files.size_hint().1.unwrap_or_default();
    let mut bytes = Vec::with_capacity(HEAD_BYTES + n_most * RECORD_BYTES + Digest::BYTES);
    for digest in [
        Digest::of(form().as_bytes()),
        package.manifest,
        package.sha256,
    ] {
        bytes.extend_from_slice(digest.as_bytes());
    }
    bytes.extend_from_slice(&package.bytes.to_le_bytes());
    for (identity, digest) in files {
        bytes.extend_from_slice(&identity_bytes(&identity));
        bytes.extend_from_slice(digest.as_bytes());
    }
    let (records, _) = bytes[HEAD_BYTES..].as_chunks_mut::<RECORD_BYTES>();
    records.sort_unstable();
    let digest = Digest::of(&bytes);
    bytes.extend_from_slice(digest.as_bytes());
    bytes
}

fn identity_bytes(identity: &Identity) -> [u8; IDENTITY_BYTES] {
    let mut bytes = [0; IDENTITY_BYTES];
    let (words, _) = bytes.as_chunks_mut::<8>();
    for (bytes, word) in words.iter_mut().zip(identity.words()) {
        *bytes = word.to_le_bytes();
    }
    bytes
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
    let file = regular::open_unlinked(path)?;
    let mut bytes = Vec::new();
    file.take(BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
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
        (package, (0..30).rev().map(file).collect())
    }

    #[test]
    fn what_was_stored_is_loaded() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("p");
        assert!(Cache::load(&out).package.is_none());
        let (package, files) = sample();
        let store = Cache::default().store(&out, package, files.iter().copied());
        store.unwrap();
        let cache = Cache::load(&out);
        assert_eq!(cache.package, Some(package));
        for (identity, digest) in files {
            assert_eq!(cache.files.get(&identity), Some(digest));
        }
        let other = Identity::of_words([1; Identity::WORDS]);
        assert_eq!(cache.files.get(&other), None);
        assert_eq!(KnownFiles::default().get(&other), None);
    }

    #[test]
    fn every_flipped_bit_and_every_cut_makes_it_empty() {
        let (package, files) = sample();
        let good = encode(package, files.into_iter());
        assert!(Cache::decode(good.clone()).is_some());
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Cache::decode(bad).is_none(), "{bit}");
        }
        for length in 0..good.len() {
            assert!(Cache::decode(good[..length].to_vec()).is_none(), "{length}");
        }
    }

    #[test]
    fn what_another_form_made_is_as_good_as_none() {
        let (package, files) = sample();
        let mut bytes = encode(package, files.into_iter());
        bytes[..Digest::BYTES].copy_from_slice(Digest::of(b"other").as_bytes());
        let content = bytes.len() - Digest::BYTES;
        let digest = Digest::of(&bytes[..content]);
        bytes[content..].copy_from_slice(digest.as_bytes());
        assert!(Cache::decode(bytes).is_none());
    }
}
