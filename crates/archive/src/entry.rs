//! What an archive holds: regular files and symbolic links, each with a path.
//!
//! There are no directory entries: a directory exists because something lies in it, and an empty
//! one is not kept. Owners, times and finer permissions are left out on purpose; they belong to
//! the machine that packs, not to what is packed.

/// One entry, without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Relative path with `/` between its steps, as [`check_path`](crate::check_path) wants it.
    pub path: String,
    /// What lies at the path.
    pub kind: EntryKind,
}

/// The two kinds of entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File {
        /// Its permissions.
        mode: Mode,
        /// The length of its content in bytes.
        bytes: u64,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points, as [`check_link`](crate::check_link) wants it.
        target: String,
    },
}

impl EntryKind {
    /// The bytes of content that follow the entry's header, without padding.
    #[must_use]
    pub fn content_bytes(&self) -> u64 {
        match self {
            EntryKind::File { bytes, .. } => *bytes,
            EntryKind::Symlink { .. } => 0,
        }
    }
}

/// The permissions of a file: one bit of information, so that a umask cannot show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// 0644.
    Plain,
    /// 0755.
    Executable,
}

impl Mode {
    /// The mode of a file whose owner may execute it or not, by the permission bits `bits`.
    #[must_use]
    pub fn of_bits(bits: u32) -> Mode {
        if bits & 0o100 == 0 {
            Mode::Plain
        } else {
            Mode::Executable
        }
    }

    /// The permission bits.
    #[must_use]
    pub fn bits(self) -> u32 {
        match self {
            Mode::Plain => 0o644,
            Mode::Executable => 0o755,
        }
    }
}
