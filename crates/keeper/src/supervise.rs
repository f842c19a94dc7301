//! The keeper's one loop: signals, the ends of processes, and the fabric's requests.
//!
//! Fabric and balancer are *services*: when one ends it is started again, at a pace that [`Pacing`] sets.
//! A host is not: the fabric hears of its end and decides. A fabric that ends before it has committed a
//! deployment is not started again either, as it would only fail again: the keeper ends with an error.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ipc::{BlockingLink, Hello, LinkError};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};
use sandbox::descendants;
use signal_hook::consts::signal::{SIGCHLD, SIGINT};

use crate::pacing::Pacing;
use crate::protocol::{Address, Notice, Request};
use crate::signals::Signals;
use crate::{KeeperError, sockets};

/// How long processes get to go after SIGKILL. Only one stuck in the kernel outlives it, and then nobody can help.
const KILL_LIMIT: Duration = Duration::from_secs(10);

/// How often the ends of killed processes are looked for.
const KILL_STEP: Duration = Duration::from_millis(2);

/// How long the keeper waits for the fabric to read. Everything else waits for the keeper meanwhile.
const TELL_LIMIT: Duration = Duration::from_secs(5);

/// Fabrics that may die while the deployment is being stopped. One that is killed is replaced and stops it in
/// order; when the next one dies too, nobody is left who could, and the keeper ends everything itself.
const FABRIC_DEATHS_MAX: u32 = 2;

/// The name of the balancer's control socket.
const BALANCER_SOCKET: &str = "balancer";

/// What a forked fabric starts from.
#[derive(Debug)]
pub struct FabricStart {
    /// The link to the keeper, for [`Client::connect`](crate::Client::connect).
    pub link: UnixStream,
    /// Whether an earlier fabric of this keeper has committed a deployment, which this one takes over.
    pub resumed: bool,
    /// Whether the start of that deployment is over, as an earlier fabric has said.
    pub started: bool,
}

/// What a forked host starts from.
#[derive(Debug)]
pub struct HostStart {
    /// The fabric's order, as it was given.
    pub order: String,
    /// The sockets to hold for as long as the host lives.
    pub inherited: Vec<OwnedFd>,
}

/// What the keeper forks: each function is the `main` of a process and returns its exit status.
pub struct Processes<'a> {
    /// The controller.
    pub fabric: &'a dyn Fn(FabricStart) -> i32,
    /// The data plane; it is given the socket on which it is told its table.
    pub balancer: &'a dyn Fn(UnixListener) -> i32,
    /// The life of one instance.
    pub host: &'a dyn Fn(HostStart) -> i32,
}

/// How to run.
#[derive(Debug)]
pub struct Options {
    /// The path of the balancer's control socket.
    pub balancer_socket: PathBuf,
    /// A pipe that gets one byte, the exit status of the start, as soon as the start is over.
    pub started: Option<OwnedFd>,
}

/// Runs until the fabric has finished or a second signal has come; returns the exit status.
///
/// The calling process must have a single thread, and must have set up nothing that a forked child may not
/// share. Every process below this one has ended when it returns.
///
/// # Errors
/// The kernel refuses what a keeper cannot do without, or the fabric ends before it has started anything.
pub fn run(processes: Processes<'_>, options: Options) -> Result<u8, KeeperError> {
    descendants::adopt_orphans().map_err(KeeperError::doing("adopt orphans"))?;
    let signals = Signals::take().map_err(KeeperError::doing("take its signals"))?;
    let mut keeper = Keeper {
        processes,
        signals,
        sockets: BTreeMap::new(),
        hosts: BTreeMap::new(),
        fabric: Service::default(),
        balancer: Service::default(),
        link: None,
        committed: false,
        has_started: false,
        started: options.started,
        stop: None,
        is_signalled: false,
        status: None,
    };
    keeper
        .open(BALANCER_SOCKET, &Address::Unix(options.balancer_socket))
        .map_err(KeeperError::doing("open the balancer's socket"))?;
    let outcome = keeper.supervise();
    keeper.kill_all();
    keeper.remove_socket_files();
    outcome
}

/// A process that is started again.
#[derive(Debug, Default)]
struct Service {
    pid: Option<Pid>,
    started: Option<Instant>,
    due: Option<Instant>,
    pacing: Pacing,
}

impl Service {
    fn is_due(&self, now: Instant) -> bool {
        self.pid.is_none() && self.due.is_none_or(|due| due <= now)
    }

    fn ended(&mut self, now: Instant) {
        self.pid = None;
        self.due = Some(self.pacing.next_start(self.started.unwrap_or(now), now));
    }
}

/// The deployment is being stopped.
#[derive(Debug, Clone, Copy)]
struct Stop {
    status: u8,
    signal: Option<i32>,
    /// Fabrics that have died since without finishing.
    fabric_deaths: u32,
}

struct Keeper<'a> {
    processes: Processes<'a>,
    signals: Signals,
    sockets: BTreeMap<String, (OwnedFd, Address)>,
    hosts: BTreeMap<i32, String>,
    fabric: Service,
    balancer: Service,
    link: Option<BlockingLink>,
    committed: bool,
    has_started: bool,
    started: Option<OwnedFd>,
    stop: Option<Stop>,
    is_signalled: bool,
    /// The exit status, once there is nothing more to wait for.
    status: Option<u8>,
}

impl Keeper<'_> {
    fn supervise(&mut self) -> Result<u8, KeeperError> {
        loop {
            self.start_services()?;
            self.wait().map_err(KeeperError::doing("wait for events"))?;
            for signal in self.signals.drain() {
                match signal {
                    SIGCHLD => self.reap()?,
                    // A second one kills at once, whatever the fabric is busy with.
                    _ if self.is_signalled => return Ok(self.stop.map_or(1, |stop| stop.status)),
                    _ => {
                        self.is_signalled = true;
                        self.begin_stop(status_after(signal), Some(signal));
                    }
                }
            }
            self.serve_fabric();
            if let Some(status) = self.status {
                return Ok(status);
            }
        }
    }

    fn start_services(&mut self) -> Result<(), KeeperError> {
        let now = Instant::now();
        if self.balancer.is_due(now) {
            self.start_balancer(now)
                .map_err(KeeperError::doing("start the balancer"))?;
        }
        if self.fabric.is_due(now) {
            self.start_fabric(now)
                .map_err(KeeperError::doing("start the fabric"))?;
        }
        Ok(())
    }

    fn start_balancer(&mut self, now: Instant) -> io::Result<()> {
        let (socket, _) = &self.sockets[BALANCER_SOCKET];
        let listener = UnixListener::from(socket.try_clone()?);
        let main = self.processes.balancer;
        self.balancer.pid = Some(self.fork(&[listener.as_raw_fd()], || main(listener))?);
        self.balancer.started = Some(now);
        Ok(())
    }

    fn start_fabric(&mut self, now: Instant) -> io::Result<()> {
        let (ours, link) = UnixStream::pair()?;
        // The keeper waits for nobody: a fabric that does not read for this long is stuck, and is killed.
        ours.set_write_timeout(Some(TELL_LIMIT))?;
        let start = FabricStart {
            resumed: self.committed,
            started: self.has_started,
            link,
        };
        let main = self.processes.fabric;
        self.fabric.pid = Some(self.fork(&[start.link.as_raw_fd()], || main(start))?);
        self.fabric.started = Some(now);
        self.link = Some(BlockingLink::new(ours));
        self.tell(&Hello::new("keeper"));
        self.tell_stop();
        Ok(())
    }

    /// Forks a child that keeps only the descriptors `keep`.
    fn fork(&self, keep: &[RawFd], main: impl FnOnce() -> i32) -> io::Result<Pid> {
        sandbox::fork(|| {
            self.signals.release();
            match sandbox::close_descriptors_except(keep) {
                Ok(()) => main(),
                Err(_) => 1,
            }
        })
    }

    /// Waits until a signal, a request, or the time of a start.
    fn wait(&self) -> io::Result<()> {
        let mut entries: Vec<PollFd<'_>> = self
            .signals
            .descriptors()
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        if let Some(link) = &self.link {
            entries.push(PollFd::from_borrowed_fd(link.as_fd(), PollFlags::IN));
        }
        let due = [&self.fabric, &self.balancer]
            .into_iter()
            .filter(|service| service.pid.is_none());
        let timeout = due.filter_map(|service| service.due).min().map(|due| {
            let wait = due.saturating_duration_since(Instant::now());
            Timespec {
                tv_sec: wait.as_secs() as i64,
                tv_nsec: i64::from(wait.subsec_nanos()),
            }
        });
        match poll(&mut entries, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Collects every process that has ended; orphans that came to us are simply gone.
    fn reap(&mut self) -> Result<(), KeeperError> {
        while let Ok(Some((pid, _))) = wait(WaitOptions::NOHANG) {
            let now = Instant::now();
            if self.fabric.pid == Some(pid) {
                self.reap_fabric(now)?;
            } else if self.balancer.pid == Some(pid) {
                self.balancer.ended(now);
                self.tell(&Notice::BalancerExited);
            } else if let Some(name) = self.hosts.remove(&pid.as_raw_nonzero().get()) {
                self.tell(&Notice::HostExited {
                    name,
                    pid: pid.as_raw_nonzero().get(),
                });
            }
        }
        Ok(())
    }

    fn reap_fabric(&mut self, now: Instant) -> Result<(), KeeperError> {
        self.fabric.ended(now);
        // What it said last still counts.
        self.serve_fabric();
        self.link = None;
        if let Some(stop) = &mut self.stop {
            stop.fabric_deaths += 1;
            if stop.fabric_deaths >= FABRIC_DEATHS_MAX {
                self.status.get_or_insert(stop.status);
            }
        }
        if !self.committed && self.status.is_none() {
            let source = io::Error::other("the fabric ended before it had started the deployment");
            return Err(KeeperError::doing("start the deployment")(source));
        }
        Ok(())
    }

    fn begin_stop(&mut self, status: u8, signal: Option<i32>) {
        if self.stop.is_none() {
            self.stop = Some(Stop {
                status,
                signal,
                fabric_deaths: 0,
            });
            self.tell_stop();
        }
    }

    fn tell_stop(&mut self) {
        if let Some(Stop { status, signal, .. }) = self.stop {
            self.tell(&Notice::Stop { status, signal });
        }
    }

    /// Tells the fabric, where there is one. A fabric that cannot be told is ended: its link is of no more use.
    fn tell<T: serde::Serialize>(&mut self, message: &T) {
        let told = self
            .link
            .as_mut()
            .is_none_or(|link| link.send(message, &[]).is_ok());
        if !told {
            self.end_fabric();
        }
    }

    fn end_fabric(&mut self) {
        self.link = None;
        if let Some(pid) = self.fabric.pid {
            let _ = kill_process(pid, Signal::KILL);
        }
    }

    /// Acts on everything that the fabric has said so far.
    fn serve_fabric(&mut self) {
        while self.link.as_ref().is_some_and(is_readable) {
            if let Err(Closed) = self.serve_once() {
                // Its death follows, or it is about to be killed for what it said.
                self.end_fabric();
            }
        }
    }

    fn serve_once(&mut self) -> Result<(), Closed> {
        let link = self.link.as_mut().ok_or(Closed)?;
        if !link.fill()? {
            return Err(Closed);
        }
        while let Some(link) = &mut self.link {
            let Some((request, _)) = link.poll::<Said>()? else {
                break;
            };
            match request {
                Said::Hello(hello) => drop(hello.accept()?),
                Said::Request(request) => self.serve(request),
            }
        }
        Ok(())
    }

    fn serve(&mut self, request: Request) {
        match request {
            Request::Open { name, address } => self.serve_open(name, &address),
            Request::Close { name } => drop(self.sockets.remove(&name)),
            Request::Spawn {
                name,
                order,
                inherit,
            } => self.serve_spawn(name, order, &inherit),
            Request::Kill { name } => self.kill_host(&name),
            Request::Committed => self.committed = true,
            Request::Stopping { status } => {
                let stop = Stop {
                    status,
                    signal: None,
                    fabric_deaths: 0,
                };
                self.stop.get_or_insert(stop);
            }
            Request::Started { status } => {
                self.has_started = true;
                if let Some(pipe) = self.started.take() {
                    // Nobody waits any more if this fails.
                    let _ = rustix::io::write(&pipe, &[status]);
                }
            }
            Request::Finish { status } => self.status = Some(status),
        }
    }

    fn serve_open(&mut self, name: String, address: &Address) {
        if let Err(error) = self.open(&name, address) {
            let errno = error.raw_os_error().unwrap_or_default();
            return self.tell(&Notice::OpenFailed { name, errno });
        }
        let (socket, _) = &self.sockets[&name];
        let told = self.link.as_mut().is_none_or(|link| {
            link.send(&Notice::Opened { name: name.clone() }, &[socket.as_fd()])
                .is_ok()
        });
        if !told {
            self.end_fabric();
        }
    }

    fn open(&mut self, name: &str, address: &Address) -> io::Result<()> {
        if !self.sockets.contains_key(name) {
            let socket = sockets::open(address)?;
            self.sockets
                .insert(name.to_owned(), (socket, address.clone()));
        }
        Ok(())
    }

    fn kill_host(&self, name: &str) {
        let pids = self.hosts.iter().filter(|(_, host)| *host == name);
        for pid in pids.filter_map(|(pid, _)| Pid::from_raw(*pid)) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }

    fn serve_spawn(&mut self, name: String, order: String, inherit: &[String]) {
        // A host that a dead fabric has asked for would only wait for it, and hold its instance's lock.
        if self.fabric.pid.is_none() {
            return;
        }
        match self.spawn(order, inherit) {
            Ok(pid) => {
                let pid = pid.as_raw_nonzero().get();
                self.hosts.insert(pid, name.clone());
                self.tell(&Notice::Spawned { name, pid });
            }
            Err(error) => {
                let errno = error.raw_os_error().unwrap_or_default();
                self.tell(&Notice::SpawnFailed { name, errno });
            }
        }
    }

    fn spawn(&self, order: String, inherit: &[String]) -> io::Result<Pid> {
        let held = inherit.iter().filter_map(|name| self.sockets.get(name));
        let inherited = held
            .map(|(socket, _)| socket.try_clone())
            .collect::<io::Result<Vec<_>>>()?;
        let keep: Vec<RawFd> = inherited.iter().map(AsRawFd::as_raw_fd).collect();
        let main = self.processes.host;
        self.fork(&keep, || main(HostStart { order, inherited }))
    }

    /// Ends everything below this process.
    fn kill_all(&mut self) {
        let deadline = Instant::now() + KILL_LIMIT;
        while descendants::kill_children() > 0 && Instant::now() < deadline {
            let step = Timespec {
                tv_sec: 0,
                tv_nsec: KILL_STEP.as_nanos() as i64,
            };
            let _ = poll(&mut [], Some(&step));
        }
    }

    fn remove_socket_files(&mut self) {
        for (_, address) in self.sockets.values() {
            if let Address::Unix(path) = address {
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

/// What comes over the fabric's link: its greeting, then requests.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Said {
    Hello(Hello),
    Request(Request),
}

/// The fabric's link is of no more use.
struct Closed;

impl From<LinkError> for Closed {
    fn from(_: LinkError) -> Closed {
        Closed
    }
}

fn is_readable(link: &BlockingLink) -> bool {
    let mut entries = [PollFd::from_borrowed_fd(link.as_fd(), PollFlags::IN)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut entries, Some(&now)).is_ok_and(|ready| ready > 0)
}

/// The exit status of a run that a signal ended: 130 after SIGINT, as shells say it, else 0.
fn status_after(signal: i32) -> u8 {
    if signal == SIGINT { 130 } else { 0 }
}
