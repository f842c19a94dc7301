//! The sizes of local stores.
//!
//! Where the machine allows it, a store is a file system of its own, in a sparse file beside it: a program that
//! writes more than was declared is told that the disk is full, and nobody else's disk is. That takes root, a
//! loop device and the programs `mkfs.ext4` and `mount`. Elsewhere a store is a folder, which is [`watched`].
//!
//! A file system is made once, stays mounted across recycles, and is unmounted when its host ends. What a host
//! that was killed has left mounted, the next one of the instance takes over; of an instance that is not to run
//! again, the fabric drops it.
//!
//! Not here: emptying a store, and who may write to it.
//!
//! Source: a quota would be lighter, but of the file systems in use few have one that is switched on.

mod watched;

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use plan::{InstancePlan, LocalResourcePlan};

pub(crate) use watched::Watch;

const MIB: u64 = 1 << 20;

/// A store smaller than this, in MB, has no journal: `mkfs.ext4` makes none below 8 MB.
const JOURNAL_FROM_MB: u64 = 8;

/// The smallest journal there is, in MB.
const JOURNAL_MB: u64 = 4;

/// The most that ext4 sets aside for itself, in MB. Source: `reserved_clusters` in ext4's documentation.
const SET_ASIDE_MAX_MB: u64 = 16;

/// Whether this machine can keep a program to the size of its store.
pub fn are_enforced() -> bool {
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    let has_loop = Path::new("/dev/loop-control").exists();
    is_root && has_loop && ["mkfs.ext4", "mount", "umount"].into_iter().all(is_on_path)
}

/// Unmounts every store of the instance whose folder is `root`. Its programs must have ended.
pub fn release(root: &Path) {
    if !images(root).exists() {
        return;
    }
    for path in mounted_below(&root.join("directory")) {
        if run(Command::new("umount").arg(&path)).is_err() {
            // Somebody's shell is in there: it goes when they leave.
            let _ = run(Command::new("umount").arg("-l").arg(&path));
        }
    }
}

/// Makes a file system of each store that is to be one, and mounts it. Returns what the instance's log should say:
/// why a store is only watched, or has another size.
pub(crate) fn enforce(plan: &InstancePlan) -> Vec<String> {
    if plan.local_resources.is_empty() {
        return Vec::new();
    }
    if !are_enforced() {
        // Whoever started it is told by the fabric that stores are watched.
        return hidden(plan);
    }
    let mounted = mounted_below(&plan.paths.root.join("directory"));
    let stores = plan.local_resources.iter();
    stores
        .filter_map(|store| {
            let is_mounted = mounted.contains(&store.path);
            match mount(&plan.paths.root, store, is_mounted) {
                Ok(remark) => remark,
                Err(reason) => Some(format!(
                    "the size of the local store {} is watched and not enforced: {reason}",
                    store.name
                )),
            }
        })
        .collect()
}

fn images(root: &Path) -> PathBuf {
    root.join("stores")
}

fn image(root: &Path, store: &LocalResourcePlan) -> PathBuf {
    images(root).join(format!("{}.ext4", store.name))
}

/// What a machine that enforced sizes once, and does not now, no longer shows to the role.
fn hidden(plan: &InstancePlan) -> Vec<String> {
    let kept = plan.local_resources.iter();
    let images = kept
        .filter(|store| !store.clean_on_role_recycle)
        .map(|store| image(&plan.paths.root, store));
    let hidden = images.filter(|image| image.exists());
    hidden
        .map(|image| {
            format!(
                "what a local store held while its size was enforced is in {}, and not in its folder",
                image.display()
            )
        })
        .collect()
}

/// Returns what is worth saying of a store whose size is enforced.
///
/// # Errors
/// Why it is not.
fn mount(
    root: &Path,
    store: &LocalResourcePlan,
    is_mounted: bool,
) -> Result<Option<String>, String> {
    let image = image(root, store);
    let bytes = image_bytes(u64::from(store.size_mb));
    let found = fs::metadata(&image).map(|found| found.len()).ok();
    if is_mounted && found == Some(bytes) {
        return Ok(None);
    }
    if is_mounted {
        run(Command::new("umount").arg(&store.path))?;
    }
    if is_attached(&image) {
        return Err(format!("{} is in use", image.display()));
    }
    let failed = |error: io::Error| error.to_string();
    let mut remark = None;
    match found {
        None if !is_empty(&store.path) => {
            return Err("it holds what was written before sizes were enforced".to_owned());
        }
        None => make(&image, bytes)?,
        Some(found) if found != bytes => {
            // With the size that it had it is still the role's.
            remark = resize(&image, found, bytes).err().map(|reason| {
                format!(
                    "the local store {} keeps the size that it had: {reason}",
                    store.name
                )
            });
        }
        Some(_) => {}
    }
    fs::create_dir_all(&store.path).map_err(failed)?;
    let mount = || {
        let mut mount = Command::new("mount");
        mount.args(["-t", "ext4", "-o", "loop,nosuid,nodev"]);
        run(mount.arg(&image).arg(&store.path))
    };
    if mount().is_err() {
        run(Command::new("e2fsck").arg("-p").arg(&image))?;
        mount()?;
    }
    // The file system's own folder for what a check finds is not the role's; a check makes it again.
    let _ = fs::remove_dir(store.path.join("lost+found"));
    Ok(remark)
}

/// How large a file has to be so that a store of `size_mb` has that room: tables take a sixtieth, and a fiftieth
/// is set aside.
fn image_bytes(size_mb: u64) -> u64 {
    let tables = size_mb / 60 + 1;
    let set_aside = (size_mb / 50 + 1).min(SET_ASIDE_MAX_MB);
    let journal = if size_mb < JOURNAL_FROM_MB {
        0
    } else {
        JOURNAL_MB
    };
    (size_mb + tables + set_aside + journal) * MIB
}

/// Under another name until it is whole.
fn make(image: &Path, bytes: u64) -> Result<(), String> {
    let beside = image.with_extension("new");
    let failed = |error: io::Error| format!("{}: {error}", beside.display());
    if let Some(folder) = image.parent() {
        let mut make = fs::DirBuilder::new();
        make.recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed)?;
    }
    let _ = fs::remove_file(&beside);
    let mut new = fs::OpenOptions::new();
    new.write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)
        .and_then(|file| file.set_len(bytes))
        .map_err(failed)?;
    let journal = if bytes < image_bytes(JOURNAL_FROM_MB) {
        ["-O", "^has_journal"]
    } else {
        ["-J", "size=4"]
    };
    let mut mkfs = Command::new("mkfs.ext4");
    mkfs.args(["-q", "-F", "-b", "4096", "-i", "16384", "-m", "0"])
        .args(["-O", "^resize_inode"])
        .args(["-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard"])
        .args(journal);
    run(mkfs.arg(&beside))?;
    fs::rename(&beside, image).map_err(failed)
}

/// A store that is declared larger or smaller than it was, with what it holds. One that would not hold that any
/// more stays as it is.
fn resize(image: &Path, from: u64, to: u64) -> Result<(), String> {
    let set_len = |bytes: u64| {
        fs::OpenOptions::new()
            .write(true)
            .open(image)
            .and_then(|file| file.set_len(bytes))
            .map_err(|error| format!("{}: {error}", image.display()))
    };
    run(Command::new("e2fsck").args(["-f", "-p"]).arg(image))?;
    if to > from {
        set_len(to)?;
    }
    let size = format!("{}K", to / 1024);
    run(Command::new("resize2fs").arg(image).arg(size))?;
    set_len(to)
}

/// Whether a loop device has the file already, of a mount that is none of ours.
fn is_attached(image: &Path) -> bool {
    let devices = fs::read_dir("/sys/block").into_iter().flatten().flatten();
    let mut files = devices
        .filter_map(|device| fs::read_to_string(device.path().join("loop/backing_file")).ok());
    files.any(|file| Path::new(file.trim_end()) == image)
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none())
}

/// Mount points below a folder, the innermost last.
fn mounted_below(folder: &Path) -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    let points = points.map(|point| PathBuf::from(unescape(point)));
    points.filter(|point| point.starts_with(folder)).collect()
}

/// Where stores of other instances than that of `root` are mounted, whosever they are.
pub(crate) fn of_others(root: &Path) -> Vec<PathBuf> {
    let is_store = |path: &PathBuf| {
        let folder = path.parent().and_then(Path::file_name);
        folder.is_some_and(|name| name == "directory") && !path.starts_with(root)
    };
    let mut mounted = mounted_below(Path::new("/"));
    mounted.retain(is_store);
    mounted
}

/// Undoes the escapes of proc(5): a backslash and three octal digits.
fn unescape(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part
            .get(..3)
            .and_then(|digits| u8::from_str_radix(digits, 8).ok())
        {
            Some(byte) => {
                plain.push(char::from(byte));
                plain.push_str(&part[3..]);
            }
            None => {
                plain.push('\\');
                plain.push_str(part);
            }
        }
    }
    plain
}

fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Runs a program to its end; what it says of a failure is the error.
fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).stdout(Stdio::null()).output();
    let output = output.map_err(|error| format!("`{name}`: {error}"))?;
    // A check that repaired something says 1.
    let is_done = output.status.success() || name == "e2fsck" && output.status.code() == Some(1);
    if is_done {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().next().unwrap_or_default();
    Err(format!("`{name}` {}: {said}", output.status))
}

#[cfg(test)]
mod tests;
