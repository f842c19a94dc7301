//! The peer: the host's three sockets and its file, in a temporary folder.
//!
//! It publishes the goal states it is told to and passes on every current state it reads. It is no
//! host: it starts nothing and judges nothing.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use runtime_protocol::{
    CurrentInstance, CurrentState, Deadline, Discovery, Endpoint, ExpectedState, GoalState,
    Instance, Lease, LeaseStatus, LocalResource, Role, RoleEnvironment, Setting, frame,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::{mpsc, watch},
    task::JoinSet,
};

pub(crate) struct Host {
    folder: TempDir,
    goal: watch::Sender<GoalState>,
    hang_up: watch::Sender<u32>,
    states: mpsc::Receiver<CurrentState>,
    client_id: Option<String>,
    _serving: JoinSet<()>,
}

impl Host {
    /// A host whose first goal state is incarnation 1 with one setting, `Greeting`.
    pub(crate) fn new(expected_state: ExpectedState) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let path = folder.path();
        let (state_sender, states) = mpsc::channel(16);
        let goal = watch::Sender::new(goal_state(path, 1, expected_state));
        let hang_up = watch::Sender::new(0);
        let mut serving = JoinSet::new();
        serving.spawn(serve_version(
            listen(path, "version"),
            path.join("goal-state"),
        ));
        let goals = listen(path, "goal-state");
        serving.spawn(serve_goals(goals, goal.subscribe(), hang_up.subscribe()));
        serving.spawn(serve_states(listen(path, "current-state"), state_sender));
        let host = Self {
            folder,
            goal,
            hang_up,
            states,
            client_id: None,
            _serving: serving,
        };
        host.write_environment(1, "hello");
        host
    }

    pub(crate) fn version_endpoint(&self) -> PathBuf {
        self.folder.path().join("version")
    }

    /// Publishes `incarnation`, in which `Greeting` is `greeting`.
    pub(crate) fn publish(&self, incarnation: u64, greeting: &str) {
        self.write_environment(incarnation, greeting);
        self.publish_goal(incarnation, ExpectedState::Started);
    }

    /// Publishes `incarnation`, in which the environment is the first one but for `edit`.
    pub(crate) fn publish_edited(&self, incarnation: u64, edit: impl FnOnce(&mut RoleEnvironment)) {
        let mut environment = environment("hello");
        edit(&mut environment);
        let path = environment_path(self.folder.path(), incarnation);
        fs::write(path, environment.render()).expect("the folder is writable");
        self.publish_goal(incarnation, ExpectedState::Started);
    }

    /// Publishes a goal state whose environment is whatever lies there, if anything.
    pub(crate) fn publish_goal(&self, incarnation: u64, expected_state: ExpectedState) {
        self.goal
            .send_replace(goal_state(self.folder.path(), incarnation, expected_state));
    }

    /// Closes every goal-state connection.
    pub(crate) fn hang_up(&self) {
        self.hang_up.send_modify(|count| *count += 1);
    }

    /// The next current state as `incarnation status`; every one must come from the same client.
    pub(crate) async fn state(&mut self) -> String {
        let state = within(self.states.recv(), "a current state")
            .await
            .expect("serving");
        let client_id = self
            .client_id
            .get_or_insert_with(|| state.client_id.clone());
        assert_eq!(*client_id, state.client_id, "one client id a process");
        match state.lease {
            Lease::Release => "release".to_owned(),
            Lease::Acquire {
                incarnation,
                status,
                expiration,
                ..
            } => {
                let bounded = expiration != Deadline::Never;
                assert!(
                    !bounded || status == LeaseStatus::Busy,
                    "only Busy ends by itself"
                );
                let end = if bounded { " for a time" } else { "" };
                format!("{incarnation} {}{end}", status.as_str())
            }
        }
    }

    fn write_environment(&self, incarnation: u64, greeting: &str) {
        fs::write(
            environment_path(self.folder.path(), incarnation),
            environment(greeting).render(),
        )
        .expect("the folder is writable");
    }
}

/// Instance 0 of two, with one of everything.
fn environment(greeting: &str) -> RoleEnvironment {
    let endpoint = |name: &str, protocol: &str, public_port| Endpoint {
        name: name.to_owned(),
        // The kernel chooses one.
        address: "127.0.0.1".parse().expect("an address"),
        port: 0,
        public_port,
        protocol: protocol.to_owned(),
    };
    let instance = |index: u32| Instance {
        id: format!("Worker_IN_{index}"),
        fault_domain: index,
        update_domain: index,
        endpoints: vec![
            endpoint("Tcp", "tcp", Some(80)),
            endpoint("Udp", "udp", None),
        ],
    };
    let setting = |name: &str, value: &str| Setting {
        name: name.into(),
        value: value.into(),
    };
    RoleEnvironment {
        deployment_id: "d".repeat(32),
        emulated: true,
        blast: false,
        current: CurrentInstance {
            role: "Worker".to_owned(),
            instance: instance(0),
            settings: vec![setting("Greeting", greeting), setting("Limit", "8")],
            resources: vec![LocalResource {
                name: "Scratch".into(),
                path: "/scratch/".into(),
                size_mb: 10,
            }],
        },
        roles: vec![Role {
            name: "Worker".to_owned(),
            instances: vec![instance(1)],
        }],
    }
}

/// Waits for `what`, with a deadline that only a failure reaches.
pub(crate) async fn within<T>(future: impl Future<Output = T>, what: &str) -> T {
    let waited = tokio::time::timeout(Duration::from_secs(20), future).await;
    waited.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

fn goal_state(folder: &Path, incarnation: u64, expected_state: ExpectedState) -> GoalState {
    let text = |path: PathBuf| {
        path.to_str()
            .expect("a temporary folder is UTF-8")
            .to_owned()
    };
    GoalState {
        incarnation,
        expected_state,
        role_environment_path: text(environment_path(folder, incarnation)),
        current_state_endpoint: text(folder.join("current-state")),
        deadline: Deadline::Never,
    }
}

fn environment_path(folder: &Path, incarnation: u64) -> PathBuf {
    folder.join(format!("RoleEnvironment.{incarnation}.xml"))
}

fn listen(folder: &Path, name: &str) -> UnixListener {
    UnixListener::bind(folder.join(name)).expect("the folder takes sockets")
}

async fn serve_version(listener: UnixListener, goal_state_path: PathBuf) {
    let goal_state_path = goal_state_path.to_str().expect("UTF-8").to_owned();
    let document = Discovery { goal_state_path }.render();
    while let Ok((mut stream, _)) = listener.accept().await {
        let _ = stream.write_all(document.as_bytes()).await;
    }
}

async fn serve_goals(
    listener: UnixListener,
    goal: watch::Receiver<GoalState>,
    hang_up: watch::Receiver<u32>,
) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve_goal(stream, goal.clone(), hang_up.clone()));
    }
}

async fn serve_goal(
    mut stream: UnixStream,
    mut goal: watch::Receiver<GoalState>,
    mut hang_up: watch::Receiver<u32>,
) {
    hang_up.mark_unchanged();
    loop {
        let chunk = frame(&goal.borrow_and_update().render());
        if stream.write_all(&chunk).await.is_err() {
            return;
        }
        tokio::select! {
            changed = goal.changed() => if changed.is_err() { return },
            _ = hang_up.changed() => return,
        }
    }
}

async fn serve_states(listener: UnixListener, states: mpsc::Sender<CurrentState>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut document = Vec::new();
        stream
            .read_to_end(&mut document)
            .await
            .expect("a whole document");
        let state = CurrentState::parse(&document).expect("the SDK writes whole documents");
        if states.send(state).await.is_err() {
            return;
        }
    }
}
