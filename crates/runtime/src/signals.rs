//! The signals that stop a role outside any fabric, or when its host has nothing else left to say.
//!
//! SIGTERM and SIGINT mean the same. Nothing else is handled: SIGHUP and the rest keep their defaults.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The handlers, set for the rest of the process.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Sets the handlers.
    pub(crate) fn new() -> io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self {
            terminate,
            interrupt,
        })
    }

    /// Waits for the next one. Cancel safe: a signal that came meanwhile is not lost.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
