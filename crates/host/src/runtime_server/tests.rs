//! The server's sockets, spoken to as clients do.

use std::future::Future;

use host_core::LeaseStatus;
use plan::{Command, InstanceId, Paths};
use runtime_protocol::{FrameDecoder, MAX_CURRENT_STATE_BYTES, RoleEnvironment};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::task::LocalSet;
use tokio::time::timeout;

use super::*;

mod fifos;
mod leases;
mod notifications;

/// Far longer than anything here takes.
const DEADLINE: Duration = Duration::from_secs(30);

struct Fixture {
    folder: TempDir,
    server: RuntimeServer,
    news: mpsc::Receiver<News>,
}

/// Runs a test with a server that has published its first goal state.
async fn with_server<F: Future<Output = ()>>(test: impl FnOnce(Fixture) -> F) {
    with(Offer::Sockets, test).await;
}

async fn with<F: Future<Output = ()>>(offer: Offer, test: impl FnOnce(Fixture) -> F) {
    let run = async {
        let folder = tempfile::tempdir().unwrap();
        let (sender, news) = mpsc::channel(64);
        let mut server =
            RuntimeServer::open(&folder.path().join("sockets"), None, offer, sender).unwrap();
        server.publish(&plan(folder.path())).unwrap();
        test(Fixture {
            folder,
            server,
            news,
        })
        .await;
    };
    timeout(DEADLINE, LocalSet::new().run_until(run))
        .await
        .unwrap();
}

fn plan(folder: &Path) -> InstancePlan {
    InstancePlan {
        id: InstanceId::new("A", 0),
        role: "A".into(),
        deployment_id: "d".into(),
        emulated: true,
        upgrade_domain: 0,
        fault_domain: 0,
        address: "127.17.0.1".parse().unwrap(),
        endpoints: vec![],
        settings: vec![("Greeting".into(), "hello".into())],
        local_resources: vec![],
        paths: Paths {
            root: folder.into(),
            approot: folder.into(),
            temp: folder.into(),
            logs: folder.into(),
            sockets: folder.join("sockets"),
            approot_source: folder.into(),
        },
        package_digest: String::new(),
        startup_tasks: vec![],
        entry_point: Command {
            command_line: "a".into(),
            words: vec!["a".into()],
            environment: vec![],
            script: vec![],
        },
        ready_on_process_start: true,
        topology: vec![],
        sandbox: plan::SandboxPlan::default(),
        blast: false,
        pass_sockets: false,
        options: Default::default(),
        certificates: vec![],
    }
}

impl Fixture {
    async fn connect(&self, name: &str) -> UnixStream {
        UnixStream::connect(self.folder.path().join("sockets").join(name))
            .await
            .unwrap()
    }

    /// Writes one document and hangs up, as every client does.
    async fn say(&self, document: &str) {
        let mut stream = self.connect("current-state.sock").await;
        // A server that has refused already has hung up.
        let _ = stream.write_all(document.as_bytes()).await;
        let _ = stream.shutdown().await;
    }

    async fn acquire(&self, client: &str, status: &str, expiration: &str) {
        self.say(&acquire(client, 1, status, expiration)).await;
    }

    /// The next piece of news that is not an empty detail.
    async fn hear(&mut self) -> News {
        loop {
            match self.news.recv().await.unwrap() {
                News::Event(Event::Detail(detail)) if detail.is_empty() => {}
                news => return news,
            }
        }
    }

    #[track_caller]
    fn warning(news: News) -> String {
        match news {
            News::Warning(text) => text,
            News::Event(event) => panic!("{event:?}"),
        }
    }
}

fn acquire(client: &str, incarnation: u64, status: &str, expiration: &str) -> String {
    format!(
        "<CurrentState><StatusLease ClientId=\"{client}\"><Acquire><Incarnation>{incarnation}</Incarnation>\
         <Status>{status}</Status><StatusDetail>{status}</StatusDetail><Expiration>{expiration}</Expiration>\
         </Acquire></StatusLease></CurrentState>"
    )
}

const NEVER: &str = "9999-12-31T23:59:59.000Z";

async fn chunk(stream: &mut UnixStream, decoder: &mut FrameDecoder) -> GoalState {
    let mut buffer = [0; 4096];
    loop {
        if let Some(document) = decoder.poll_document().unwrap() {
            return GoalState::parse(document).unwrap();
        }
        let n = stream.read(&mut buffer).await.unwrap();
        assert_ne!(n, 0, "the goal-state endpoint stays open");
        decoder.push(&buffer[..n]);
    }
}

#[tokio::test]
async fn a_client_finds_its_way_from_discovery_to_the_environment() {
    with_server(async |mut it| {
        let mut discovery = String::new();
        it.connect("runtime.sock")
            .await
            .read_to_string(&mut discovery)
            .await
            .unwrap();
        let path = Discovery::parse(discovery).unwrap().goal_state_path;
        let mut stream = UnixStream::connect(path).await.unwrap();
        let mut decoder = FrameDecoder::default();
        let goal = chunk(&mut stream, &mut decoder).await;
        assert_eq!(
            (goal.incarnation, goal.expected_state),
            (1, ExpectedState::Started)
        );
        let environment =
            RoleEnvironment::parse(fs::read(goal.role_environment_path).unwrap()).unwrap();
        assert_eq!(environment.current.settings[0].value, "hello");

        let mut changed = plan(it.folder.path());
        changed.settings[0].1 = "good evening".into();
        it.server.publish(&changed).unwrap();
        let goal = chunk(&mut stream, &mut decoder).await;
        assert_eq!(goal.incarnation, 2);
        let environment =
            RoleEnvironment::parse(fs::read(goal.role_environment_path).unwrap()).unwrap();
        assert_eq!(environment.current.settings[0].value, "good evening");
    })
    .await;
}

#[tokio::test]
async fn leases_become_events() {
    with_server(async |mut it| {
        it.acquire("a", "Busy", NEVER).await;
        let News::Event(Event::Leased { client, lease }) = it.hear().await else {
            panic!("no lease")
        };
        assert_eq!(
            (client.as_str(), lease.status, lease.expires_in),
            ("a", LeaseStatus::Busy, None)
        );
        it.acquire("b", "Busy", "2001-01-01T00:00:00Z").await;
        let News::Event(Event::Leased { lease, .. }) = it.hear().await else {
            panic!("no lease")
        };
        assert_eq!(
            lease.expires_in,
            Some(Duration::ZERO),
            "it has ended already"
        );
        it.say(
            "<CurrentState><StatusLease ClientId=\"a\"><Release /></StatusLease></CurrentState>",
        )
        .await;
        let News::Event(released) = it.hear().await else {
            panic!("no event")
        };
        assert_eq!(released, Event::Released { client: "a".into() });
    })
    .await;
}

#[tokio::test]
async fn a_lease_without_an_end_ends_with_its_writer() {
    with_server(async |mut it| {
        let socket = it.folder.path().join("sockets/current-state.sock");
        let script = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.sendall(sys.argv[2].encode())";
        let document = format!(
            "<CurrentState><StatusLease ClientId=\"c\"><Acquire><Incarnation>1</Incarnation><Status>Busy</Status>\
             <Expiration>{NEVER}</Expiration></Acquire></StatusLease></CurrentState>"
        );
        if !test_support::has_program("python3") {
            return;
        }
        let mut writer = std::process::Command::new("python3").args(["-c", script]).arg(socket).arg(document).spawn().unwrap();
        let News::Event(Event::Leased { .. }) = it.hear().await else { panic!("no lease") };
        // Reaped or not: it has ended, and that is what counts.
        let News::Event(released) = it.hear().await else { panic!("no event") };
        assert_eq!(released, Event::Released { client: "c".into() });
        writer.wait().unwrap();
    })
    .await;
}

#[tokio::test]
async fn bad_documents_are_refused_with_their_sender() {
    with_server(async |mut it| {
        let own = format!("(from process {})", std::process::id());
        for document in [
            "<CurrentState>".to_owned(),
            "<Other />".to_owned(),
            "<CurrentState><StatusLease ClientId=\"a\"><Acquire><Incarnation>1</Incarnation><Status>Happy</Status>\
             <Expiration>9999-12-31T23:59:59Z</Expiration></Acquire></StatusLease></CurrentState>"
                .to_owned(),
            String::new(),
            format!("<CurrentState>{}</CurrentState>", " ".repeat(MAX_CURRENT_STATE_BYTES)),
        ] {
            it.say(&document).await;
            let warning = Fixture::warning(it.hear().await);
            assert!(warning.starts_with("a current state was refused") && warning.ends_with(&own), "{warning}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_writes_nothing_is_dropped() {
    with_server(async |mut it| {
        let _silent = it.connect("current-state.sock").await;
        let warning = Fixture::warning(it.hear().await);
        assert!(
            warning.starts_with("a current state was not written in time"),
            "{warning}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_stop_waits_for_the_clients_that_are_connected() {
    with_server(async |mut it| {
        it.server.ask_to_stop(DEADLINE);
        let News::Event(stopped) = it.hear().await else {
            panic!("no event")
        };
        assert_eq!(
            stopped,
            Event::ClientsStopped { answered: false },
            "nobody is connected"
        );

        it.server.publish(&plan(it.folder.path())).unwrap();
        let mut stream = it.connect("goal-state.sock").await;
        let mut decoder = FrameDecoder::default();
        chunk(&mut stream, &mut decoder).await;
        it.server.ask_to_stop(DEADLINE);
        let goal = chunk(&mut stream, &mut decoder).await;
        assert_eq!(goal.expected_state, ExpectedState::Stopped);
        assert!(matches!(goal.deadline, Deadline::At(_)));
        it.acquire("a", "Stopped", NEVER).await;
        let mut answered = None;
        while answered.is_none() {
            if let News::Event(Event::ClientsStopped { answered: it }) = it.hear().await {
                answered = Some(it);
            }
        }
        assert_eq!(answered, Some(true));
    })
    .await;
}

#[tokio::test]
async fn every_client_gets_every_chunk_one_a_read() {
    with_server(async |mut it| {
        let mut clients = [
            it.connect("goal-state.sock").await,
            it.connect("goal-state.sock").await,
        ];
        let mut first = Vec::new();
        for client in &mut clients {
            let mut decoder = FrameDecoder::default();
            first.push(chunk(client, &mut decoder).await.incarnation);
        }
        // Nobody reads in between, and yet no read brings two.
        for _ in 0..3 {
            it.server.publish(&plan(it.folder.path())).unwrap();
        }
        assert_eq!(first, [1, 1]);
        for client in &mut clients {
            for incarnation in 2..=4 {
                let mut buffer = [0; 4096];
                let n = client.read(&mut buffer).await.unwrap();
                let mut decoder = FrameDecoder::default();
                decoder.push(&buffer[..n]);
                let document = decoder.poll_document().unwrap().unwrap();
                let goal = GoalState::parse(document).unwrap();
                assert_eq!(goal.incarnation, incarnation);
                assert!(decoder.poll_document().unwrap().is_none(), "one a read");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn only_the_owner_can_connect() {
    with_server(async |it| {
        for name in [
            "runtime.sock",
            "goal-state.sock",
            "current-state.sock",
            "notify.sock",
        ] {
            let path = it.folder.path().join("sockets").join(name);
            let mode = fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    })
    .await;
}

#[tokio::test]
async fn connections_are_bounded_and_others_wait() {
    with_server(async |mut it| {
        let mut silent = Vec::new();
        for _ in 0..CONNECTIONS_MAX {
            silent.push(it.connect("current-state.sock").await);
        }
        it.acquire("a", "Busy", NEVER).await;
        let in_a_moment = timeout(Duration::from_millis(20), it.hear()).await;
        assert!(in_a_moment.is_err(), "{in_a_moment:?}");
        drop(silent);
        loop {
            if let News::Event(Event::Leased { client, .. }) = it.hear().await {
                return assert_eq!(client, "a");
            }
        }
    })
    .await;
}
