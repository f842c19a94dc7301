//! Looking at how much a store holds, where nothing keeps a program to its size.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use plan::InstancePlan;

use super::mounted_below;

/// Entries that one look counts; what is beyond is not seen. A second's work at most.
const ENTRIES_MAX: usize = 200_000;

/// The shortest pause between two looks.
const PAUSE: Duration = Duration::from_secs(2);

/// A pause is this many times as long as the look before it, so that looking is a small part of a machine's work.
const PAUSE_PER_LOOK: u32 = 50;

const MIB: u64 = 1 << 20;

/// The stores of an instance that are only watched.
#[derive(Debug)]
pub(crate) struct Watch {
    stores: Vec<Store>,
    pause: Duration,
}

#[derive(Debug)]
struct Store {
    name: String,
    path: PathBuf,
    size_mb: u64,
    is_over: bool,
}

impl Watch {
    /// `None` where the machine keeps every store to its size.
    pub(crate) fn of(plan: &InstancePlan) -> Option<Watch> {
        if plan.local_resources.is_empty() {
            return None;
        }
        let mounted = mounted_below(&plan.paths.root.join("directory"));
        let watched = plan
            .local_resources
            .iter()
            .filter(|store| !mounted.contains(&store.path));
        let stores: Vec<Store> = watched
            .map(|store| Store {
                name: store.name.clone(),
                path: store.path.clone(),
                size_mb: u64::from(store.size_mb),
                is_over: false,
            })
            .collect();
        (!stores.is_empty()).then_some(Watch {
            stores,
            pause: PAUSE,
        })
    }

    /// How long to wait before the next look.
    pub(crate) fn pause(&self) -> Duration {
        self.pause
    }

    /// Looks at every store, and says which hold more than they may that did not before. Stops where it is when nobody
    /// wants to know any more.
    pub(crate) fn look(&mut self, is_over: &AtomicBool) -> Vec<String> {
        let began = Instant::now();
        let stores = self.stores.iter_mut();
        let said = stores.filter_map(|store| store.look(is_over)).collect();
        self.pause = PAUSE.max(began.elapsed() * PAUSE_PER_LOOK);
        said
    }
}

impl Store {
    fn look(&mut self, is_over: &AtomicBool) -> Option<String> {
        let held = held(&self.path, is_over)?;
        let was_over = std::mem::replace(&mut self.is_over, held > self.size_mb * MIB);
        (self.is_over && !was_over).then(|| {
            format!(
                "the local store {} holds {} MB, and {} MB are declared",
                self.name,
                held.div_ceil(MIB),
                self.size_mb
            )
        })
    }
}

/// Bytes on disk below a folder. Follows no link, enters no other file system, and counts a file of several
/// names once.
fn held(folder: &Path, is_over: &AtomicBool) -> Option<u64> {
    let own = fs::symlink_metadata(folder).ok()?;
    let mut folders = vec![folder.to_owned()];
    let mut counted = HashSet::new();
    let (mut entries, mut bytes) = (0, 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            entries += 1;
            if is_over.load(Ordering::Relaxed) {
                return None;
            }
            if entries > ENTRIES_MAX {
                return Some(bytes);
            }
            let Ok(found) = entry.metadata() else {
                continue;
            };
            let is_new = found.nlink() == 1 || found.is_dir() || counted.insert(found.ino());
            if found.dev() == own.dev() && is_new {
                // Blocks are of 512 bytes whatever the file system's are. Source: stat(2).
                bytes += found.blocks() * 512;
                if found.is_dir() {
                    folders.push(entry.path());
                }
            }
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_holds_too_much_is_told_once_and_again_when_it_did_not_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        let megabytes = |n: usize| vec![1; n << 20];
        fs::write(outside.path().join("large"), megabytes(4)).unwrap();
        let store = folder.path().join("store");
        fs::create_dir_all(store.join("a/b")).unwrap();
        std::os::unix::fs::symlink(outside.path(), store.join("link")).unwrap();
        fs::write(store.join("a/file"), megabytes(1)).unwrap();
        fs::hard_link(store.join("a/file"), store.join("a/b/same")).unwrap();
        let mut watch = Watch {
            stores: vec![Store {
                name: "Cache".into(),
                path: store.clone(),
                size_mb: 2,
                is_over: false,
            }],
            pause: PAUSE,
        };
        let goes_on = AtomicBool::new(false);
        assert!(watch.look(&goes_on).is_empty());
        fs::write(store.join("more"), megabytes(2)).unwrap();
        let said = watch.look(&goes_on);
        assert_eq!(said.len(), 1);
        assert!(
            said[0].starts_with("the local store Cache holds "),
            "{said:?}"
        );
        assert!(said[0].ends_with(" and 2 MB are declared"), "{said:?}");
        assert!(watch.look(&goes_on).is_empty());
        fs::remove_file(store.join("more")).unwrap();
        assert!(watch.look(&goes_on).is_empty());
        fs::write(store.join("more"), megabytes(2)).unwrap();
        assert_eq!(watch.look(&goes_on).len(), 1);
        assert!(watch.pause() >= PAUSE);
        fs::remove_file(store.join("more")).unwrap();
        assert!(watch.look(&goes_on).is_empty());
        fs::write(store.join("more"), megabytes(2)).unwrap();
        assert!(watch.look(&AtomicBool::new(true)).is_empty(), "it is over");
    }
}
