//! The header of one entry as bytes: the only encoder, for writing and for checking what is read.
//!
//! POSIX ustar with mtime 0, owner 0, no owner names and the modes of [`Mode`](crate::Mode). A path
//! or target that ustar cannot hold, or that is not ASCII, goes into a pax header before it.
//! GNU extensions, sparse files and directories are never written.
//!
//! Source: POSIX.1-2017, `pax`, "ustar Interchange Format" and "pax Header Block".

use tar::{EntryType, Header};

use crate::EntryKind;

/// The unit of a tar, in bytes.
pub(crate) const BLOCK_BYTES: usize = 512;
/// The two zero blocks that end a tar, in bytes.
pub const END_BYTES: u64 = 2 * BLOCK_BYTES as u64;
/// The field `name` of a ustar header, in bytes; `linkname` is as long.
const NAME_BYTES: usize = 100;
/// The field `prefix` of a ustar header, in bytes.
const PREFIX_BYTES: usize = 155;
/// What a reader without pax sees as the name of a pax header.
const PAX_NAME: &str = "PaxHeader";

/// How many bytes of the tar an entry takes: its headers, its content and the padding.
///
/// Computable before anything is written, which lets a manifest state the size of its own tar.
#[must_use]
pub fn entry_bytes(path: &str, kind: &EntryKind) -> u64 {
    let content_bytes = kind.content_bytes();
    let padding_bytes = padding_bytes(content_bytes) as u64;
    encode(path, kind).len() as u64 + content_bytes + padding_bytes
}

/// The zeros that fill the last block of `content_bytes`.
pub(crate) fn padding_bytes(content_bytes: u64) -> usize {
    let used = (content_bytes % BLOCK_BYTES as u64) as usize;
    (BLOCK_BYTES - used) % BLOCK_BYTES
}

/// The header blocks of an entry.
pub(crate) fn encode(path: &str, kind: &EntryKind) -> Vec<u8> {
    let mut header = Header::new_ustar();
    let mut records = String::new();
    if !set_path(&mut header, path) {
        push_record(&mut records, "path", path);
    }
    match kind {
        EntryKind::File { mode, bytes } => {
            set_fields(&mut header, EntryType::Regular, mode.bits(), *bytes);
        }
        EntryKind::Symlink { target } => {
            if !set_target(&mut header, target) {
                push_record(&mut records, "linkpath", target);
            }
            set_fields(&mut header, EntryType::Symlink, 0o777, 0);
        }
    }
    let mut encoded = Vec::with_capacity(BLOCK_BYTES);
    if !records.is_empty() {
        push_pax(&mut encoded, &records);
    }
    encoded.extend_from_slice(header.as_bytes());
    encoded
}

fn push_pax(encoded: &mut Vec<u8>, records: &str) {
    let mut header = Header::new_ustar();
    set_path(&mut header, PAX_NAME);
    set_fields(&mut header, EntryType::XHeader, 0o644, records.len() as u64);
    encoded.extend_from_slice(header.as_bytes());
    encoded.extend_from_slice(records.as_bytes());
    encoded.resize(encoded.len() + padding_bytes(records.len() as u64), 0);
}

/// Fills what does not depend on the name, the checksum last.
fn set_fields(header: &mut Header, entry_type: EntryType, mode_bits: u32, size_bytes: u64) {
    header.set_entry_type(entry_type);
    header.set_mode(mode_bits);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size_bytes);
    header.set_mtime(0);
    header.set_cksum();
}

/// Writes `path` into the header; `false` where it did not fit and the header holds a part of it.
fn set_path(header: &mut Header, path: &str) -> bool {
    let fitting = split(path).filter(|_| path.is_ascii());
    let (prefix, name) = fitting.unwrap_or(("", path));
    let ustar = header.as_ustar_mut().expect("made as ustar");
    fill(&mut ustar.prefix, prefix);
    fill(&mut ustar.name, name);
    fitting.is_some()
}

/// Writes `target` into the header; `false` where it did not fit.
fn set_target(header: &mut Header, target: &str) -> bool {
    fill(&mut header.as_old_mut().linkname, target);
    target.is_ascii() && target.len() <= NAME_BYTES
}

/// Cuts a path for the two fields of ustar, at the last `/` that leaves room in both.
fn split(path: &str) -> Option<(&str, &str)> {
    if path.len() <= NAME_BYTES {
        return Some(("", path));
    }
    let cuts = path.match_indices('/').rev();
    cuts.map(|(at, _)| (&path[..at], &path[at + 1..]))
        .find(|(prefix, name)| prefix.len() <= PREFIX_BYTES && name.len() <= NAME_BYTES)
}

/// Copies what fits; letters outside ASCII become `_`, since their encoding is not ustar's to say.
fn fill(field: &mut [u8], text: &str) {
    for (byte, from) in field.iter_mut().zip(text.bytes()) {
        *byte = if from.is_ascii() { from } else { b'_' };
    }
}

/// Appends `<length> <key>=<value>\n`, whose length counts itself.
fn push_record(records: &mut String, key: &str, value: &str) {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len();
    while length != rest.len() + length.to_string().len() {
        length = rest.len() + length.to_string().len();
    }
    records.push_str(&length.to_string());
    records.push_str(&rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mode;

    const FILE: EntryKind = EntryKind::File {
        mode: Mode::Plain,
        bytes: 1,
    };

    #[test]
    fn sizes_are_known_beforehand() {
        let file = |bytes| EntryKind::File {
            mode: Mode::Plain,
            bytes,
        };
        assert_eq!(entry_bytes("a", &file(0)), 512);
        assert_eq!(entry_bytes("a", &file(1)), 1024);
        assert_eq!(entry_bytes("a", &file(512)), 1024);
        assert_eq!(entry_bytes("a", &file(513)), 1536);
        assert_eq!(entry_bytes("ü", &file(0)), 1536);
    }

    #[test]
    fn ustar_as_long_as_it_fits() {
        let step = "x".repeat(100);
        let folder = "y".repeat(155);
        for (path, blocks) in [
            (step.clone(), 1),
            (format!("{step}x"), 3),
            (format!("{folder}/{step}"), 1),
            (format!("{folder}y/{step}"), 3),
            (format!("{folder}/{step}x"), 3),
        ] {
            assert_eq!(encode(&path, &FILE).len(), blocks * BLOCK_BYTES, "{path}");
        }
    }

    #[test]
    fn a_record_counts_its_own_length() {
        for length in 1..1200 {
            let mut record = String::new();
            push_record(&mut record, "path", &"x".repeat(length));
            let (stated, _) = record.split_once(' ').unwrap();
            assert_eq!(stated.parse(), Ok(record.len()));
        }
    }
}
