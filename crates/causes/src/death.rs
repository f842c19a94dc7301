//! What is kept of each death, for ever of the first and the latest.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where in its life an instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Folders, stores and sockets are being made.
    Preparing,
    /// The simple startup task at this position runs.
    Task(usize),
    /// The program runs, or is about to, and has not been Ready.
    Starting,
    /// The program has been Ready.
    Running,
    /// The program says that it is busy.
    Busy,
    /// Out of rotation, waiting for its connections.
    Draining,
    /// Told to stop.
    Stopping,
    /// The program has ended; foreground tasks have not.
    Holding,
    /// What is left below the host is being killed.
    Emptying,
    /// Between two attempts.
    Waiting,
}

/// One end of a process that nobody asked for, or that a limit brought about; or a start that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Death {
    /// Counts the deaths of the instance over its whole life, from 1.
    pub number: u64,
    /// The attempt; the number in the instance's logs.
    pub attempt: u64,
    /// When, in RFC 3339.
    pub time: String,
    /// Where the instance was in its life.
    pub phase: Phase,
    /// What died.
    pub process: Process,
    /// How.
    pub end: End,
    /// How long it had run, in milliseconds.
    pub ran_ms: u64,
    /// The file that was executed, as the command line was resolved.
    pub executable: Option<Executable>,
    /// The last lines of its output, each led by `out` or `err`.
    pub lines: Vec<String>,
    /// What it used of memory.
    pub memory: Memory,
    /// The limits that it hit.
    pub limits: Vec<Limit>,
    /// The instance's endpoints, and who listened there right after the death. Looked at only where its last
    /// lines speak of addresses.
    pub endpoints: Vec<Endpoint>,
    /// The instance's stores. Looked at only where its last lines speak of space.
    pub stores: Vec<Store>,
    /// The names of the settings that hold the marker of the development storage. Never values: they may be secrets.
    pub development_storage: Vec<String>,
}

/// What died.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Process {
    /// Nothing ran yet: the attempt's folders could not be made.
    Preparation,
    /// A startup task.
    Task {
        /// As it was declared.
        command_line: String,
        /// Whether the instance waits for it: `taskType` is `simple`.
        is_simple: bool,
    },
    /// The role's program.
    Program {
        /// As it was declared.
        command_line: String,
    },
}

/// How something ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// With this status.
    Exited(i32),
    /// By this signal.
    Killed(i32),
    /// It did not begin.
    NotStarted {
        /// What stood in the way.
        why: NotStarted,
        /// The same for people.
        reason: String,
    },
}

/// Why something did not begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotStarted {
    /// The first word of the command line names no file in the approot or on PATH.
    NoFile {
        /// The word.
        word: String,
    },
    /// The kernel refused, with this error number where it said one.
    Refused {
        /// `errno`.
        errno: Option<i32>,
    },
}

/// A file that was to be executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Executable {
    /// Its path.
    pub path: PathBuf,
    /// Whether somebody may execute it, by its mode.
    pub may_execute: bool,
    /// What it is.
    pub kind: FileKind,
}

/// What a file is, by its first bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// It was not looked into, or could not be read.
    Unknown,
    /// A program in machine code.
    Elf {
        /// The machine that it is for.
        machine: String,
        /// Whether that is this machine.
        is_native: bool,
        /// Its loader, if it needs one.
        loader: Option<PathBuf>,
        /// Whether the loader is there.
        has_loader: bool,
        /// The libraries that it names itself.
        needs: Vec<String>,
    },
    /// A script with `#!`.
    Script {
        /// The interpreter of the first line.
        interpreter: PathBuf,
        /// Whether the interpreter is there.
        has_interpreter: bool,
        /// Whether the first line ends in CR LF.
        has_carriage_return: bool,
    },
    /// Neither.
    Other,
}

/// What a process used of memory, and what it was allowed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// The most that was resident at once, in bytes, of the process or one of the children it has reaped.
    pub peak_bytes: Option<u64>,
    /// The instance's limit in bytes, where the machine enforces one.
    pub limit_bytes: Option<u64>,
    /// How often the kernel has killed in this attempt because of that limit.
    pub oom_kills: u64,
}

/// A limit that was hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// The time to stop.
    Stop,
    /// The time that a foreground task may hold a stop back.
    Foreground,
    /// The instance's memory.
    Memory,
    /// The size of a file (`RLIMIT_FSIZE`).
    FileSize,
    /// The time in which a program has promised a sign of life (`WATCHDOG_USEC`).
    Watchdog,
}

/// An endpoint of the instance, and who listens there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The endpoint's name.
    pub name: String,
    /// Where the program has to listen.
    pub address: SocketAddr,
    /// Who does.
    pub listener: Option<Listener>,
}

/// A listening socket, and who has it open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// The address it is bound to; may be a wildcard.
    pub address: SocketAddr,
    /// The process; `None` where it is another user's, who may not be looked at.
    pub pid: Option<i32>,
    /// The process's name.
    pub name: String,
}

/// A local store, as full as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Store {
    /// The store's name.
    pub name: String,
    /// What the files in it take, in bytes.
    pub used_bytes: u64,
    /// The declared size in bytes.
    pub size_bytes: u64,
    /// What is free, in bytes, where the store is a file system of its own.
    pub free_bytes: Option<u64>,
}
