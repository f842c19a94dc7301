//! A file of the manifest as JSON, which tells a file from a link by the keys that are there; and
//! lists that end where they become too long, as a list in memory is many times its text.

use std::fmt;
use std::marker::PhantomData;

use archive::{Limits, Mode};
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::{Content, ManifestFile, ROLES_MAX};

/// The form of [`ManifestFile`] in JSON: the first three of its optional keys, or the last.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WireFile {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<WireMode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
}

#[derive(Serialize, Deserialize)]
enum WireMode {
    #[serde(rename = "0644")]
    Plain,
    #[serde(rename = "0755")]
    Executable,
}

impl From<ManifestFile> for WireFile {
    fn from(file: ManifestFile) -> WireFile {
        let mut wire = WireFile {
            path: file.path,
            bytes: None,
            mode: None,
            sha256: None,
            target: None,
        };
        match file.content {
            Content::File {
                bytes,
                mode,
                sha256,
            } => {
                wire.bytes = Some(bytes);
                wire.mode = Some(match mode {
                    Mode::Plain => WireMode::Plain,
                    Mode::Executable => WireMode::Executable,
                });
                wire.sha256 = Some(sha256.to_string());
            }
            Content::Symlink { target } => wire.target = Some(target),
        }
        wire
    }
}

impl TryFrom<WireFile> for ManifestFile {
    type Error = String;

    fn try_from(wire: WireFile) -> Result<ManifestFile, String> {
        let content = match (wire.bytes, wire.mode, wire.sha256, wire.target) {
            (Some(bytes), Some(mode), Some(sha256), None) => Content::File {
                bytes,
                mode: match mode {
                    WireMode::Plain => Mode::Plain,
                    WireMode::Executable => Mode::Executable,
                },
                sha256: sha256.parse().map_err(|error| format!("{error}"))?,
            },
            (None, None, None, Some(target)) => Content::Symlink { target },
            _ => return Err(format!("neither a file nor a link: `{}`", wire.path)),
        };
        let path = wire.path;
        Ok(ManifestFile { path, content })
    }
}

/// Reads the names of the roles.
pub(super) fn roles<'de, D: Deserializer<'de>>(json: D) -> Result<Vec<String>, D::Error> {
    json.deserialize_seq(Bounded::new("roles", ROLES_MAX))
}

/// Reads the list of files.
pub(super) fn files<'de, D: Deserializer<'de>>(json: D) -> Result<Vec<ManifestFile>, D::Error> {
    json.deserialize_seq(Bounded::new("files", Limits::ENTRIES_MAX as usize))
}

/// Takes a list of at most so many.
struct Bounded<T> {
    what: &'static str,
    max: usize,
    item: PhantomData<T>,
}

impl<T> Bounded<T> {
    fn new(what: &'static str, max: usize) -> Bounded<T> {
        let item = PhantomData;
        Bounded { what, max, item }
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Bounded<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {} {}", self.max, self.what)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            if items.len() == self.max {
                let (what, max) = (self.what, self.max);
                return Err(A::Error::custom(format_args!(
                    "too many {what}, the limit is {max}"
                )));
            }
            items.push(item);
        }
        Ok(items)
    }
}
