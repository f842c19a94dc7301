//! Packages made by hand, byte for byte, with nothing that keeps them from lying.
//!
//! None of it uses the code under test but for the digest: what is written here is what POSIX and
//! RFC 1952 say.

use std::fmt::Write as _;
use std::io::Write as _;

use packager::Digest;

/// An entry of a tar and what a manifest says of it.
#[derive(Clone)]
pub(crate) struct Raw {
    pub(crate) path: Vec<u8>,
    pub(crate) kind: u8,
    pub(crate) mode: u32,
    pub(crate) target: String,
    pub(crate) content: Vec<u8>,
    /// The size that the header states, if not that of the content.
    pub(crate) size: Option<u64>,
}

impl Raw {
    pub(crate) fn file(path: &str, content: &[u8]) -> Raw {
        Raw {
            path: path.as_bytes().to_vec(),
            kind: b'0',
            mode: 0o644,
            target: String::new(),
            content: content.to_vec(),
            size: None,
        }
    }

    pub(crate) fn link(path: &str, target: &str) -> Raw {
        Raw {
            kind: b'2',
            mode: 0o777,
            target: target.to_owned(),
            ..Raw::file(path, b"")
        }
    }

    pub(crate) fn of_kind(path: &str, kind: u8) -> Raw {
        Raw {
            kind,
            ..Raw::file(path, b"")
        }
    }

    /// The header blocks and the content.
    pub(crate) fn blocks(&self) -> Vec<u8> {
        let mut records = String::new();
        let is_ustar = self.path.len() <= 100 && self.path.is_ascii();
        match std::str::from_utf8(&self.path) {
            Ok(path) if !is_ustar => records += &record("path", path),
            Ok(_) | Err(_) => {}
        }
        if self.target.len() > 100 || !self.target.is_ascii() {
            records += &record("linkpath", &self.target);
        }
        let mut blocks = Vec::new();
        if !records.is_empty() {
            let pax = Raw {
                kind: b'x',
                ..Raw::file("PaxHeader", records.as_bytes())
            };
            blocks.extend(pax.block());
            blocks.extend(padded(records.as_bytes()));
        }
        blocks.extend(self.block());
        blocks.extend(padded(&self.content));
        blocks
    }

    /// Source: POSIX.1-2017, `pax`, "ustar Interchange Format".
    fn block(&self) -> [u8; 512] {
        let mut block = [0; 512];
        let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
        let fit = |bytes: &[u8]| -> Vec<u8> {
            let ascii = bytes.iter().take(100);
            ascii
                .map(|byte| {
                    if records_hold(bytes) && !byte.is_ascii() {
                        b'_'
                    } else {
                        *byte
                    }
                })
                .collect()
        };
        put(0, &fit(&self.path));
        put(100, format!("{:07o}\0", self.mode).as_bytes());
        put(108, b"0000000\x000000000\0");
        let size = self.size.unwrap_or(self.content.len() as u64);
        if size < 1 << 33 {
            put(124, format!("{size:011o}\0").as_bytes());
        } else {
            // GNU's way for what octal digits do not hold.
            put(124, &[0x80, 0, 0, 0]);
            put(128, &size.to_be_bytes());
        }
        put(136, b"00000000000\0");
        put(148, b"        ");
        put(156, &[self.kind]);
        put(157, &fit(self.target.as_bytes()));
        put(257, b"ustar\x0000");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:07o}\0").as_bytes());
        block
    }

    /// The line of the manifest: as it would be if the entry were right.
    fn line(&self) -> String {
        let path = serde_json::to_string(&String::from_utf8_lossy(&self.path)).unwrap();
        if self.kind == b'2' {
            let target = serde_json::to_string(&self.target).unwrap();
            return format!(r#"{{"path":{path},"target":{target}}}"#);
        }
        let bytes = self.size.unwrap_or(self.content.len() as u64);
        let sha256 = Digest::of(&self.content);
        let mode = if self.mode & 0o100 == 0 {
            "0644"
        } else {
            "0755"
        };
        format!(r#"{{"path":{path},"bytes":{bytes},"mode":"{mode}","sha256":"{sha256}"}}"#)
    }
}

/// Whether a name goes into a pax header: one that is UTF-8.
fn records_hold(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok()
}

fn record(key: &str, value: &str) -> String {
    let rest = format!(" {key}={value}\n");
    let fits = |n: &usize| *n == rest.len() + n.to_string().len();
    format!("{}{rest}", (1..).find(fits).unwrap())
}

fn padded(content: &[u8]) -> Vec<u8> {
    let mut blocks = content.to_vec();
    blocks.resize(content.len().next_multiple_of(512), 0);
    blocks
}

/// What lies in the approot of the role `W`.
pub(crate) fn in_approot(path: &str) -> String {
    format!("roles/W/approot/{path}")
}

/// The manifest of these entries, right in all that can be right.
pub(crate) fn manifest(entries: &[Raw]) -> String {
    let tar_bytes: usize = entries.iter().map(|entry| entry.blocks().len()).sum();
    let stated: u64 = entries
        .iter()
        .map(|entry| {
            entry
                .size
                .map_or(0, |size| size.div_ceil(512).saturating_mul(512))
        })
        .fold(0, u64::saturating_add);
    let mut json = String::new();
    let tar_bytes = stated.saturating_add(tar_bytes as u64 + 1024);
    write!(
        json,
        r#"{{"format_version":1,"service":"S","packager_version":"0","roles":["W"],"tar_bytes":{tar_bytes},"files":["#
    )
    .unwrap();
    let lines: Vec<String> = entries.iter().map(Raw::line).collect();
    json + &lines.join(",") + "]}"
}

/// The entries with a definition before and a bill after them.
pub(crate) fn framed(entries: &[Raw]) -> Vec<Raw> {
    let mut all = vec![Raw::file("ServiceDefinition.csdef", b"<S/>")];
    all.extend_from_slice(entries);
    all.push(Raw::file("sbom.cdx.json", b"{}"));
    all
}

/// The tar of a manifest and entries, with its end.
pub(crate) fn tar(manifest: &str, entries: &[Raw]) -> Vec<u8> {
    let mut tar = Raw::file("manifest.json", manifest.as_bytes()).blocks();
    entries.iter().for_each(|entry| tar.extend(entry.blocks()));
    tar.resize(tar.len() + 1024, 0);
    tar
}

/// One gzip member and the seal over it.
pub(crate) fn compress(tar: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::GzBuilder::new()
        .operating_system(255)
        .write(Vec::new(), flate2::Compression::new(6));
    gzip.write_all(tar).unwrap();
    seal(gzip.finish().unwrap())
}

/// Source: RFC 1952, section 2.3, and the documentation of the module `gzip` of `archive`.
pub(crate) fn seal(mut members: Vec<u8>) -> Vec<u8> {
    let digest = Digest::of(&members);
    members.extend([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255]);
    members.extend([36, 0, b'A', b'R', 32, 0]);
    members.extend(digest.as_bytes());
    members.extend([3, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    members
}
