//! Listing: what would go into a package, by the one walk that building and staging use.
//!
//! It opens no file of the sources but `.approotignore`, so it tells sizes and no digests.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use archive::{EntryKind, Mode};

use crate::inventory::reading;
use crate::layout::{Placed, layout};
use crate::manifest::approot_prefix;
use crate::{Part, ServiceSource, SourceError};

/// What would go into a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The name of the service.
    pub service: String,
    /// The names of the roles, by their bytes.
    pub roles: Vec<String>,
    /// Everything below `roles/`, by the bytes of the path.
    pub entries: Vec<Listed>,
}

/// A file or link that would go into a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The path in the package.
    pub path: String,
    /// A file with its size, or a link.
    pub kind: EntryKind,
    /// The file or link outside.
    pub origin: PathBuf,
    /// Which of the role's sources that is of.
    pub part: Part,
}

impl Listing {
    /// The files and links of a role's approot, each with its path there.
    pub fn entries_of(&self, role: &str) -> impl Iterator<Item = (&str, &Listed)> {
        let prefix = approot_prefix(role);
        self.entries.iter().filter_map(move |entry| {
            let in_approot = entry.path.strip_prefix(&prefix)?;
            Some((in_approot, entry))
        })
    }
}

/// Lists what [`build`](crate::build) and [`stage`](crate::stage) would take.
///
/// # Errors
///
/// The [`SourceError`] that they would give before they read a file.
pub fn list(source: &ServiceSource) -> Result<Listing, SourceError> {
    let mut roles: Vec<String> = source.roles.iter().map(|role| role.name.clone()).collect();
    roles.sort();
    Ok(Listing {
        service: source.service.clone(),
        roles,
        entries: layout(&source.roles)?
            .into_iter()
            .map(listed)
            .collect::<Result<_, _>>()?,
    })
}

fn listed(placed: Placed) -> Result<Listed, SourceError> {
    let origin = placed.tree.origin(&placed.path);
    let kind = match placed.target {
        Some(target) => EntryKind::Symlink { target },
        None => {
            let metadata = fs::symlink_metadata(&origin).map_err(reading(&origin))?;
            EntryKind::File {
                mode: Mode::of_bits(metadata.permissions().mode()),
                bytes: metadata.len(),
            }
        }
    };
    Ok(Listed {
        path: placed.path,
        kind,
        origin,
        part: placed.tree.part,
    })
}
