//! Executing a program with sockets passed to it, by the protocol of sd_listen_fds(3).
//!
//! The descriptors are 3 and those that follow; `LISTEN_FDS` says how many, `LISTEN_FDNAMES` what each is for, and
//! `LISTEN_PID` who is meant: a number that is known only after the fork, where nothing may be allocated. So all that
//! execve(2) takes is laid out before, with room for the number, and the child writes it there.

use std::ffi::{CString, OsStr, c_char};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;

use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::getpid;

use crate::spawn::Program;

/// The first descriptor that is passed. Source: `SD_LISTEN_FDS_START`.
const FIRST: RawFd = 3;

/// The variable that names the process that is meant, and room for the largest pid and the final zero.
const PID_VARIABLE: &[u8] = b"LISTEN_PID=";
const PID_ROOM: usize = 11;

/// What the parent keeps open until it has spawned, by not dropping it before.
pub(crate) struct Passing {
    /// Duplicates of the sockets, above every number that is passed.
    _sockets: Vec<OwnedFd>,
    /// The numbers that are passed, as far as they were free: so nothing that spawning needs itself is put there.
    _fillers: Vec<OwnedFd>,
}

/// What the child executes.
pub(crate) struct Execution {
    sockets: Vec<RawFd>,
    pid: Box<[u8]>,
    arguments: Vec<*const c_char>,
    environment: Vec<*const c_char>,
    /// What the two lists point into.
    _strings: Vec<CString>,
}

// SAFETY: the pointers are into heap memory that the value itself owns, and only its owner reads or writes there.
unsafe impl Send for Execution {}
// SAFETY: as above; nothing can be done with a shared reference.
unsafe impl Sync for Execution {}

/// Prepares for the sockets of `program`; `None` where it has none. No other thread of this process may open or
/// close descriptors from here to the spawning.
pub(crate) fn prepare(program: &Program) -> io::Result<Option<(Passing, Execution)>> {
    let count = program.sockets.len();
    let Some((_, first)) = program.sockets.first() else {
        return Ok(None);
    };
    let above = FIRST + RawFd::try_from(count).map_err(io::Error::other)?;
    let duplicates = program.sockets.iter();
    let sockets = duplicates
        .map(|(_, socket)| fcntl_dupfd_cloexec(socket, above))
        .collect::<Result<Vec<_>, _>>()?;
    let mut fillers = Vec::new();
    loop {
        let filler = fcntl_dupfd_cloexec(first, FIRST)?;
        if filler.as_raw_fd() >= above {
            break;
        }
        fillers.push(filler);
    }
    let execution = Execution::new(program, sockets.iter().map(AsRawFd::as_raw_fd).collect())?;
    let passing = Passing {
        _sockets: sockets,
        _fillers: fillers,
    };
    Ok(Some((passing, execution)))
}

impl Execution {
    fn new(program: &Program, sockets: Vec<RawFd>) -> io::Result<Execution> {
        let names: Vec<&str> = program.sockets.iter().map(|(name, _)| &**name).collect();
        let mut strings = vec![text(program.executable.as_os_str().as_bytes())?];
        for word in &program.arguments {
            strings.push(text(word.as_bytes())?);
        }
        let words = strings.len();
        for (name, value) in &program.environment {
            strings.push(variable(name, value)?);
        }
        strings.push(variable(
            "LISTEN_FDS".as_ref(),
            sockets.len().to_string().as_ref(),
        )?);
        strings.push(variable(
            "LISTEN_FDNAMES".as_ref(),
            names.join(":").as_ref(),
        )?);
        let mut pid = vec![0; PID_VARIABLE.len() + PID_ROOM].into_boxed_slice();
        pid[..PID_VARIABLE.len()].copy_from_slice(PID_VARIABLE);
        let pointers = |strings: &[CString]| strings.iter().map(|text| text.as_ptr()).collect();
        let mut arguments: Vec<*const c_char> = pointers(&strings[..words]);
        arguments.push(std::ptr::null());
        let mut environment: Vec<*const c_char> = pointers(&strings[words..]);
        environment.push(pid.as_ptr().cast());
        environment.push(std::ptr::null());
        Ok(Execution {
            sockets,
            pid,
            arguments,
            environment,
            _strings: strings,
        })
    }

    /// In the child: puts the sockets where they belong and executes. Returns only when that fails.
    pub(crate) fn execute(&mut self) -> io::Error {
        write_decimal(
            &mut self.pid[PID_VARIABLE.len()..],
            getpid().as_raw_nonzero().get().unsigned_abs(),
        );
        for (target, socket) in (FIRST..).zip(&self.sockets) {
            // SAFETY: dup2 is async-signal-safe; all sources are above all targets, and whatever had a target's number
            // in this process, just forked and about to execute, is not used any more. The copy is open across exec.
            if unsafe { libc::dup2(*socket, target) } < 0 {
                return io::Error::last_os_error();
            }
        }
        // SAFETY: execve is async-signal-safe. Both lists end in null and point to strings that end in zero and live
        // as long as `self`. `environ` is not used: the new program's is `self.environment`.
        unsafe {
            libc::execve(
                self.arguments[0],
                self.arguments.as_ptr(),
                self.environment.as_ptr(),
            );
        }
        io::Error::last_os_error()
    }
}

/// Writes `number` and a zero to the beginning of `room`, which holds the longest. Allocates nothing.
fn write_decimal(room: &mut [u8], mut number: u32) {
    let mut at = room.len() - 1;
    room[at] = 0;
    loop {
        at -= 1;
        room[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    room.copy_within(at.., 0);
}

fn variable(name: &OsStr, value: &OsStr) -> io::Result<CString> {
    text(&[name.as_bytes(), b"=", value.as_bytes()].concat())
}

fn text(bytes: &[u8]) -> io::Result<CString> {
    Ok(CString::new(bytes)?)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;
    use std::sync::Arc;

    use super::*;
    use crate::{Confinement, spawn};

    #[test]
    fn numbers_are_written_whole_and_ended() {
        for number in [0, 7, 4_194_304, u32::MAX] {
            let mut room = [b'x'; PID_ROOM];
            write_decimal(&mut room, number);
            let end = room.iter().position(|byte| *byte == 0).unwrap();
            assert_eq!(&room[..end], number.to_string().as_bytes());
        }
    }

    #[test]
    fn sockets_arrive_in_order_under_their_names() {
        let listeners: Vec<TcpListener> = (0..3)
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        let named = ["In", "Peers", "Debug"].into_iter().zip(&listeners);
        let script = "echo $LISTEN_FDS $LISTEN_FDNAMES; [ $LISTEN_PID = $$ ] && echo own $GREETING $1; \
            for fd in 3 4 5; do readlink /proc/self/fd/$fd; done; pwd";
        let program = Program {
            executable: "/bin/sh".into(),
            arguments: ["-c", script, "sh", "word"].map(Into::into).into(),
            environment: vec![
                ("GREETING".into(), "hello".into()),
                ("PATH".into(), "/usr/bin:/bin".into()),
            ],
            directory: "/".into(),
            sockets: named
                .map(|(name, socket)| (name.into(), Arc::new(socket.try_clone().unwrap().into())))
                .collect(),
        };
        let mut out = String::new();
        spawn(&program, &Confinement::default())
            .unwrap()
            .stdout
            .read_to_string(&mut out)
            .unwrap();
        let inode = |listener: &TcpListener| {
            let link = std::fs::read_link(format!("/proc/self/fd/{}", listener.as_raw_fd()));
            link.unwrap().to_str().unwrap().to_owned()
        };
        let inodes: Vec<String> = listeners.iter().map(inode).collect();
        let expected = format!(
            "3 In:Peers:Debug\nown hello word\n{}\n/\n",
            inodes.join("\n")
        );
        assert_eq!(out, expected);
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error_with_sockets_too() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let program = Program {
            executable: "/nowhere/program".into(),
            arguments: vec![],
            environment: vec![],
            directory: "/".into(),
            sockets: vec![("In".into(), Arc::new(listener.into()))],
        };
        let refused = spawn(&program, &Confinement::default()).unwrap_err();
        assert_eq!(refused.source.kind(), io::ErrorKind::NotFound);
    }
}
