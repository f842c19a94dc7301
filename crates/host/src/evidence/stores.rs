//! How full an instance's local stores are.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use causes::Store;
use plan::InstancePlan;
use rustix::fs::statvfs;

/// Entries that are counted of one store. Beyond, its size is at least what was counted.
const ENTRIES_MAX: usize = 20_000;

pub(super) fn look_at(plan: &InstancePlan) -> Vec<Store> {
    let stores = plan.local_resources.iter();
    stores
        .map(|store| Store {
            name: store.name.clone(),
            used_bytes: used(&store.path),
            size_bytes: u64::from(store.size_mb) << 20,
            free_bytes: free(&store.path),
        })
        .collect()
}

/// What the files below a folder take on disk. Links are counted, never followed.
fn used(folder: &Path) -> u64 {
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    let (mut bytes, mut n_entries) = (0, 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            n_entries += 1;
            if n_entries > ENTRIES_MAX {
                return bytes;
            }
            // Not that of a link's target.
            let Ok(found) = entry.metadata() else {
                continue;
            };
            bytes += found.len().max(found.blocks() * 512);
            if found.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    bytes
}

/// What is free in a store that is a file system of its own.
fn free(folder: &Path) -> Option<u64> {
    let device = fs::metadata(folder).ok()?.dev();
    let is_own = fs::metadata(folder.parent()?).ok()?.dev() != device;
    let found = statvfs(folder).ok().filter(|_| is_own)?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}
