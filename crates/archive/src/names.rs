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
    /// With the directories above the path there are more than the limit.
    TooManyDirectories {
        /// The limit.
        max: u32,
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
            Refusal::TooManyDirectories { max } => {
                write!(f, "there are too many directories, the limit is {max}")
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
///
/// A tree of steps: what it holds grows with the letters of the steps, not with the length of the
/// paths, or else a long path that shares nothing with others would cost the square of its length.
#[derive(Debug, Default)]
pub struct Names {
    /// By the directory that it lies in and the step in lower case: file systems that ignore case,
    /// and people, see one name there.
    taken: HashMap<(DirectoryId, Box<str>), Taken>,
    n_directories: u32,
    /// The directory of the latest path: in an ordered tree the next one is often its sibling.
    latest: (String, DirectoryId),
}

/// 0 is the root.
type DirectoryId = u32;

#[derive(Debug)]
struct Taken {
    /// As it is written, where that is not lower case.
    spelling: Option<Box<str>>,
    /// The directory that it is; `None` for a file or link.
    directory: Option<DirectoryId>,
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
    /// [`Refusal::Duplicate`], [`Refusal::CaseClash`], [`Refusal::BelowFile`] or
    /// [`Refusal::TooManyDirectories`]; directories of the refused path may then be in the set.
    pub fn insert(&mut self, path: &str) -> Result<(), Refusal> {
        let Some((directory, name)) = path.rsplit_once('/') else {
            return self.take(0, path, 0, Kind::File).map(drop);
        };
        if self.latest.0 != directory {
            self.latest.1 = self.enter(directory)?;
            directory.clone_into(&mut self.latest.0);
        }
        let start = path.len() - name.len();
        self.take(self.latest.1, path, start, Kind::File).map(drop)
    }

    /// Takes every step of a directory's path.
    fn enter(&mut self, path: &str) -> Result<DirectoryId, Refusal> {
        let mut directory = 0;
        let mut start = 0;
        for (end, _) in path.match_indices('/').chain([(path.len(), "")]) {
            directory = self.take(directory, &path[..end], start, Kind::Directory)?;
            start = end + 1;
        }
        Ok(directory)
    }

    /// Takes the last step of `path`, which begins at `start`, in `parent`; the directory that it is.
    fn take(
        &mut self,
        parent: DirectoryId,
        path: &str,
        start: usize,
        kind: Kind,
    ) -> Result<DirectoryId, Refusal> {
        let step = &path[start..];
        let folded = step.to_lowercase().into_boxed_str();
        let Some(taken) = self.taken.get(&(parent, folded.clone())) else {
            let directory = match kind {
                Kind::File => None,
                Kind::Directory => Some(self.next_directory()?),
            };
            let spelling = (*folded != *step).then(|| step.into());
            let taken = Taken {
                spelling,
                directory,
            };
            self.taken.insert((parent, folded), taken);
            return Ok(directory.unwrap_or_default());
        };
        let spelling = taken.spelling.as_deref().unwrap_or(&folded);
        let other = || format!("{}{spelling}", &path[..start]);
        match (taken.directory, kind) {
            _ if spelling != step => Err(Refusal::CaseClash { other: other() }),
            (Some(directory), Kind::Directory) => Ok(directory),
            (None, Kind::Directory) => Err(Refusal::BelowFile { other: other() }),
            (_, Kind::File) => Err(Refusal::Duplicate),
        }
    }

    fn next_directory(&mut self) -> Result<DirectoryId, Refusal> {
        let max = Limits::DIRECTORIES_MAX;
        if self.n_directories >= max {
            return Err(Refusal::TooManyDirectories { max });
        }
        self.n_directories += 1;
        Ok(self.n_directories)
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    File,
    Directory,
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
        assert_eq!(insert(&["a/B/c", "a/b/c"]), clash("a/B"));
        assert_eq!(insert(&["a/b/c", "d", "a/b/e", "a/f"]), Ok(()));
        assert_eq!(insert(&["a/b/c", "d", "a/b/c"]), Err(Refusal::Duplicate));
        let below = Refusal::BelowFile {
            other: "a/b".to_owned(),
        };
        assert_eq!(insert(&["a/b", "a/b/c/d"]), Err(below));
    }

    #[test]
    fn directories_are_bounded() {
        let deep = "/d".repeat(500);
        let mut names = Names::new();
        let max = Limits::DIRECTORIES_MAX;
        let fitting = max / 501;
        for n in 0..fitting {
            names.insert(&format!("{n}{deep}/x")).unwrap();
        }
        let refused = names.insert(&format!("{fitting}{deep}/x"));
        assert_eq!(refused, Err(Refusal::TooManyDirectories { max }));
    }
}
