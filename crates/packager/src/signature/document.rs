//! The text of a `.minisig` file: written, read, and held against a key.
//!
//! Four lines: a comment that no signature covers, the signature of the content, a comment that is
//! covered, and the signature of the first signature and that comment.
//!
//! Only the one text that the writer would make is accepted. What no signature covers could
//! otherwise be changed unseen: the bits that base64 leaves over, white space, more lines, and the
//! first comment, which must be one of those that the common programs write by themselves.

use std::fmt;
use std::io;
use std::path::Path;

use ct_codecs::{Base64, Decoder, Encoder};
use ed25519_compact::Signature;

use super::keys::TrustedKey;
use super::{SignatureError, SigningKey, read_text};
use crate::regular;

/// What the file may have in bytes; minisign's own limit for the longer comment is 8 KiB.
const BYTES_MAX: u64 = 16 << 10;
const UNTRUSTED: &str = "untrusted comment: ";
const TRUSTED: &str = "trusted comment: ";
/// The first comments of `minisign`, which is ours too, and of `rsign`.
const FIRST_COMMENTS: [&str; 2] = [
    "signature from minisign secret key",
    "signature from rsign secret key",
];
/// Ed25519 of the BLAKE2b-512 digest.
const PREHASHED: [u8; 2] = *b"ED";
/// Ed25519 of the content itself.
const LEGACY: [u8; 2] = *b"Ed";
const ID_BYTES: usize = 8;

/// By which a signature names its key; chosen at random when the key is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyId(pub(super) [u8; ID_BYTES]);

/// As minisign prints it.
impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", u64::from_le_bytes(self.0))
    }
}

/// A signature with its comments.
pub(super) struct Document {
    first_comment: &'static str,
    pub(super) key_id: KeyId,
    content_signature: Signature,
    pub(super) trusted_comment: String,
    comment_signature: Signature,
}

impl Document {
    /// Signs the digest of a content, and a comment of one line.
    pub(super) fn sign(key: &SigningKey, prehash: &[u8], trusted_comment: String) -> Document {
        // Without noise: the standard's own derivation, which makes the same signature every time.
        let content_signature = key.secret.sign(prehash, None);
        let covered = covered(&content_signature, &trusted_comment);
        Document {
            first_comment: FIRST_COMMENTS[0],
            key_id: key.id,
            content_signature,
            trusted_comment,
            comment_signature: key.secret.sign(covered, None),
        }
    }

    /// Reads a file; `None` where there is none.
    pub(super) fn read(path: &Path) -> Result<Option<Document>, SignatureError> {
        let text = match regular::open(path).and_then(|file| read_text(file, BYTES_MAX)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                let path = path.to_owned();
                return Err(SignatureError::Read { path, source });
            }
        };
        let document = match text.as_deref() {
            Some(text) => Document::parse(text),
            None => Err("it is too long, or not a text"),
        };
        let malformed = |why| SignatureError::Malformed {
            path: path.to_owned(),
            why,
        };
        document.map(Some).map_err(malformed)
    }

    fn parse(text: &str) -> Result<Document, &'static str> {
        let lines: Vec<&str> = text.lines().collect();
        let [first, content, trusted, comment] = lines[..] else {
            return Err("it does not have four lines");
        };
        let first = first.strip_prefix(UNTRUSTED);
        let Some(first_comment) = FIRST_COMMENTS
            .into_iter()
            .find(|known| first == Some(known))
        else {
            return Err("its first line is not that of minisign or rsign, \
                        and no signature would show who changed it");
        };
        let trusted_comment = trusted.strip_prefix(TRUSTED);
        let trusted_comment = trusted_comment.ok_or("its third line is no trusted comment")?;
        let (key_id, content_signature) = parse_content_signature(content)?;
        let document = Document {
            first_comment,
            key_id,
            content_signature,
            trusted_comment: trusted_comment.to_owned(),
            comment_signature: decode(comment)
                .and_then(|bytes| Signature::from_slice(&bytes).ok())
                .ok_or("its fourth line is no signature")?,
        };
        if document.to_text() == text {
            Ok(document)
        } else {
            Err("it is not written as minisign writes it")
        }
    }

    /// The bytes of the file.
    pub(super) fn to_text(&self) -> String {
        let mut bytes = PREHASHED.to_vec();
        bytes.extend_from_slice(&self.key_id.0);
        bytes.extend_from_slice(self.content_signature.as_ref());
        format!(
            "{UNTRUSTED}{}\n{}\n{TRUSTED}{}\n{}\n",
            self.first_comment,
            encode(&bytes),
            self.trusted_comment,
            encode(self.comment_signature.as_ref()),
        )
    }

    /// Whether the key signed the comment together with the signature of the content. The content
    /// is not asked for.
    pub(super) fn is_made_by(&self, key: &TrustedKey) -> bool {
        let covered = covered(&self.content_signature, &self.trusted_comment);
        key.public.verify(covered, &self.comment_signature).is_ok()
    }

    /// Whether the key signed the content that has this digest.
    pub(super) fn is_of_content(&self, key: &TrustedKey, prehash: &[u8]) -> bool {
        key.public.verify(prehash, &self.content_signature).is_ok()
    }

    /// The name of the file that was signed, where the trusted comment has it as minisign writes
    /// it.
    pub(super) fn file_name(&self) -> Option<&str> {
        let mut parts = self.trusted_comment.split('\t');
        parts.find_map(|part| part.strip_prefix("file:"))
    }
}

fn parse_content_signature(line: &str) -> Result<(KeyId, Signature), &'static str> {
    let no_signature = "its second line is no signature";
    let bytes = decode(line).ok_or(no_signature)?;
    let (algorithm, bytes) = bytes.split_first_chunk().ok_or(no_signature)?;
    match *algorithm {
        PREHASHED => {}
        LEGACY => return Err("it is of minisign's old form, not made with a prehash"),
        _ => return Err("it is of an unknown algorithm"),
    }
    let (id, signature) = bytes.split_first_chunk().ok_or(no_signature)?;
    let signature = Signature::from_slice(signature).map_err(|_| no_signature)?;
    Ok((KeyId(*id), signature))
}

/// What the second signature covers.
fn covered(content_signature: &Signature, trusted_comment: &str) -> Vec<u8> {
    [content_signature.as_ref(), trusted_comment.as_bytes()].concat()
}

pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    Base64::decode_to_vec(text, None).ok()
}

fn encode(bytes: &[u8]) -> String {
    Base64::encode_to_string(bytes).expect("memory for some hundred bytes")
}
