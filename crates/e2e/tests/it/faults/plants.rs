//! The faults, each with how it is planted into an instance's approot, and the code that names it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The role that is Ready as it runs: tasks `setup` and `hold`, program `role`.
pub(super) const PLAIN: &str = "Plain";

/// The role that says that it is Ready, and listens at port 20000 of its address: program `asked`, which stands in front of `fixture-role`: what the host finds in that one is not what is planted.
pub(super) const ASKED: &str = "Asked";

/// What follows once the fault is planted and the program was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// Attempt after attempt dies.
    Crashes,
    /// Nothing dies.
    Waits,
    /// The program is killed again.
    IsKilled,
    /// Somebody takes the endpoint's port; then attempt after attempt dies.
    PortIsTaken,
    /// A recycle is ordered once a file `begun` is there.
    IsRecycled,
}

/// A fault.
pub(super) struct Plant {
    pub(super) name: &'static str,
    pub(super) role: &'static str,
    pub(super) plant: Box<dyn Fn(&Path) + Sync>,
    pub(super) then: Then,
    pub(super) code: &'static str,
}

/// Puts a program into an approot. It replaces the file, which may be executed in this moment.
pub(super) fn write(approot: &Path, name: &str, bytes: &[u8]) {
    let path = approot.join(name);
    let beside = approot.join(format!("{name}.new"));
    fs::write(&beside, bytes).unwrap();
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(beside, path).unwrap();
}

fn plain(
    name: &'static str,
    code: &'static str,
    then: Then,
    plant: impl Fn(&Path) + Sync + 'static,
) -> Plant {
    Plant {
        name,
        role: PLAIN,
        plant: Box::new(plant),
        then,
        code,
    }
}

/// A script instead of one of the role's programs.
fn script(
    name: &'static str,
    code: &'static str,
    then: Then,
    program: &'static str,
    text: &'static str,
) -> Plant {
    let plant =
        move |approot: &Path| write(approot, program, format!("#!/bin/sh\n{text}\n").as_bytes());
    let role = if program == "asked" { ASKED } else { PLAIN };
    Plant {
        role,
        ..plain(name, code, then, plant)
    }
}

/// A program of this machine with some bytes exchanged for as many others.
fn patched(from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = fs::read("/bin/sleep").unwrap();
    let at = bytes.windows(from.len()).position(|window| window == from);
    let at = at.expect("a dynamic program names its C library and its loader");
    bytes[at..at + to.len()].copy_from_slice(to);
    bytes
}

/// The head of a program for another machine.
fn foreign() -> Vec<u8> {
    let machine = if cfg!(target_arch = "aarch64") {
        62
    } else {
        183
    };
    let mut head = vec![0; 64];
    head[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    (head[16], head[18], head[20], head[52]) = (2, machine, 1, 64);
    head
}

/// Does not end on SIGTERM.
const STUBBORN: &str = "trap '' TERM\ntouch begun\nwhile :; do sleep 1; done";

pub(super) fn all() -> Vec<Plant> {
    use Then::{Crashes, IsKilled, IsRecycled, PortIsTaken, Waits};
    vec![
        script(
            "a task that fails",
            "AW0301",
            Crashes,
            "setup",
            "echo cannot set up >&2\nexit 3",
        ),
        plain("a missing program", "AW0101", Crashes, |approot| {
            fs::remove_file(approot.join("setup")).unwrap();
        }),
        plain("another machine's program", "AW0103", Crashes, |approot| {
            write(approot, "role", &foreign());
        }),
        plain("a missing loader", "AW0104", Crashes, |approot| {
            write(approot, "role", &patched(b"/ld-linux", b"/ld-nowhr"));
        }),
        plain("a missing library", "AW0105", Crashes, |approot| {
            write(approot, "role", &patched(b"libc.so.6", b"libq.so.6"));
        }),
        plain("a missing interpreter", "AW0106", Crashes, |approot| {
            write(approot, "role", b"#!/no/such/interpreter\n");
        }),
        plain(
            "an interpreter that env does not find",
            "AW0106",
            Crashes,
            |approot| {
                write(approot, "role", b"#!/usr/bin/env python9\n");
            },
        ),
        plain("the line ends of Windows", "AW0107", Crashes, |approot| {
            write(approot, "role", b"#!/bin/sh\r\nexec sleep 3600\r\n");
        }),
        plain("a missing x-bit", "AW0102", Crashes, |approot| {
            let mode = fs::Permissions::from_mode(0o644);
            fs::set_permissions(approot.join("role"), mode).unwrap();
        }),
        script(
            "a command that is not found",
            "AW0108",
            Crashes,
            "role",
            "no-such-program",
        ),
        script(
            "a file that a shell cannot execute",
            "AW0109",
            Crashes,
            "role",
            "echo text > file\nexec ./file",
        ),
        script(
            "an unreadable certificate",
            "AW0203",
            Crashes,
            "role",
            r#"key=$RoleRoot/certificates/LocalMachine/My/Web.key
mkdir -p "${key%/*}"
echo key > "$key"
chmod 0 "$key"
if [ "$(id -u)" = 0 ]; then exec setpriv --reuid=65534 --clear-groups cat "$key"; fi
exec cat "$key""#,
        ),
        script(
            "the marker of the development storage",
            "AW0204",
            Crashes,
            "role",
            "exec nc -vz 127.0.0.1 10000",
        ),
        // Where this machine does not bound the store, it is only over its size, and the device fails for certain.
        script(
            "a full store",
            "AW0205",
            Crashes,
            "role",
            "dd if=/dev/zero of=\"$DATA/file\" bs=64k count=200 || exit 1\nexec dd if=/dev/zero of=/dev/full count=1",
        ),
        script(
            "a missing module of Node",
            "AW0207",
            Crashes,
            "role",
            "exec node -e \"require('no-such-module')\"",
        ),
        script(
            "a missing module of Python",
            "AW0208",
            Crashes,
            "role",
            "exec python3 -c 'import no_such_module'",
        ),
        script(
            "a program that ends with 0",
            "AW0302",
            Crashes,
            "role",
            "exit 0",
        ),
        script(
            "a crash in run",
            "AW0304",
            Crashes,
            "role",
            "echo begun\nexit 7",
        ),
        script("a bad access", "AW0305", Crashes, "role", "kill -SEGV $$"),
        script("an abort", "AW0306", Crashes, "role", "kill -ABRT $$"),
        script(
            "an illegal instruction",
            "AW0307",
            Crashes,
            "role",
            "kill -ILL $$",
        ),
        script(
            "a panic",
            "AW0308",
            Crashes,
            "role",
            "echo \"thread 'main' panicked at src/main.rs:1:5:\nno such thing\" >&2\nexit 101",
        ),
        script(
            "a file that is too large",
            "AW0312",
            Crashes,
            "role",
            "ulimit -f 1\nexec dd if=/dev/zero of=file bs=1k count=64",
        ),
        script(
            "a kill from outside",
            "AW0310",
            IsKilled,
            "role",
            "exec sleep 3600",
        ),
        script(
            "a task that hangs",
            "AW0001",
            Waits,
            "setup",
            "exec sleep 3600",
        ),
        script(
            "a task that does not end in time",
            "AW0313",
            IsRecycled,
            "setup",
            "[ -e begun ] && exit 0\ntrap '' TERM\ntouch begun\nwhile :; do sleep 1; done",
        ),
        script(
            "a program that does not stop",
            "AW0007",
            IsRecycled,
            "role",
            STUBBORN,
        ),
        script(
            "a foreground task that holds back",
            "AW0006",
            IsRecycled,
            "hold",
            STUBBORN,
        ),
        script(
            "a crash in start",
            "AW0303",
            Crashes,
            "asked",
            "echo no >&2\nexit 1",
        ),
        script(
            "a program that never says Ready",
            "AW0002",
            Waits,
            "asked",
            "exec sleep 3600",
        ),
        script(
            "an endpoint where nothing listens",
            "AW0005",
            Waits,
            "asked",
            "exec python3 -c \"import os, socket, time; \
             socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'READY=1', os.environ['NOTIFY_SOCKET']); \
             time.sleep(3600)\"",
        ),
        script(
            "a taken port",
            "AW0201",
            PortIsTaken,
            "asked",
            "until [ -e held ]; do sleep 0.05; done\n\
             exec python3 -c \"import os, socket; socket.create_server((os.environ['ADDRESS'], 20000))\"",
        ),
        script(
            "an address of another machine",
            "AW0202",
            Crashes,
            "asked",
            "exec python3 -c \"import socket; socket.create_server(('192.0.2.1', 20000))\"",
        ),
        script(
            "a wrong address",
            "AW0004",
            Waits,
            "asked",
            "exec python3 -c \"import socket, time; s = socket.create_server(('127.254.17.1', 20000)); time.sleep(3600)\"",
        ),
    ]
}
