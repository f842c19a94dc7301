//! What a package is made from, and what can be wrong with it.
//!
//! Plain data, filled in by whoever knows the definition and where cargo put the binary. Paths are
//! final here: variables are expanded and relative paths are joined before.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use archive::Refusal;

use crate::Components;

/// A service to be packaged or staged.
#[derive(Debug, Clone)]
pub struct ServiceSource {
    /// The name of the service.
    pub service: String,
    /// `ServiceDefinition.csdef`, byte for byte.
    pub definition: Vec<u8>,
    /// Its roles, in any order.
    pub roles: Vec<RoleSource>,
}

/// What the approot of one role is made from.
#[derive(Debug, Clone)]
pub struct RoleSource {
    /// The name of the role; a single step of a path.
    pub name: String,
    /// The program that was built for the role; lies in the approot under its own name.
    pub binary: Option<PathBuf>,
    /// What that program was built from, if it is known.
    pub components: Option<Components>,
    /// The folder `<Role>Content/` beside the definition, whose tree is the approot's base.
    pub content_directory: Option<PathBuf>,
    /// The role's `Contents/Content` elements.
    pub contents: Vec<ContentSource>,
}

/// One `Content` element: a folder that is copied into the approot.
#[derive(Debug, Clone)]
pub struct ContentSource {
    /// Where it goes, relative to the approot; `\` and `/` separate steps, empty or `.` is the
    /// approot.
    pub destination: String,
    /// The folder, as it is to be opened.
    pub source_directory: PathBuf,
    /// `SourceDirectory/@path` as the file says it, for messages.
    pub declared_as: String,
}

/// Which of a role's sources is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Its program.
    Program,
    /// The folder `<Role>Content/`.
    ContentDirectory,
    /// The `Content` with this index in [`RoleSource::contents`].
    Content(usize),
}

/// What is wrong with the sources, or happened while they were read.
#[derive(Debug)]
#[non_exhaustive]
pub enum SourceError {
    /// The name of a role is no single step of a path, or two roles have it.
    RoleName {
        /// The role.
        role: String,
    },
    /// A declared folder or program is not there.
    Missing {
        /// The role.
        role: String,
        /// Which of its sources.
        part: Part,
        /// How it was declared.
        declared_as: String,
        /// Where it was looked for.
        looked_for: PathBuf,
    },
    /// A declared folder is not a folder, or a declared program not a file.
    WrongKind {
        /// The role.
        role: String,
        /// Which of its sources.
        part: Part,
        /// How it was declared.
        declared_as: String,
        /// What should be there.
        expected: &'static str,
        /// Where it was looked for.
        looked_for: PathBuf,
    },
    /// A declared folder is not there as it is written, and more than one differs from it only in
    /// case.
    Ambiguous {
        /// The role.
        role: String,
        /// Which of its sources.
        part: Part,
        /// How it was declared.
        declared_as: String,
        /// Those that are there, sorted.
        found: Vec<PathBuf>,
    },
    /// The destination of a content leads out of the approot.
    Destination {
        /// The role.
        role: String,
        /// Which of its sources.
        part: Part,
        /// The destination as declared.
        destination: String,
    },
    /// Two sources that do not go together.
    Conflict(Box<Conflict>),
    /// A line of an `.approotignore` is no pattern, or the file cannot be used as a whole.
    Ignore {
        /// The file.
        path: PathBuf,
        /// The line, from 1; 0 for the whole file.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// More than one thing is wrong: each by itself, never empty.
    Several(Vec<SourceError>),
    /// A file may not be in a package.
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        refusal: Refusal,
    },
    /// A file changed between the two times that it is read.
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A file or folder could not be read.
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Two sources for one path, or for paths that only case tells apart, or a file where the other
/// source has a folder.
#[derive(Debug)]
pub struct Conflict {
    /// The role.
    pub role: String,
    /// The path of the second source, relative to the approot.
    pub path: String,
    /// What is wrong between the two.
    pub refusal: Refusal,
    /// The source that came first.
    pub first: PathBuf,
    /// Which of the role's sources that is of.
    pub first_part: Part,
    /// The source that came second.
    pub second: PathBuf,
    /// Which of the role's sources that is of.
    pub second_part: Part,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Conflict {
            role,
            path,
            refusal,
            ..
        } = self;
        let (first, second) = (self.first.display(), self.second.display());
        write!(
            f,
            "role `{role}`: two sources for `{path}` ({refusal}): {first} and {second}"
        )
    }
}

impl SourceError {
    /// One error of all that was found; `Ok` where that is none.
    pub(crate) fn of_all(mut errors: Vec<SourceError>) -> Result<(), SourceError> {
        match errors.len() {
            0 => Ok(()),
            1 => Err(errors.remove(0)),
            _ => Err(SourceError::Several(errors)),
        }
    }

    /// Each thing that is wrong, by itself.
    #[must_use]
    pub fn into_each(self) -> Vec<SourceError> {
        match self {
            SourceError::Several(errors) => errors,
            one => vec![one],
        }
    }

    /// Whether the service is to blame, and not the reading of it.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        match self {
            SourceError::Several(errors) => errors.iter().all(SourceError::is_invalid),
            SourceError::RoleName { .. }
            | SourceError::Missing { .. }
            | SourceError::WrongKind { .. }
            | SourceError::Ambiguous { .. }
            | SourceError::Destination { .. }
            | SourceError::Ignore { .. }
            | SourceError::Conflict(_)
            | SourceError::Refused { .. } => true,
            SourceError::Changed { .. } | SourceError::Read { .. } => false,
        }
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SourceError::RoleName { role } => {
                write!(
                    f,
                    "the name of a role is used twice or is no file name: `{role}`"
                )
            }
            SourceError::Missing {
                role,
                declared_as,
                looked_for,
                ..
            } => write!(
                f,
                "role `{role}`: `{declared_as}` is not there, looked for: {}",
                looked_for.display()
            ),
            SourceError::WrongKind {
                role,
                declared_as,
                expected,
                looked_for,
                ..
            } => write!(
                f,
                "role `{role}`: `{declared_as}` is not a {expected}: {}",
                looked_for.display()
            ),
            SourceError::Ambiguous {
                role,
                declared_as,
                found,
                ..
            } => {
                let found: Vec<String> = found
                    .iter()
                    .map(|path| path.display().to_string())
                    .collect();
                write!(
                    f,
                    "role `{role}`: `{declared_as}` is not there, and only case tells it from each of: {}",
                    found.join(", ")
                )
            }
            SourceError::Ignore { path, line, reason } => {
                let path = path.display();
                match line {
                    0 => write!(f, "cannot use `{path}`: {reason}"),
                    line => write!(f, "{path}:{line}: not a pattern of gitignore: {reason}"),
                }
            }
            SourceError::Several(errors) => {
                let texts: Vec<String> = errors.iter().map(chain).collect();
                f.write_str(&texts.join("; "))
            }
            SourceError::Destination {
                role, destination, ..
            } => {
                write!(
                    f,
                    "role `{role}`: a content's destination leaves the approot: `{destination}`"
                )
            }
            SourceError::Conflict(conflict) => conflict.fmt(f),
            SourceError::Refused { path, refusal } => {
                write!(f, "cannot package this file, {refusal}: {}", path.display())
            }
            SourceError::Changed { path } => {
                write!(
                    f,
                    "the file changed while it was packaged: {}",
                    path.display()
                )
            }
            SourceError::Read { path, .. } => write!(f, "cannot read `{}`", path.display()),
        }
    }
}

/// An error with its cause, where several share a line.
fn chain(error: &SourceError) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

impl Error for SourceError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            SourceError::Read { source, .. } => Some(source),
            _ => None,
        }
    }
}
