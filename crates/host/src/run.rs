//! A host process from its fork to its end.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::time::{Duration, Instant};

use host_core::{Event, Instance, Limits, Shape};
use ipc::{Link, LinkError, ProcessLock, Receiver, Sender, greet};
use plan::InstancePlan;
use rustix::process::{Signal, geteuid, kill_process};
use sandbox::{Hierarchies, descendants};
use tokio::net::UnixListener;
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;
use tokio::time::{sleep, sleep_until, timeout};

use crate::driver::{Driver, Said, chain};
use crate::error::HostError;
use crate::prepare::renew;
use crate::protocol::{Assignment, FromHost, ToHost};
use crate::runtime_server::News;
use crate::stores;

/// How long a host with nothing running waits for a fabric. Spawning one must be harmless.
const FABRIC_LIMIT: Duration = Duration::from_secs(30);

/// How long processes of an earlier host get to go after SIGKILL.
const LEFT_OVER_LIMIT: Duration = Duration::from_secs(10);

/// Between two looks for processes of an earlier host, each of which reads all of /proc.
const LEFT_OVER_PAUSE: Duration = Duration::from_millis(2);

/// Events on their way to the state machine. They are taken faster than processes can end or clients connect;
/// who finds the queue full waits.
const EVENTS: usize = 256;

/// The `main` of a forked host: `assignment` is an [`Assignment`] as JSON, `inherited` the sockets that the
/// host holds open for as long as it lives. Returns the process's exit status.
///
/// # Errors
/// The host could not begin or go on; see [`HostError`].
pub fn run(assignment: &str, inherited: Vec<OwnedFd>) -> Result<(), HostError> {
    let assignment: Assignment =
        serde_json::from_str(assignment).map_err(|source| HostError::Assignment { source })?;
    descendants::adopt_orphans().map_err(HostError::system("adopt orphans"))?;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(&assignment.root)
        .map_err(HostError::file("make the folder", &assignment.root))?;
    // Held until there is nothing left to do: whoever waits for it may start the next host at once.
    let lock = ProcessLock::take(&assignment.root.join("lock"))
        .map_err(|source| HostError::Lock { source })?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .map_err(HostError::system("start its event loop"))?;
    let outcome = LocalSet::new().block_on(&runtime, serve(&assignment));
    // Whatever it was still preparing is done then.
    drop(runtime);
    // What stays mounted, the next host takes over.
    let _ = stores::release(&assignment.root);
    let folders = [Some(assignment.root.as_path()), assignment.socket.parent()];
    folders.into_iter().flatten().for_each(take_back);
    drop(inherited);
    drop(lock);
    outcome
}

/// Lets nobody but root pass a folder that the instance's own user has passed: the number of that user may be another
/// deployment's tomorrow. The next attempt lets its user in again.
fn take_back(folder: &Path) {
    let is_shared = fs::metadata(folder).is_ok_and(|found| found.gid() != 0);
    if geteuid().is_root() && is_shared {
        // One that is gone needs nothing; with root's rights nothing else is in the way.
        let _ = fs::set_permissions(folder, fs::Permissions::from_mode(0o700));
        let _ = chown(folder, None, Some(0));
    }
}

async fn serve(assignment: &Assignment) -> Result<(), HostError> {
    let (mut receiver, mut sender) = await_fabric(&assignment.socket).await?;
    let name = format!("host {}", assignment.instance);
    match greet(&mut receiver, &mut sender, &name).await {
        Ok(_) => {}
        Err(source @ LinkError::Protocol { .. }) => return Err(HostError::Link { source }),
        // A fabric that only looked whether anyone is here, or has died: nothing was begun, nothing is lost.
        Err(_) => return Ok(()),
    }
    let started = match receiver
        .receive()
        .await
        .map_err(|source| HostError::Link { source })?
    {
        Some((
            ToHost::Start {
                generation,
                plan,
                renewal,
            },
            _,
        )) => Some((generation, plan, renewal)),
        // A fabric that goes away, or orders before it has started anything, has nothing for us to stop.
        Some((ToHost::Order(_) | ToHost::Change { .. }, _)) | None => None,
    };
    let Some((generation, plan, renewal)) = started else {
        return Ok(());
    };
    let begun = begin(assignment, generation, &plan.sandbox.group)
        .await
        .and_then(|()| renewal.map_or(Ok(()), |renewal| renew(&plan, renewal)));
    if let Err(error) = begun {
        let refused = FromHost::Refused {
            reason: chain(&error),
        };
        let _ = sender.send(&refused, &[]).await;
        return Err(error);
    }
    let outcome = live(*plan, receiver, sender).await;
    let _ = fs::remove_file(&assignment.socket);
    outcome
}

async fn await_fabric(socket: &Path) -> Result<(Receiver, Sender), HostError> {
    if let Some(folder) = socket.parent() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(HostError::file("make the folder", folder))?;
    }
    // Left there by an earlier host: this one holds the instance's lock.
    let _ = fs::remove_file(socket);
    let listener = UnixListener::bind(socket).map_err(HostError::file("listen on", socket))?;
    fs::set_permissions(socket, fs::Permissions::from_mode(0o600))
        .map_err(HostError::file("protect", socket))?;
    let accepted = timeout(FABRIC_LIMIT, listener.accept())
        .await
        .map_err(|_| HostError::NoFabric)?;
    let (stream, _) = accepted.map_err(HostError::file("accept the fabric on", socket))?;
    Ok(Link::new(stream).split())
}

/// Refuses a stale order, and ends what an earlier host of the instance has left behind: what is in its control group,
/// where it has one, and what has its mark, which a process can put off.
async fn begin(assignment: &Assignment, generation: u64, group: &str) -> Result<(), HostError> {
    let path = assignment.root.join("generation");
    let latest = fs::read_to_string(&path)
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(0);
    if generation < latest {
        return Err(HostError::Stale {
            ordered: generation,
            latest,
        });
    }
    // Beside and renamed: a number that is cut short would let older orders pass.
    let beside = path.with_extension("new");
    fs::write(&beside, generation.to_string()).map_err(HostError::file("write", &beside))?;
    fs::rename(&beside, &path).map_err(HostError::file("write", &path))?;
    if latest == 0 {
        // The first host of the instance: nothing can be left. Each look reads all of /proc, and a hundred hosts
        // that start together would read each other.
        return Ok(());
    }
    let root = assignment.root.to_string_lossy();
    let deadline = Instant::now() + LEFT_OVER_LIMIT;
    let hierarchies = Hierarchies::find();
    loop {
        let mut left = descendants::marked("RoleRoot", &root);
        if !group.is_empty() {
            left.extend(hierarchies.processes_in(group));
        }
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(HostError::LeftOver {
                processes: left.len(),
            });
        }
        for pid in left {
            let _ = kill_process(pid, Signal::KILL);
        }
        sleep(LEFT_OVER_PAUSE).await;
    }
}

/// The one loop of a host: news, orders and time into the state machine, its actions out.
async fn live(plan: InstancePlan, mut receiver: Receiver, sender: Sender) -> Result<(), HostError> {
    let (events, mut news) = mpsc::channel(EVENTS);
    let (say, said) = watch::channel(Said::default());
    let telling = tokio::task::spawn_local(tell_fabric(sender, said));
    let limits = Limits {
        stop: plan.options.stop_limit,
    };
    let mut instance = Instance::new(Shape::from(&plan), limits, seed());
    let mut driver = Driver::new(plan, events, say)?;
    let began = tokio::time::Instant::now();
    let mut has_fabric = true;
    instance.handle_event(Duration::ZERO, Event::Order(host_core::Order::Start));
    loop {
        while let Some(action) = instance.poll_action() {
            if driver.act(action) {
                // The last report goes out before the process does, and so do records.
                let evidence = driver.evidence();
                drop(driver);
                let _ = telling.await;
                evidence.settle().await;
                return Ok(());
            }
        }
        let timeout = instance.poll_timeout();
        let due = began + timeout.unwrap_or_default();
        tokio::select! {
            Some(item) = news.recv() => match item {
                News::Event(event) => instance.handle_event(began.elapsed(), event),
                News::Warning(line) => driver.warn(&line),
            },
            message = receiver.receive::<ToHost>(), if has_fabric => match message {
                Ok(Some((ToHost::Order(order), _))) => instance.handle_event(began.elapsed(), Event::Order(order)),
                Ok(Some((ToHost::Change { order, plan }, _))) => {
                    driver.keep(*plan);
                    instance.handle_event(began.elapsed(), Event::Order(order));
                }
                // Every order may be repeated; the plan of a running instance does not change that way.
                Ok(Some((ToHost::Start { .. }, _))) => {}
                Ok(None) | Err(_) => {
                    has_fabric = false;
                    instance.handle_event(began.elapsed(), Event::FabricGone);
                }
            },
            () = sleep_until(due), if timeout.is_some() => instance.handle_timeout(began.elapsed()),
        }
    }
}

/// Passes reports on as fast as the fabric takes them; of those that come while it does not, the newest counts.
async fn tell_fabric(mut sender: Sender, mut said: watch::Receiver<Said>) {
    while said.changed().await.is_ok() {
        let (report, doing) = {
            let said = said.borrow_and_update();
            (said.report.clone(), said.doing.clone())
        };
        if let (Some(report), Some(doing)) = (report, doing)
            && sender
                .send(&FromHost::Report(report, doing), &[])
                .await
                .is_err()
        {
            return;
        }
    }
}

/// Differs between hosts that are forked together, which is all that the pacing's jitter needs.
fn seed() -> u64 {
    u64::from(std::process::id())
}
