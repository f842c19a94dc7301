//! The one walk over the sources: which file goes where.
//!
//! The approot of a role is its binary, its content folder, and each `Content` at its destination.
//! [`layout`] lists that for all roles, in the order of the package, and finds every conflict. It
//! reads folders and links, not the content of files, and follows no link inside a source. Folders
//! are not listed: an empty one is not kept.

use std::collections::BTreeMap;
use std::fs::{self, DirEntry, FileType};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use archive::{Limits, Names, Refusal, check_link, check_path};

use crate::manifest::approot_prefix;
use crate::source::Conflict;
use crate::{ContentSource, RoleSource, SourceError};

/// One file or link of the package, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placed {
    /// The path in the package.
    pub(crate) path: String,
    /// The file or link outside.
    pub(crate) origin: PathBuf,
    /// Where the link points; `None` for a file.
    pub(crate) target: Option<String>,
}

/// Lists everything below `roles/`, by the bytes of the path.
pub(crate) fn layout(roles: &[RoleSource]) -> Result<Vec<Placed>, SourceError> {
    let mut names = Names::new();
    let mut placed = BTreeMap::new();
    for role in roles {
        let is_one_step =
            check_path(&role.name, &Limits::default()).is_ok() && !role.name.contains('/');
        if !is_one_step || names.insert(&role.name).is_err() {
            let role = role.name.clone();
            return Err(SourceError::RoleName { role });
        }
        placed.extend(Approot::new(role).fill()?);
    }
    Ok(placed.into_values().collect())
}

/// The approot of one role in the making.
struct Approot<'a> {
    role: &'a RoleSource,
    names: Names,
    placed: BTreeMap<String, Placed>,
}

impl<'a> Approot<'a> {
    fn new(role: &'a RoleSource) -> Approot<'a> {
        Approot {
            role,
            names: Names::new(),
            placed: BTreeMap::new(),
        }
    }

    fn fill(mut self) -> Result<BTreeMap<String, Placed>, SourceError> {
        if let Some(binary) = &self.role.binary {
            self.place_binary(binary)?;
        }
        if let Some(directory) = &self.role.content_directory {
            let declared_as = format!("{}Content", self.role.name);
            self.check_directory(directory, &declared_as)?;
            self.place_tree(directory, "")?;
        }
        for content in &self.role.contents {
            let destination = self.destination(content)?;
            self.check_directory(&content.source_directory, &content.declared_as)?;
            self.place_tree(&content.source_directory, &destination)?;
        }
        Ok(self.placed)
    }

    fn place_binary(&mut self, binary: &Path) -> Result<(), SourceError> {
        let declared_as = "the role's program";
        let metadata = fs::metadata(binary).map_err(self.declared(binary, declared_as))?;
        if !metadata.is_file() {
            return Err(self.wrong_kind(binary, declared_as, "file"));
        }
        // A link to the program is the user's way to say where it is, not part of the package.
        let origin = fs::canonicalize(binary).map_err(reading(binary))?;
        let name = utf8_name(binary)?;
        self.place(name, origin, None)
    }

    fn check_directory(&self, directory: &Path, declared_as: &str) -> Result<(), SourceError> {
        let metadata = fs::metadata(directory).map_err(self.declared(directory, declared_as))?;
        if metadata.is_dir() {
            Ok(())
        } else {
            Err(self.wrong_kind(directory, declared_as, "folder"))
        }
    }

    /// Places all below `directory` at `destination`, which is empty or a path of the approot.
    fn place_tree(&mut self, directory: &Path, destination: &str) -> Result<(), SourceError> {
        let mut pending = vec![(directory.to_owned(), destination.to_owned())];
        while let Some((directory, destination)) = pending.pop() {
            for entry in sorted_entries(&directory)? {
                let origin = entry.path();
                let path = join(&destination, utf8_name(&origin)?);
                let kind = entry.file_type().map_err(reading(&origin))?;
                if kind.is_dir() {
                    check_path(&path, &Limits::default()).map_err(refused(&origin))?;
                    pending.push((origin, path));
                } else if kind.is_symlink() {
                    let target = self.target(&path, &origin)?;
                    self.place(&path, origin, Some(target))?;
                } else if kind.is_file() {
                    self.place(&path, origin, None)?;
                } else {
                    let found = special_kind(kind);
                    return Err(refused(&origin)(Refusal::Kind { found }));
                }
            }
        }
        Ok(())
    }

    /// Reads the link `origin`, which will lie at `path` and must stay in the approot there.
    fn target(&self, path: &str, origin: &Path) -> Result<String, SourceError> {
        let target = fs::read_link(origin).map_err(reading(origin))?;
        let target = target.into_os_string().into_string();
        let target = target.map_err(|_| refused(origin)(Refusal::NotUtf8))?;
        check_link(path, &target, &Limits::default()).map_err(refused(origin))?;
        Ok(target)
    }

    fn place(
        &mut self,
        path: &str,
        origin: PathBuf,
        target: Option<String>,
    ) -> Result<(), SourceError> {
        let in_package = format!("{}{path}", approot_prefix(&self.role.name));
        check_path(&in_package, &Limits::default()).map_err(refused(&origin))?;
        if let Err(refusal) = self.names.insert(path) {
            return Err(self.conflict(path, refusal, origin));
        }
        let placed = Placed {
            path: in_package.clone(),
            origin,
            target,
        };
        self.placed.insert(in_package, placed);
        Ok(())
    }

    fn conflict(&self, path: &str, refusal: Refusal, second: PathBuf) -> SourceError {
        let other = match &refusal {
            Refusal::CaseClash { other } | Refusal::BelowFile { other } => other,
            _ => path,
        };
        SourceError::Conflict(Box::new(Conflict {
            role: self.role.name.clone(),
            path: path.to_owned(),
            first: self.origin_at(other).unwrap_or_default(),
            refusal,
            second,
        }))
    }

    /// The source of the file at `path` of the approot, or of the first file below it.
    fn origin_at(&self, path: &str) -> Option<PathBuf> {
        let in_package = format!("{}{path}", approot_prefix(&self.role.name));
        let below = format!("{in_package}/");
        let exact = self.placed.get(&in_package);
        let first_below = || {
            self.placed
                .range(below.clone()..)
                .map(|(_, placed)| placed)
                .next()
        };
        exact
            .or_else(first_below)
            .map(|placed| placed.origin.clone())
    }

    /// The destination with `/` between its steps, empty for the approot itself.
    fn destination(&self, content: &ContentSource) -> Result<String, SourceError> {
        destination(&content.destination).ok_or_else(|| SourceError::Destination {
            role: self.role.name.clone(),
            destination: content.destination.clone(),
        })
    }

    fn declared(&self, path: &Path, declared_as: &str) -> impl FnOnce(io::Error) -> SourceError {
        let (role, declared_as) = (self.role.name.clone(), declared_as.to_owned());
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => SourceError::Missing {
                role,
                declared_as,
                looked_for: path,
            },
            _ => SourceError::Read { path, source },
        }
    }

    fn wrong_kind(&self, path: &Path, declared_as: &str, expected: &'static str) -> SourceError {
        SourceError::WrongKind {
            role: self.role.name.clone(),
            declared_as: declared_as.to_owned(),
            expected,
            looked_for: path.to_owned(),
        }
    }
}

/// The entries of a folder by name, so that the first error is the same everywhere.
fn sorted_entries(directory: &Path) -> Result<Vec<DirEntry>, SourceError> {
    let entries = fs::read_dir(directory).map_err(reading(directory))?;
    let mut entries: Vec<DirEntry> = entries
        .collect::<Result<_, _>>()
        .map_err(reading(directory))?;
    entries.sort_by_key(DirEntry::file_name);
    Ok(entries)
}

fn utf8_name(path: &Path) -> Result<&str, SourceError> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.ok_or_else(|| refused(path)(Refusal::NotUtf8))
}

fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() {
        name.to_owned()
    } else {
        format!("{directory}/{name}")
    }
}

fn special_kind(kind: FileType) -> &'static str {
    if kind.is_fifo() {
        "fifo"
    } else if kind.is_socket() {
        "socket"
    } else {
        "device"
    }
}

fn reading(path: &Path) -> impl FnOnce(io::Error) -> SourceError {
    let path = path.to_owned();
    |source| SourceError::Read { path, source }
}

fn refused(path: &Path) -> impl FnOnce(Refusal) -> SourceError {
    let path = path.to_owned();
    |refusal| SourceError::Refused { path, refusal }
}
/// A `Content/@destination` with `/` between its steps, empty for the approot itself; `None` if it leaves the
/// approot.
#[must_use]
pub fn destination(text: &str) -> Option<String> {
    let is_rooted = text.starts_with(['\\', '/']);
    let has_drive = text.as_bytes().get(1) == Some(&b':');
    if is_rooted || has_drive {
        return None;
    }
    let mut steps = Vec::new();
    for step in text.split(['\\', '/']) {
        match step {
            "" | "." => {}
            ".." => drop(steps.pop()?),
            _ => steps.push(step),
        }
    }
    Some(steps.join("/"))
}
