//! What goes into the state machine and what comes out of it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::leases::Lease;

/// What the fabric wants of an instance. Every order may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Begin the first attempt.
    Start,
    /// Stop the program by the one stop path and begin the next attempt; at once where the instance waits for it
    /// already. Changes nothing while an attempt is being prepared.
    Recycle,
    /// Stop the program by the one stop path and end.
    Stop,
    /// The instance is out of rotation and its connections have ended, or their time has.
    Drained,
    /// There is a new plan, of which the program is told while it runs. An instance that waits for its next attempt
    /// begins it at once, and what it has died of is forgiven.
    Change,
    /// There is a new plan that a running program cannot be told of: the same, and a recycle, also of an attempt that
    /// is being prepared.
    Replace,
    /// Stop the program as a machine that goes down does, without asking its clients, and end the host. The next one
    /// finds what a reboot leaves.
    Reboot,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It returned or called exit.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "exited with status {code}"),
            Exit::Signal(9) => write!(f, "was killed by signal 9 (SIGKILL)"),
            Exit::Signal(11) => write!(f, "was killed by signal 11 (SIGSEGV)"),
            Exit::Signal(6) => write!(f, "was killed by signal 6 (SIGABRT)"),
            Exit::Signal(15) => write!(f, "was ended by signal 15 (SIGTERM)"),
            Exit::Signal(signal) => write!(f, "was ended by signal {signal}"),
        }
    }
}

/// Something happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The fabric wants something.
    Order(Order),
    /// The fabric's link has ended. Nobody will order anything any more: the instance stops.
    FabricGone,
    /// Folders, stores, approot and sockets of the attempt are there, or the reason why not.
    Prepared(Result<(), String>),
    /// A startup task could not be started.
    TaskNotStarted {
        /// Its position in document order, from 0.
        index: usize,
        /// Why.
        reason: String,
    },
    /// A startup task has ended.
    TaskEnded {
        /// Its position in document order, from 0.
        index: usize,
        /// How.
        exit: Exit,
    },
    /// The role program runs.
    ProgramStarted {
        /// Its process id.
        pid: i32,
    },
    /// The role program could not be started.
    ProgramNotStarted {
        /// Why.
        reason: String,
    },
    /// The role program has ended.
    ProgramEnded(Exit),
    /// A client of the runtime protocol has taken a lease.
    Leased {
        /// The client's id.
        client: String,
        /// What it says.
        lease: Lease,
    },
    /// A client has given its lease back, or its process has ended.
    Released {
        /// The client's id.
        client: String,
    },
    /// `READY=1` on the notification socket.
    Notified,
    /// `STATUS=…` on the notification socket.
    Detail(String),
    /// No connected client still owes an answer to [`Action::AskToStop`].
    ClientsStopped {
        /// Whether there was one that answered.
        answered: bool,
    },
    /// Nothing runs below the host any more. Comes after the ends of all that ran.
    Emptied,
}

/// Something is to be done. Actions come out in the order in which they are to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Make the folders of the attempt, the approot if it is not the package's, and the sockets; empty the
    /// stores that are to be. Answered by [`Event::Prepared`].
    Prepare {
        /// Counts the attempts of this host, from 1.
        attempt: u64,
    },
    /// Start a startup task.
    StartTask {
        /// Its position in document order.
        index: usize,
    },
    /// Start the role program. Answered by `ProgramStarted` or `ProgramNotStarted`.
    StartProgram,
    /// Send the goal state `Stopped` to every client. Answered by [`Event::ClientsStopped`], at once where
    /// there is none.
    AskToStop {
        /// When the program must have ended, counted from now.
        within: Duration,
    },
    /// Send SIGTERM to the process group of everything that runs.
    Terminate,
    /// Kill everything below the host. Answered by [`Event::Emptied`].
    Empty,
    /// Take the newest plan and write its role environment, then send the goal state `Started` of the next incarnation.
    Publish,
    /// Tell the fabric.
    Report(Report),
    /// Keep a line in the instance's log.
    Log(String),
    /// The instance has ended; so does the host.
    Exit,
}

/// An instance's status, as `approot status` prints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// Its folders are being made.
    Starting,
    /// Startup tasks run, or the program has not said that it is ready, or says that it is busy.
    Busy,
    /// In rotation.
    Ready,
    /// On its way to the end.
    Stopping,
    /// Between two attempts.
    Recycling,
    /// It has ended as it was told to.
    Stopped,
    /// It has given up.
    Failed,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Status::Starting => "Starting",
            Status::Busy => "Busy",
            Status::Ready => "Ready",
            Status::Stopping => "Stopping",
            Status::Recycling => "Recycling",
            Status::Stopped => "Stopped",
            Status::Failed => "Failed",
        };
        f.pad(text)
    }
}

/// What the fabric is told at every change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The instance's status.
    pub status: Status,
    /// Why, or what the role says of itself.
    pub detail: Option<String>,
    /// The role program's process id, while it runs.
    pub pid: Option<i32>,
    /// Counts the attempts of this host, from 1; 0 before the first.
    pub attempt: u64,
    /// Set while the instance waits for [`Order::Drained`].
    pub draining: bool,
    /// How many attempts in a row have ended before they were Ready.
    pub failed_starts: u32,
    /// How many attempts of this host have ended by themselves.
    pub ends: u64,
    /// How the last one did.
    pub last_end: Option<String>,
    /// How many new plans this host has taken: [`Order::Change`] and [`Order::Replace`].
    pub changes: u64,
}
