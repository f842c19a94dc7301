//! A deployment under test: `approot run` in the foreground, as a user starts it.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use test_support::wait_within;

use crate::processes;
use crate::service::{Service, binary};

/// How long a deployment may take to start or stop on a machine that builds and tests at once.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running `approot run`, with a state directory and a listen address of its own. Ended when dropped.
pub struct Deployment {
    child: Child,
    state: PathBuf,
    address: Ipv4Addr,
    log: PathBuf,
    _folder: Option<TempDir>,
}

/// Where a deployment keeps its state, so that a second one can follow in the same place.
#[derive(Debug)]
pub struct Place {
    /// The state directory.
    pub state: PathBuf,
    /// The listen address.
    pub address: Ipv4Addr,
}

impl Place {
    /// A new place below `folder`.
    pub fn new(folder: &Path) -> Place {
        // The kernel's own paths have no links in them, and processes are found by theirs.
        let folder = folder.canonicalize().expect("the test's folder is there");
        Place {
            state: folder.join("state"),
            address: next_address(),
        }
    }
}

impl Deployment {
    /// Starts `approot run` and waits until every instance is Ready.
    pub fn start(service: &Service) -> Deployment {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let place = Place::new(folder.path());
        let mut deployment = Deployment::spawn(service, &place, &[]);
        deployment._folder = Some(folder);
        deployment.await_ready();
        deployment
    }

    /// Starts `approot run` in `place`, with more arguments, and does not wait.
    pub fn spawn(service: &Service, place: &Place, arguments: &[&str]) -> Deployment {
        Deployment::spawn_with(service, place, arguments, &[])
    }

    /// [`Deployment::spawn`] with variables of `approot run`'s own.
    pub fn spawn_with(
        service: &Service,
        place: &Place,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Deployment {
        fs::create_dir_all(&place.state).expect("the test's folder is writable");
        let log = place.state.with_extension("log");
        let output = fs::File::create(&log).expect("the test's folder is writable");
        let mut command = Command::new(binary("approot"));
        command
            .arg("run")
            .arg(&service.path)
            .args(["--configuration", &service.configuration]);
        command
            .arg("--state")
            .arg(&place.state)
            .args(["--listen", &place.address.to_string()]);
        for (role, file) in &service.binaries {
            command
                .arg("--binary")
                .arg(format!("{role}={}", file.display()));
        }
        command
            .args(arguments)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("it is open"))
            .stderr(output);
        let child = command.spawn().expect("approot runs");
        Deployment {
            child,
            state: place.state.clone(),
            address: place.address,
            log,
            _folder: None,
        }
    }

    /// Waits until every instance is Ready.
    ///
    /// # Panics
    /// The deployment ends, or is not Ready in time; with what it printed.
    pub fn await_ready(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.status()
                && instances(&status)
                    .iter()
                    .all(|instance| instance["status"] == "Ready")
            {
                return;
            }
            let ended = self.child.try_wait().expect("the child is ours");
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "not Ready ({ended:?}):\n{}",
                self.printed()
            );
            std::thread::yield_now();
        }
    }

    /// `approot status --format json`, or `None` while no fabric answers.
    pub fn status(&self) -> Option<Value> {
        let output = self.approot(&["status", "--format", "json"]);
        output
            .status
            .success()
            .then(|| serde_json::from_slice(&output.stdout).expect("status prints JSON"))
    }

    /// The instances of the status.
    pub fn instances(&self) -> Vec<Value> {
        instances(&self.status().expect("a fabric answers"))
    }

    /// The pid of each role program.
    pub fn programs(&self) -> Vec<i32> {
        let pid = |instance: &Value| {
            instance["pid"]
                .as_i64()
                .and_then(|pid| i32::try_from(pid).ok())
        };
        self.instances().iter().filter_map(pid).collect()
    }

    /// Runs a command of `approot` against this deployment.
    pub fn approot(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary("approot"));
        command
            .args(arguments)
            .arg("--state")
            .arg(&self.state)
            .stdin(Stdio::null());
        command.output().expect("approot runs")
    }

    /// Where the service's endpoint on `port` listens.
    pub fn public(&self, port: u16) -> SocketAddr {
        SocketAddr::from((self.address, port))
    }

    /// The state directory.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The pid of `approot run`, the keeper.
    pub fn keeper(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// The pid of the fabric, of the balancer, …: whoever holds that lock of the state directory.
    pub fn holder(&self, lock: &str) -> Option<i32> {
        processes::lock_holder(&self.state.join(lock))
    }

    /// All that `approot run` has printed.
    pub fn printed(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Sends a signal to `approot run`.
    pub fn signal(&self, signal: Signal) {
        processes::signal(self.keeper(), signal);
    }

    /// Waits until `approot run` has ended.
    ///
    /// # Panics
    /// It does not, in time.
    pub fn await_end(&mut self) -> ExitStatus {
        let printed = self.log.clone();
        wait_within(PATIENCE, "`approot run` has ended", || {
            match self.child.try_wait().expect("the child is ours") {
                Some(status) => Ok(status),
                None => Err(fs::read_to_string(&printed).unwrap_or_default()),
            }
        })
    }

    /// Asserts that nothing of the deployment is left: no process, no socket, no port.
    ///
    /// # Panics
    /// Something is.
    pub fn assert_nothing_left(&self, port: u16) {
        wait_within(
            PATIENCE,
            "no process is left",
            || match processes::of_state(&self.state).as_slice() {
                [] => Ok(()),
                left => Err(format!("{left:?}")),
            },
        );
        assert!(
            std::net::TcpStream::connect(self.public(port)).is_err(),
            "the port is still taken"
        );
        let runtime_directory = self.runtime_directory();
        assert!(
            !runtime_directory.is_some_and(|folder| folder.exists()),
            "sockets are left"
        );
    }

    /// The folder of the deployment's sockets, while it is there.
    pub fn runtime_directory(&self) -> Option<PathBuf> {
        let control = self.status()?["control"].as_str().map(PathBuf::from)?;
        control.parent().map(Path::to_owned)
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(Signal::TERM);
            let deadline = Instant::now() + PATIENCE;
            while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
                std::thread::yield_now();
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        // What a failing test has left behind was started by it, and is found by its own folder.
        for pid in processes::of_state(&self.state) {
            processes::kill(pid);
        }
    }
}

/// The instances of a status document.
pub fn instances(status: &Value) -> Vec<Value> {
    let deployments = status["deployments"].as_array().into_iter().flatten();
    let roles =
        deployments.flat_map(|deployment| deployment["roles"].as_array().into_iter().flatten());
    roles
        .flat_map(|role| role["instances"].as_array().into_iter().flatten().cloned())
        .collect()
}

/// A loopback address that no other test listens on: from the process's id and a counter.
fn next_address() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [.., high, low] = std::process::id().to_be_bytes();
    // 127.17.0.0/16 belongs to instances.
    Ipv4Addr::new(
        127,
        64 + high % 128,
        low,
        NEXT.fetch_add(1, Ordering::Relaxed),
    )
}
