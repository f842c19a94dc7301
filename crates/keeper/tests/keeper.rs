//! A whole keeper with real processes. A program of its own, because only a single thread may fork.
//!
//! The fabric opens sockets, spawns a host and dies; the keeper starts another, which finds what there is.

#![allow(
    clippy::unwrap_used,
    reason = "a test, though not one that `cfg(test)` knows of"
)]
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;

use ipc::{BlockingLink, Hello, LockError, ProcessLock};
use keeper::protocol::{Address, Notice, Request};
use keeper::{FabricStart, HostStart, Options, Processes};

fn main() {
    let folder = tempfile::tempdir().unwrap();
    the_fabric_is_started_again_and_finds_its_sockets(folder.path());
    a_fabric_that_commits_nothing_is_not_started_again(folder.path());
    a_begun_stop_is_told_to_the_next_fabric(folder.path());
    a_stop_that_no_fabric_survives_is_the_keepers(folder.path());
    a_host_is_killed_by_name(folder.path());
    a_held_state_names_its_holder(folder.path());
}

fn the_fabric_is_started_again_and_finds_its_sockets(folder: &Path) {
    let (mut waiting, started) = std::os::unix::net::UnixStream::pair().unwrap();
    let status = keeper::run(
        Processes {
            fabric: &fabric,
            balancer: &balancer,
            host: &host,
        },
        Options {
            balancer_socket: folder.join("balancer.sock"),
            started: Some(OwnedFd::from(started)),
        },
    )
    .unwrap();
    assert_eq!(status, 7);
    let mut told = Vec::new();
    waiting.read_to_end(&mut told).unwrap();
    assert_eq!(told, [5], "run --detach hears the start's status once");
    assert!(sandbox::descendants::children().is_empty());
    assert!(!folder.join("balancer.sock").exists() && !folder.join("control.sock").exists());
}

fn fabric(start: FabricStart) -> i32 {
    let mut keeper = Peer::greet(start.link);
    if start.resumed {
        second_fabric(&mut keeper)
    } else {
        first_fabric(&mut keeper)
    }
}

fn first_fabric(keeper: &mut Peer) -> i32 {
    let loopback = "127.0.0.1:0".parse().unwrap();
    let (_, socket) = keeper.ask(&Request::Open {
        name: "echo".into(),
        address: Address::Tcp(loopback),
    });
    let listener = TcpListener::from(socket.unwrap());
    let (again, _) = keeper.ask(&Request::Open {
        name: "other".into(),
        address: Address::Tcp(listener.local_addr().unwrap()),
    });
    assert_eq!(
        again,
        Notice::OpenFailed {
            name: "other".into(),
            errno: rustix::io::Errno::ADDRINUSE.raw_os_error()
        }
    );

    let control = std::env::temp_dir().join(format!("approot-keeper-{}.sock", std::process::id()));
    keeper.ask(&Request::Open {
        name: "control".into(),
        address: Address::Unix(control),
    });

    let order = listener.local_addr().unwrap().to_string();
    let (spawned, _) = keeper.ask(&Request::Spawn {
        name: "A_IN_0".into(),
        order,
        inherit: vec!["echo".into()],
    });
    let Notice::Spawned { pid, .. } = spawned else {
        panic!("{spawned:?}")
    };
    // The host connects to us once and ends.
    listener.set_nonblocking(false).unwrap();
    let mut said = String::new();
    listener
        .accept()
        .unwrap()
        .0
        .read_to_string(&mut said)
        .unwrap();
    assert_eq!(said, "1 socket");
    assert_eq!(
        keeper.hear().0,
        Notice::HostExited {
            name: "A_IN_0".into(),
            pid
        }
    );

    keeper.tell(&Request::Committed);
    keeper.tell(&Request::Started { status: 5 });
    3
}

fn second_fabric(keeper: &mut Peer) -> i32 {
    // Of that name it is open, whatever address is asked for now.
    let elsewhere = "127.0.0.2:0".parse().unwrap();
    let address = Address::Tcp(elsewhere);
    let (_, socket) = keeper.ask(&Request::Open {
        name: "echo".into(),
        address,
    });
    assert!(
        TcpListener::from(socket.unwrap())
            .local_addr()
            .unwrap()
            .ip()
            .to_string()
            == "127.0.0.1"
    );
    keeper.tell(&Request::Finish { status: 7 });
    0
}

fn host(start: HostStart) -> i32 {
    let mut stream = TcpStream::connect(start.order).unwrap();
    write!(stream, "{} socket", start.inherited.len()).unwrap();
    0
}

fn balancer(listener: UnixListener) -> i32 {
    listener.set_nonblocking(false).unwrap();
    let _ = listener.accept();
    0
}

fn a_fabric_that_commits_nothing_is_not_started_again(folder: &Path) {
    let outcome = keeper::run(
        Processes {
            fabric: &|_| 1,
            balancer: &balancer,
            host: &host,
        },
        Options {
            balancer_socket: folder.join("balancer.sock"),
            started: None,
        },
    );
    assert!(outcome.is_err(), "{outcome:?}");
}

fn a_begun_stop_is_told_to_the_next_fabric(folder: &Path) {
    let fabric = |start: FabricStart| {
        let mut keeper = Peer::greet(start.link);
        if start.resumed {
            assert!(start.started, "the start was over");
            assert_eq!(
                keeper.hear().0,
                Notice::Stop {
                    status: 4,
                    signal: None
                }
            );
            keeper.tell(&Request::Finish { status: 4 });
            return 0;
        }
        assert!(!start.started);
        keeper.tell(&Request::Committed);
        keeper.tell(&Request::Started { status: 0 });
        keeper.tell(&Request::Stopping { status: 4 });
        1
    };
    assert_eq!(run(folder, &fabric, &host).unwrap(), 4);
}

fn a_stop_that_no_fabric_survives_is_the_keepers(folder: &Path) {
    let fabric = |start: FabricStart| {
        let mut keeper = Peer::greet(start.link);
        keeper.tell(&Request::Committed);
        keeper.tell(&Request::Stopping { status: 9 });
        1
    };
    assert_eq!(run(folder, &fabric, &host).unwrap(), 9);
}

fn a_host_is_killed_by_name(folder: &Path) {
    let fabric = |start: FabricStart| {
        let mut keeper = Peer::greet(start.link);
        let spawn = Request::Spawn {
            name: "A_IN_0".into(),
            order: String::new(),
            inherit: vec![],
        };
        let Notice::Spawned { pid, .. } = keeper.ask(&spawn).0 else {
            panic!("it was not spawned")
        };
        keeper.tell(&Request::Kill {
            name: "A_IN_0".into(),
        });
        assert_eq!(
            keeper.hear().0,
            Notice::HostExited {
                name: "A_IN_0".into(),
                pid
            }
        );
        keeper.tell(&Request::Finish { status: 0 });
        0
    };
    let stubborn = |_: HostStart| {
        std::thread::park();
        0
    };
    assert_eq!(run(folder, &fabric, &stubborn).unwrap(), 0);
}

fn run(
    folder: &Path,
    fabric: &dyn Fn(FabricStart) -> i32,
    host: &dyn Fn(HostStart) -> i32,
) -> Result<u8, keeper::KeeperError> {
    let options = Options {
        balancer_socket: folder.join("balancer.sock"),
        started: None,
    };
    keeper::run(
        Processes {
            fabric,
            balancer: &balancer,
            host,
        },
        options,
    )
}

fn a_held_state_names_its_holder(folder: &Path) {
    let path = folder.join("keeper.lock");
    assert_eq!(ProcessLock::held_by(&path).unwrap(), None);
    let lock = ProcessLock::take(&path).unwrap();
    let own = std::process::id() as i32;
    let child = sandbox::fork({
        let path = path.clone();
        move || match ProcessLock::take(&path) {
            Err(LockError::Held { pid, .. }) => i32::from(pid != own),
            _ => 2,
        }
    })
    .unwrap();
    let (_, status) = rustix::process::waitpid(Some(child), rustix::process::WaitOptions::empty())
        .unwrap()
        .unwrap();
    assert_eq!(status.exit_status(), Some(0));
    drop(lock);
    assert_eq!(ProcessLock::held_by(&path).unwrap(), None);
}

/// The fabric's end of the link, without a runtime.
struct Peer(BlockingLink);

impl Peer {
    fn greet(link: std::os::unix::net::UnixStream) -> Peer {
        let mut peer = Peer(BlockingLink::new(link));
        peer.0.send(&Hello::new("fabric"), &[]).unwrap();
        assert_eq!(peer.next::<Hello>().0.process, "keeper");
        peer
    }

    fn tell(&mut self, request: &Request) {
        self.0.send(request, &[]).unwrap();
    }

    fn ask(&mut self, request: &Request) -> (Notice, Option<OwnedFd>) {
        self.tell(request);
        self.hear()
    }

    fn hear(&mut self) -> (Notice, Option<OwnedFd>) {
        self.next()
    }

    fn next<T: serde::de::DeserializeOwned>(&mut self) -> (T, Option<OwnedFd>) {
        loop {
            if let Some((message, mut descriptors)) = self.0.poll().unwrap() {
                return (message, descriptors.pop());
            }
            assert!(
                self.0.fill().unwrap(),
                "the keeper is gone; {:?}",
                self.0.as_fd()
            );
        }
    }
}
