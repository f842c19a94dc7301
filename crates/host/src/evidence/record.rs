//! The files of an instance's deaths: `death-NNNNNN.json`, beside its logs.
//!
//! Bounded: the first and the latest are kept.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use causes::Death;

/// Deaths that are kept besides the first one.
const DEATHS_KEPT: usize = 20;

fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("death-{number:06}.json"))
}

/// The numbers of the deaths in `folder`, in order.
fn numbers(folder: &Path) -> Vec<u64> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let number = |entry: fs::DirEntry| {
        let name = entry.file_name();
        let name = name.to_str()?.strip_prefix("death-")?;
        name.strip_suffix(".json")?.parse().ok()
    };
    let mut numbers: Vec<u64> = entries.filter_map(number).collect();
    numbers.sort_unstable();
    numbers
}

/// The number of the latest death, 0 when there was none.
pub(super) fn latest_number(folder: &Path) -> u64 {
    numbers(folder).last().copied().unwrap_or(0)
}

/// Writes a record and forgets those that are over the limit.
pub(super) fn write(folder: &Path, death: &Death) -> io::Result<()> {
    let path = path(folder, death.number);
    // Beside and renamed: whoever reads it meanwhile finds all of it or nothing.
    let beside = path.with_extension("new");
    fs::write(&beside, serde_json::to_vec(death)?)?;
    fs::rename(&beside, &path)?;
    let numbers = numbers(folder);
    let forgotten = numbers.len().saturating_sub(DEATHS_KEPT + 1);
    for number in numbers.iter().skip(1).take(forgotten) {
        let _ = fs::remove_file(self::path(folder, *number));
    }
    Ok(())
}

/// The latest death of something that the instance depends on. One that cannot be read is like none.
pub fn latest(folder: &Path) -> Option<Death> {
    let numbers = numbers(folder).into_iter().rev();
    let mut deaths = numbers.filter_map(|number| {
        let text = fs::read(path(folder, number)).ok()?;
        serde_json::from_slice::<Death>(&text).ok()
    });
    deaths.find(Death::matters)
}
