//! Whether a file is the one that it was, without reading it.
//!
//! A [`Identity`] is what `stat` says of a file and what changes with its content. As git's index
//! does, we take a file of the same identity for unchanged; and as there, an identity says nothing
//! where the file was changed so lately that the next change could carry the same time
//! ([`Identity::is_settled`]).
//!
//! The time of change (`ctime`) is the one that counts: programs set the other at will. It is late
//! for pages written through a shared mapping, and wrong after the clock was set back; both are as
//! rare as the programs that do it to a source while it is packaged.
//!
//! Source: Documentation/technical/racy-git.txt of git.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The coarsest times of a file system in use: FAT's two seconds. Less, and a change could hide in
/// the same tick; more, and what was just built is read twice as often.
const TICK: Duration = Duration::from_secs(2);

/// What `stat` says of a regular file, its permissions and names aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Identity([u64; Identity::WORDS]);

impl Identity {
    /// Device, inode, size, and the seconds and nanoseconds of both times.
    pub(crate) const WORDS: usize = 7;

    pub(crate) fn of(metadata: &Metadata) -> Identity {
        Identity([
            metadata.dev(),
            metadata.ino(),
            metadata.size(),
            metadata.mtime().cast_unsigned(),
            metadata.mtime_nsec().cast_unsigned(),
            metadata.ctime().cast_unsigned(),
            metadata.ctime_nsec().cast_unsigned(),
        ])
    }

    #[cfg(test)]
    pub(crate) fn of_words(words: [u64; Identity::WORDS]) -> Identity {
        Identity(words)
    }

    pub(crate) fn words(&self) -> [u64; Identity::WORDS] {
        self.0
    }

    /// Whether a change after `read_at`, at which the file was not yet open, gives it another
    /// identity.
    pub(crate) fn is_settled(&self, read_at: SystemTime) -> bool {
        let [.., seconds, nanoseconds] = self.0;
        let Ok(nanoseconds) = u32::try_from(nanoseconds) else {
            return false;
        };
        let changed = UNIX_EPOCH.checked_add(Duration::new(seconds, nanoseconds));
        changed
            .and_then(|changed| changed.checked_add(TICK))
            .is_some_and(|end| end < read_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_settles_a_tick_after_its_change() {
        let changed_at = |seconds: i64, nanoseconds| {
            Identity([0, 0, 0, 0, 0, seconds.cast_unsigned(), nanoseconds])
        };
        let now = UNIX_EPOCH + Duration::from_secs(100);
        assert!(changed_at(97, 999_999_999).is_settled(now));
        assert!(!changed_at(98, 0).is_settled(now));
        assert!(!changed_at(100, 0).is_settled(now));
        // From the future, before 1970 and from a broken file system: read them again.
        assert!(!changed_at(1_000, 0).is_settled(now));
        assert!(!changed_at(-1, 0).is_settled(now));
        assert!(!changed_at(i64::MAX, u64::MAX).is_settled(now));
    }
}
