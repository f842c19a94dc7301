//! `approot run --detach`: the keeper goes into the background, and the command waits until the start is over.
//!
//! ```text
//!   command ── fork ──► keeper: lets go of what it inherited, takes the state directory
//!      │                   │  refused: says so on the command's own terminal, and ends
//!      │ ◄── one byte ─────┤  its words go to the log from here on
//!      │ ◄── one byte ─────┘  the start's exit status
//! ```
//!
//! The log belongs to whoever holds the state directory: nobody else empties it or writes to it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use fabric::{LAYOUT, Settings};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, WaitOptions, waitpid};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

use crate::cli::Format;
use crate::exit::{self, Failure, Outcome};
use crate::{operate, print, run, show};

/// In the state directory: what a detached keeper and its fabric have said.
const LOG: &str = "keeper.log";

/// How long the command waits for every instance to be Ready. The deployment goes on when it has passed.
const START_LIMIT: Duration = Duration::from_secs(300);

/// What the keeper sends once its words go to the log; any byte would do.
const AT_WORK: u8 = 0;

/// Forks the keeper into the background and waits until the start is over.
pub(crate) fn run(settings: &Settings, format: Format) -> Outcome {
    let path = settings.state.join(LOG);
    let log = File::options()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    let (reading, writing) = pipe_with(PipeFlags::CLOEXEC).context("cannot make a pipe")?;
    let keeper = sandbox::fork(move || become_keeper(settings, log, writing))
        .context("cannot fork the keeper")?;
    let mut pipe = File::from(reading);
    let deadline = Instant::now() + START_LIMIT;
    match hear(&mut pipe, deadline)? {
        // It was refused, and has told the terminal why.
        News::Ended => return status_of(keeper),
        News::Late => return Err(late()),
        News::Byte(_) => {}
    }
    match hear(&mut pipe, deadline)? {
        News::Byte(status) => {
            let socket = settings.runtime_directory.join(LAYOUT.control_socket);
            operate::status_of(&socket, format)?;
            Ok(status)
        }
        News::Ended => {
            let status = status_of(keeper);
            let said = fs::read(&path).unwrap_or_default();
            print::words(&String::from_utf8_lossy(&said));
            status
        }
        News::Late => Err(late()),
    }
}

fn late() -> Failure {
    let error = anyhow!(
        "not every instance is Ready after {} s; the deployment goes on",
        START_LIMIT.as_secs()
    );
    exit::with(exit::TIMED_OUT, error)
}

/// The exit status of a keeper that has ended.
fn status_of(keeper: Pid) -> Outcome {
    let (_, status) = waitpid(Some(keeper), WaitOptions::empty())
        .context("cannot wait for the keeper")?
        .context("the keeper has not ended")?;
    let exited = status
        .exit_status()
        .and_then(|status| u8::try_from(status).ok());
    Ok(exited.unwrap_or(exit::FAILED))
}

/// The forked keeper's `main`.
fn become_keeper(settings: &Settings, log: File, started: OwnedFd) -> i32 {
    match detach(settings, log, &started).and_then(|lock| {
        // A command that has gone meanwhile needs no news.
        let _ = rustix::io::write(&started, &[AT_WORK]);
        run::keep(settings, lock, Format::Human, Some(started))
    }) {
        Ok(status) => i32::from(status),
        Err(failure) => {
            show::error(&failure.error);
            i32::from(failure.status)
        }
    }
}

/// Takes the state directory and leaves the terminal.
fn detach(settings: &Settings, log: File, started: &OwnedFd) -> Result<ipc::ProcessLock, Failure> {
    // Before the lock, which is a descriptor too. What the command has open is never used here again.
    sandbox::close_descriptors_except(&[log.as_raw_fd(), started.as_raw_fd()])
        .context("cannot let go of what was inherited")?;
    let lock = run::take(settings)?;
    redirect(&log).context("cannot leave the terminal")?;
    Ok(lock)
}

fn redirect(log: &File) -> io::Result<()> {
    log.set_len(0)?;
    dup2_stdin(File::open("/dev/null")?)?;
    dup2_stdout(log)?;
    dup2_stderr(log)?;
    Ok(())
}

/// What came over the keeper's pipe.
enum News {
    Byte(u8),
    /// The keeper has ended.
    Ended,
    /// Nothing came in time.
    Late,
}

fn hear(pipe: &mut File, deadline: Instant) -> anyhow::Result<News> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let limit = Timespec {
            tv_sec: left.as_secs() as i64,
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        let mut entries = [PollFd::new(pipe, PollFlags::IN)];
        match poll(&mut entries, Some(&limit)) {
            Ok(0) => return Ok(News::Late),
            Ok(_) => break,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).context("cannot wait for the start"),
        }
    }
    let mut byte = [0];
    let n_read = pipe.read(&mut byte).context("cannot hear of the start")?;
    Ok(if n_read == 0 {
        News::Ended
    } else {
        News::Byte(byte[0])
    })
}
