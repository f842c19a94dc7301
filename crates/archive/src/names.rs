//! Which paths and link targets an archive may hold, alone and beside each other.
//!
//! Pure: nothing here looks at a file system. [`check_path`] judges one path, [`check_link`] one
//! link, and [`Names`] what they are together: duplicates, clashes of case, a file that something
//! else lies below.
//!
//! The three together are why extraction cannot be led astray. No entry lies below a link, so the
//! steps up at the start of a link's target go through real directories; and since no step up may
//! follow a step down, whatever links the target passes through are links that stay inside as well.

use std::collections::HashMap;
use std::fmt;

use crate::Limits;

/// Why an entry may not be in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The path has no characters, or two separators in a row, or one at its end.
    EmptyStep,
    /// The path begins at the root.
    Absolute,
    /// A step of the path is `.` or `..`.
    DotStep,
    /// The path holds a NUL.
    Nul,
    /// The path is not UTF-8.
    NotUtf8,
    /// The path or one of its steps is too long.
    TooLong {
        /// The limit in bytes that it passes.
        bytes_max: usize,
    },
    /// The entry is neither a regular file nor a symbolic link.
    Kind {
        /// What it is instead.
        found: &'static str,
    },
    /// The link's target is empty, absolute, above the root, or goes up after it went down.
    LinkLeaves {
        /// The target.
        target: String,
    },
    /// The path stands in the archive already, as a file or as a directory.
    Duplicate,
    /// Another path differs from this one in nothing but case.
    CaseClash {
        /// The other file or directory.
        other: String,
    },
    /// The path lies below a file or a link.
    BelowFile {
        /// That file or link.
        other: String,
    },
    /// The file is larger than the limit.
    TooLarge {
        /// The limit in bytes.
        bytes_max: u64,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::EmptyStep => f.write_str("a step of its path is empty"),
            Refusal::Absolute => f.write_str("its path is absolute"),
            Refusal::DotStep => f.write_str("its path has a step `.` or `..`"),
            Refusal::Nul => f.write_str("its path holds a NUL"),
            Refusal::NotUtf8 => f.write_str("its path is not UTF-8"),
            Refusal::TooLong { bytes_max } => {
                write!(f, "its path is too long, the limit in bytes is {bytes_max}")
            }
            Refusal::Kind { found } => {
                write!(f, "it is neither a file nor a symbolic link: {found}")
            }
            Refusal::LinkLeaves { target } => {
                write!(f, "its link leaves the root: `{}`", target.escape_debug())
            }
            Refusal::Duplicate => f.write_str("the path is there already"),
            Refusal::CaseClash { other } => {
                write!(f, "only case tells it from `{}`", other.escape_debug())
            }
            Refusal::BelowFile { other } => {
                write!(
                    f,
                    "it lies below a file or link: `{}`",
                    other.escape_debug()
                )
            }
            Refusal::TooLarge { bytes_max } => {
                write!(
                    f,
                    "the file is too large, the limit in bytes is {bytes_max}"
                )
            }
        }
    }
}

/// Judges one path by itself.
///
/// # Errors
///
/// The first [`Refusal`] that applies.
pub fn check_path(path: &str, limits: &Limits) -> Result<(), Refusal> {
    if path.len() > limits.path_bytes_max {
        let bytes_max = limits.path_bytes_max;
        return Err(Refusal::TooLong { bytes_max });
    }
    if path.contains('\0') {
        return Err(Refusal::Nul);
    }
    if path.starts_with('/') {
        return Err(Refusal::Absolute);
    }
    path.split('/').try_for_each(|step| match step {
        "" => Err(Refusal::EmptyStep),
        "." | ".." => Err(Refusal::DotStep),
        _ if step.len() > Limits::STEP_BYTES_MAX => Err(Refusal::TooLong {
            bytes_max: Limits::STEP_BYTES_MAX,
        }),
        _ => Ok(()),
    })
}

/// Judges the `target` of a link at `path`; both are seen from the root that it may not leave.
///
/// The target may begin with as many `..` as the link is deep, and has none after that.
///
/// # Errors
///
/// [`Refusal::LinkLeaves`], [`Refusal::Nul`] or [`Refusal::TooLong`].
pub fn check_link(path: &str, target: &str, limits: &Limits) -> Result<(), Refusal> {
    if target.len() > limits.path_bytes_max {
        let bytes_max = limits.path_bytes_max;
        return Err(Refusal::TooLong { bytes_max });
    }
    if target.contains('\0') {
        return Err(Refusal::Nul);
    }
    let mut depth = path.matches('/').count();
    let mut descended = false;
    let mut stays = !target.is_empty() && !target.starts_with('/');
    for step in target.split('/') {
        match step {
            "" | "." => {}
            ".." if depth == 0 || descended => stays = false,
            ".." => depth -= 1,
            _ => descended = true,
        }
    }
    if stays {
        Ok(())
    } else {
        Err(Refusal::LinkLeaves {
            target: target.to_owned(),
        })
    }
}

/// The paths of one tree, which must not clash.
#[derive(Debug, Default)]
pub struct Names {
    /// By the path in lower case: file systems that ignore case, and people, see one name there.
    taken: HashMap<String, Taken>,
}

#[derive(Debug)]
struct Taken {
    spelling: String,
    is_directory: bool,
}

impl Names {
    /// No paths yet.
    #[must_use]
    pub fn new() -> Names {
        Names::default()
    }

    /// Adds the path of a file or link, and with it the directories above.
    ///
    /// The path has passed [`check_path`].
    ///
    /// # Errors
    ///
    /// [`Refusal::Duplicate`], [`Refusal::CaseClash`] or [`Refusal::BelowFile`]; the set is then of
    /// no further use, since directories of the refused path may be in it.
    pub fn insert(&mut self, path: &str) -> Result<(), Refusal> {
        if !self.has_directory_of(path) {
            let directories = path.match_indices('/').map(|(end, _)| &path[..end]);
            for directory in directories {
                self.take(directory, true)?;
            }
        }
        self.take(path, false)
    }

    /// A directory that is there has those above it there too, so they need no second look.
    fn has_directory_of(&self, path: &str) -> bool {
        let Some((directory, _)) = path.rsplit_once('/') else {
            return true;
        };
        let taken = self.taken.get(&directory.to_lowercase());
        taken.is_some_and(|taken| taken.is_directory && taken.spelling == directory)
    }

    fn take(&mut self, path: &str, is_directory: bool) -> Result<(), Refusal> {
        let Some(taken) = self.taken.get(&path.to_lowercase()) else {
            let spelling = path.to_owned();
            let taken = Taken {
                spelling,
                is_directory,
            };
            self.taken.insert(path.to_lowercase(), taken);
            return Ok(());
        };
        let other = || taken.spelling.clone();
        match (taken.is_directory, is_directory) {
            _ if taken.spelling != path => Err(Refusal::CaseClash { other: other() }),
            (true, true) => Ok(()),
            (false, true) => Err(Refusal::BelowFile { other: other() }),
            (_, false) => Err(Refusal::Duplicate),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(path: &str) -> Result<(), Refusal> {
        check_path(path, &Limits::default())
    }

    fn link(path: &str, target: &str) -> bool {
        check_link(path, target, &Limits::default()).is_ok()
    }

    #[test]
    fn paths() {
        for good in [
            "a",
            "a/b",
            "...",
            "..a/b..",
            "a b/ü",
            "a\\b",
            &"x/".repeat(511).as_str()[..1021],
        ] {
            assert_eq!(path(good), Ok(()), "{good}");
        }
        let step = "x".repeat(256);
        let long = "x/".repeat(513);
        for (bad, refusal) in [
            ("", Refusal::EmptyStep),
            ("a//b", Refusal::EmptyStep),
            ("a/", Refusal::EmptyStep),
            ("/a", Refusal::Absolute),
            (".", Refusal::DotStep),
            ("a/../b", Refusal::DotStep),
            ("a\0b", Refusal::Nul),
            (&step, Refusal::TooLong { bytes_max: 255 }),
            (&long, Refusal::TooLong { bytes_max: 1024 }),
        ] {
            assert_eq!(path(bad), Err(refusal), "{bad}");
        }
        assert_eq!(path(&step[1..]), Ok(()));
    }

    #[test]
    fn links() {
        for (at, target) in [
            ("l", "a"),
            ("d/l", "../a"),
            ("a/b/l", "../../c/d"),
            ("l", "./a"),
            ("l", "gone"),
        ] {
            assert!(link(at, target), "{at} -> {target}");
        }
        for (at, target) in [
            ("l", ""),
            ("l", "/etc/passwd"),
            ("l", ".."),
            ("d/l", "../../a"),
            ("d/l", ".././../a"),
            // Through a link `d/up -> ..` this one would end above the root.
            ("l", "d/up/../x"),
            ("l", "a\0"),
            ("l", &"x".repeat(1025)),
        ] {
            assert!(!link(at, target), "{at} -> {target}");
        }
    }

    #[test]
    fn beside_each_other() {
        let insert = |paths: &[&str]| {
            let mut names = Names::new();
            paths.iter().try_for_each(|path| names.insert(path))
        };
        let clash = |other: &str| {
            let other = other.to_owned();
            Err(Refusal::CaseClash { other })
        };
        let below = Refusal::BelowFile {
            other: "a".to_owned(),
        };
        assert_eq!(insert(&["a/b", "a/c", "ab"]), Ok(()));
        assert_eq!(insert(&["a", "a"]), Err(Refusal::Duplicate));
        assert_eq!(insert(&["a/b", "a"]), Err(Refusal::Duplicate));
        assert_eq!(insert(&["a", "a/b"]), Err(below));
        assert_eq!(insert(&["d/Straße", "d/straße"]), clash("d/Straße"));
        assert_eq!(insert(&["Dir/a", "dir/b"]), clash("Dir"));
        assert_eq!(insert(&["É", "é"]), clash("É"));
    }
}
