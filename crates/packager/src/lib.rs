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
//! `inventory` reads each file a first time, on several threads, and makes the [`Manifest`].
//! [`build`] and [`stage`] read each file a second time and refuse one that changed. [`build_with`]
//! can keep a `cache`, and then reads neither time where nothing changed. [`open`] checks a whole
//! package before anything is written; [`Opened::unpack`]
//! checks it again while writing.
//!
//! [`sign`] puts a signature beside a package, and [`Trust`] decides by it before a package is
//! opened.
//!
//! The crate does not know `schema`: it takes names and paths. It runs no compiler, expands no
//! variables and asks for no password. It asks for the time only to tell what the `cache` may keep,
//! and is told the time where it counts for a key: no time gets into a package, so there is nothing
//! that `SOURCE_DATE_EPOCH` could replace.

#![forbid(unsafe_code)]

mod build;
mod cache;
mod find;
mod identity;
mod ignored;
mod inventory;
mod layout;
mod list;
mod manifest;
mod open;
mod parallel;
mod progress;
mod regular;
mod sbom;
mod sbom_summary;
mod signature;
mod source;
mod stage;
mod staged;
mod sums;
mod temporary;
mod tree;

pub use crate::build::{BuildError, BuildOptions, Package, build, build_with};
pub use crate::find::{Found, find_without_case};
pub use crate::layout::destination;
pub use crate::list::{Listed, Listing, list};
pub use crate::manifest::{Content, Manifest, ManifestError, ManifestFile};
pub use crate::open::{OpenError, Opened, Report, is_package, open, verify};
pub use crate::progress::{Progress, Step};
pub use crate::regular::read_regular;
pub use crate::sbom::{Components, ComponentsError};
pub use crate::sbom_summary::SbomSummary;
pub use crate::signature::{
    KeyError, LockedKey, SIGNATURE_SUFFIX, SignatureError, Signed, Signing, SigningKey, Trust,
    TrustedKeys, sign, signature_path,
};
pub use crate::source::{Conflict, ContentSource, Part, RoleSource, ServiceSource, SourceError};
pub use crate::stage::{StageError, stage};
pub use crate::staged::Staged;
pub use crate::sums::{SumsError, write_sums, write_sums_knowing};
pub use crate::temporary::replace_file;
pub use crate::tree::TreeError;

pub use archive::{Digest, EntryKind, Mode, ReadError, Refusal};

/// The end of a package's file name; before it stands the name of the service.
pub const PACKAGE_SUFFIX: &str = ".cspkg.tar.gz";
