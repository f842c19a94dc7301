//! Staging: the second reading, copied into a directory instead of an archive.

use std::error::Error;
use std::fmt;
use std::io::{self, Read};
use std::path::Path;

use archive::{Digest, Hasher};

use crate::inventory::{Inventory, Origin, open_source, reading};
use crate::tree::{PendingTree, Receive};
use crate::{Content, ServiceSource, SourceError, Staged, TreeError, temporary};

/// How much is copied at a time, in bytes.
const BUFFER_BYTES: usize = 64 << 10;

/// Puts the tree of a service's package into the directory `destination`, as
/// [`Opened::unpack`](crate::Opened::unpack) would from the package.
///
/// A tree that is there and equal is verified and kept; another staged tree is replaced, in one
/// step; a directory that holds anything else is left alone. Folders above `destination` are made.
/// May be repeated.
///
/// # Errors
///
/// [`StageError::Source`] for what is wrong with the sources, [`StageError::Tree`] for the
/// destination.
pub fn stage(source: &ServiceSource, destination: &Path) -> Result<Staged, StageError> {
    let inventory = Inventory::take(source).map_err(StageError::Source)?;
    copy(inventory, destination)
}

/// The second reading. Apart from the first, so that a test can come between them.
fn copy(inventory: Inventory<'_>, destination: &Path) -> Result<Staged, StageError> {
    let json = inventory.manifest.to_json();
    let found = Staged::find(destination, &inventory.manifest, &json);
    if let Some(staged) = found.map_err(StageError::Tree)? {
        temporary::remove_abandoned(temporary::folder_of(destination));
        return Ok(staged);
    }
    let mut tree = PendingTree::new(destination).map_err(StageError::Tree)?;
    let mut buffer = vec![0; BUFFER_BYTES];
    for (file, origin) in inventory.files() {
        tree.begin(file).map_err(StageError::Tree)?;
        match (origin, &file.content) {
            (Origin::Definition(text), _) => tree.content(text).map_err(StageError::Tree)?,
            (Origin::Bill, _) => {
                let mut bill = Vec::new();
                inventory.write_bill(&mut bill).expect("memory takes it");
                tree.content(&bill).map_err(StageError::Tree)?;
            }
            (Origin::File(path), Content::File { sha256, .. }) => {
                let copied = copy_file(&path, &mut tree, &mut buffer)?;
                if copied != *sha256 {
                    return Err(StageError::Source(SourceError::Changed { path }));
                }
            }
            (Origin::Link | Origin::File(_), _) => {}
        }
    }
    tree.commit(destination, inventory.manifest, &json)
        .map_err(StageError::Tree)
}

fn copy_file(path: &Path, tree: &mut PendingTree, buffer: &mut [u8]) -> Result<Digest, StageError> {
    let mut file = open_source(path).map_err(StageError::Source)?;
    let mut hasher = Hasher::new();
    loop {
        match file.read(buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(n) => {
                hasher.update(&buffer[..n]);
                tree.content(&buffer[..n]).map_err(StageError::Tree)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(StageError::Source(reading(path)(source))),
        }
    }
}

/// Why a service could not be staged; shown as the error inside.
#[derive(Debug)]
#[non_exhaustive]
pub enum StageError {
    /// Something about the sources.
    Source(SourceError),
    /// Something about the destination.
    Tree(TreeError),
}

impl StageError {
    /// Whether the service is to blame, and not the reading or writing.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        match self {
            StageError::Source(error) => error.is_invalid(),
            StageError::Tree(_) => false,
        }
    }
}

impl fmt::Display for StageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StageError::Source(error) => error.fmt(f),
            StageError::Tree(error) => error.fmt(f),
        }
    }
}

impl Error for StageError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            StageError::Source(error) => error.source(),
            StageError::Tree(error) => error.source(),
        }
    }
}

#[cfg(test)]
mod tests;
