//! `.approotignore`: what stays out of the approot.
//!
//! The file may lie at the root of each folder that goes into an approot, and speaks of that folder
//! alone; deeper ones are files like any other. Its syntax is that of `.gitignore`, with its rule
//! that nothing below a folder that stays out can be taken in again. The file itself stays out, so
//! that unpacking and packaging again gives the same bytes. No `.gitignore` and no setting of the
//! machine is read.
//!
//! Source: gitignore(5), "Pattern format".

use std::fs;
use std::io::Read;
use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::SourceError;
use crate::inventory::{open_source, reading};

/// The name of the file.
const NAME: &str = ".approotignore";
/// The largest such file in bytes: people write them, and each line costs time at each file.
const BYTES_MAX: u64 = 64 << 10;

/// What one folder leaves out.
pub(crate) struct Ignored(Option<Gitignore>);

impl Ignored {
    /// Reads the rules at the root of `directory`, if there are any.
    pub(crate) fn read(directory: &Path) -> Result<Ignored, SourceError> {
        let path = directory.join(NAME);
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => return Err(unusable(&path, 0, "it is not a regular file")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Ignored(None)),
            Err(source) => return Err(reading(&path)(source)),
        }
        let mut bytes = Vec::new();
        let mut file = open_source(&path)?.take(BYTES_MAX + 1);
        file.read_to_end(&mut bytes).map_err(reading(&path))?;
        if bytes.len() as u64 > BYTES_MAX {
            let reason = format!("it is too large, the limit in bytes is {BYTES_MAX}");
            return Err(unusable(&path, 0, reason));
        }
        let text = String::from_utf8(bytes).map_err(|_| unusable(&path, 0, "it is not UTF-8"))?;
        parse(&path, &text)
    }

    /// Whether the file or folder at `path`, seen from the root, stays out.
    pub(crate) fn has(&self, path: &Path, is_directory: bool) -> bool {
        self.0.as_ref().is_some_and(|rules| {
            path == Path::new(NAME) || rules.matched(path, is_directory).is_ignore()
        })
    }
}

fn parse(path: &Path, text: &str) -> Result<Ignored, SourceError> {
    let mut builder = GitignoreBuilder::new("");
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (n, line) in text.lines().enumerate() {
        let added = builder.add_line(None, line);
        added.map_err(|error| unusable(path, n + 1, error.to_string()))?;
    }
    let rules = builder.build();
    let rules = rules.map_err(|error| unusable(path, 0, error.to_string()))?;
    Ok(Ignored(Some(rules)))
}

fn unusable(path: &Path, line: usize, reason: impl Into<String>) -> SourceError {
    SourceError::Ignore {
        path: path.to_owned(),
        line,
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The paths that stay out; a folder ends in `/`.
    fn ignored<'p>(rules: &str, paths: &[&'p str]) -> Vec<&'p str> {
        let ignored = parse(Path::new("rules"), rules).unwrap();
        let is_out =
            |path: &&str| ignored.has(Path::new(path.trim_end_matches('/')), path.ends_with('/'));
        paths.iter().copied().filter(is_out).collect()
    }

    /// Source: gitignore(5), "Pattern format" and "Examples".
    #[test]
    fn patterns_are_those_of_gitignore() {
        let paths = [
            "a.log", "d/a.log", "keep.log", "d/", "build/", "x/build/", "build", "#", "a b ",
        ];
        assert_eq!(ignored("*.log\n!keep.log", &paths), ["a.log", "d/a.log"]);
        assert_eq!(ignored("# a.log\n\n", &paths), [""; 0]);
        assert_eq!(ignored("\\#\r\n", &paths), ["#"]);
        assert_eq!(ignored("build/", &paths), ["build/", "x/build/"]);
        assert_eq!(ignored("/build", &paths), ["build/", "build"]);
        assert_eq!(ignored("d/*.log", &paths), ["d/a.log"]);
        assert_eq!(ignored("**/a.log", &paths), ["a.log", "d/a.log"]);
        assert_eq!(ignored("\u{feff}a.log", &paths), ["a.log", "d/a.log"]);
        assert_eq!(ignored("A.LOG", &paths), [""; 0]);
    }

    #[test]
    fn the_file_itself_stays_out_at_the_root_alone() {
        let paths = [".approotignore", "d/.approotignore"];
        assert_eq!(ignored("", &paths), [".approotignore"]);
        assert!(!Ignored(None).has(Path::new("a"), false));
    }

    #[test]
    fn a_malformed_line_is_named() {
        let error = parse(Path::new("rules"), "fine\n[z-a]").err().unwrap();
        assert!(
            error
                .to_string()
                .starts_with("rules:2: not a pattern of gitignore: "),
            "{error}"
        );
    }
}
