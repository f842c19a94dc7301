//! The startup tasks of the service, run as a host would run them.

use std::{
    fs,
    io::Read,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use rustix::{
    io::Errno,
    process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group},
};
use tempfile::TempDir;

fn task(name: &str, scratch: &Path) -> Command {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../EchoWorkerContent/startup");
    let mut command = Command::new(folder.join(name));
    // A store's path ends in a separator.
    command
        .env("ECHO_SCRATCH", scratch.join(""))
        .env("ECHO_INSTANCE", "EchoWorker_IN_0");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Waits until `found` gives a value, with a deadline that only a failure reaches.
fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::yield_now();
    }
}

#[test]
fn prepare_may_run_again_and_leaves_one_note() {
    let scratch = TempDir::new().unwrap();
    for _ in 0..2 {
        let Output {
            status,
            stdout,
            stderr,
        } = task("prepare.sh", scratch.path()).output().unwrap();
        assert!(status.success() && stderr.is_empty(), "{status} {stderr:?}");
        let note = fs::read(scratch.path().join("prepared.txt")).unwrap();
        assert_eq!(note, stdout);
        assert!(note.starts_with(b"EchoWorker_IN_0 was prepared at 20"));
    }
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1);
}

#[test]
fn prepare_fails_where_it_cannot_write() {
    let output = task("prepare.sh", Path::new("/nowhere")).output().unwrap();
    assert!(!output.status.success());
}

/// A heartbeat with a long interval, in a process group of its own that is killed with the test.
struct Heartbeat {
    child: Child,
    group: Pid,
}

impl Heartbeat {
    /// Starts it and waits until it has appended a line to `beats`.
    fn start(scratch: &Path, beats: &Path) -> Self {
        let length = || fs::metadata(beats).map_or(0, |file| file.len());
        let before = length();
        let mut command = task("heartbeat.sh", scratch);
        command.env("HEARTBEAT_SECONDS", "3600").process_group(0);
        let child = command.spawn().expect("it runs");
        let heartbeat = Self {
            group: Pid::from_child(&child),
            child,
        };
        // One look decides: between two the file may be on its way to its old name.
        let has_beaten = |length: u64| length > 0 && length != before;
        wait_for("a heartbeat", || has_beaten(length()).then_some(()));
        heartbeat
    }

    /// Ends it as a host does, and checks that it said nothing and left no process behind.
    fn end(mut self) {
        kill_process(self.group, Signal::TERM).expect("it lives");
        let status = wait_for("its end", || self.child.try_wait().expect("it is a child"));
        assert!(status.success(), "{status}");
        assert_eq!(
            test_kill_process_group(self.group),
            Err(Errno::SRCH),
            "its sleep is gone"
        );
        for pipe in [
            &mut self.child.stdout.take().expect("piped") as &mut dyn Read,
            &mut self.child.stderr.take().expect("piped"),
        ] {
            let mut said = String::new();
            pipe.read_to_string(&mut said).expect("UTF-8");
            assert_eq!(said, "");
        }
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        let _ = kill_process_group(self.group, Signal::KILL);
        let _ = self.child.wait();
    }
}

#[test]
fn the_heartbeat_beats_and_ends_quietly_whenever_it_is_told_to() {
    let scratch = TempDir::new().unwrap();
    let beats = scratch.path().join("heartbeat.txt");
    // Each signal comes right after a beat, about when the script starts its sleep.
    for lines in 1..=40 {
        Heartbeat::start(scratch.path(), &beats).end();
        assert_eq!(fs::read_to_string(&beats).unwrap().lines().count(), lines);
    }
}

#[test]
fn the_heartbeat_starts_a_new_file_when_one_is_full() {
    let scratch = TempDir::new().unwrap();
    let beats = scratch.path().join("heartbeat.txt");
    fs::write(&beats, "x".repeat(65_536)).unwrap();
    Heartbeat::start(scratch.path(), &beats).end();
    assert_eq!(fs::read_to_string(&beats).unwrap().lines().count(), 1);
    assert_eq!(
        fs::metadata(scratch.path().join("heartbeat.txt.old"))
            .unwrap()
            .len(),
        65_536
    );
}
