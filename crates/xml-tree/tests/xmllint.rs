//! The reader and `xmllint` agree on what is well-formed: on every fixture of the workspace, and on
//! seeded mutations of them.
//!
//! Any error line of `xmllint` counts, those about namespaces too. Four things are set aside: a DOCTYPE,
//! which we refuse and it reads; a declared encoding other than UTF-8, because our reader goes by the
//! bytes and not by the label; a NUL after the root element, which XML forbids and which libxml2 takes
//! for the end of the text; and half a unit at the end of UTF-16, which libxml2 passes over.
//! `XML_MUTATIONS=10000` makes more mutations; the seed that a failure prints is the mutation's number,
//! and the same number is the same mutation everywhere.

mod mutate;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use test_support::has_program;
use xml_tree::{decode, parse};

use crate::mutate::mutate;

/// Mutations of one run without `XML_MUTATIONS`: about two seconds.
const N_MUTATIONS: u64 = 1_000;

/// Files that one `xmllint` reads; its start costs more than a file does.
const FILES_A_PROCESS: usize = 500;

/// Below `crates/` and `services/`: every service file, and every document of a `test_data`.
fn fixtures() -> Vec<(PathBuf, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut paths = Vec::new();
    for folder in ["crates", "services"] {
        collect(&root.join(folder), &mut paths);
    }
    paths.sort();
    assert!(paths.len() > 50, "only {} fixtures", paths.len());
    let read = |path: PathBuf| fs::read(&path).map(|bytes| (path, bytes));
    paths
        .into_iter()
        .map(|path| read(path).expect("readable"))
        .collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("readable").path();
        let extension = path.extension().unwrap_or_default();
        if path.is_dir() && !path.is_symlink() {
            collect(&path, paths);
        } else if ["xml", "csdef", "cscfg"]
            .iter()
            .any(|xml| extension == *xml)
        {
            paths.push(path);
        }
    }
}

/// Whether our reader takes a document; `None` for one that the two need not agree on.
fn verdict(bytes: &[u8]) -> Option<bool> {
    let before_nul = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
    if before_nul.len() < bytes.len() && is_well_formed(before_nul) {
        return None;
    }
    // Of UTF-16 every other byte of a tag is 0.
    if let Some((_, before)) = bytes.split_last()
        && before.contains(&0)
        && decode(bytes.to_vec()).is_err()
        && before.len().is_multiple_of(2)
        && verdict(before) != Some(false)
    {
        return None;
    }
    // In UTF-16 a NUL has two bytes.
    let ends_at_nul = |text: &String| {
        let before = text.split_once('\0').map(|(before, _)| before);
        before.is_some_and(|before| parse(before).problems().is_empty())
    };
    let is_aside = |text: &String| {
        ends_at_nul(text)
            || text.contains("<!DOCTYPE")
            || names_other_encoding(text).unwrap_or(false)
    };
    let aside = decode(bytes.to_vec()).is_ok_and(|text| is_aside(&text));
    (!aside).then(|| is_well_formed(bytes))
}

fn is_well_formed(bytes: &[u8]) -> bool {
    decode(bytes.to_vec()).is_ok_and(|text| parse(&text).problems().is_empty())
}

/// Whether the XML declaration names an encoding other than UTF-8; `None` where it names none.
fn names_other_encoding(text: &str) -> Option<bool> {
    let declaration = text.strip_prefix("<?xml")?.split("?>").next()?;
    let (_, label) = declaration.split_once("encoding")?;
    let label = label.trim_matches(|c: char| c.is_ascii_whitespace() || c == '=');
    let quote = label.chars().next()?;
    let label = label[quote.len_utf8()..].split(quote).next()?;
    Some(!label.eq_ignore_ascii_case("utf-8"))
}

/// Of documents, those that `xmllint` has an error for, by their place in the list.
fn refused_by_xmllint(documents: &[&[u8]]) -> HashSet<usize> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut refused = HashSet::new();
    for (i, document) in documents.iter().enumerate() {
        fs::write(folder.path().join(i.to_string()), document).expect("room on the disk");
    }
    let names: Vec<_> = (0..documents.len()).map(|i| i.to_string()).collect();
    for names in names.chunks(FILES_A_PROCESS) {
        let xmllint = Command::new("xmllint")
            // Without `--noent` libxml2 judges a namespace with `&amp;` in it as if `&#38;` were its text.
            .args(["--noout", "--nonet", "--noent"])
            .args(names)
            .current_dir(folder.path())
            .env("LC_ALL", "C")
            .output()
            .expect("xmllint starts");
        assert!(
            xmllint.status.code().is_some(),
            "xmllint died: {}",
            xmllint.status
        );
        // `17:3: parser error : …`; the lines below it are an excerpt of the file.
        for line in xmllint.stderr.split(|&byte| byte == b'\n') {
            let line = String::from_utf8_lossy(line);
            let name = line.split(':').next().unwrap_or_default();
            if line.contains(" error : ")
                && let Ok(i) = name.parse()
            {
                refused.insert(i);
            }
        }
    }
    refused
}

/// Panics with each document, and what it is called, that the two judge differently.
fn assert_agreement(documents: &[(String, Vec<u8>)]) {
    let judged: Vec<_> = documents
        .iter()
        .filter_map(|(name, bytes)| Some((name, &bytes[..], verdict(bytes)?)))
        .collect();
    let texts: Vec<_> = judged.iter().map(|(_, bytes, _)| *bytes).collect();
    let refused = refused_by_xmllint(&texts);
    let disagreements: Vec<_> = judged
        .iter()
        .enumerate()
        .filter(|(i, (_, _, is_taken))| *is_taken == refused.contains(i))
        .map(|(_, (name, bytes, is_taken))| {
            let verdicts = match is_taken {
                true => "taken by us, refused by xmllint",
                false => "refused by us, taken by xmllint",
            };
            format!("{name}: {verdicts}:\n{}\n", bytes.escape_ascii())
        })
        .collect();
    assert!(
        disagreements.is_empty(),
        "{} of {}:\n{}",
        disagreements.len(),
        judged.len(),
        disagreements.join("\n")
    );
}

#[test]
fn fixtures_are_judged_alike() {
    if !has_program("xmllint") {
        return;
    }
    let documents: Vec<_> = fixtures()
        .into_iter()
        .map(|(path, bytes)| (path.display().to_string(), bytes))
        .collect();
    assert_agreement(&documents);
}

#[test]
fn mutations_are_judged_alike() {
    if !has_program("xmllint") {
        return;
    }
    let n_mutations = match std::env::var("XML_MUTATIONS") {
        Ok(number) => number.parse().expect("XML_MUTATIONS is a number"),
        Err(_) => N_MUTATIONS,
    };
    let fixtures: Vec<_> = fixtures().into_iter().map(|(_, bytes)| bytes).collect();
    let documents: Vec<_> = (0..n_mutations)
        .map(|seed| (format!("seed {seed}"), mutate(&fixtures, seed)))
        .collect();
    let n_taken = documents
        .iter()
        .filter(|(_, bytes)| verdict(bytes) == Some(true))
        .count() as u64;
    // Mutations that are all broken, or all whole, would show nothing.
    assert!(
        n_taken > n_mutations / 20 && n_taken < n_mutations / 20 * 19,
        "{n_taken} are well-formed"
    );
    assert_agreement(&documents);
}

#[test]
fn no_more_is_set_aside_than_must_be() {
    assert_eq!(
        verdict(b"<?xml version='1.0' encoding='UTF-8'?><a/>"),
        Some(true)
    );
    assert_eq!(verdict(b"<a encoding='latin'/>"), Some(true));
    assert_eq!(
        verdict(b"<?xml version='1.0' encoding='latin1'?><a/>"),
        None
    );
    assert_eq!(verdict(b"<!DOCTYPE a><a/>"), None);
    assert_eq!(
        verdict(b"<?xml version='1.0' encoding='utf-8x'?><a/>"),
        None
    );
    assert_eq!(verdict(b"<a/>\0\xff"), None);
    assert!(!is_well_formed(b"<a/>\0"));
    assert_eq!(verdict(b"<a>\0</a>"), Some(false));
    assert_eq!(verdict(b"<a>\xff</a>"), Some(false));
    assert_eq!(verdict(b"\xff\xfe<\0a\0/\0>\0<"), None);
    assert_eq!(verdict(b"\xff\xfe<\0a\0>\0<"), Some(false));
    assert_eq!(verdict(b"<a/>\xff"), Some(false));
    assert_eq!(verdict(b"\xff\xfe<\0a\0/\0>\0\0\0"), None);
    assert_eq!(verdict(b"\xff\xfe<\0a\0>\0\0\0"), Some(false));
    assert_eq!(verdict(b"\xff\xfe<\0a\0/\0>\0\0\0'"), None);
}
