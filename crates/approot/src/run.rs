//! `approot run`: reads the service, takes the state directory, and becomes the keeper.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use fabric::{LAYOUT, Outside, Settings, Source};
use ipc::{LockError, ProcessLock};
use keeper::{FabricStart, HostStart, Options, Processes};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::cli::{Format, RunArguments};
use crate::exit::{self, Failure, Outcome};
use crate::service::{self, Loaded, Location};
use crate::{locations, show};

/// How long `--detach` waits for every instance to be Ready. The deployment goes on when it has passed.
const START_LIMIT: Duration = Duration::from_secs(300);

/// How long the fabric of a keeper that was killed may take to stop its deployment. It is doing so already.
const LEFT_OVER_LIMIT: Duration = Duration::from_secs(30);

/// Runs a service until it is stopped, or with `--detach` until it is Ready.
pub(crate) fn run(arguments: &RunArguments) -> Outcome {
    if let Some(wildcard) = arguments
        .listen
        .iter()
        .find(|address| address.is_unspecified())
    {
        let error = anyhow!(
            "listening on {wildcard} is not built yet: name the addresses of this machine with `--listen`"
        );
        return Err(exit::with(exit::USAGE, error));
    }
    let loaded = service::load(&arguments.service)?;
    let state = arguments
        .state
        .clone()
        .unwrap_or_else(|| locations::default_state(&loaded.service.definition.name));
    let state = locations::make_state(&state)?;
    let settings = settings(arguments, loaded, &state)?;
    if arguments.detach {
        run_detached(&settings, arguments.format)
    } else {
        keep(&settings, arguments.format, None)
    }
}

fn settings(arguments: &RunArguments, loaded: Loaded, state: &Path) -> Result<Settings, Failure> {
    let source = match loaded.location {
        Location::Definition(path) => Source::Folder(service::source(
            &loaded.service.definition,
            &path,
            &arguments.service.binaries,
        )?),
        Location::Package(_) if !arguments.service.binaries.is_empty() => {
            let error = anyhow!("`--binary` is for a service folder: a package holds its programs");
            return Err(exit::with(exit::USAGE, error));
        }
        Location::Package(opened) => Source::Package(opened.report().path.clone()),
    };
    Ok(Settings {
        state: state.to_owned(),
        runtime_directory: locations::make_runtime_directory(state)?,
        service: loaded.service,
        source,
        instances: arguments.instances.iter().cloned().collect(),
        listen: arguments.listen.clone(),
        emulated: arguments.emulated,
    })
}

/// Becomes the keeper. `started` is told when the start is over.
fn keep(settings: &Settings, format: Format, started: Option<std::os::fd::OwnedFd>) -> Outcome {
    let _lock = take(settings)?;
    retire_left_overs(&settings.state)?;
    let fabric = |start: FabricStart| {
        let tell = |notice| show::notice(notice, format);
        let serve = |listener, handle| Box::pin(control::serve(listener, handle)) as _;
        fabric::run(
            start,
            settings,
            &Outside {
                tell: &tell,
                serve: &serve,
            },
        )
    };
    let balancer = |listener: UnixListener| {
        // The next `run` finds this process by its lock, should the keeper be killed.
        let lock = ProcessLock::take(&settings.state.join(LAYOUT.balancer_lock));
        status_of(
            lock.map_err(anyhow::Error::new)
                .and_then(|_lock| Ok(balancer::run(listener)?)),
        )
    };
    let host = |start: HostStart| {
        status_of(host::run(&start.order, start.inherited).map_err(anyhow::Error::new))
    };
    let processes = Processes {
        fabric: &fabric,
        balancer: &balancer,
        host: &host,
    };
    let balancer_socket = settings.runtime_directory.join(LAYOUT.balancer_socket);
    let status = keeper::run(
        processes,
        Options {
            balancer_socket,
            started,
        },
    )
    .map_err(anyhow::Error::new)?;
    // Nothing is left in there that anyone could use; a failure leaves an empty folder.
    let _ = fs::remove_dir_all(&settings.runtime_directory);
    Ok(status)
}

fn take(settings: &Settings) -> Result<ProcessLock, Failure> {
    ProcessLock::take(&settings.state.join(LAYOUT.keeper_lock)).map_err(|error| match error {
        LockError::Held { pid, .. } => {
            let error = anyhow!(
                "another `approot run`, pid {pid}, holds the state directory {}",
                settings.state.display()
            );
            exit::with(exit::FAILED, error)
        }
        other => exit::with(exit::FAILED, other),
    })
}

/// Waits for, and in the end kills, what a killed keeper has left: a fabric that is stopping its deployment, and a
/// balancer that nobody has told to end. Hosts end by themselves, and the next fabric waits for each.
fn retire_left_overs(state: &Path) -> anyhow::Result<()> {
    for (lock, limit) in [
        (LAYOUT.fabric_lock, LEFT_OVER_LIMIT),
        (LAYOUT.balancer_lock, Duration::ZERO),
    ] {
        let path = state.join(lock);
        let deadline = Instant::now() + limit;
        let mut is_told = false;
        while let Some(pid) = ProcessLock::held_by(&path)
            .with_context(|| format!("cannot look at {}", path.display()))?
        {
            if !is_told {
                show::line(&format!(
                    "waiting for process {pid} of an earlier run to end"
                ));
                is_told = true;
            }
            if Instant::now() >= deadline
                && let Some(pid) = Pid::from_raw(pid)
            {
                let _ = kill_process(pid, Signal::KILL);
            }
            let pause = Timespec {
                tv_sec: 0,
                tv_nsec: 5_000_000,
            };
            let _ = poll(&mut [], Some(&pause));
        }
    }
    Ok(())
}

/// The exit status of one of the keeper's processes, with its error printed.
fn status_of(outcome: anyhow::Result<()>) -> i32 {
    match outcome {
        Ok(()) => 0,
        Err(error) => {
            show::error(&error);
            1
        }
    }
}

/// Forks the keeper into the background and waits until the start is over.
fn run_detached(settings: &Settings, format: Format) -> Outcome {
    let log = settings.state.join("keeper.log");
    let (reading, writing) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).context("cannot make a pipe")?;
    let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let child = sandbox::fork(|| {
        let redirected =
            rustix::stdio::dup2_stdout(&file).and_then(|()| rustix::stdio::dup2_stderr(&file));
        let outcome = redirected.map_err(|error| Failure::from(anyhow::Error::new(error)));
        match outcome.and_then(|()| keep(settings, Format::Human, Some(writing))) {
            Ok(status) => i32::from(status),
            Err(failure) => {
                show::error(&failure.error);
                i32::from(failure.status)
            }
        }
    })
    .context("cannot fork the keeper")?;
    match await_start(reading)? {
        Start::Over(status) => {
            let socket = settings.runtime_directory.join(LAYOUT.control_socket);
            crate::operate::status_of(&socket, format)?;
            Ok(status)
        }
        Start::Ended => {
            let (_, status) = waitpid(Some(child), WaitOptions::empty())
                .context("cannot wait for the keeper")?
                .context("the keeper has not ended")?;
            show::line(fs::read_to_string(&log).unwrap_or_default().trim_end());
            Ok(status
                .exit_status()
                .and_then(|status| u8::try_from(status).ok())
                .unwrap_or(exit::FAILED))
        }
        Start::Late => {
            let error = anyhow!(
                "not every instance is Ready after {} s; the deployment goes on",
                START_LIMIT.as_secs()
            );
            Err(exit::with(exit::TIMED_OUT, error))
        }
    }
}

enum Start {
    Over(u8),
    Ended,
    Late,
}

fn await_start(reading: std::os::fd::OwnedFd) -> anyhow::Result<Start> {
    let limit = Timespec {
        tv_sec: START_LIMIT.as_secs() as i64,
        tv_nsec: 0,
    };
    let mut entries = [PollFd::new(&reading, PollFlags::IN)];
    if poll(&mut entries, Some(&limit)).context("cannot wait for the start")? == 0 {
        return Ok(Start::Late);
    }
    let mut status = [0];
    match File::from(reading)
        .read(&mut status)
        .context("cannot hear of the start")?
    {
        0 => Ok(Start::Ended),
        _ => Ok(Start::Over(status[0])),
    }
}
