//! The one walk over the sources: which file goes where.
//!
//! The approot of a role is its binary, its content folder, and each `Content` at its destination.
//! [`layout`] lists that for all roles, in the order of the package, and finds every conflict. It
//! reads folders and links, not the content of files, and follows no link inside a source. What an
//! `.approotignore` at the root of a folder names stays out ([`Ignored`]). Folders are not listed:
//! an empty one is not kept.

use std::collections::BTreeSet;
use std::fs::{self, DirEntry, FileType};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use archive::{Limits, Names, Refusal, check_link, check_path};

use crate::find::{Found, find_without_case};
use crate::ignored::Ignored;
use crate::manifest::approot_prefix;
use crate::source::{Conflict, Part};
use crate::{ContentSource, RoleSource, SourceError};

/// The most things that are said to be wrong; whoever has more learns of the rest next time.
const PROBLEMS_MAX: usize = 100;

/// One file or link of the package, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placed {
    /// The path in the package.
    pub(crate) path: String,
    /// What it comes from.
    pub(crate) tree: Arc<SourceTree>,
    /// Where the link points; `None` for a file.
    pub(crate) target: Option<String>,
}

/// A source: a folder whose files share this, or a single file. Their paths outside follow from
/// those in the package, and are not kept: there may be 100,000 of them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SourceTree {
    /// Which of the role's sources it is.
    pub(crate) part: Part,
    root: PathBuf,
    /// How much of a path in the package stands for the root, in bytes.
    n_prefix: usize,
}

impl SourceTree {
    /// The file or link outside that is at `path` in the package.
    pub(crate) fn origin(&self, path: &str) -> PathBuf {
        match &path[self.n_prefix..] {
            "" => self.root.clone(),
            below => self.root.join(below),
        }
    }
}

/// Lists everything below `roles/`, by the bytes of the path.
pub(crate) fn layout(roles: &[RoleSource]) -> Result<Vec<Placed>, SourceError> {
    let mut names = Names::new();
    let mut placed = Vec::new();
    let mut problems = Vec::new();
    for role in roles {
        let is_one_step =
            check_path(&role.name, &Limits::default()).is_ok() && !role.name.contains('/');
        if !is_one_step || names.insert(&role.name).is_err() {
            let role = role.name.clone();
            problems.push(SourceError::RoleName { role });
            continue;
        }
        let mut approot = Approot::new(role);
        approot.fill();
        placed.append(&mut approot.placed);
        problems.append(&mut approot.problems);
    }
    problems.truncate(PROBLEMS_MAX);
    SourceError::of_all(problems)?;
    placed.sort_unstable_by(|one: &Placed, other| one.path.cmp(&other.path));
    Ok(placed)
}

/// The approot of one role in the making.
struct Approot<'a> {
    role: &'a RoleSource,
    names: Names,
    /// In the order in which it was found.
    placed: Vec<Placed>,
    problems: Vec<SourceError>,
    /// Which part clashed with which path: of a clash between two folders one file tells enough.
    clashes: BTreeSet<(Part, String)>,
}

impl<'a> Approot<'a> {
    fn new(role: &'a RoleSource) -> Approot<'a> {
        Approot {
            role,
            names: Names::new(),
            placed: Vec::new(),
            problems: Vec::new(),
            clashes: BTreeSet::new(),
        }
    }

    /// Goes through all sources, past what is wrong.
    fn fill(&mut self) {
        if let Some(binary) = &self.role.binary {
            let placed = self.place_binary(binary);
            self.note(placed);
        }
        if let Some(directory) = &self.role.content_directory {
            let declared_as = format!("{}Content", self.role.name);
            let placed = self.place_directory(Part::ContentDirectory, directory, &declared_as, "");
            self.note(placed);
        }
        for (n, content) in self.role.contents.iter().enumerate() {
            let part = Part::Content(n);
            let placed = self.destination(part, content).and_then(|destination| {
                let (directory, declared_as) = (&content.source_directory, &content.declared_as);
                self.place_directory(part, directory, declared_as, &destination)
            });
            self.note(placed);
        }
    }

    /// Keeps what is wrong and goes on.
    fn note(&mut self, placed: Result<(), SourceError>) {
        if let Err(problem) = placed
            && self.problems.len() < PROBLEMS_MAX
        {
            self.problems.push(problem);
        }
    }

    /// Whether a clash is the same one as one that was told before, or one too many.
    fn is_told(&mut self, refusal: &Refusal, part: Part) -> bool {
        let is_new = match refusal {
            Refusal::CaseClash { other } | Refusal::BelowFile { other } => {
                self.clashes.insert((part, other.clone()))
            }
            _ => true,
        };
        !is_new || self.problems.len() >= PROBLEMS_MAX
    }

    fn place_binary(&mut self, binary: &Path) -> Result<(), SourceError> {
        let declared = Declared {
            role: &self.role.name,
            part: Part::Program,
            declared_as: "the role's program",
        };
        let metadata = fs::metadata(binary).map_err(declared.unreadable(binary))?;
        if !metadata.is_file() {
            return Err(declared.wrong_kind(binary, "file"));
        }
        // A link to the program is the user's way to say where it is, not part of the package.
        let origin = fs::canonicalize(binary).map_err(reading(binary))?;
        let name = utf8_name(binary)?;
        let tree = self.tree(Part::Program, origin, name);
        self.place(&tree, name, None)
    }

    /// Places all below `directory` at `destination`, which is empty or a path of the approot.
    fn place_directory(
        &mut self,
        part: Part,
        directory: &Path,
        declared_as: &str,
        destination: &str,
    ) -> Result<(), SourceError> {
        let declared = Declared {
            role: &self.role.name,
            part,
            declared_as,
        };
        let directory = match find_without_case(directory).map_err(reading(directory))? {
            Found::One(found) => found,
            Found::None => return Err(declared.missing(directory)),
            Found::Several(found) => return Err(declared.ambiguous(found)),
        };
        let metadata = fs::metadata(&directory).map_err(declared.unreadable(&directory))?;
        if !metadata.is_dir() {
            return Err(declared.wrong_kind(&directory, "folder"));
        }
        let ignored = Ignored::read(&directory)?;
        self.place_tree(part, directory, destination, &ignored)
    }

    fn place_tree(
        &mut self,
        part: Part,
        root: PathBuf,
        destination: &str,
        ignored: &Ignored,
    ) -> Result<(), SourceError> {
        let tree = self.tree(part, root.clone(), destination);
        // Each folder with its path in the approot and below the root of its source.
        let mut pending = vec![(root, destination.to_owned(), PathBuf::new())];
        while let Some((directory, destination, below)) = pending.pop() {
            for entry in sorted_entries(&directory)? {
                let origin = entry.path();
                let below = below.join(entry.file_name());
                let kind = entry.file_type().map_err(reading(&origin))?;
                if ignored.has(&below, kind.is_dir()) {
                    continue;
                }
                if kind.is_dir() {
                    match folder_path(&destination, &origin) {
                        Ok(path) => pending.push((origin, path, below)),
                        Err(refused) => self.note(Err(refused)),
                    }
                } else {
                    let placed = self.place_entry(&tree, &destination, &origin, kind);
                    self.note(placed);
                }
            }
        }
        Ok(())
    }

    /// Places what is no folder.
    fn place_entry(
        &mut self,
        tree: &Arc<SourceTree>,
        destination: &str,
        origin: &Path,
        kind: FileType,
    ) -> Result<(), SourceError> {
        let path = join(destination, utf8_name(origin)?);
        if kind.is_symlink() {
            let target = self.target(&path, origin)?;
            self.place(tree, &path, Some(target))
        } else if kind.is_file() {
            self.place(tree, &path, None)
        } else {
            let found = special_kind(kind);
            Err(refused(origin)(Refusal::Kind { found }))
        }
    }

    /// Reads the link `origin`, which will lie at `path` and must stay in the approot there.
    fn target(&self, path: &str, origin: &Path) -> Result<String, SourceError> {
        let target = fs::read_link(origin).map_err(reading(origin))?;
        let target = target.into_os_string().into_string();
        let target = target.map_err(|_| refused(origin)(Refusal::NotUtf8))?;
        check_link(path, &target, &Limits::default()).map_err(refused(origin))?;
        Ok(target)
    }

    /// The source `root`, which is at `path` in the approot.
    fn tree(&self, part: Part, root: PathBuf, path: &str) -> Arc<SourceTree> {
        let in_package = approot_prefix(&self.role.name).len() + path.len();
        // The step below it follows a separator, unless it is the approot itself.
        let is_below_folder = part != Part::Program && !path.is_empty();
        Arc::new(SourceTree {
            part,
            root,
            n_prefix: in_package + usize::from(is_below_folder),
        })
    }

    fn place(
        &mut self,
        tree: &Arc<SourceTree>,
        path: &str,
        target: Option<String>,
    ) -> Result<(), SourceError> {
        let in_package = approot_prefix(&self.role.name) + path;
        let origin = || tree.origin(&in_package);
        check_path(&in_package, &Limits::default())
            .map_err(|refusal| refused(&origin())(refusal))?;
        match self.names.insert(path) {
            Ok(()) => {
                self.placed.push(Placed {
                    tree: Arc::clone(tree),
                    path: in_package,
                    target,
                });
                Ok(())
            }
            Err(refusal) if self.is_told(&refusal, tree.part) => Ok(()),
            Err(refusal) => Err(self.conflict(path, refusal, origin(), tree.part)),
        }
    }

    fn conflict(&self, path: &str, refusal: Refusal, second: PathBuf, part: Part) -> SourceError {
        let other = match &refusal {
            Refusal::Duplicate => path,
            Refusal::CaseClash { other } | Refusal::BelowFile { other } => other,
            _ => return refused(&second)(refusal),
        };
        // A folder stays taken where each file of it was refused: then there is no other source.
        let Some(first) = self.source_at(other) else {
            return refused(&second)(refusal);
        };
        SourceError::Conflict(Box::new(Conflict {
            role: self.role.name.clone(),
            path: path.to_owned(),
            first: first.tree.origin(&first.path),
            first_part: first.tree.part,
            refusal,
            second,
            second_part: part,
        }))
    }

    /// The file at `path` of the approot, or the first file below it.
    ///
    /// Looks through all, which is cheap as often as things are told to be wrong.
    fn source_at(&self, path: &str) -> Option<&Placed> {
        let in_package = approot_prefix(&self.role.name) + path;
        let is_there = |placed: &&Placed| {
            let below = placed.path.strip_prefix(&in_package);
            below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
        };
        let there = self.placed.iter().filter(is_there);
        there.min_by(|one, other| one.path.cmp(&other.path))
    }

    /// The destination with `/` between its steps, empty for the approot itself.
    fn destination(&self, part: Part, content: &ContentSource) -> Result<String, SourceError> {
        destination(&content.destination).ok_or_else(|| SourceError::Destination {
            role: self.role.name.clone(),
            part,
            destination: content.destination.clone(),
        })
    }
}

/// A source as it was declared, for messages.
struct Declared<'a> {
    role: &'a str,
    part: Part,
    declared_as: &'a str,
}

impl Declared<'_> {
    fn missing(&self, looked_for: &Path) -> SourceError {
        SourceError::Missing {
            role: self.role.to_owned(),
            part: self.part,
            declared_as: self.declared_as.to_owned(),
            looked_for: looked_for.to_owned(),
        }
    }

    fn ambiguous(&self, found: Vec<PathBuf>) -> SourceError {
        SourceError::Ambiguous {
            role: self.role.to_owned(),
            part: self.part,
            declared_as: self.declared_as.to_owned(),
            found,
        }
    }

    fn unreadable(&self, path: &Path) -> impl FnOnce(io::Error) -> SourceError {
        let missing = self.missing(path);
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => missing,
            _ => SourceError::Read { path, source },
        }
    }

    fn wrong_kind(&self, path: &Path, expected: &'static str) -> SourceError {
        SourceError::WrongKind {
            role: self.role.to_owned(),
            part: self.part,
            declared_as: self.declared_as.to_owned(),
            expected,
            looked_for: path.to_owned(),
        }
    }
}

/// The path in the approot of the folder `origin`, whose parent is `destination` there.
fn folder_path(destination: &str, origin: &Path) -> Result<String, SourceError> {
    let path = join(destination, utf8_name(origin)?);
    check_path(&path, &Limits::default()).map_err(refused(origin))?;
    Ok(path)
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

/// A `Content/@destination` with `/` between its steps, empty for the approot itself; `None` if it
/// leaves the approot.
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
