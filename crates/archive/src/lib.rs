//! Reproducible `tar.gz` archives: written byte for byte the same, read as if an enemy had sent
//! them.
//!
//! [`ArchiveWriter`] takes entries in the caller's order and fixes everything that a machine could
//! add of its own: times, owners, modes, the gzip header, the level, the number of threads.
//! [`ArchiveReader`] accepts what the writer writes (and, so that others can write too, gzip members
//! of any size and zeros up to a full record) and refuses the rest by name. [`Extractor`] creates files
//! below one directory and nowhere else.
//!
//! The crate knows neither manifests nor roles (`packager` does), walks no folder, chooses no order
//! and holds no file in memory. It is blocking code; `blocks` alone has threads, to compress.
//!
//! One encoder (`header`) serves both sides: the reader encodes again what it understood and
//! compares, so no two readers can understand one archive differently. Every byte of the
//! compressed form is covered too, see `gzip` for the seal that does so.

#![forbid(unsafe_code)]

mod blocks;
mod digest;
mod entry;
mod extract;
mod gzip;
mod header;
mod limits;
mod names;
mod read;
mod write;

pub use crate::blocks::ENCODING;
pub use crate::digest::{Digest, Hasher, HashingWriter, ParseDigestError};
pub use crate::entry::{Entry, EntryKind, Mode};
pub use crate::extract::{ExtractError, Extractor};
pub use crate::header::{END_BYTES, entry_bytes};
pub use crate::limits::Limits;
pub use crate::names::{Names, Refusal, check_link, check_path};
pub use crate::read::{ArchiveReader, ReadError};
pub use crate::write::{ArchiveWriter, Finished, WriteError};
