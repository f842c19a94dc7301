//! The control group of an instance: memory, processor time and number of processes, and an end for all of them.
//!
//! A machine may have the unified hierarchy (version 2), one hierarchy a controller (version 1), or both: then
//! limits come from those that have the controllers. [`Hierarchies::find`] looks what this machine has.
//!
//! A process joins a group of version 1 in microseconds, as a thread by `tasks`. By `cgroup.procs`, which version 2
//! wants, the kernel waits until no process anywhere is being forked, 10 ms and more; a unified hierarchy that limits
//! nothing is not worth that, even for its `cgroup.kill`.
//!
//! Groups are made below the one that this process is in, so that whatever limits approot limits its instances
//! too. The unified hierarchy does not let a group with processes of its own hand controllers down; there the
//! groups are made below the root instead.
//!
//! Source: cgroups(7), cgroup-v2.rst and cgroup-v1/memory.rst of the kernel.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use rustix::process::Pid;

/// The most processes and threads of an instance: enough for any runtime, and short of the kernel's own limit.
const TASKS_MAX: u64 = 8192;

/// The period over which processor time is counted, in microseconds: the kernel's default.
const PERIOD_US: u64 = 100_000;

/// Where a walk through the groups for left-overs ends: a machine has a few hundred.
const WALK_MAX: usize = 10_000;

/// How much an instance may use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Processors.
    pub cores: Option<u32>,
}

impl Limits {
    /// The same, but no more than this machine has.
    pub fn on_this_machine(self) -> Limits {
        let total = total_memory().unwrap_or(u64::MAX);
        let cores = std::thread::available_parallelism()
            .map_or(u32::MAX, |n| u32::try_from(n.get()).unwrap_or(u32::MAX));
        Limits {
            memory: self.memory.map(|bytes| bytes.min(total)),
            // As many as there are is no limit, and one that the kernel need not keep.
            cores: self.cores.filter(|wanted| *wanted < cores),
        }
    }
}

fn total_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// A place where groups can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Base {
    folder: PathBuf,
    version: Version,
    has_memory: bool,
    has_cpu: bool,
    has_pids: bool,
    can_kill: bool,
}

/// What this machine lets this user do with control groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hierarchies {
    bases: Vec<Base>,
}

impl Hierarchies {
    /// Looks. Finds none where this user may make no groups.
    pub fn find() -> Hierarchies {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mut bases: Vec<Base> = Vec::new();
        for mount in mounts.lines().filter_map(parse_mount) {
            let found = match mount.version {
                Version::One => version_one(&mount, &own),
                Version::Two => version_two(&mount, &own),
            };
            // A hierarchy may be mounted twice.
            let is_new = |base: &Base| bases.iter().all(|known| known.folder != base.folder);
            bases.extend(found.filter(is_new));
        }
        Hierarchies { bases }
    }

    /// Whether memory can be limited.
    pub fn limit_memory(&self) -> bool {
        self.bases.iter().any(|base| base.has_memory)
    }

    /// Whether processor time can be limited.
    pub fn limit_cores(&self) -> bool {
        self.bases.iter().any(|base| base.has_cpu)
    }

    /// The processes in the group `name`, whoever made it.
    pub fn processes_in(&self, name: &str) -> Vec<Pid> {
        let mut found: Vec<Pid> = Vec::new();
        for base in &self.bases {
            let list = base.folder.join(name).join("cgroup.procs");
            let list = fs::read_to_string(list).unwrap_or_default();
            let pids = list.lines().filter_map(|line| line.parse().ok());
            found.extend(pids.filter_map(Pid::from_raw));
        }
        found.sort_by_key(|pid| pid.as_raw_nonzero());
        found.dedup();
        found
    }

    /// Removes the groups below every group `name` of this machine that hold no process, and then that group. What
    /// killed fabrics have left is found wherever they ran.
    pub fn remove_left_over(&self, name: &str) {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        for mount in mounts.lines().filter_map(parse_mount) {
            if self
                .bases
                .iter()
                .any(|base| base.folder.starts_with(&mount.folder))
            {
                remove_named(&mount.folder, name);
            }
        }
    }
}

fn remove_named(top: &Path, name: &str) {
    let mut folders = vec![top.to_owned()];
    let mut n_seen = 0;
    while let Some(folder) = folders.pop() {
        n_seen += 1;
        if n_seen > WALK_MAX {
            return;
        }
        for below in subfolders(&folder) {
            if below.file_name().is_some_and(|found| found == name) {
                for group in subfolders(&below) {
                    // One that holds a process stays: the kernel refuses.
                    let _ = fs::remove_dir(group);
                }
                let _ = fs::remove_dir(below);
            } else {
                folders.push(below);
            }
        }
    }
}

fn subfolders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

struct Mount<'t> {
    folder: PathBuf,
    version: Version,
    options: &'t str,
}

/// A line of /proc/self/mounts. Source: fstab(5).
fn parse_mount(line: &str) -> Option<Mount<'_>> {
    let mut fields = line.split(' ').skip(1);
    let (folder, kind, options) = (fields.next()?, fields.next()?, fields.next()?);
    let version = match kind {
        "cgroup" => Version::One,
        "cgroup2" => Version::Two,
        _ => return None,
    };
    Some(Mount {
        folder: folder.into(),
        version,
        options,
    })
}

/// The group that this process is in, of the hierarchy with `controller`; the unified one has none.
fn own_group(mount: &Mount<'_>, own: &str, controller: &str) -> PathBuf {
    let path = own.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        controllers
            .split(',')
            .any(|known| known == controller)
            .then_some(path)
    });
    let group = mount
        .folder
        .join(path.unwrap_or_default().trim_start_matches('/'));
    // In a container that sees only its own part of the hierarchy the path may be the machine's.
    if group.is_dir() {
        group
    } else {
        mount.folder.clone()
    }
}

fn version_one(mount: &Mount<'_>, own: &str) -> Option<Base> {
    let has = |controller: &str| mount.options.split(',').any(|option| option == controller);
    let controller = ["memory", "cpu", "pids"]
        .into_iter()
        .find(|name| has(name))?;
    let folder = own_group(mount, own, controller);
    is_writable(&folder).then(|| Base {
        has_memory: has("memory"),
        has_cpu: has("cpu"),
        has_pids: has("pids"),
        can_kill: false,
        version: Version::One,
        folder,
    })
}

fn version_two(mount: &Mount<'_>, own: &str) -> Option<Base> {
    let base = |folder: PathBuf| {
        let given = hand_down(&folder);
        let has = |controller: &str| given.split_whitespace().any(|name| name == controller);
        Base {
            has_memory: has("memory"),
            has_cpu: has("cpu"),
            has_pids: has("pids"),
            // Every group but the root has it, since Linux 5.14; one that lacks it says so when it is used.
            can_kill: true,
            version: Version::Two,
            folder,
        }
    };
    let own = own_group(mount, own, "");
    let candidates = [own, mount.folder.clone()];
    let mut usable: Vec<Base> = candidates
        .into_iter()
        .filter(|folder| is_writable(folder))
        .map(base)
        .collect();
    usable.retain(|base| base.has_memory || base.has_cpu || base.has_pids);
    let best = usable.iter().position(|base| base.has_memory).unwrap_or(0);
    (!usable.is_empty()).then(|| usable.swap_remove(best))
}

/// Gives the groups below `folder` the controllers that it has; returns those that they have then.
fn hand_down(folder: &Path) -> String {
    let control = folder.join("cgroup.subtree_control");
    let mut given = fs::read_to_string(&control).unwrap_or_default();
    let offered = fs::read_to_string(folder.join("cgroup.controllers")).unwrap_or_default();
    for controller in ["memory", "cpu", "pids"] {
        let has = |list: &str| list.split_whitespace().any(|name| name == controller);
        if has(&offered) && !has(&given) && fs::write(&control, format!("+{controller}")).is_ok() {
            given.push(' ');
            given.push_str(controller);
        }
    }
    given
}

fn is_writable(folder: &Path) -> bool {
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_ok()
}

/// The groups of one instance, one in each hierarchy. Dropping it removes those that are empty.
#[derive(Debug)]
pub struct Cgroup {
    folders: Vec<PathBuf>,
    /// Writing `0` moves the writer in, which must have one thread.
    entries: Vec<File>,
    kill: Option<PathBuf>,
    memory: Option<(PathBuf, Version)>,
    is_memory_limited: bool,
}

impl Cgroup {
    /// Makes the groups `name`, of the form `deployment/instance`, with these limits.
    ///
    /// # Errors
    /// A group cannot be made, or does not take its limit; those that were made are removed.
    pub fn make(hierarchies: &Hierarchies, name: &str, limits: Limits) -> io::Result<Cgroup> {
        let mut made = Cgroup {
            folders: Vec::new(),
            entries: Vec::new(),
            kill: None,
            memory: None,
            is_memory_limited: false,
        };
        for base in &hierarchies.bases {
            made.add(base, name, limits)?;
        }
        Ok(made)
    }

    fn add(&mut self, base: &Base, name: &str, limits: Limits) -> io::Result<()> {
        let folder = base.folder.join(name);
        match make_both(base, &folder) {
            // The last instance of an earlier run has taken the deployment's group away in between.
            Err(error) if error.kind() == io::ErrorKind::NotFound => make_both(base, &folder)?,
            made => made?,
        }
        self.folders.push(folder.clone());
        let set = |file: &str, value: String| fs::write(folder.join(file), value);
        let is_one = base.version == Version::One;
        if base.has_memory {
            self.memory = Some((folder.clone(), base.version));
            if let Some(bytes) = limits.memory {
                let file = if is_one {
                    "memory.limit_in_bytes"
                } else {
                    "memory.max"
                };
                set(file, bytes.to_string())?;
                // Without it, what is over the limit would only go to the swap; a kernel may not count that.
                let _ = match is_one {
                    true => set("memory.memsw.limit_in_bytes", bytes.to_string()),
                    false => set("memory.swap.max", "0".to_owned()),
                };
                self.is_memory_limited = true;
            }
        }
        if let (true, Some(cores)) = (base.has_cpu, limits.cores) {
            let quota = u64::from(cores) * PERIOD_US;
            if is_one {
                set("cpu.cfs_period_us", PERIOD_US.to_string())?;
                set("cpu.cfs_quota_us", quota.to_string())?;
            } else {
                set("cpu.max", format!("{quota} {PERIOD_US}"))?;
            }
        }
        if base.has_pids {
            set("pids.max", TASKS_MAX.to_string())?;
        }
        if base.can_kill {
            self.kill = Some(folder.join("cgroup.kill"));
        }
        let entry = folder.join(if is_one { "tasks" } else { "cgroup.procs" });
        self.entries
            .push(OpenOptions::new().write(true).open(entry)?);
        Ok(())
    }

    /// Whether the kernel keeps the instance's memory below its limit.
    pub fn is_memory_limited(&self) -> bool {
        self.is_memory_limited
    }

    /// Files that take `0` from a process that is to be in the group, one of each hierarchy.
    pub(crate) fn entries(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.entries.iter().map(AsFd::as_fd)
    }

    /// Kills every process in the group at once. Returns whether the machine can.
    pub fn kill(&self) -> bool {
        self.kill.as_ref().is_some_and(|kill| {
            OpenOptions::new()
                .write(true)
                .open(kill)
                .and_then(|mut file| file.write_all(b"1"))
                .is_ok()
        })
    }

    /// How often the kernel has killed a process of the group because its memory was at the limit.
    pub fn oom_kills(&self) -> Option<u64> {
        let (folder, version) = self.memory.as_ref()?;
        let file = match version {
            Version::One => "memory.oom_control",
            Version::Two => "memory.events",
        };
        let text = fs::read_to_string(folder.join(file)).ok()?;
        let count = text
            .lines()
            .find_map(|line| line.strip_prefix("oom_kill "))?;
        count.trim().parse().ok()
    }
}

/// Makes an instance's group in its deployment's.
fn make_both(base: &Base, folder: &Path) -> io::Result<()> {
    if let Some(deployment) = folder.parent() {
        make(deployment)?;
        if base.version == Version::Two {
            hand_down(deployment);
        }
    }
    make(folder)
}

fn make(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for folder in &self.folders {
            // Not empty: a process is held by the kernel, and the next start removes it. The deployment's own
            // group is empty with the last instance's.
            if fs::remove_dir(folder).is_ok()
                && let Some(deployment) = folder.parent()
            {
                let _ = fs::remove_dir(deployment);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_of_both_versions_are_read() {
        let one =
            parse_mount("cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0").unwrap();
        assert_eq!(
            (one.version, one.options),
            (Version::One, "rw,relatime,memory")
        );
        let two = parse_mount("none /sys/fs/cgroup cgroup2 rw 0 0").unwrap();
        assert_eq!(two.folder, Path::new("/sys/fs/cgroup"));
        assert!(parse_mount("proc /proc proc rw 0 0").is_none());
    }

    #[test]
    fn limits_are_at_most_what_the_machine_has() {
        let all = Limits {
            memory: Some(u64::MAX),
            cores: Some(u32::MAX),
        };
        let here = all.on_this_machine();
        assert_eq!(here.memory, total_memory());
        assert_eq!(here.cores, None);
    }
}
