//! Packages that were damaged, and packages made to lie.

use std::fs;

use archive::{ArchiveWriter, Limits};
use expect_test::{Expect, expect};
use packager::{
    Content, Digest, Manifest, ManifestFile, Mode, OpenError, RoleSource, build, open, verify,
};

use crate::support::{Fixture, chain};

/// As small as a package gets with a file and a link in it.
fn small() -> (Fixture, Vec<u8>) {
    let fixture = Fixture::empty();
    fixture.write("EchoWorkerContent/a", "a");
    fixture.link("EchoWorkerContent/b", "a");
    let source = fixture.source_of(RoleSource {
        name: "EchoWorker".to_owned(),
        binary: None,
        components: None,
        content_directory: Some(fixture.path("EchoWorkerContent")),
        contents: Vec::new(),
    });
    let package = build(&source, &fixture.path("package")).unwrap();
    let bytes = fs::read(package.path).unwrap();
    (fixture, bytes)
}

#[test]
fn every_flipped_byte_is_refused_and_named() {
    let (fixture, good) = small();
    let path = fixture.path("package");
    for at in 0..good.len() {
        for flip in [1 << (at % 8), 0xff] {
            let mut bad = good.clone();
            bad[at] ^= flip;
            fs::write(&path, &bad).unwrap();
            let error = verify(&path).unwrap_err();
            assert!(error.is_invalid(), "byte {at} ^ {flip:x}: {error}");
            assert!(
                error.to_string().contains(path.to_str().unwrap()),
                "{error}"
            );
        }
    }
    fs::write(&path, &good).unwrap();
    verify(&path).unwrap();
}

#[test]
fn every_cut_and_every_addition_is_refused() {
    let (fixture, good) = small();
    let path = fixture.path("package");
    for length in 0..good.len() {
        fs::write(&path, &good[..length]).unwrap();
        assert!(verify(&path).unwrap_err().is_invalid(), "{length}");
    }
    for rest in [&b"\0"[..], b"\n", &good] {
        fs::write(&path, [&good, rest].concat()).unwrap();
        assert!(verify(&path).unwrap_err().is_invalid());
    }
}

#[test]
fn what_cannot_be_read_is_not_invalid() {
    let fixture = Fixture::empty();
    for name in ["gone", ""] {
        let error = open(&fixture.path(name)).unwrap_err();
        assert!(!error.is_invalid(), "{error}");
    }
}

/// A package that is right, as a list of what to write, to be made wrong.
struct Forged {
    fixture: Fixture,
    manifest: Manifest,
    /// Each entry but the manifest: a path, and bytes or a target.
    entries: Vec<(String, Result<Vec<u8>, String>)>,
}

impl Forged {
    fn new() -> Forged {
        let (fixture, _) = small();
        let opened = open(&fixture.path("package")).unwrap();
        let staged = opened.unpack(&fixture.path("unpacked")).unwrap();
        let entries = staged.manifest.files.iter().map(|file| {
            let content = match &file.content {
                Content::File { .. } => Ok(fs::read(staged.root.join(&file.path)).unwrap()),
                Content::Symlink { target } => Err(target.clone()),
            };
            (file.path.clone(), content)
        });
        Forged {
            entries: entries.collect(),
            manifest: staged.manifest,
            fixture,
        }
    }

    fn write(&self, manifest_json: &[u8]) {
        let file = fs::File::create(self.fixture.path("package")).unwrap();
        let mut archive = ArchiveWriter::new(file, Limits::default());
        let mut append = |path: &str, content: &[u8]| {
            let bytes = content.len() as u64;
            archive
                .append_file(path, Mode::Plain, bytes, content)
                .map(drop)
        };
        if !manifest_json.is_empty() {
            append("manifest.json", manifest_json).unwrap();
        }
        for (path, content) in &self.entries {
            match content {
                Ok(content) => {
                    let bytes = content.len() as u64;
                    archive
                        .append_file(path, Mode::Plain, bytes, &content[..])
                        .map(drop)
                }
                Err(target) => archive.append_symlink(path, target),
            }
            .unwrap();
        }
        archive.finish().unwrap();
    }

    fn check(&self, manifest_json: &[u8], expected: &Expect) {
        self.write(manifest_json);
        let error = open(&self.fixture.path("package")).unwrap_err();
        assert!(error.is_invalid());
        expected.assert_eq(&chain(&error, &self.fixture));
    }
}

/// A lie in the archive, under an honest manifest.
fn check_entries(lie: impl FnOnce(&mut Vec<(String, Result<Vec<u8>, String>)>), expected: &Expect) {
    let mut forged = Forged::new();
    lie(&mut forged.entries);
    forged.check(&forged.manifest.to_json(), expected);
}

/// A lie in the manifest's list, over an honest archive.
fn check_files(lie: impl FnOnce(&mut Vec<ManifestFile>), expected: &Expect) {
    let mut forged = Forged::new();
    lie(&mut forged.manifest.files);
    forged.check(&forged.manifest.to_json(), expected);
}

/// A change in the manifest's text.
fn check_text(from: &str, to: &str, expected: &Expect) {
    let forged = Forged::new();
    let json = String::from_utf8(forged.manifest.to_json()).unwrap();
    assert!(json.contains(from), "{json}");
    forged.check(json.replacen(from, to, 1).as_bytes(), expected);
}

#[test]
fn an_honest_forgery_is_opened() {
    let forged = Forged::new();
    forged.write(&forged.manifest.to_json());
    open(&forged.fixture.path("package")).unwrap();
}

#[test]
fn entries_that_are_not_as_listed() {
    check_entries(
        |entries| entries[1].1 = Ok(b"b".to_vec()),
        &expect![
            "package `/package` holds `roles/EchoWorker/approot/a` with another digest than its manifest lists, which is ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb: 3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d"
        ],
    );
    check_entries(
        |entries| entries[1].1 = Ok(b"more".to_vec()),
        &expect![
            "package `/package` holds an entry of another size than its manifest lists: `roles/EchoWorker/approot/a`"
        ],
    );
    check_entries(
        |entries| entries[1].1 = Err("b".to_owned()),
        &expect![
            "package `/package` holds an entry of another kind than its manifest lists: `roles/EchoWorker/approot/a`"
        ],
    );
    check_entries(
        |entries| entries[2].1 = Err("c".to_owned()),
        &expect![
            "package `/package` holds an entry of another link target than its manifest lists: `roles/EchoWorker/approot/b`"
        ],
    );
    check_entries(
        |entries| drop(entries.remove(1)),
        &expect![
            "package `/package` holds `roles/EchoWorker/approot/b` where its manifest lists `roles/EchoWorker/approot/a`"
        ],
    );
    check_entries(
        |entries| drop(entries.pop()),
        &expect!["package `/package` holds its end where its manifest lists `sbom.cdx.json`"],
    );
    check_entries(
        |entries| entries.swap(1, 2),
        &expect![
            "package `/package` holds `roles/EchoWorker/approot/b` where its manifest lists `roles/EchoWorker/approot/a`"
        ],
    );
    let extra = |path: &str| (path.to_owned(), Ok(b"x".to_vec()));
    check_entries(
        |entries| entries.push(extra("zzz")),
        &expect!["package `/package` holds an entry that its manifest does not list: `zzz`"],
    );
    check_entries(
        |entries| entries.insert(0, extra("evil\u{1b}[2J")),
        &expect![[
            r#"package `/package` holds `evil\u{1b}[2J` where its manifest lists `ServiceDefinition.csdef`"#
        ]],
    );
}

#[test]
fn manifests_that_cannot_be_right() {
    let rename = |to: &str| {
        let to = to.to_owned();
        |files: &mut Vec<ManifestFile>| files[1].path = to
    };
    check_files(
        rename("roles/EchoWorker/approot/../../x"),
        &expect![
            "not a valid package: /package: the manifest lists `roles/EchoWorker/approot/../../x`: its path has a step `.` or `..`"
        ],
    );
    check_files(
        rename("roles/Other/approot/a"),
        &expect![
            "not a valid package: /package: the manifest lists a path in no role's approot, or out of order: `roles/Other/approot/a`"
        ],
    );
    check_files(
        rename("roles/EchoWorker/a"),
        &expect![
            "not a valid package: /package: the manifest lists a path in no role's approot, or out of order: `roles/EchoWorker/a`"
        ],
    );
    check_files(
        rename("roles/EchoWorker/approot/b"),
        &expect![
            "not a valid package: /package: the manifest lists a path in no role's approot, or out of order: `roles/EchoWorker/approot/b`"
        ],
    );
    check_files(
        rename("roles/EchoWorker/approot/B"),
        &expect![
            "not a valid package: /package: the manifest lists `roles/EchoWorker/approot/b`: only case tells it from `roles/EchoWorker/approot/B`"
        ],
    );
    check_files(
        |files| files.swap(1, 2),
        &expect![
            "not a valid package: /package: the manifest lists a path in no role's approot, or out of order: `roles/EchoWorker/approot/a`"
        ],
    );
    check_files(
        |files| drop(files.remove(0)),
        &expect![
            "not a valid package: /package: the manifest does not list, at its place: `ServiceDefinition.csdef`"
        ],
    );
    check_files(
        |files| drop(files.pop()),
        &expect![
            "not a valid package: /package: the manifest does not list, at its place: `sbom.cdx.json`"
        ],
    );
    check_files(
        Vec::clear,
        &expect![
            "not a valid package: /package: the manifest does not list, at its place: `ServiceDefinition.csdef`"
        ],
    );
    let leaving = |files: &mut Vec<ManifestFile>| {
        files[2].content = Content::Symlink {
            target: "../x".to_owned(),
        };
    };
    check_files(
        leaving,
        &expect![
            "not a valid package: /package: the manifest lists `roles/EchoWorker/approot/b`: its link leaves the root: `../x`"
        ],
    );
    let huge = |files: &mut Vec<ManifestFile>| {
        files[1].content = Content::File {
            bytes: u64::MAX,
            mode: Mode::Plain,
            sha256: Digest::of(b""),
        };
    };
    check_files(
        huge,
        &expect![
            "not a valid package: /package: the manifest lists `roles/EchoWorker/approot/a`: the file is too large, the limit in bytes is 8589934591"
        ],
    );
}

#[test]
fn manifests_that_cannot_be_read() {
    check_text(
        "\"format_version\": 1",
        "\"format_version\": 2",
        &expect![
            "not a valid package: /package: the manifest is of a format version that this approot does not read, which is 1: 2"
        ],
    );
    check_text(
        "\"tar_bytes\": ",
        "\"tar_bytes\": 1",
        &expect![
            "not a valid package: /package: the manifest states another `tar_bytes` than its files add up to, which is 5632: 15632"
        ],
    );
    check_text(
        "\"tar_bytes\": ",
        "\"other\": 0, \"tar_bytes\": ",
        &expect![
            "not a valid package: /package: the manifest is malformed: unknown field `other`, expected one of `format_version`, `service`, `packager_version`, `roles`, `tar_bytes`, `files` at line 8 column 9"
        ],
    );
    check_text(
        "\"mode\": \"0644\"",
        "\"mode\": \"0777\"",
        &expect![
            "not a valid package: /package: the manifest is malformed: unknown variant `0777`, expected `0644` or `0755` at line 13 column 20"
        ],
    );
    check_text(
        "\"bytes\": 1,",
        "",
        &expect![
            "not a valid package: /package: the manifest is malformed: neither a file nor a link: `roles/EchoWorker/approot/a` at line 22 column 4"
        ],
    );
    check_text(
        "\"target\": \"a\"",
        "\"target\": \"a\", \"bytes\": 0",
        &expect![
            "not a valid package: /package: the manifest is malformed: neither a file nor a link: `roles/EchoWorker/approot/b` at line 26 column 4"
        ],
    );
    check_text(
        "\"EchoWorker\"",
        "\"../x\"",
        &expect![
            "not a valid package: /package: the manifest names a role that is no file name, out of order or there twice: `../x`"
        ],
    );
    check_text(
        "\"EchoWorker\"",
        "\"EchoWorker\", \"EchoWorker\"",
        &expect![
            "not a valid package: /package: the manifest names a role that is no file name, out of order or there twice: `EchoWorker`"
        ],
    );
    let forged = Forged::new();
    forged.check(
        b"",
        &expect!["not a package, it does not begin with a `manifest.json`: /package"],
    );
    forged.check(b"{", &expect!["not a valid package: /package: the manifest is malformed: EOF while parsing an object at line 1 column 1"]);
}

#[test]
fn a_longer_tar_is_refused_though_zeros_are_no_entries() {
    use std::io::Write;
    let (fixture, good) = small();
    let mut tar = Vec::new();
    std::io::Read::read_to_end(&mut flate2_of(&good), &mut tar).unwrap();
    tar.resize(10240, 0);
    // Sealed by hand: the archive crate writes no padding.
    let mut gzip = flate2::GzBuilder::new()
        .operating_system(255)
        .write(Vec::new(), flate2::Compression::new(6));
    gzip.write_all(&tar).unwrap();
    let mut bytes = gzip.finish().unwrap();
    let seal = &good[good.len() - 58..];
    let digest = Digest::of(&bytes);
    bytes.extend_from_slice(&seal[..16]);
    bytes.extend_from_slice(digest.as_bytes());
    bytes.extend_from_slice(&seal[48..]);
    fs::write(fixture.path("package"), bytes).unwrap();
    let error = open(&fixture.path("package")).unwrap_err();
    assert!(
        matches!(error, OpenError::TarBytes { actual, .. } if actual % 512 == 0),
        "{error}"
    );
}

fn flate2_of(bytes: &[u8]) -> impl std::io::Read {
    flate2::read::MultiGzDecoder::new(bytes)
}
