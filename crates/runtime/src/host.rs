//! The role's side of the protocol's sockets: find the goal states, follow them, write a current state.
//!
//! It moves documents and looks into none beyond finding the next path; what they mean for the role is
//! `life`'s. Losing the goal-state connection means nothing: [`follow`] opens another, in its own time.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use runtime_protocol::{
    CurrentState, Discovery, DocumentError, FrameDecoder, GoalState, MAX_DISCOVERY_BYTES,
    RoleEnvironment,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    sync::watch,
    time::timeout,
};

use crate::error::HostError;

/// An open goal-state connection.
pub(crate) struct GoalStates {
    path: PathBuf,
    stream: UnixStream,
    decoder: FrameDecoder,
}

impl GoalStates {
    /// Asks the version endpoint where the goal states are, and connects there.
    pub(crate) async fn open(version_endpoint: &Path) -> Result<Self, HostError> {
        let path = in_time(version_endpoint, discover(version_endpoint)).await?;
        let stream = connect(&path).await?;
        Ok(Self {
            path,
            stream,
            decoder: FrameDecoder::default(),
        })
    }

    /// The goal state that the host sends to every new connection.
    pub(crate) async fn first(&mut self) -> Result<GoalState, HostError> {
        let path = self.path.clone();
        let goal_state = in_time(&path, self.next()).await?;
        goal_state.ok_or(HostError::NoGoalState { path })
    }

    /// The next goal state, or `None` when the host has closed the connection.
    ///
    /// Cancel safe: bytes that were read are in the decoder.
    async fn next(&mut self) -> Result<Option<GoalState>, HostError> {
        loop {
            let document = self.decoder.poll_document();
            let document = document.map_err(|source| HostError::Frame {
                path: self.path.clone(),
                source,
            })?;
            if let Some(document) = document {
                return GoalState::parse(document)
                    .map(Some)
                    .map_err(bad_document(&self.path));
            }
            let mut bytes = [0; 4096];
            match self
                .stream
                .read(&mut bytes)
                .await
                .map_err(read_failed(&self.path))?
            {
                0 => return Ok(None),
                read => self.decoder.push(&bytes[..read]),
            }
        }
    }
}

/// Passes every goal state on to `latest`, and opens a new connection whenever one ends. Never returns.
pub(crate) async fn follow(
    version_endpoint: PathBuf,
    mut goal_states: GoalStates,
    latest: watch::Sender<GoalState>,
) {
    let mut pause = RECONNECT_PAUSE_MIN;
    loop {
        // A stream that cannot be read is closed like one that ended: the host sends the current goal
        // state to each new connection, so nothing is missed.
        while let Ok(Some(goal_state)) = goal_states.next().await {
            pause = RECONNECT_PAUSE_MIN;
            latest.send_replace(goal_state);
        }
        goal_states = loop {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RECONNECT_PAUSE_MAX);
            if let Ok(goal_states) = GoalStates::open(&version_endpoint).await {
                break goal_states;
            }
        };
    }
}

/// Reads the file that a goal state names.
///
/// A plain blocking read: the file is small, local and complete before the goal state is sent.
pub(crate) fn read_environment(path: &Path) -> Result<RoleEnvironment, HostError> {
    let document = std::fs::read(path).map_err(read_failed(path))?;
    RoleEnvironment::parse(document).map_err(bad_document(path))
}

/// Writes one document to the current-state endpoint and waits until the host has taken it.
///
/// Without the wait two documents in a row, on a connection each, could be read in either order.
pub(crate) async fn write_current_state(
    path: &Path,
    state: &CurrentState,
) -> Result<(), HostError> {
    in_time(path, async {
        let mut stream = connect(path).await?;
        let write_failed = |source| HostError::Write {
            path: path.to_owned(),
            source,
        };
        stream
            .write_all(state.render().as_bytes())
            .await
            .map_err(write_failed)?;
        stream.shutdown().await.map_err(write_failed)?;
        // Only the order is at stake, so neither silence nor an error here is a failure.
        let _ = timeout(TAKEN_LIMIT, stream.read(&mut [0])).await;
        Ok(())
    })
    .await
}

async fn discover(version_endpoint: &Path) -> Result<PathBuf, HostError> {
    let limit = MAX_DISCOVERY_BYTES as u64 + 1;
    let mut document = Vec::new();
    let mut stream = connect(version_endpoint).await?.take(limit);
    stream
        .read_to_end(&mut document)
        .await
        .map_err(read_failed(version_endpoint))?;
    let discovery = Discovery::parse(document).map_err(bad_document(version_endpoint))?;
    Ok(discovery.goal_state_path.into())
}

async fn connect(path: &Path) -> Result<UnixStream, HostError> {
    let stream = UnixStream::connect(path).await;
    stream.map_err(|source| HostError::Connect {
        path: path.to_owned(),
        source,
    })
}

async fn in_time<T>(
    path: &Path,
    answer: impl Future<Output = Result<T, HostError>>,
) -> Result<T, HostError> {
    let silent = |_| HostError::Silent {
        path: path.to_owned(),
    };
    timeout(ANSWER_LIMIT, answer).await.map_err(silent)?
}

fn read_failed(path: &Path) -> impl Fn(io::Error) -> HostError {
    move |source| HostError::Read {
        path: path.to_owned(),
        source,
    }
}

fn bad_document(path: &Path) -> impl Fn(DocumentError) -> HostError {
    move |source| HostError::Document {
        path: path.to_owned(),
        source,
    }
}

/// What the host itself grants a silent client; on one machine an answer takes microseconds.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// How long a document that was written in full waits for the host to hang up: long enough for a
/// host on a loaded machine, short enough that one that never hangs up costs a stop one second.
const TAKEN_LIMIT: Duration = Duration::from_secs(1);
/// A host that has just gone needs about this long to come back.
const RECONNECT_PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest a role may be late for a goal state of a host that came back; a connection attempt
/// in five seconds costs nothing.
const RECONNECT_PAUSE_MAX: Duration = Duration::from_secs(5);
