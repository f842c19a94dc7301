//! From a planned command to a running program, and to the news of its end.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use host_core::Exit;
use plan::command_line::{self, Program};
use plan::{Command, Paths, ScriptPart};
use rustix::process::Pid;
use sandbox::{Confinement, Pidfd, SpawnError, identity};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::unix::pipe;
use tokio::task::JoinHandle;

use crate::logs::{LINE_BYTES_MAX, Log};
use crate::tail::Tail;

/// What runs a command line that has operators.
const SHELL: &str = "/bin/sh";

/// A program could not be started.
#[derive(Debug)]
pub(crate) enum StartError {
    /// It is neither in the approot nor on PATH.
    NotThere {
        command_line: String,
        word: String,
        /// One that is there for the fabric's user, and not for the instance's.
        hidden: Option<PathBuf>,
    },
    /// What it was to be given or kept by is not there.
    NotPrepared { reason: String },
    /// The kernel refused it.
    Refused {
        executable: PathBuf,
        source: SpawnError,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::NotThere {
                command_line,
                word,
                hidden,
            } => {
                write!(
                    f,
                    "`{word}` of the command line `{command_line}` is in neither the approot nor PATH"
                )?;
                match hidden {
                    Some(hidden) => write!(
                        f,
                        " of the instance's own user, who may not execute {}: install it below /usr or /opt, put it \
                         into the approot, or write `executionContext=\"elevated\"`",
                        hidden.display()
                    ),
                    None => Ok(()),
                }
            }
            StartError::NotPrepared { reason } => f.write_str(reason),
            // The one place that shows its source: the text travels to people through the state machine as a reason.
            StartError::Refused { executable, source } => {
                if let Some(step) = source.step {
                    write!(f, "cannot {step} for ")?;
                }
                write!(f, "{}: {}", executable.display(), source.source)
            }
        }
    }
}

/// A program that runs.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) pid: Pid,
    pidfd: Pidfd,
    executable: PathBuf,
    tail: Tail,
    outputs: [JoinHandle<()>; 2],
}

/// A program that has ended.
pub(crate) struct Ended {
    pub(crate) exit: Exit,
    /// The file that was executed.
    pub(crate) executable: PathBuf,
    /// The most memory that was resident at once.
    pub(crate) peak_memory_bytes: Option<u64>,
    /// The last lines, those that have arrived so far.
    pub(crate) tail: Tail,
    /// Ends when all lines have arrived, which a child that lives on may put off.
    pub(crate) output_ends: Pin<Box<dyn Future<Output = ()>>>,
}

impl Running {
    /// Waits until the program has ended and reaps it. Cancel safe.
    pub(crate) async fn wait(self) -> Ended {
        let reaped = self.pidfd.reap().await;
        // Nobody else reaps it; were it so, an unknown end is still an end.
        let exit = reaped.as_ref().map_or(Exit::Signal(0), |reaped| {
            match (
                reaped.status.exit_status(),
                reaped.status.terminating_signal(),
            ) {
                (Some(code), _) => Exit::Code(code),
                (None, signal) => Exit::Signal(signal.unwrap_or_default()),
            }
        });
        let outputs = self.outputs;
        Ended {
            exit,
            executable: self.executable,
            peak_memory_bytes: reaped.map(|reaped| reaped.peak_memory_bytes),
            tail: self.tail,
            output_ends: Box::pin(async move {
                for output in outputs {
                    let _ = output.await;
                }
            }),
        }
    }
}

/// Starts `command` in the approot, with `sockets` passed to it and its output going to `log` under `source`.
pub(crate) fn start(
    command: &Command,
    paths: &Paths,
    extra: &[(&str, &Path)],
    sockets: &[(String, Arc<OwnedFd>)],
    source: &str,
    log: &Log,
    confinement: &Confinement<'_>,
) -> Result<Running, StartError> {
    let mut program = locate(command, paths, extra, confinement.identity)?;
    program.sockets = sockets.to_vec();
    let refused = |source| StartError::Refused {
        executable: program.executable.clone(),
        source,
    };
    let spawned = sandbox::spawn(&program, confinement).map_err(refused)?;
    let failed = |source| refused(SpawnError { step: None, source });
    let tail = Tail::default();
    let keep = |pipe, stream| keep_output(pipe, source, stream, log, &tail).map_err(failed);
    let outputs = [
        keep(spawned.stdout.into(), "out")?,
        keep(spawned.stderr.into(), "err")?,
    ];
    let pidfd = Pidfd::new(spawned.pidfd).map_err(failed)?;
    Ok(Running {
        pid: spawned.pid,
        pidfd,
        executable: program.executable,
        tail,
        outputs,
    })
}

/// What `command` executes, as the user `identity`, or as the fabric's.
pub(crate) fn locate(
    command: &Command,
    paths: &Paths,
    extra: &[(&str, &Path)],
    identity: Option<u32>,
) -> Result<sandbox::Program, StartError> {
    let mut environment = environment(command, extra);
    if identity.is_some() {
        be_someone_else(&mut environment, command, &paths.approot);
    }
    let lookup = |name: &str| {
        let exact = environment.get(name);
        let any_case = || {
            environment
                .iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(name))
                .map(|(_, value)| value)
        };
        exact.or_else(any_case).cloned()
    };
    let path = environment.get("PATH").map(String::as_str);
    let found = |word: &str| {
        let word = command_line::expand(word, lookup);
        find(&word, &paths.approot, path, identity).ok_or_else(|| StartError::NotThere {
            command_line: command.command_line.clone(),
            hidden: identity.and_then(|_| find(&word, &paths.approot, path, None)),
            word,
        })
    };
    let later = |word: &str| argument(&command_line::expand(word, lookup), &paths.approot);
    let (executable, arguments) = if command.script.is_empty() {
        let (first, rest) = command
            .words
            .split_first()
            .expect("a command line has a first word, the planner split it");
        let arguments = rest.iter().map(|word| later(word).into()).collect();
        (found(first)?, arguments)
    } else {
        let script = script(command, found, later, lookup)?;
        (PathBuf::from(SHELL), vec!["-c".into(), script.into()])
    };
    Ok(sandbox::Program {
        executable,
        arguments,
        environment: environment
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect(),
        directory: paths.approot.clone(),
        sockets: Vec::new(),
    })
}

/// What is inherited of the person is the fabric's user's and not the instance's, whose home is its approot.
fn be_someone_else(environment: &mut BTreeMap<String, String>, command: &Command, approot: &Path) {
    let is_declared = |name: &str| command.environment.iter().any(|(known, _)| known == name);
    for name in ["USER", "LOGNAME"] {
        if !is_declared(name) {
            environment.remove(name);
        }
    }
    if !is_declared("HOME") {
        environment.insert("HOME".to_owned(), approot.to_string_lossy().into_owned());
    }
}

/// The variables of a command; of two of one name the later wins.
fn environment(command: &Command, extra: &[(&str, &Path)]) -> BTreeMap<String, String> {
    let inherited = std::env::vars_os().filter_map(|(name, value)| {
        let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
        plan::is_inherited(&name).then_some((name, value))
    });
    let extra = extra
        .iter()
        .map(|(name, path)| ((*name).to_owned(), path.to_string_lossy().into_owned()));
    inherited
        .chain(of_machine())
        .chain(extra)
        .chain(command.environment.iter().cloned())
        .collect()
}

/// Variables of the platform whose values are the machine's.
fn of_machine() -> impl Iterator<Item = (String, String)> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let processors = std::thread::available_parallelism().ok();
    let processors = processors.map(|processors| processors.to_string());
    let named = [("COMPUTERNAME", name), ("NUMBER_OF_PROCESSORS", processors)];
    named
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.trim().to_owned())))
}

/// The line for [`SHELL`]. The first program must be there; of a later one the shell says that it is not, if it
/// comes to it.
fn script(
    command: &Command,
    found: impl Fn(&str) -> Result<PathBuf, StartError>,
    later: impl Fn(&str) -> String,
    lookup: impl Fn(&str) -> Option<String> + Copy,
) -> Result<String, StartError> {
    let mut is_first = true;
    command_line::script(&command.script, |part| match part {
        ScriptPart::Program(word) => {
            let is_first = std::mem::take(&mut is_first);
            if command_line::is_built_in(word) {
                return Ok(word.clone());
            }
            match found(word) {
                Ok(executable) => Ok(executable.to_string_lossy().into_owned()),
                Err(error) if is_first => Err(error),
                Err(_) => Ok(command_line::expand(word, lookup)),
            }
        }
        ScriptPart::Argument(word) => Ok(later(word)),
        ScriptPart::File(text) | ScriptPart::Operator(text) => {
            Ok(command_line::expand(text, lookup))
        }
    })
}

/// A word of a command line after the first: a path with backslashes where it names a file of the approot so read.
fn argument(word: &str, approot: &Path) -> String {
    let path = word.replace('\\', "/");
    let names_a_file = path != word && !path.starts_with('/') && approot.join(&path).exists();
    if names_a_file { path } else { word.to_owned() }
}

/// The program that the first word of a command line means on this machine: `in_approot` says whether a relative
/// path is a file of the approot, and `path` holds the folders to look in besides.
pub fn resolve(
    word: &str,
    in_approot: impl Fn(&str) -> bool,
    path: Option<&str>,
) -> Option<Program> {
    Program::resolve(word, in_approot, |name| {
        find_on_path(name, path, None).is_some()
    })
}

fn find(word: &str, approot: &Path, path: Option<&str>, identity: Option<u32>) -> Option<PathBuf> {
    let in_approot = |relative: &str| approot.join(relative).is_file();
    let on_machine = |name: &str| find_on_path(name, path, identity);
    match Program::resolve(word, in_approot, |name| on_machine(name).is_some())? {
        Program::InApproot(relative) => Some(approot.join(relative)),
        Program::OnMachine(name) => on_machine(&name),
    }
}

/// Finds a file that `identity` may execute: an absolute path as it is, a bare name in the folders of `path`.
fn find_on_path(name: &str, path: Option<&str>, identity: Option<u32>) -> Option<PathBuf> {
    let is_there_for = |path: &Path, identity: u32| {
        let file = path.canonicalize().unwrap_or_default();
        sandbox::is_of_the_system(&file) && identity::may_execute(path, identity)
    };
    let is_executable = |path: &Path| {
        path.metadata()
            .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
            && identity.is_none_or(|identity| is_there_for(path, identity))
    };
    if name.starts_with('/') {
        return Some(PathBuf::from(name)).filter(|path| is_executable(path));
    }
    let folders = path
        .unwrap_or_default()
        .split(':')
        .filter(|folder| folder.starts_with('/'));
    folders
        .map(|folder| Path::new(folder).join(name))
        .find(|path| is_executable(path))
}

/// Copies lines into the log until everyone who holds the other end has gone.
fn keep_output(
    pipe: OwnedFd,
    source: &str,
    stream: &'static str,
    log: &Log,
    tail: &Tail,
) -> io::Result<JoinHandle<()>> {
    let reader = pipe::Receiver::from_owned_fd(pipe)?;
    let source = if source.is_empty() {
        stream.to_owned()
    } else {
        format!("{source} {stream}")
    };
    let (log, tail) = (log.clone(), tail.clone());
    Ok(tokio::spawn(async move {
        let mut reader = BufReader::new(reader);
        let mut line = Vec::new();
        while let Ok(true) = next_line(&mut reader, &mut line).await {
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end_matches(['\n', '\r']);
            log.line(&source, text);
            tail.line(stream, text);
        }
    }))
}

/// Reads up to the end of a line, or [`LINE_BYTES_MAX`] of a longer one. Returns `false` at the end.
async fn next_line(reader: &mut BufReader<pipe::Receiver>, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    loop {
        let available = reader.fill_buf().await?;
        if available.is_empty() {
            return Ok(!line.is_empty());
        }
        let room = LINE_BYTES_MAX - line.len();
        let end = available
            .iter()
            .take(room)
            .position(|byte| *byte == b'\n')
            .map(|at| at + 1);
        let taken = end.unwrap_or(available.len().min(room));
        line.extend_from_slice(&available[..taken]);
        reader.consume(taken);
        if end.is_some() || line.len() == LINE_BYTES_MAX {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests;
