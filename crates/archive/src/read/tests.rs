//! Archives as they should be, and archives made by hand to do harm.

use std::num::NonZero;

use expect_test::{Expect, expect};
use tar::Header;

use super::*;
use crate::gzip::GzipWriter;
use crate::{ArchiveWriter, WriteError};

/// A tar in the making, with nothing that keeps it from lying.
#[derive(Default)]
struct Forged(Vec<u8>);

impl Forged {
    /// An entry that is as the writer would write it, but for what `change` does.
    fn entry(mut self, path: &str, content: &[u8], change: impl FnOnce(&mut Header)) -> Forged {
        let kind = EntryKind::File {
            mode: Mode::Plain,
            bytes: content.len() as u64,
        };
        let mut header = Header::from_byte_slice(&header::encode(path, &kind)).clone();
        change(&mut header);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.content(content)
    }

    fn file(self, path: &str) -> Forged {
        self.entry(path, b"x", |_| {})
    }

    fn link(self, path: &str, target: &str) -> Forged {
        self.entry(path, b"", |header| {
            header.set_entry_type(EntryType::Symlink);
            header.set_mode(0o777);
            header.set_link_name_literal(target).unwrap();
        })
    }

    fn of_type(self, entry_type: EntryType) -> Forged {
        self.entry("dev", b"", |header| header.set_entry_type(entry_type))
    }

    fn named(self, name: &[u8]) -> Forged {
        self.entry("", b"", |header| {
            header.as_old_mut().name[..name.len()].copy_from_slice(name)
        })
    }

    fn content(mut self, content: &[u8]) -> Forged {
        self.0.extend_from_slice(content);
        let padding = header::padding_bytes(content.len() as u64);
        self.zeros(padding)
    }

    fn zeros(mut self, n_bytes: usize) -> Forged {
        self.0.resize(self.0.len() + n_bytes, 0);
        self
    }

    fn end(self) -> Forged {
        self.zeros(END_BYTES as usize)
    }

    fn compress(&self) -> Vec<u8> {
        let mut gzip = GzipWriter::new(Vec::new(), NonZero::<usize>::MIN);
        gzip.write_all(&self.0).unwrap();
        gzip.finish().unwrap().0
    }
}

fn read(bytes: &[u8], limits: Limits) -> Result<Vec<Entry>, ReadError> {
    let mut reader = ArchiveReader::new(bytes, bytes.len() as u64, limits);
    let mut entries = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        entries.push(entry);
    }
    assert!(reader.next_entry()?.is_none());
    Ok(entries)
}

fn check(forged: Forged, expected: &Expect) {
    let read = read(&forged.compress(), Limits::default());
    let actual = match read {
        Ok(entries) => entries
            .iter()
            .map(|entry| entry.path.as_str())
            .collect::<Vec<_>>()
            .join(" "),
        Err(error) => {
            assert!(error.is_invalid());
            error.to_string()
        }
    };
    expected.assert_eq(&actual);
}

fn forged() -> Forged {
    Forged::default()
}

#[test]
fn an_honest_forgery_is_read() {
    check(forged().file("a").link("b", "a").end(), &expect!["a b"]);
    check(forged().file("a").end().zeros(10240 - 2048), &expect!["a"]);
}

#[test]
fn names() {
    let file = |path| forged().file(path).end();
    let named = |name| forged().named(name).end();
    check(
        file("/etc/passwd"),
        &expect!["refused `/etc/passwd`: its path is absolute"],
    );
    check(
        file("../x"),
        &expect!["refused `../x`: its path has a step `.` or `..`"],
    );
    check(
        file("a/../x"),
        &expect!["refused `a/../x`: its path has a step `.` or `..`"],
    );
    check(
        file("a//x"),
        &expect!["refused `a//x`: a step of its path is empty"],
    );
    check(
        named(b""),
        &expect!["refused ``: a step of its path is empty"],
    );
    check(
        named(b"dir/"),
        &expect!["refused `dir/`: a step of its path is empty"],
    );
    check(
        named(b"a\xff"),
        &expect!["refused `a�`: its path is not UTF-8"],
    );
    check(
        named(b"a\0b"),
        &expect!["the header of an entry is not the one that approot writes: `a`"],
    );
    let step = "x".repeat(300);
    check(
        pax(&[("path", "a\0b")]),
        &expect![[r"refused `a\0b`: its path holds a NUL"]],
    );
    let error = read(&pax(&[("path", &step)]).compress(), Limits::default()).unwrap_err();
    assert!(
        error.to_string().ends_with("the limit in bytes is 255"),
        "{error}"
    );
}

#[test]
fn links() {
    let link = |target| forged().link("d/l", target).end();
    check(
        link("/etc"),
        &expect!["refused `d/l`: its link leaves the root: `/etc`"],
    );
    check(
        link("../../x"),
        &expect!["refused `d/l`: its link leaves the root: `../../x`"],
    );
    check(
        link(""),
        &expect!["refused `d/l`: its link leaves the root: ``"],
    );
    check(
        link("a/.."),
        &expect!["refused `d/l`: its link leaves the root: `a/..`"],
    );
    check(link("../x"), &expect!["d/l"]);
    check(
        forged().link("d", "e").file("d/x").end(),
        &expect!["refused `d/x`: it lies below a file or link: `d`"],
    );
}

#[test]
fn kinds() {
    let kind = |entry_type| forged().of_type(entry_type).end();
    check(
        kind(EntryType::Link),
        &expect!["refused `dev`: it is neither a file nor a symbolic link: hard link"],
    );
    check(
        kind(EntryType::Char),
        &expect!["refused `dev`: it is neither a file nor a symbolic link: character device"],
    );
    check(
        kind(EntryType::Block),
        &expect!["refused `dev`: it is neither a file nor a symbolic link: block device"],
    );
    check(
        kind(EntryType::Fifo),
        &expect!["refused `dev`: it is neither a file nor a symbolic link: fifo"],
    );
    check(
        kind(EntryType::Directory),
        &expect!["refused `dev`: it is neither a file nor a symbolic link: directory entry"],
    );
    check(
        kind(EntryType::GNUSparse),
        &expect!["refused `dev`: it is neither a file nor a symbolic link: sparse file"],
    );
    check(
        kind(EntryType::GNULongName),
        &expect!["refused `dev`: it is neither a file nor a symbolic link: GNU long name"],
    );
    check(
        kind(EntryType::XGlobalHeader),
        &expect!["refused `dev`: it is neither a file nor a symbolic link: global pax header"],
    );
    check(
        kind(EntryType::new(b'Z')),
        &expect![
            "refused `dev`: it is neither a file nor a symbolic link: entry of an unknown type"
        ],
    );
}

#[test]
fn beside_each_other() {
    let two = |a, b| forged().file(a).file(b).end();
    check(
        two("a", "a"),
        &expect!["refused `a`: the path is there already"],
    );
    check(
        two("a", "A"),
        &expect!["refused `A`: only case tells it from `a`"],
    );
    check(
        two("D/a", "d/b"),
        &expect!["refused `d/b`: only case tells it from `D`"],
    );
    check(
        two("a", "a/b"),
        &expect!["refused `a/b`: it lies below a file or link: `a`"],
    );
}

#[test]
fn headers_that_another_reader_might_read_otherwise() {
    type Change = fn(&mut Header);
    let changes: [Change; 9] = [
        |header| header.set_mtime(1),
        |header| header.set_uid(1),
        |header| header.set_mode(0o4755),
        |header| header.set_mode(0o600),
        |header| header.as_ustar_mut().unwrap().uname[0] = b'r',
        |header| header.as_ustar_mut().unwrap().pad[0] = 1,
        |header| header.as_old_mut().linkname[0] = b'x',
        |header| header.as_old_mut().linkflag[0] = 0,
        |header| header.as_ustar_mut().unwrap().magic = *b"ustar ",
    ];
    for (n, change) in changes.into_iter().enumerate() {
        let forged = forged().entry("a", b"x", change).end();
        let error = read(&forged.compress(), Limits::default()).unwrap_err();
        assert!(
            matches!(error, ReadError::Header { .. } | ReadError::Refused { .. }),
            "{n}: {error}"
        );
    }
    let mut sum = forged().file("a").end();
    sum.0[148] ^= 1;
    check(
        sum,
        &expect!["the header of an entry is not the one that approot writes: `a`"],
    );
}

/// A pax header with these records before a file `a`.
fn pax(records: &[(&str, &str)]) -> Forged {
    let mut payload = String::new();
    for (key, value) in records {
        let rest = format!(" {key}={value}\n");
        let length = (1..)
            .find(|n| *n == rest.len() + n.to_string().len())
            .unwrap();
        payload += &format!("{length}{rest}");
    }
    let is_pax = |header: &mut Header| header.set_entry_type(EntryType::XHeader);
    forged()
        .entry("PaxHeader", payload.as_bytes(), is_pax)
        .file("a")
        .end()
}

#[test]
fn pax_headers_say_only_what_ustar_cannot() {
    let needless = &expect!["the header of an entry is not the one that approot writes: `b`"];
    check(pax(&[("path", "b")]), needless);
    check(pax(&[("path", "c"), ("path", "b")]), needless);
    let needless = &expect!["the header of an entry is not the one that approot writes: `a`"];
    check(pax(&[("size", "9999")]), needless);
    check(pax(&[]), needless);
    let huge = "x".repeat(5000);
    check(
        pax(&[("comment", &huge)]),
        &expect!["the archive holds too many bytes in a pax header, the limit is 4096"],
    );
    let twice = forged()
        .of_type(EntryType::XHeader)
        .of_type(EntryType::XHeader)
        .end();
    check(
        twice,
        &expect![
            "refused `dev`: it is neither a file nor a symbolic link: pax header after a pax header"
        ],
    );
}

#[test]
fn ends() {
    let file = || forged().file("a");
    check(file(), &expect!["the archive ends too early"]);
    check(file().zeros(512), &expect!["the archive ends too early"]);
    check(
        file().zeros(512).file("b").end(),
        &expect!["the archive is damaged, or was not written by approot: padding"],
    );
    check(
        file().end().file("b"),
        &expect!["the archive goes on after its end"],
    );
    check(
        file().end().zeros(10240),
        &expect!["the archive goes on after its end"],
    );
    let mut padding = file().end();
    padding.0[1023] = 1;
    check(
        padding,
        &expect!["the archive is damaged, or was not written by approot: padding"],
    );
}

#[test]
fn limits() {
    let bytes = forged().file("a").file("b").end().compress();
    let default = Limits::default();
    let exact = Limits {
        entries_max: 2,
        file_bytes_max: 1,
        tar_bytes_max: 3072,
        path_bytes_max: 1,
        ..default
    };
    assert_eq!(read(&bytes, exact).unwrap().len(), 2);
    for limits in [
        Limits {
            entries_max: 1,
            ..default
        },
        Limits {
            file_bytes_max: 0,
            ..default
        },
        Limits {
            tar_bytes_max: 3071,
            ..default
        },
        Limits {
            path_bytes_max: 0,
            ..default
        },
        Limits {
            ratio_max: 2,
            ratio_floor_bytes: 0,
            ..default
        },
    ] {
        let error = read(&bytes, limits).unwrap_err();
        assert!(
            matches!(error, ReadError::TooMuch { .. } | ReadError::Refused { .. }),
            "{error}"
        );
    }
}

/// What the writer is asked to write, in one entry.
type Wish<'a> = (&'a str, Result<&'a [u8], &'a str>);

fn write(wishes: &[Wish<'_>], limits: Limits) -> Result<Vec<u8>, WriteError> {
    let mut writer = ArchiveWriter::new(Vec::new(), limits);
    for (path, wish) in wishes {
        match wish {
            Ok(content) => {
                let bytes = content.len() as u64;
                let digest = writer.append_file(path, Mode::Executable, bytes, *content)?;
                assert_eq!(digest, crate::Digest::of(content));
            }
            Err(target) => writer.append_symlink(path, target)?,
        }
    }
    let finished = writer.finish()?;
    assert_eq!(finished.compressed_bytes, finished.output.len() as u64);
    Ok(finished.output)
}

#[test]
fn what_is_written_is_read() {
    let long = format!("{}/{}ü", "d".repeat(200), "f".repeat(200));
    let big = vec![7; 200_000];
    let wishes: [Wish<'_>; 6] = [
        ("empty", Ok(b"")),
        (&long, Ok(b"long")),
        ("big", Ok(&big)),
        ("link", Err("big")),
        ("d/far", Err(&long)),
        ("block", Ok(&[1; 512])),
    ];
    let bytes = write(&wishes, Limits::default()).unwrap();
    let mut reader = ArchiveReader::new(&bytes[..], bytes.len() as u64, Limits::default());
    for (path, wish) in wishes {
        let entry = reader.next_entry().unwrap().unwrap();
        let kind = match wish {
            Ok(content) => EntryKind::File {
                mode: Mode::Executable,
                bytes: content.len() as u64,
            },
            Err(target) => EntryKind::Symlink {
                target: target.to_owned(),
            },
        };
        assert_eq!((entry.path.as_str(), entry.kind), (path, kind));
        let mut content = Vec::new();
        let mut chunk = [0; 1000];
        while let n @ 1.. = reader.read_content(&mut chunk).unwrap() {
            content.extend_from_slice(&chunk[..n]);
        }
        assert_eq!(content, wish.unwrap_or_default());
    }
    assert_eq!(reader.next_entry().unwrap(), None);
}

#[test]
fn a_writer_refuses_what_a_reader_would() {
    let default = Limits::default();
    let zeros = vec![0; 100_000];
    let file: Wish<'_> = ("a", Ok(b"x"));
    for (wishes, limits) in [
        (vec![("../a", Ok(&b"x"[..]))], default),
        (vec![file, file], default),
        (vec![file, ("A", Ok(b"x"))], default),
        (vec![("l", Err("/etc"))], default),
        (
            vec![file],
            Limits {
                entries_max: 0,
                ..default
            },
        ),
        (
            vec![file],
            Limits {
                file_bytes_max: 0,
                ..default
            },
        ),
        (
            vec![file],
            Limits {
                tar_bytes_max: 2047,
                ..default
            },
        ),
        (
            vec![("a", Ok(&zeros))],
            Limits {
                ratio_max: 100,
                ratio_floor_bytes: 0,
                ..default
            },
        ),
    ] {
        let error = write(&wishes, limits).unwrap_err();
        assert!(
            matches!(
                error,
                WriteError::Refused { .. } | WriteError::TooMuch { .. }
            ),
            "{error}"
        );
    }
}

#[test]
fn bytes_do_not_depend_on_how_content_arrives() {
    struct Dribble<'a>(&'a [u8], usize);
    impl Read for Dribble<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = self.1 * 7 % 4093;
            let n = buffer.len().min(self.1);
            self.0.read(&mut buffer[..n])
        }
    }
    let content: Vec<u8> = (0..60_000u32).flat_map(|n| (n / 3).to_le_bytes()).collect();
    let pack = |source: &mut dyn Read| {
        let mut writer = ArchiveWriter::new(Vec::new(), Limits::default());
        let bytes = content.len() as u64;
        writer.append_file("a", Mode::Plain, bytes, source).unwrap();
        writer.finish().unwrap().output
    };
    assert!(pack(&mut Dribble(&content, 1)) == pack(&mut &content[..]));
}

#[test]
fn a_content_of_another_length_is_refused() {
    for stated in [2, 4] {
        let mut writer = ArchiveWriter::new(Vec::new(), Limits::default());
        let error = writer
            .append_file("a", Mode::Plain, stated, &b"xyz"[..])
            .unwrap_err();
        assert!(matches!(error, WriteError::ContentLength { .. }), "{error}");
    }
}
