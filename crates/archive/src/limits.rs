//! How much an archive may hold.
//!
//! The same limits bind writer and reader, so what was written can be read. They bound disk, time
//! and memory before content is taken, not after.

/// The limits of one archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most entries.
    pub entries_max: u64,
    /// The longest path or link target, in bytes.
    pub path_bytes_max: usize,
    /// The largest file, in bytes; never above [`Limits::FILE_BYTES_MAX`].
    pub file_bytes_max: u64,
    /// The largest tar inside the compression, in bytes.
    pub tar_bytes_max: u64,
    /// How often larger than the compressed form the tar may be, once it is above
    /// `ratio_floor_bytes`.
    pub ratio_max: u64,
    /// The size of the tar in bytes up to which its ratio does not matter.
    pub ratio_floor_bytes: u64,
}

impl Limits {
    /// Twice the largest tree known to be packed; each entry costs a few hundred bytes of memory.
    pub const ENTRIES_MAX: u64 = 200_000;
    /// As many as entries. Directories have no entries of their own, and a long path has hundreds:
    /// without a limit a small archive would fill the memory of its reader with their names.
    pub const DIRECTORIES_MAX: u32 = 200_000;
    /// A quarter of Linux's `PATH_MAX`, so that a path still fits below the folder it is unpacked
    /// into.
    pub const PATH_BYTES_MAX: usize = 1024;
    /// The longest step of a path. Source: `NAME_MAX` in `limits.h`(0p).
    pub const STEP_BYTES_MAX: usize = 255;
    /// The largest size that a ustar header holds (8 GiB less one byte); beyond it tars disagree
    /// about the encoding.
    pub const FILE_BYTES_MAX: u64 = 0o777_7777_7777;
    /// 64 GiB: more than a role's disk had.
    pub const TAR_BYTES_MAX: u64 = 64 << 30;
    /// Real trees reach 20; deflate's own bound is about 1032, which is what a bomb aims at.
    pub const RATIO_MAX: u64 = 200;
    /// 5 GiB, so that one 4 GiB file of nothing but holes can still be packed.
    pub const RATIO_FLOOR_BYTES: u64 = 5 << 30;

    /// The largest tar that `compressed_bytes` of archive may hold.
    #[must_use]
    pub fn tar_bytes_max_for(&self, compressed_bytes: u64) -> u64 {
        let by_ratio = compressed_bytes.saturating_mul(self.ratio_max);
        self.tar_bytes_max.min(by_ratio.max(self.ratio_floor_bytes))
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            entries_max: Limits::ENTRIES_MAX,
            path_bytes_max: Limits::PATH_BYTES_MAX,
            file_bytes_max: Limits::FILE_BYTES_MAX,
            tar_bytes_max: Limits::TAR_BYTES_MAX,
            ratio_max: Limits::RATIO_MAX,
            ratio_floor_bytes: Limits::RATIO_FLOOR_BYTES,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratio_counts_above_the_floor_and_below_the_total() {
        let limits = Limits {
            tar_bytes_max: 1000,
            ratio_max: 10,
            ratio_floor_bytes: 50,
            ..Limits::default()
        };
        assert_eq!(limits.tar_bytes_max_for(1), 50);
        assert_eq!(limits.tar_bytes_max_for(6), 60);
        assert_eq!(limits.tar_bytes_max_for(101), 1000);
        assert_eq!(limits.tar_bytes_max_for(u64::MAX), 1000);
    }
}
