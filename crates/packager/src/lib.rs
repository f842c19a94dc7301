//! The package of a cloud service: what goes in, how it is written, and how it is opened.
//!
//! Two ways lead to the same tree on disk, [`Staged`]:
//!
//! ```text
//!                        ┌─ stage ─────────────────────────────────────────┐
//! ServiceSource ─ layout ┤                                                 ├─► Staged
//!                        └─ build ─► Name.cspkg.tar.gz ─► open ─► unpack ──┘
//! ```
//!
//! `layout` walks the sources once and lists what goes where, for [`list`] as for the others;
//! `inventory` reads each file a first
//! time and makes the [`Manifest`]. [`build`] and [`stage`] read each file a second time and refuse
//! one that changed. [`open`] checks a whole package before anything is written; [`Opened::unpack`]
//! checks it again while writing.
//!
//! The crate does not know `schema`: it takes names and paths. It runs no compiler, expands no
//! variables, keeps no cache and signs nothing.

#![forbid(unsafe_code)]

mod build;
mod find;
mod ignored;
mod inventory;
mod layout;
mod list;
mod manifest;
mod open;
mod sbom;
mod sbom_summary;
mod source;
mod stage;
mod staged;
mod sums;
mod tree;

pub use crate::build::{BuildError, Package, build};
pub use crate::find::{Found, find_without_case};
pub use crate::list::{Listed, Listing, list};
pub use crate::manifest::{Content, Manifest, ManifestError, ManifestFile};
pub use crate::open::{OpenError, Opened, Report, is_package, open, verify};
pub use crate::sbom_summary::SbomSummary;
pub use crate::source::{Conflict, ContentSource, Part, RoleSource, ServiceSource, SourceError};
pub use crate::stage::{StageError, stage};
pub use crate::staged::Staged;
pub use crate::sums::{SumsError, write_sums};
pub use crate::tree::TreeError;

pub use archive::{Digest, EntryKind, Mode, ReadError, Refusal};

/// The end of a package's file name; before it stands the name of the service.
pub const PACKAGE_SUFFIX: &str = ".cspkg.tar.gz";
