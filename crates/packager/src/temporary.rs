//! What is being made, under a name of its own until it is whole; and its end if its maker dies.
//!
//! A temporary file or directory is locked by the process that made it, with `flock`, which the
//! kernel lifts however that process ends. So whoever makes the next one in the same folder knows
//! what is abandoned, by name and free lock, and removes it. A file system without such locks keeps
//! what a killed process left.
//!
//! Source: flock(2).

use std::fs::{self, DirEntry, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use tempfile::{NamedTempFile, TempDir};

/// How every temporary name begins. Hidden, and nobody else's: what is called so may be removed.
const PREFIX: &str = ".approot-tmp-";

/// How often a name is lost to a process that tidies up between its making and its locking. Once
/// is rare; this often means that something else is wrong.
const ATTEMPTS_MAX: usize = 16;

/// A directory in the making, locked; removed when dropped.
pub(crate) struct TemporaryDirectory {
    directory: TempDir,
    _lock: File,
}

impl TemporaryDirectory {
    /// Makes one in `parent`, after removing what dead processes left there.
    pub(crate) fn new_in(parent: &Path) -> io::Result<TemporaryDirectory> {
        let make = || {
            let directory = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
            let lock = File::open(directory.path())?;
            Ok(
                is_held(&lock, directory.path())?.then_some(TemporaryDirectory {
                    directory,
                    _lock: lock,
                }),
            )
        };
        first_of(parent, make)
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Leaves it as it is: it has been given its name.
    pub(crate) fn keep(self) {
        let _path = self.directory.keep();
    }
}

/// Makes a file in `parent`, locked while it is open, after removing what dead processes left
/// there. Its permissions are those of any new file.
pub(crate) fn file_in(parent: &Path) -> io::Result<NamedTempFile> {
    let make = || {
        let file = tempfile::Builder::new()
            .prefix(PREFIX)
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(parent)?;
        Ok(is_held(file.as_file(), file.path())?.then_some(file))
    };
    first_of(parent, make)
}

/// Makes a file lasting, gives it its name, and makes the name lasting. A file of that name is
/// replaced.
pub(crate) fn give_name(file: NamedTempFile, path: &Path) -> io::Result<()> {
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(folder_of(path))?.sync_all()
}

/// Writes `content` into the file `path`, whose folder must exist: a crash at any moment leaves the
/// old file or the new one.
///
/// # Errors
///
/// It cannot be written; the old file, if there is one, is as it was.
pub fn replace_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = file_in(folder_of(path))?;
    file.write_all(content)?;
    give_name(file, path)
}

/// The folder that a file or directory is in, by its path.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

fn first_of<T>(parent: &Path, make: impl Fn() -> io::Result<Option<T>>) -> io::Result<T> {
    remove_abandoned(parent);
    for _ in 0..ATTEMPTS_MAX {
        if let Some(made) = make()? {
            return Ok(made);
        }
    }
    Err(io::Error::other("temporary files are removed by others"))
}

/// Locks what was just made. `false` where another process took it for abandoned before that.
fn is_held(made: &File, path: &Path) -> io::Result<bool> {
    match flock(made, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => is_at(made, path),
        Err(Errno::WOULDBLOCK) => Ok(false),
        // No locks here: nobody else can get one either, so nobody removes it.
        Err(_) => Ok(true),
    }
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match path.symlink_metadata() {
        Ok(there) => Ok((ours.dev(), ours.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes what dead processes left in a folder; whatever makes something there does so by itself.
/// What cannot be removed is left: it is in nobody's
/// way.
pub(crate) fn remove_abandoned(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_ours = |entry: &DirEntry| {
        let name = entry.file_name();
        name.as_encoded_bytes().starts_with(PREFIX.as_bytes())
    };
    for entry in entries.filter(is_ours) {
        let _ = remove_if_abandoned(&entry.path());
    }
}

fn remove_if_abandoned(path: &Path) -> io::Result<()> {
    // Not through a link, and not waiting for a writer of a pipe.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let found = fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    flock(&found, FlockOperation::NonBlockingLockExclusive)?;
    // Its maker may have given it its name since it was listed.
    if !is_at(&found, path)? {
        return Ok(());
    }
    let kind = found.metadata()?.file_type();
    if kind.is_dir() {
        fs::remove_dir_all(path)
    } else if kind.is_file() {
        fs::remove_file(path)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = folder.read_dir().unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_abandoned_goes_and_all_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at(".approot-tmp-dead"), "half").unwrap();
        fs::create_dir_all(at(".approot-tmp-tree/roles/R")).unwrap();
        fs::write(at(".approot-tmp-tree/roles/R/file"), "half").unwrap();
        fs::write(at(".approot-other"), "a user's").unwrap();
        fs::write(at("EchoCloud.cspkg.tar.gz"), "a user's").unwrap();
        std::os::unix::fs::symlink("EchoCloud.cspkg.tar.gz", at(".approot-tmp-link")).unwrap();
        let made = file_in(folder.path()).unwrap();
        let own = made.path().file_name().unwrap().to_str().unwrap();
        let mut expected = [
            ".approot-other",
            ".approot-tmp-link",
            own,
            "EchoCloud.cspkg.tar.gz",
        ];
        expected.sort_unstable();
        assert_eq!(names(folder.path()), expected);
    }

    #[test]
    fn what_is_being_made_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = file_in(folder.path()).unwrap();
        let directory = TemporaryDirectory::new_in(folder.path()).unwrap();
        remove_abandoned(folder.path());
        assert!(file.path().exists() && directory.path().exists());
        drop((file, directory));
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn what_another_locked_or_removed_is_not_held() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let made = File::create(&path).unwrap();
        let other = File::open(&path).unwrap();
        flock(&other, FlockOperation::NonBlockingLockExclusive).unwrap();
        assert!(!is_held(&made, &path).unwrap());
        drop(other);
        assert!(is_held(&made, &path).unwrap());
        fs::remove_file(&path).unwrap();
        assert!(!is_held(&made, &path).unwrap());
        File::create(&path).unwrap();
        assert!(!is_held(&made, &path).unwrap());
    }

    #[test]
    fn a_file_is_replaced_and_nothing_stays_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list");
        replace_file(&path, b"old").unwrap();
        replace_file(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["list"]);
        assert!(replace_file(&folder.path().join("no/list"), b"").is_err());
    }
}
