//! Creating files below one directory and nowhere else.
//!
//! [`Extractor`] walks to each file from an open directory, a step at a time, and follows no link
//! on the way; a file is created or the call fails, nothing is ever opened that is there already.
//! It does not read archives, does not clean up after an error and does not sync: whoever wants the
//! whole tree or nothing extracts into a new directory and renames that.

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{self, CWD, OFlags};
use rustix::io::Errno;

use crate::{Limits, Mode, Refusal, check_link, check_path};

/// The permissions of every directory made here, whatever the umask.
const DIRECTORY_MODE: fs::Mode = fs::Mode::from_raw_mode(0o755);
/// How a directory is opened: not through a link.
const DIRECTORY_FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
/// How a file is created: by this call or not at all.
const FILE_FLAGS: OFlags = OFlags::WRONLY
    .union(OFlags::CREATE)
    .union(OFlags::EXCL)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Creates files, links and directories below a root.
pub struct Extractor {
    root: OwnedFd,
    /// For messages; everything is opened relative to `root`.
    root_path: PathBuf,
    /// The directory of the latest entry: in an ordered archive the next one is often its sibling.
    latest: Option<(String, OwnedFd)>,
}

impl Extractor {
    /// Works below the directory `root` and sets its permissions to 0755.
    ///
    /// # Errors
    ///
    /// [`ExtractError::Create`] where it is no directory or not ours to change.
    pub fn new(root: &Path) -> Result<Extractor, ExtractError> {
        let open = || {
            let directory = fs::openat(CWD, root, DIRECTORY_FLAGS, fs::Mode::empty())?;
            fs::fchmod(&directory, DIRECTORY_MODE)?;
            Ok(directory)
        };
        Ok(Extractor {
            root: open().map_err(creating(root))?,
            root_path: root.to_owned(),
            latest: None,
        })
    }

    /// Creates an empty file for writing; its permissions are `mode`, whatever the umask.
    ///
    /// # Errors
    ///
    /// [`ExtractError::Refused`] for the path, [`ExtractError::Create`] for the world.
    pub fn create_file(&mut self, path: &str, mode: Mode) -> Result<File, ExtractError> {
        let at = self.root_path.join(path);
        let (directory, name) = self.parent(path)?;
        let create = || {
            let file = fs::openat(directory, name, FILE_FLAGS, fs::Mode::from_raw_mode(0o600))?;
            fs::fchmod(&file, fs::Mode::from_raw_mode(mode.bits()))?;
            Ok(File::from(file))
        };
        create().map_err(creating(&at))
    }

    /// Creates a symbolic link.
    ///
    /// # Errors
    ///
    /// [`ExtractError::Refused`] for path or target, [`ExtractError::Create`] for the world.
    pub fn create_symlink(&mut self, path: &str, target: &str) -> Result<(), ExtractError> {
        check_link(path, target, &Limits::default()).map_err(refused(path))?;
        let at = self.root_path.join(path);
        let (directory, name) = self.parent(path)?;
        fs::symlinkat(target, directory, name).map_err(creating(&at))
    }

    /// Creates a directory, and those above it, where they are not there yet.
    ///
    /// # Errors
    ///
    /// [`ExtractError::Refused`] for the path, [`ExtractError::Create`] for the world.
    pub fn create_directory(&mut self, path: &str) -> Result<(), ExtractError> {
        check_path(path, &Limits::default()).map_err(refused(path))?;
        self.enter(path).map(drop)
    }

    /// The open directory that `path` lies in, and the last step.
    fn parent<'a>(&mut self, path: &'a str) -> Result<(&OwnedFd, &'a str), ExtractError> {
        check_path(path, &Limits::default()).map_err(refused(path))?;
        match path.rsplit_once('/') {
            Some((directory, name)) => Ok((self.enter(directory)?, name)),
            None => Ok((&self.root, path)),
        }
    }

    fn enter(&mut self, path: &str) -> Result<&OwnedFd, ExtractError> {
        let is_latest = |(latest, _): &(String, OwnedFd)| latest == path;
        let latest = match self.latest.take().filter(is_latest) {
            Some(latest) => latest,
            None => (path.to_owned(), self.walk(path)?),
        };
        Ok(&self.latest.insert(latest).1)
    }

    /// Goes down to a checked path from the root.
    fn walk(&self, path: &str) -> Result<OwnedFd, ExtractError> {
        let mut directory: Option<OwnedFd> = None;
        for step in path.split('/') {
            let above = directory.as_ref().unwrap_or(&self.root);
            let below = enter_step(above, step).map_err(creating(&self.root_path.join(path)))?;
            directory = Some(below);
        }
        Ok(directory.expect("a path has a step"))
    }
}

fn enter_step(above: &OwnedFd, step: &str) -> Result<OwnedFd, Errno> {
    let is_new = match fs::mkdirat(above, step, DIRECTORY_MODE) {
        Ok(()) => true,
        Err(Errno::EXIST) => false,
        Err(error) => return Err(error),
    };
    let below = fs::openat(above, step, DIRECTORY_FLAGS, fs::Mode::empty())?;
    if is_new {
        fs::fchmod(&below, DIRECTORY_MODE)?;
    }
    Ok(below)
}

fn creating(path: &Path) -> impl FnOnce(Errno) -> ExtractError {
    let path = path.to_owned();
    |errno| ExtractError::Create {
        path,
        source: errno.into(),
    }
}

fn refused(path: &str) -> impl FnOnce(Refusal) -> ExtractError {
    let entry = path.to_owned();
    |refusal| ExtractError::Refused { entry, refusal }
}

/// Why something could not be created.
#[derive(Debug)]
#[non_exhaustive]
pub enum ExtractError {
    /// The path or target may not be in an archive.
    Refused {
        /// The path.
        entry: String,
        /// Why.
        refusal: Refusal,
    },
    /// The system refused: the place is taken, a link is in the way, no permission, no space.
    Create {
        /// What was to be created.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl fmt::Display for ExtractError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExtractError::Refused { entry, refusal } => {
                write!(f, "refused `{}`: {refusal}", entry.escape_debug())
            }
            ExtractError::Create { path, .. } => write!(f, "cannot create `{}`", path.display()),
        }
    }
}

impl Error for ExtractError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ExtractError::Refused { .. } => None,
            ExtractError::Create { source, .. } => Some(source),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode_of(path: &Path) -> u32 {
        path.symlink_metadata().unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn creates_with_fixed_modes() {
        let root = tempfile::tempdir().unwrap();
        let mut extractor = Extractor::new(root.path()).unwrap();
        let mut file = extractor.create_file("a/b/run", Mode::Executable).unwrap();
        file.write_all(b"x").unwrap();
        extractor.create_file("a/b/text", Mode::Plain).unwrap();
        extractor.create_symlink("a/link", "b/run").unwrap();
        extractor.create_directory("empty/one").unwrap();
        for (path, mode) in [
            ("a/b/run", 0o755),
            ("a/b/text", 0o644),
            ("a", 0o755),
            ("empty/one", 0o755),
            ("", 0o755),
        ] {
            assert_eq!(mode_of(&root.path().join(path)), mode, "{path}");
        }
        assert_eq!(std::fs::read(root.path().join("a/link")).unwrap(), b"x");
    }

    #[test]
    fn goes_through_no_link_and_over_no_file() {
        let outside = tempfile::tempdir().unwrap();
        let root = tempfile::tempdir().unwrap();
        symlink(outside.path(), root.path().join("out")).unwrap();
        symlink(outside.path().join("new"), root.path().join("file")).unwrap();
        std::fs::write(root.path().join("there"), "old").unwrap();
        let mut extractor = Extractor::new(root.path()).unwrap();
        for path in ["out/x", "file", "there", "there/below"] {
            let error = extractor.create_file(path, Mode::Plain).unwrap_err();
            assert!(
                matches!(error, ExtractError::Create { .. }),
                "{path}: {error}"
            );
        }
        assert!(extractor.create_directory("out").is_err());
        assert!(extractor.create_symlink("there", "x").is_err());
        assert_eq!(std::fs::read(root.path().join("there")).unwrap(), b"old");
        assert_eq!(outside.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn refuses_what_leaves_the_root() {
        let root = tempfile::tempdir().unwrap();
        let mut extractor = Extractor::new(root.path()).unwrap();
        for path in ["", "/etc/x", "../x", "a/../../x", "a\0b"] {
            let error = extractor.create_file(path, Mode::Plain).unwrap_err();
            assert!(
                matches!(error, ExtractError::Refused { .. }),
                "{path:?}: {error}"
            );
            assert!(extractor.create_directory(path).is_err());
        }
        assert!(extractor.create_symlink("l", "../x").is_err());
        assert!(Extractor::new(&root.path().join("gone")).is_err());
    }
}
