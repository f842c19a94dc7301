//! Making the tree of a package: whole or not at all.
//!
//! A tree is filled in a hidden directory beside its destination and takes its name in one step
//! ([`PendingTree`]). Nothing but the manifest is synced to disk: after a power failure a tree may
//! be torn, and since one that is found is verified file by file before it is used
//! ([`Staged::find`]), a torn one is seen and made again.
//!
//! What it replaces is not judged here: whoever begins a tree has asked [`Staged::find`] first,
//! which refuses a directory that is not ours.

mod error;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use archive::{Digest, Extractor, Mode};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

pub use self::error::TreeError;
pub(crate) use self::error::reading;
use crate::manifest::{MANIFEST_PATH, approot_prefix};
use crate::temporary::{TemporaryDirectory, folder_of};
use crate::{Content, Manifest, ManifestFile, Staged};

/// Takes the files of a package one after another: what both readings of a package feed.
pub(crate) trait Receive {
    /// Begins the next file or link.
    fn begin(&mut self, file: &ManifestFile) -> Result<(), TreeError>;
    /// Takes the next bytes of the file begun last.
    fn content(&mut self, bytes: &[u8]) -> Result<(), TreeError>;
}

/// A tree in the making; gone when dropped.
pub(crate) struct PendingTree {
    directory: TemporaryDirectory,
    extractor: Extractor,
    current: Option<(PathBuf, File)>,
}

impl PendingTree {
    /// Begins a tree that is to be at `destination`.
    pub(crate) fn new(destination: &Path) -> Result<PendingTree, TreeError> {
        let parent = folder_of(destination);
        let create = || {
            fs::create_dir_all(parent)?;
            TemporaryDirectory::new_in(parent)
        };
        let directory = create().map_err(|source| TreeError::Create {
            path: destination.to_owned(),
            source,
        })?;
        let extractor = Extractor::new(directory.path()).map_err(TreeError::Extract)?;
        Ok(PendingTree {
            directory,
            extractor,
            current: None,
        })
    }

    /// Adds the manifest and gives the tree its name; a tree of that name is replaced.
    pub(crate) fn commit(
        mut self,
        destination: &Path,
        manifest: Manifest,
        manifest_json: &[u8],
    ) -> Result<Staged, TreeError> {
        for role in &manifest.roles {
            let approot = approot_prefix(role);
            let approot = approot.trim_end_matches('/');
            self.extractor
                .create_directory(approot)
                .map_err(TreeError::Extract)?;
        }
        self.create(MANIFEST_PATH, Mode::Plain)?;
        self.content(manifest_json)?;
        self.current.take().map_or(Ok(()), |(path, file)| {
            file.sync_all().map_err(writing(&path))
        })?;
        take_name(self.directory, destination).map_err(|source| TreeError::Create {
            path: destination.to_owned(),
            source,
        })?;
        Ok(Staged {
            root: destination.to_owned(),
            manifest,
            digest: Digest::of(manifest_json),
        })
    }

    fn create(&mut self, path: &str, mode: Mode) -> Result<(), TreeError> {
        let file = self
            .extractor
            .create_file(path, mode)
            .map_err(TreeError::Extract)?;
        self.current = Some((self.directory.path().join(path), file));
        Ok(())
    }
}

impl Receive for PendingTree {
    fn begin(&mut self, file: &ManifestFile) -> Result<(), TreeError> {
        self.current = None;
        match &file.content {
            Content::File { mode, .. } => self.create(&file.path, *mode),
            Content::Symlink { target } => {
                let created = self.extractor.create_symlink(&file.path, target);
                created.map_err(TreeError::Extract)
            }
        }
    }

    fn content(&mut self, bytes: &[u8]) -> Result<(), TreeError> {
        let (path, file) = self
            .current
            .as_mut()
            .expect("content follows the begin of a file");
        file.write_all(bytes).map_err(writing(path))
    }
}

/// Renames onto nothing or an empty directory, else exchanges the two and removes what was there.
fn take_name(directory: TemporaryDirectory, destination: &Path) -> io::Result<()> {
    let made = directory.path();
    match fs::rename(made, destination) {
        Ok(()) => {
            // Its name is gone, so there is nothing left to clean up.
            directory.keep();
            Ok(())
        }
        Err(error) if is_not_empty(&error) => {
            // The old tree goes when `directory` is dropped; should that fail, the new one still
            // stands.
            Ok(renameat_with(
                CWD,
                made,
                CWD,
                destination,
                RenameFlags::EXCHANGE,
            )?)
        }
        Err(error) => Err(error),
    }
}

fn is_not_empty(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::NOTEMPTY | Errno::EXIST)
    )
}

fn writing(path: &Path) -> impl FnOnce(io::Error) -> TreeError {
    let path = path.to_owned();
    |source| TreeError::Write { path, source }
}
