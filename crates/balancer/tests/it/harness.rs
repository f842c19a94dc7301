//! A balancer on a thread of its own, a fabric's end of its control socket, and instances.

use std::future::Future;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use balancer::{BalancerError, Event, Message};
use balancer_core::{Backend, Endpoint, EndpointCounters, Rotation, Table};
use ipc::{Link, Receiver, Sender, greet};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Far longer than anything here takes.
const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) const ENDPOINT: &str = "EchoWorker/EchoEndpoint";

pub(crate) async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    match timeout(DEADLINE, future).await {
        Ok(output) => output,
        Err(_) => panic!("waited too long for {what}"),
    }
}

/// The process under test.
pub(crate) struct Balancer {
    path: PathBuf,
    pub(crate) thread: JoinHandle<Result<(), BalancerError>>,
    _dir: TempDir,
}

impl Balancer {
    pub(crate) fn start() -> Balancer {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("balancer.sock");
        let control = std::os::unix::net::UnixListener::bind(&path).unwrap();
        Balancer {
            path,
            thread: std::thread::spawn(|| balancer::run(control)),
            _dir: dir,
        }
    }

    pub(crate) async fn link(&self) -> (Receiver, Sender) {
        Link::new(UnixStream::connect(&self.path).await.unwrap()).split()
    }

    pub(crate) async fn fabric(&self) -> Fabric {
        let (mut receiver, mut sender) = self.link().await;
        let hello = soon("hello", greet(&mut receiver, &mut sender, "fabric")).await;
        assert_eq!(hello.unwrap().process, "balancer");
        Fabric {
            receiver,
            sender,
            number: 0,
            heard: vec![],
        }
    }
}

/// One fabric's end.
pub(crate) struct Fabric {
    receiver: Receiver,
    sender: Sender,
    number: u64,
    /// Events that nobody has asked for yet.
    heard: Vec<Event>,
}

impl Fabric {
    pub(crate) async fn say(&mut self, message: Message) {
        self.sender.send(&message, &[]).await.unwrap();
    }

    /// Something that is no message.
    pub(crate) async fn say_anything(&mut self, words: &str) {
        self.sender.send(&words, &[]).await.unwrap();
    }

    pub(crate) async fn pass(&mut self, name: &str, socket: impl AsFd) {
        let message = Message::Listener { name: name.into() };
        self.sender.send(&message, &[socket.as_fd()]).await.unwrap();
    }

    /// Passes a listening socket of the name and says where it listens.
    pub(crate) async fn listen(&mut self, name: &str) -> SocketAddr {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        self.pass(name, &socket).await;
        socket.local_addr().unwrap()
    }

    /// A table with one endpoint, whose listener is called `public`; waits until it holds.
    pub(crate) async fn table(&mut self, backends: Vec<Backend>) {
        let row = Endpoint {
            name: ENDPOINT.into(),
            listeners: vec!["public".into()],
            backends,
        };
        self.endpoints(vec![row]).await;
    }

    pub(crate) async fn endpoints(&mut self, endpoints: Vec<Endpoint>) {
        self.number += 1;
        let number = self.number;
        self.say(Message::Table(Table { number, endpoints })).await;
        self.hear("the table's acknowledgement", |event| {
            (*event == Event::Acknowledged { number }).then_some(())
        })
        .await;
    }

    /// The first event, heard already or to come, that `wanted` takes.
    pub(crate) async fn hear<T>(&mut self, what: &str, wanted: impl Fn(&Event) -> Option<T>) -> T {
        let known = self.heard.iter().enumerate();
        if let Some((i, found)) = known.filter_map(|(i, e)| Some((i, wanted(e)?))).next() {
            self.heard.remove(i);
            return found;
        }
        loop {
            let received = soon(what, self.receiver.receive::<Event>()).await;
            let (event, _) = received.unwrap().expect("the balancer is there");
            match wanted(&event) {
                Some(found) => return found,
                None => self.heard.push(event),
            }
        }
    }

    pub(crate) async fn idle(&mut self, instance: &Instance) {
        let wanted = Event::Idle {
            backend: instance.id.clone(),
            incarnation: 1,
        };
        self.hear("idle", |event| (*event == wanted).then_some(()))
            .await;
    }

    /// Whether an event like this was heard without being asked for.
    pub(crate) fn has_heard(&self, wanted: impl Fn(&Event) -> bool) -> bool {
        self.heard.iter().any(wanted)
    }

    /// The balancer lets go of this link.
    pub(crate) async fn let_go(mut self) -> bool {
        loop {
            match soon("the link's end", self.receiver.receive::<Event>()).await {
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return true,
            }
        }
    }

    pub(crate) async fn counters(&mut self) -> EndpointCounters {
        self.say(Message::Counters { request: 7 }).await;
        let counters = self.hear("counters", |event| match event {
            Event::Counters {
                request: 7,
                counters,
            } => Some(counters.clone()),
            _ => None,
        });
        let mut all = counters.await;
        all.endpoints.remove(ENDPOINT).unwrap_or_default()
    }

    /// Asks for counters until `holds`.
    pub(crate) async fn until(&mut self, what: &str, holds: impl Fn(&EndpointCounters) -> bool) {
        let start = std::time::Instant::now();
        loop {
            let counters = self.counters().await;
            if holds(&counters) {
                return;
            }
            assert!(start.elapsed() < DEADLINE, "no {what}: {counters:#?}");
        }
    }
}

/// An instance's program: it accepts and lets `talk` speak.
pub(crate) struct Instance {
    pub(crate) id: String,
    pub(crate) address: SocketAddr,
    pub(crate) accepted: Arc<AtomicUsize>,
    program: tokio::task::JoinHandle<()>,
}

impl Instance {
    pub(crate) async fn start<F, T>(id: &str, talk: F) -> Instance
    where
        F: Fn(TcpStream) -> T + Send + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        Instance::start_at("127.0.0.1:0", id, talk).await
    }

    pub(crate) async fn start_at<F, T>(at: &str, id: &str, talk: F) -> Instance
    where
        F: Fn(TcpStream) -> T + Send + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        let socket = TcpListener::bind(at).await.unwrap();
        let address = socket.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = accepted.clone();
        let program = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = socket.accept().await.unwrap();
                count.fetch_add(1, Ordering::Relaxed);
                connections.spawn(talk(stream));
            }
        });
        Instance {
            id: id.into(),
            address,
            accepted,
            program,
        }
    }

    /// Says its name to each client, then echoes.
    pub(crate) async fn greeter(id: &str) -> Instance {
        let name = format!("{id}\n");
        Instance::start(id, move |mut stream| {
            let name = name.clone();
            async move {
                let (mut reading, mut writing) = stream.split();
                if writing.write_all(name.as_bytes()).await.is_ok() {
                    let _ = tokio::io::copy(&mut reading, &mut writing).await;
                }
            }
        })
        .await
    }

    /// Accepts and says nothing.
    pub(crate) async fn mute(id: &str) -> Instance {
        Instance::start(id, |stream| async move {
            let _stream = stream;
            std::future::pending().await
        })
        .await
    }

    /// Accepts, says nothing, and resets its connections when it is killed.
    pub(crate) async fn mute_and_harsh(id: &str) -> Instance {
        Instance::start(id, |stream| async move {
            stream.set_zero_linger().unwrap();
            let _stream = stream;
            std::future::pending().await
        })
        .await
    }

    /// One that died: nobody listens there.
    pub(crate) async fn dead(id: &str) -> Instance {
        let mut instance = Instance::mute(id).await;
        instance.kill().await;
        instance
    }

    pub(crate) async fn kill(&mut self) {
        self.program.abort();
        let _ = (&mut self.program).await;
    }

    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Waits for this many connections.
    pub(crate) async fn has_accepted(&self, n: usize) {
        soon("a connection at the instance", async {
            while self.accepted() < n {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    pub(crate) fn row(&self, rotation: Rotation) -> Backend {
        Backend {
            id: self.id.clone(),
            address: self.address,
            incarnation: 1,
            rotation,
        }
    }
}

/// A client's connection.
pub(crate) async fn connect(public: SocketAddr) -> TcpStream {
    soon("a connect", TcpStream::connect(public)).await.unwrap()
}

/// Reads a line, without its end; what came before the end of the stream if there is none.
pub(crate) async fn line(stream: &mut TcpStream) -> String {
    let mut line = String::new();
    soon("a line", async {
        while let Ok(byte) = stream.read_u8().await {
            if byte == b'\n' {
                break;
            }
            line.push(byte.into());
        }
    })
    .await;
    line
}

/// What the stream still holds, to its end.
pub(crate) async fn rest(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![];
    soon("the end of the stream", stream.read_to_end(&mut bytes)).await?;
    Ok(bytes)
}

pub(crate) async fn is_reset(stream: &mut TcpStream) -> bool {
    let end = rest(stream).await;
    matches!(end, Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset)
}
