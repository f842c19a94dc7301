//! The sizes of local stores.
//!
//! Where the machine allows it, a store is a file system of its own, in a sparse file beside it: a program that
//! writes more than was declared is told that the disk is full, and nobody else's disk is. That takes root, a
//! loop device and the programs `mkfs.ext4` and `mount`. Elsewhere a store is a folder, which is watched.
//!
//! A file system is made once, stays mounted across recycles, and is unmounted when its host ends. What a host
//! that was killed has left mounted, the next one of the instance takes over; of an instance that is not to run
//! again, the fabric drops it.
//!
//! An image is only ever replaced by a whole one, and programs that work on one bear the instance's mark: whoever
//! ends in the middle, program or host, leaves what was there.
//!
//! Not here: emptying a store, and who may write to it.
//!
//! Source: a quota would be lighter, but of the file systems in use few have one that is switched on.

mod tool;
mod watched;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use plan::{InstancePlan, LocalResourcePlan};
use rustix::fs::{SeekFrom, ioctl_ficlone, seek};
use rustix::io::Errno;

use crate::prepare::{PrepareError, failed};

use tool::Tools;

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
///
/// # Errors
/// What is still mounted.
pub fn release(root: &Path) -> Result<(), String> {
    if !images(root).exists() {
        return Ok(());
    }
    let folder = root.join("directory");
    let tools = Tools::of(root);
    for path in mounted_below(&folder).into_iter().rev() {
        if tools.run("umount", [&path]).is_err() {
            // Somebody's shell is in there: it goes when they leave.
            let _ = tools.run("umount", [Path::new("-l"), &path]);
        }
    }
    match mounted_below(&folder).first() {
        Some(path) => Err(format!("{} cannot be unmounted", path.display())),
        None => Ok(()),
    }
}

/// Makes a file system of each store that is to be one, and mounts it. Returns what the instance's log should say:
/// why a store is only watched, or has another size.
///
/// # Errors
/// A store that has a file system cannot be mounted. Its folder is empty then, and not what the role left there.
pub(crate) fn enforce(plan: &InstancePlan) -> Result<Vec<String>, PrepareError> {
    if plan.local_resources.is_empty() {
        return Ok(Vec::new());
    }
    if !are_enforced() {
        // Whoever started it is told by the fabric that stores are watched.
        return Ok(hidden(plan));
    }
    let root = &plan.paths.root;
    let mounted = mounted_below(&root.join("directory"));
    let mut remarks = Vec::new();
    for store in &plan.local_resources {
        match mount(root, store, mounted.contains(&store.path)) {
            Ok(remark) => remarks.extend(remark),
            Err(reason) if image(root, store).exists() => {
                let cannot = failed("mount the local store", &store.path);
                let words = format!(
                    "{reason}; its file system is in {}",
                    image(root, store).display()
                );
                return Err(cannot(io::Error::other(words)));
            }
            Err(reason) => remarks.push(format!(
                "the size of the local store {} is watched and not enforced: {reason}",
                store.name
            )),
        }
    }
    Ok(remarks)
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
/// Why it is not. What was in its image is there still, and where there was none there is none.
fn mount(
    root: &Path,
    store: &LocalResourcePlan,
    is_mounted: bool,
) -> Result<Option<String>, String> {
    let tools = Tools::of(root);
    let image = image(root, store);
    let bytes = image_bytes(u64::from(store.size_mb));
    let found = fs::metadata(&image).map(|found| found.len()).ok();
    if is_mounted && found == Some(bytes) {
        return Ok(None);
    }
    // With the size that it had it is still the role's.
    let keeps = |reason| {
        format!(
            "the local store {} keeps the size that it had: {reason}",
            store.name
        )
    };
    if is_mounted && let Err(reason) = tools.run("umount", [&store.path]) {
        return if found.is_some() {
            Ok(Some(keeps(reason)))
        } else {
            Err(reason)
        };
    }
    if is_attached(&image) {
        return Err(format!("{} is in use", image.display()));
    }
    let mut remark = match found {
        None if !is_empty(&store.path) => {
            return Err("it holds what was written before sizes were enforced".to_owned());
        }
        None => make(tools, &image, bytes).map(|()| None)?,
        Some(found) if found != bytes => resize(tools, &image, found, bytes).err().map(keeps),
        Some(_) => None,
    };
    let mut attached = attach(tools, &image, &store.path);
    if attached.is_err() && found.is_some() && store.clean_on_role_recycle {
        // What it holds is to be removed anyhow.
        remark = None;
        attached = make(tools, &image, bytes).and_then(|()| attach(tools, &image, &store.path));
    }
    if attached.is_err() && found.is_none() {
        // It holds nothing yet; this machine may never be able to mount it.
        let _ = fs::remove_file(&image);
    }
    attached.map(|()| remark)
}

fn attach(tools: Tools<'_>, image: &Path, folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    let options = ["-t", "ext4", "-o", "loop,nosuid,nodev"].map(Path::new);
    let mount = || tools.run("mount", options.into_iter().chain([image, folder]));
    if mount().is_err() {
        tools.run("e2fsck", [Path::new("-p"), image])?;
        mount()?;
    }
    // The file system's own folder for what a check finds is not the role's; a check makes it again.
    let _ = fs::remove_dir(folder.join("lost+found"));
    Ok(())
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
fn make(tools: Tools<'_>, image: &Path, bytes: u64) -> Result<(), String> {
    if let Some(folder) = image.parent() {
        let mut make = fs::DirBuilder::new();
        let made = make.recursive(true).mode(0o700).create(folder);
        made.map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let journal = if bytes < image_bytes(JOURNAL_FROM_MB) {
        ["-O", "^has_journal"]
    } else {
        ["-J", "size=4"]
    };
    replace(image, |beside, file| {
        file.set_len(bytes).map_err(|error| error.to_string())?;
        let arguments = ["-q", "-F", "-b", "4096", "-i", "16384", "-m", "0"]
            .into_iter()
            .chain(["-O", "^resize_inode"])
            .chain(["-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard"])
            .chain(journal);
        tools.run("mkfs.ext4", arguments.map(Path::new).chain([beside]))
    })
}

/// A store that is declared larger or smaller than it was, with what it holds. One that would not hold that any
/// more stays as it is. It is done to a copy: nothing makes an image whole again whose change was cut short.
fn resize(tools: Tools<'_>, image: &Path, from: u64, to: u64) -> Result<(), String> {
    replace(image, |beside, file| {
        let words = |error: io::Error| error.to_string();
        copy_sparse(image, file).map_err(words)?;
        tools.run("e2fsck", [Path::new("-f"), Path::new("-p"), beside])?;
        file.set_len(from.max(to)).map_err(words)?;
        let size = format!("{}K", to / 1024);
        tools.run("resize2fs", [beside, Path::new(&size)])?;
        file.set_len(to).map_err(words)?;
        file.sync_all().map_err(words)
    })
}

/// Puts what `write` makes of an empty file in the place of the image, or leaves that as it is.
fn replace(
    image: &Path,
    write: impl FnOnce(&Path, &File) -> Result<(), String>,
) -> Result<(), String> {
    let beside = image.with_extension("new");
    let failed = |error: io::Error| format!("{}: {error}", beside.display());
    // Left by a host that was killed; what may still be at work on it has a file of its own then.
    let _ = fs::remove_file(&beside);
    let mut new = fs::OpenOptions::new();
    let file = new
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)
        .map_err(failed)?;
    let written = write(&beside, &file).and_then(|()| fs::rename(&beside, image).map_err(failed));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Copies what a file holds, and not its holes. Where the file system can, the two share their blocks.
fn copy_sparse(from: &Path, to: &File) -> io::Result<()> {
    let from = File::open(from)?;
    if ioctl_ficlone(to, &from).is_ok() {
        return Ok(());
    }
    to.set_len(from.metadata()?.len())?;
    let mut at = 0;
    loop {
        let begin = match seek(&from, SeekFrom::Data(at)) {
            Ok(begin) => begin,
            // There is nothing but a hole up to the end. Source: lseek(2).
            Err(Errno::NXIO) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        at = seek(&from, SeekFrom::Hole(begin))?;
        seek(&from, SeekFrom::Start(begin))?;
        seek(to, SeekFrom::Start(begin))?;
        io::copy(&mut io::Read::take(&from, at - begin), &mut &*to)?;
    }
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

#[cfg(test)]
mod tests;
