//! The signals of a process without a runtime: one pipe each, to poll.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use signal_hook::SigId;
use signal_hook::consts::signal::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::{pipe, unregister};

/// The registrations of the keeper's signals.
pub(crate) struct Signals {
    entries: Vec<Entry>,
}

struct Entry {
    signal: i32,
    pipe: UnixStream,
    id: SigId,
}

impl Signals {
    /// Takes SIGCHLD, SIGINT, SIGTERM and SIGHUP, also where they were ignored at start: a process started
    /// by a script with `&` has SIGINT ignored and is to stop cleanly all the same.
    pub(crate) fn take() -> io::Result<Signals> {
        let entries = [SIGCHLD, SIGINT, SIGTERM, SIGHUP]
            .into_iter()
            .map(|signal| {
                let (reading, writing) = UnixStream::pair()?;
                reading.set_nonblocking(true)?;
                Ok(Entry {
                    signal,
                    pipe: reading,
                    id: pipe::register(signal, writing)?,
                })
            })
            .collect::<io::Result<_>>()?;
        Ok(Signals { entries })
    }

    pub(crate) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.entries.iter().map(|entry| entry.pipe.as_fd())
    }

    /// The signals that have come since the last call, one entry for each time.
    pub(crate) fn drain(&mut self) -> Vec<i32> {
        let mut came = Vec::new();
        for entry in &mut self.entries {
            let mut buffer = [0; 64];
            while let Ok(n @ 1..) = entry.pipe.read(&mut buffer) {
                came.extend(std::iter::repeat_n(entry.signal, n));
            }
        }
        came
    }

    /// For a process just forked: its signals must not write into the keeper's pipes, nor into whatever
    /// descriptor gets their numbers. SIGINT, SIGTERM and SIGHUP do nothing to it from then on: whoever sends one to
    /// every process of a deployment still gets the keeper's orderly stop.
    pub(crate) fn release(&self) {
        for entry in &self.entries {
            unregister(entry.id);
        }
    }
}
