//! One incarnation of a backend at one endpoint: its load, and whether it is believed to listen.
//!
//! Ready is not listening: a backend whose connect was refused is *suspect* and gets one trial at a
//! time, with a real client, until a connect succeeds.
//!
//! ```text
//!            refused, late                     the trial succeeded
//!   Sound ────────────────► Suspect ──────────────────────────────► Sound
//!                             │  ▲
//!                    a trial  │  │ refused: the next one in 10 ms
//!                             ▼  │ late:    the next one in 1 s
//!                          Suspect, on trial
//! ```

use std::net::SocketAddr;
use std::time::Duration;

use crate::client::Ticket;
use crate::program::Program;
use crate::table::Rotation;

/// Between a refused connect and the next trial.
/// Shorter would burn a refused connect for every client; longer is a wait that clients notice.
pub const TRIAL_INTERVAL: Duration = Duration::from_millis(10);

/// Between a connect that was not answered in time and the next trial.
/// Such a trial costs its client the whole time limit, so it is a hundred times rarer.
pub const LATE_TRIAL_INTERVAL: Duration = Duration::from_secs(1);

/// One incarnation of a backend at one endpoint.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) program: Program,
    pub(crate) address: SocketAddr,
    /// `None` once the table does not list it any more.
    pub(crate) rotation: Option<Rotation>,
    pub(crate) connecting: u32,
    pub(crate) open: u32,
    health: Health,
}

#[derive(Debug, Clone, Copy)]
enum Health {
    Sound,
    Suspect {
        next_trial: Duration,
        /// The serial number of the ticket on trial.
        trial: Option<u64>,
    },
}

/// What a target can take at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// Any number of connections.
    Sound,
    /// One, to try it.
    TrialDue,
    /// None before this moment.
    TrialAt(Duration),
    /// None before its trial's outcome.
    OnTrial,
}

impl Target {
    pub(crate) fn new(program: Program, address: SocketAddr, rotation: Rotation) -> Self {
        Target {
            program,
            address,
            rotation: Some(rotation),
            connecting: 0,
            open: 0,
            health: Health::Sound,
        }
    }

    /// Takes what a new table says about this incarnation.
    pub(crate) fn relist(&mut self, address: SocketAddr, rotation: Rotation) {
        if self.address != address {
            self.health = Health::Sound;
        }
        self.address = address;
        self.rotation = Some(rotation);
    }

    pub(crate) fn is_in(&self) -> bool {
        self.rotation == Some(Rotation::In)
    }

    pub(crate) fn is_suspect(&self) -> bool {
        matches!(self.health, Health::Suspect { .. })
    }

    pub(crate) fn load(&self) -> u32 {
        self.connecting + self.open
    }

    pub(crate) fn readiness(&self, now: Duration) -> Readiness {
        match self.health {
            Health::Sound => Readiness::Sound,
            Health::Suspect { trial: Some(_), .. } => Readiness::OnTrial,
            Health::Suspect { next_trial, .. } if next_trial <= now => Readiness::TrialDue,
            Health::Suspect { next_trial, .. } => Readiness::TrialAt(next_trial),
        }
    }

    /// A connect begins.
    pub(crate) fn begin(&mut self, ticket: &Ticket) {
        self.connecting += 1;
        if let Health::Suspect { trial, .. } = &mut self.health {
            assert!(trial.is_none(), "a second trial of {:?}", self.program);
            *trial = Some(ticket.serial);
        }
    }

    /// The connect succeeded.
    pub(crate) fn connected(&mut self) {
        self.connecting -= 1;
        self.open += 1;
        self.health = Health::Sound;
    }

    /// The connect came to nothing and says nothing about the backend.
    pub(crate) fn abandoned(&mut self, ticket: &Ticket) {
        self.connecting -= 1;
        if let Health::Suspect { trial, .. } = &mut self.health {
            trial.take_if(|serial| *serial == ticket.serial);
        }
    }

    /// The connect failed: no further one before `next_trial`.
    pub(crate) fn failed(&mut self, ticket: &Ticket, next_trial: Duration) {
        self.abandoned(ticket);
        self.suspect(next_trial);
    }

    /// It does not seem to listen: nothing but trials from `earliest` on.
    pub(crate) fn suspect(&mut self, earliest: Duration) {
        self.health = match self.health {
            Health::Sound => Health::Suspect {
                next_trial: earliest,
                trial: None,
            },
            Health::Suspect { next_trial, trial } => Health::Suspect {
                next_trial: next_trial.max(earliest),
                trial,
            },
        };
    }
}
