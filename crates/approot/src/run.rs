//! `approot run`: reads the service, takes the state directory, and becomes the keeper.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;

use anyhow::anyhow;
use fabric::{CertificateSource, LAYOUT, Outside, Settings, Source};
use ipc::{LockError, ProcessLock};
use keeper::{FabricStart, HostStart, Options, Processes};
use packager::Signing;

use crate::cli::{Format, Isolation, RunArguments, by_role};
use crate::exit::{self, Failure, Outcome};
use crate::notices::Notices;
use crate::runtime_directory::RuntimeDirectory;
use crate::service::{self, Loaded, Location, Words};
use crate::{detach, left_overs, locations, show, signing, staging};

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
    if arguments.isolation == Isolation::Netns {
        let error = anyhow!(
            "`--isolation netns` is not built yet: instances are kept apart by their addresses, 127.17.n.m"
        );
        return Err(exit::with(exit::USAGE, error));
    }
    let instances = by_role("--instances", &arguments.instances)?;
    let loaded = load(arguments)?;
    let source = source(arguments, &loaded)?;
    let certificates = certificates(arguments, &loaded)?;
    let state = match &arguments.state {
        Some(state) => state.clone(),
        None => locations::default_state(&loaded.service.definition.name)?,
    };
    let state = locations::make_state(&state)?;
    let settings = Settings {
        runtime_directory: locations::runtime_directory(&state),
        state,
        source,
        service: loaded.service,
        roles: loaded.options.roles,
        instances,
        listen: arguments.listen.clone(),
        emulated: arguments.emulated,
        certificates,
    };
    // It may hold the package open; the keeper opens it again where it needs it.
    drop(loaded.location);
    if arguments.detach {
        detach::run(&settings, arguments.format)
    } else {
        keep(&settings, take(&settings)?, arguments.format, None)
    }
}

/// Reads the service; a package only after its signature, where somebody is to be trusted.
fn load(arguments: &RunArguments) -> Result<Loaded, Failure> {
    if arguments.trust.trusted.is_empty() {
        return service::load(&arguments.service, Words::Warnings);
    }
    let path = arguments.service.path.as_deref();
    let package = path.filter(|path| packager::is_package(path));
    let package = package.ok_or_else(signing::no_package)?;
    let signing = signing::check(package, &arguments.trust)?;
    if !matches!(signing, Signing::Signed(_)) {
        let words = signing::words(&signing);
        show::line(&format!("{}: {words}", package.display()));
    }
    let loaded = service::load(&arguments.service, Words::Warnings)?;
    let Location::Package(opened) = &loaded.location else {
        return Err(signing::no_package());
    };
    service::expect_signed(opened, &signing)?;
    Ok(loaded)
}

fn source(arguments: &RunArguments, loaded: &Loaded) -> Result<Source, Failure> {
    match &loaded.location {
        Location::Definition(path) => {
            let definition = &loaded.service.definition;
            let source = service::source(definition, path, &arguments.service.binaries)?;
            // The fabric finds the same, and knows no places.
            packager::list(&source).map_err(|error| staging::invalid(path, error))?;
            Ok(Source::Folder(source))
        }
        Location::Package(_) if !arguments.service.binaries.is_empty() => {
            let error = anyhow!("`--binary` is for a service folder: a package holds its programs");
            Err(exit::with(exit::USAGE, error))
        }
        Location::Package(opened) => {
            let report = opened.report();
            Ok(Source::Package {
                path: report.path,
                sha256: report.sha256,
            })
        }
    }
}

/// Where certificates come from.
fn certificates(arguments: &RunArguments, loaded: &Loaded) -> Result<CertificateSource, Failure> {
    let folder = match &arguments.certificates {
        Some(folder) if !folder.is_dir() => {
            let error = anyhow!("there is no folder {}", folder.display());
            return Err(exit::with(exit::USAGE, error));
        }
        Some(folder) => folder.clone(),
        None => loaded.configuration.with_file_name("certificates"),
    };
    let listen = arguments.listen.iter().map(ToString::to_string);
    Ok(CertificateSource {
        // Whoever reads it may work in another folder.
        folder: std::path::absolute(&folder).map_err(anyhow::Error::new)?,
        stand_ins: arguments.dev_certificates,
        names: std::iter::once("localhost".to_owned())
            .chain(listen)
            .collect(),
    })
}

/// Takes the state directory, which makes this process its keeper.
pub(crate) fn take(settings: &Settings) -> Result<ProcessLock, Failure> {
    let state = settings.state.display();
    ProcessLock::take(&settings.state.join(LAYOUT.keeper_lock)).map_err(|error| {
        let error = match error {
            // The kernel names no process of another pid namespace.
            LockError::Held { pid: 0, .. } => anyhow!(
                "another `approot run`, of another pid namespace, holds the state directory {state}"
            ),
            LockError::Held { pid, .. } => {
                anyhow!("another `approot run`, pid {pid}, holds the state directory {state}")
            }
            failed => failed.into(),
        };
        exit::with(exit::FAILED, error)
    })
}

/// Is the keeper of the state directory that `_lock` holds, until the deployment has ended. `started` is told
/// when the start is over.
pub(crate) fn keep(
    settings: &Settings,
    _lock: ProcessLock,
    format: Format,
    started: Option<OwnedFd>,
) -> Outcome {
    left_overs::retire(&settings.state)?;
    let _sockets = RuntimeDirectory::make(&settings.runtime_directory, &settings.state)?;
    let fabric = |start: FabricStart| {
        let notices = Notices::new(format);
        let tell = |notice| notices.tell(notice);
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
    let options = Options {
        balancer_socket: settings.runtime_directory.join(LAYOUT.balancer_socket),
        started,
    };
    Ok(keeper::run(processes, options).map_err(anyhow::Error::new)?)
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
