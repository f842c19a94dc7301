//! Ending every process below this one, or left behind by one that is gone.
//!
//! A process that called [`adopt_orphans`] becomes the parent of every orphan below it, so killing its
//! children until it has none ends all descendants, daemons included. A process that died with -9 could not
//! do that: what its instance left is found by [`marked`], by a variable in the environment.
//!
//! Source: prctl(2) PR_SET_CHILD_SUBREAPER, proc(5).

use std::fs;
use std::io;

use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, getpid, kill_process, set_child_subreaper,
    waitid, waitpid,
};

/// Makes this process the parent of orphans below it.
///
/// # Errors
/// prctl(2) failed, which Linux 3.4 and later do not.
pub fn adopt_orphans() -> io::Result<()> {
    Ok(set_child_subreaper(Some(getpid()))?)
}

/// The children of this process, zombies included.
///
/// Where there is none, which is the usual case after a crash, the kernel says so at once; to list them, all of
/// /proc is read, which takes milliseconds on a machine with hundreds of processes.
pub fn children() -> Vec<Pid> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    if matches!(waitid(WaitId::All, options), Err(Errno::CHILD)) {
        return Vec::new();
    }
    let own = getpid().as_raw_nonzero().get();
    all()
        .filter(|pid| stat(*pid).is_some_and(|stat| stat.parent == own))
        .collect()
}

/// Sends SIGKILL to every child and reaps those that have ended. Returns how many remain; call it until that
/// is none, as killing a child may hand its own children to this process.
///
/// Takes the exit statuses: nobody else in this process may be waiting for one any more.
pub fn kill_children() -> usize {
    let children = children();
    for pid in &children {
        // A zombie takes the signal too; one that has gone meanwhile was reaped below or never ours.
        let _ = kill_process(*pid, Signal::KILL);
        let _ = waitpid(Some(*pid), WaitOptions::NOHANG);
    }
    children.len()
}

/// The processes whose environment holds `NAME=value`, this one aside. Only those that this user may look
/// into are found; a program that changes its user takes itself out.
pub fn marked(name: &str, value: &str) -> Vec<Pid> {
    let entry = format!("{name}={value}").into_bytes();
    let own = getpid();
    all()
        .filter(|pid| *pid != own)
        .filter(|pid| {
            fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())).is_ok_and(|environment| {
                environment
                    .split(|byte| *byte == 0)
                    .any(|found| found == entry)
            })
        })
        .collect()
}

/// Whether it is this process or one below it; one that has ended may have been.
pub fn may_be_below(original: Pid) -> bool {
    let own = getpid();
    let mut next = Some(original);
    while let Some(pid) = next {
        if pid == own {
            return true;
        }
        match stat(pid) {
            Some(stat) => next = Pid::from_raw(stat.parent),
            None if next == Some(original) => return true,
            // Its parent has ended in this moment, and it has another one now.
            None => next = Some(original),
        }
    }
    false
}

/// Whether `pid` is a process that has not ended; a zombie has.
pub fn is_running(pid: Pid) -> bool {
    stat(pid).is_some_and(|stat| !matches!(stat.state, 'Z' | 'X'))
}

fn all() -> impl Iterator<Item = Pid> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            entry
                .ok()?
                .file_name()
                .to_str()?
                .parse()
                .ok()
                .and_then(Pid::from_raw)
        })
}

struct Stat {
    state: char,
    parent: i32,
}

fn stat(pid: Pid) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    // The program's name is in parentheses and may hold anything, also parentheses.
    let mut fields = text[text.rfind(')')? + 1..].split_whitespace();
    Some(Stat {
        state: fields.next()?.chars().next()?,
        parent: fields.next()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_marked_process_is_found_and_others_are_not() {
        let value = format!("test-{}", std::process::id());
        let mut child = Command::new("/bin/sh")
            .args(["-c", "read line"])
            .env("APPROOT_MARK", &value)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let pid = Pid::from_child(&child);
        assert!(is_running(pid) && children().contains(&pid));
        assert!(may_be_below(pid) && may_be_below(getpid()));
        assert!(!may_be_below(Pid::INIT));
        // The environment is the child's own once it has executed.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while marked("APPROOT_MARK", &value) != [pid] {
            assert!(
                std::time::Instant::now() < deadline,
                "{:?}",
                marked("APPROOT_MARK", &value)
            );
        }
        assert!(marked("APPROOT_MARK", &value[1..]).is_empty());
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(!is_running(pid) && marked("APPROOT_MARK", &value).is_empty());
    }
}
