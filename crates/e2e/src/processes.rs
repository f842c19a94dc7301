//! Looking at processes, by what the kernel says of them.

use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

/// Sends SIGKILL, by id, to a process that the caller has started.
pub fn kill(pid: i32) {
    signal(pid, Signal::KILL);
}

/// Sends a signal, by id, to a process that the caller has started; one that has ended takes none.
pub fn signal(pid: i32, signal: Signal) {
    let pid = Pid::from_raw(pid).expect("a pid is positive");
    let _ = kill_process(pid, signal);
}

/// Whether the process is there and no zombie.
pub fn is_running(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .is_some_and(|fields| !fields.is_empty() && !fields.trim_start().starts_with(['Z', 'X']))
}

/// The processes that run for the deployment with this state directory: approot's own, whose command line names
/// it, and the programs of roles and tasks, whose environment does.
pub fn of_state(state: &Path) -> Vec<i32> {
    let state = state.to_string_lossy().into_owned();
    let root = format!("RoleRoot={state}/");
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != std::process::id().cast_signed() && is_running(*pid))
        .filter(|pid| {
            has_entry(*pid, "cmdline", |word| word == state)
                || has_entry(*pid, "environ", |entry| entry.starts_with(&root))
        })
        .collect()
}

/// The direct children of a process, with their command lines.
pub fn children(parent: i32) -> Vec<i32> {
    let is_child = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let mut fields = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace();
        fields.nth(1).and_then(|field| field.parse().ok()) == Some(parent)
    };
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(is_child)
        .collect()
}

/// Resident memory in KiB.
pub fn resident_kib(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or_default()
}

/// The holder of a lock file of approot's, from the kernel's table of locks. Source: proc(5), /proc/locks.
pub fn lock_holder(path: &Path) -> Option<i32> {
    use std::os::unix::fs::MetadataExt;
    let inode = fs::metadata(path).ok()?.ino().to_string();
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let held = locks
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .find(|fields| {
            fields.get(1) == Some(&"POSIX")
                && fields
                    .get(5)
                    .is_some_and(|file| file.rsplit(':').next() == Some(inode.as_str()))
        })?;
    held.get(4)?.parse().ok()
}

fn has_entry(pid: i32, file: &str, is_it: impl Fn(&str) -> bool) -> bool {
    let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    bytes
        .split(|byte| *byte == 0)
        .any(|entry| is_it(&String::from_utf8_lossy(entry)))
}
