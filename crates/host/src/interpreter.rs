//! Which files the kernel executes for one: a script's interpreter and a program's loader.
//!
//! Source: execve(2), "Interpreter scripts"; elf(5), `PT_INTERP`.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// How many interpreters may need interpreters. Source: execve(2) of Linux allows as many.
const DEPTH_MAX: usize = 4;

/// How much of a file is read: a script's first line, or a program's headers and the loader's name behind them.
const HEAD_BYTES: u64 = 8192;

/// `executable`, as it lies and as it is found when links are followed, and all that is executed on its behalf. Of
/// `/usr/bin/env` what it looks for in `path`, too.
pub(crate) fn needed(executable: &Path, path: Option<&str>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut next = vec![executable.to_owned()];
    for _ in 0..DEPTH_MAX {
        next = next
            .iter()
            .filter_map(|file| file.canonicalize().ok())
            .flat_map(|file| {
                let interpreters = interpreters(&head(&file), path);
                found.push(file);
                interpreters
            })
            .collect();
    }
    found
}

fn head(file: &Path) -> Vec<u8> {
    let mut head = Vec::new();
    // What cannot be read has no interpreter, and cannot be executed as a script either.
    if let Ok(file) = File::open(file) {
        let _ = file.take(HEAD_BYTES).read_to_end(&mut head);
    }
    head
}

fn interpreters(head: &[u8], path: Option<&str>) -> Vec<PathBuf> {
    match head.strip_prefix(b"#!") {
        Some(script) => of_script(script, path),
        None => loader(head).into_iter().collect(),
    }
}

fn of_script(text: &[u8], path: Option<&str>) -> Vec<PathBuf> {
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_whitespace();
    let Some(interpreter) = words.next() else {
        return Vec::new();
    };
    let mut found = vec![PathBuf::from(interpreter)];
    if interpreter.ends_with("/env") {
        let name = words.find(|word| !word.starts_with('-') && !word.contains('='));
        let folders = path.unwrap_or_default().split(':');
        let looked_for = name.and_then(|name| {
            folders
                .map(|folder| Path::new(folder).join(name))
                .find(|path| path.is_file())
        });
        found.extend(looked_for);
    }
    found
}

/// The loader that a 64-bit little-endian program names.
fn loader(head: &[u8]) -> Option<PathBuf> {
    /// Type of the program header that names the loader.
    const PT_INTERP: u64 = 3;
    let number = |at: usize, n_bytes: usize| {
        let bytes = head.get(at..at.checked_add(n_bytes)?)?;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0_u64, |number, byte| number << 8 | u64::from(*byte)),
        )
    };
    let place = |number: u64| usize::try_from(number).ok();
    if head.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let (headers, size, n_headers) = (
        place(number(32, 8)?)?,
        place(number(54, 2)?)?,
        number(56, 2)?,
    );
    let mut at = headers;
    for _ in 0..n_headers {
        if number(at, 4)? == PT_INTERP {
            let (offset, n_bytes) = (place(number(at + 8, 8)?)?, place(number(at + 32, 8)?)?);
            let name = head.get(offset..offset.checked_add(n_bytes)?)?;
            let name = name.split(|byte| *byte == 0).next()?;
            return Some(PathBuf::from(OsStr::from_bytes(name)));
        }
        at = at.checked_add(size)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_needs_its_loader() {
        let needed = needed(Path::new("/bin/sh"), None);
        assert_eq!(needed[0], Path::new("/bin/sh").canonicalize().unwrap());
        let loader = needed[1].file_name().unwrap().to_string_lossy();
        assert!(loader.starts_with("ld-"), "{needed:?}");
    }

    #[test]
    fn a_script_needs_its_interpreter_and_what_env_finds() {
        let sh = interpreters(b"#! /bin/sh -e\n", None);
        assert_eq!(sh, [Path::new("/bin/sh")]);
        let env = interpreters(b"#!/usr/bin/env -S A=b sh\necho", Some("relative:/bin"));
        assert_eq!(env, [Path::new("/usr/bin/env"), Path::new("/bin/sh")]);
        assert!(interpreters(b"#!\n", None).is_empty());
        assert!(interpreters(b"\x7fELF\x02\x01 cut short", None).is_empty());
        assert!(interpreters(b"", None).is_empty());
    }
}
