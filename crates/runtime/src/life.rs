//! The life of a role: its methods in their order, its host told at each step.
//!
//! ```text
//!  connect ──► Busy ──► on_start ──true──► Started ──► run ──┬─► returns ────────┐
//!     │                    │                                 │                   ▼
//!     │                    ├─ false, error, panic: exit 1    ├─ stop ordered ─► on_stop ──► Stopped ──► exit 0
//!     └─ stop ordered ─────┴─ stop ordered: Stopped, exit 0  └─ error, panic: exit 1
//! ```
//!
//! A stop is ordered by a goal state that expects `Stopped`, or by SIGTERM or SIGINT. After `run` has
//! returned by itself `Stopped` is not written unless the host has asked for it meanwhile: it answers
//! an order, and the end of the process tells the host enough. While `run` is at work, a goal state of
//! a newer incarnation is compared, put to the role, and taken or answered with a recycle; and at a steady
//! pace the role is asked how it is.
//!
//! The role's futures run as tasks of their own, so that one that blocks its thread keeps neither
//! goal states nor signals from being heard. It limits no method's time; the host does.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::SystemTime,
};

use runtime_protocol::{Change, ExpectedState, GoalState, changes};
use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
    time::{Instant, MissedTickBehavior, interval_at},
};
use uuid::Uuid;

use crate::{
    entry_point::{BoxError, Response, RoleEntryPoint, StatusCheck},
    environment::{Fabric, RoleEnvironment},
    error::{HostError, LifeError, report},
    host::{self, GoalStates},
    lease::{Claim, Holder, Phase},
    passed,
    signals::Signals,
};

/// How a life ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The host, or a signal, ordered it.
    Stopped,
    /// `run` returned; the host recycles the instance.
    RunReturned,
}

/// Lives `role`'s life on a tokio runtime of several threads, for `main` to return.
///
/// The exit status is 0 for every [`Ending`] and 1 for every [`LifeError`], which is written to stderr.
pub fn start<R: RoleEntryPoint>(role: R) -> ExitCode {
    // While there is one thread: taking them changes the environment.
    passed::adopt();
    let tokio = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(tokio) => tokio,
        Err(source) => return exit_code(Err(LifeError::Tokio { source })),
    };
    let exit_code = tokio.block_on(start_async(role));
    // What of the role still runs is abandoned, as the platform did once `OnStop` had returned.
    tokio.shutdown_background();
    exit_code
}

/// What [`start`] does, for a role that has a tokio runtime of its own; one of several threads keeps a
/// role that blocks from its host least.
pub async fn start_async<R: RoleEntryPoint>(role: R) -> ExitCode {
    let version_endpoint: Option<OsString> = std::env::var_os("WaRuntimeEndpoint");
    exit_code(live(role, version_endpoint.as_deref().map(Path::new)).await)
}

/// Lives `role`'s life below the host at `version_endpoint`, or outside any fabric.
///
/// It takes over SIGTERM and SIGINT for the rest of the process. Dropping the future abandons the role
/// without `on_stop`.
///
/// # Errors
///
/// When the host cannot be reached at the start, or a method of the role's refuses, fails or panics, or
/// a second signal comes while it stops.
pub async fn live<R: RoleEntryPoint>(
    role: R,
    version_endpoint: Option<&Path>,
) -> Result<Ending, LifeError> {
    let signals = Signals::new().map_err(|source| LifeError::Signals { source })?;
    let mut tasks = JoinSet::new();
    let (environment, goals) = match version_endpoint {
        Some(path) => connect(path, &mut tasks).await?,
        None => (
            RoleEnvironment::unavailable(),
            Goals {
                latest: None,
                answered: 0,
            },
        ),
    };
    let mut life = Life {
        environment,
        goals,
        signals,
    };
    life.live(role).await
}

/// Follows the host at `path`; the connection is kept by a task in `tasks`.
async fn connect(
    path: &Path,
    tasks: &mut JoinSet<()>,
) -> Result<(RoleEnvironment, Goals), HostError> {
    let mut goal_states = GoalStates::open(path).await?;
    let first = goal_states.first().await?;
    let document = host::read_environment(Path::new(&first.role_environment_path))?;
    let claim = Claim {
        incarnation: first.incarnation,
        endpoint: PathBuf::from(&first.current_state_endpoint),
        phase: Phase::Starting,
        busy_until: None,
        checked_busy: false,
        recycle: false,
    };
    let holder = Holder::new(Uuid::new_v4().to_string(), claim);
    let answered = first.incarnation;
    let (sender, latest) = watch::channel(first);
    tasks.spawn(host::follow(path.to_owned(), goal_states, sender));
    let environment = RoleEnvironment::new(Some(Fabric::new(document, holder)));
    Ok((
        environment,
        Goals {
            latest: Some(latest),
            answered,
        },
    ))
}

/// The host's goal states, seen from the role.
struct Goals {
    /// `None` outside any fabric.
    latest: Option<watch::Receiver<GoalState>>,
    /// The newest incarnation that was taken or refused; older ones mean nothing.
    answered: u64,
}

impl Goals {
    fn expect_stop(&self) -> bool {
        let latest = self.latest.as_ref();
        latest.is_some_and(|latest| latest.borrow().expected_state == ExpectedState::Stopped)
    }

    /// Waits for the next goal state. Cancel safe. Never ends outside any fabric.
    async fn next(&mut self) -> GoalState {
        if let Some(latest) = &mut self.latest
            && latest.changed().await.is_ok()
        {
            return latest.borrow_and_update().clone();
        }
        std::future::pending().await
    }

    /// Waits for a goal state that expects a stop; others stay unseen, for [`Goals::next`]. Cancel safe.
    async fn stop_expected(&self) {
        if let Some(mut latest) = self.latest.clone()
            && latest
                .wait_for(|goal| goal.expected_state == ExpectedState::Stopped)
                .await
                .is_ok()
        {
            return;
        }
        std::future::pending().await
    }
}

/// What ended the time in which `run` was at work.
enum RunEnd {
    Returned,
    Ordered,
    Signalled,
}

struct Life {
    environment: RoleEnvironment,
    goals: Goals,
    signals: Signals,
}

impl Life {
    async fn live<R: RoleEntryPoint>(&mut self, role: R) -> Result<Ending, LifeError> {
        if self.goals.expect_stop() {
            return Ok(self.stopped().await);
        }
        self.claim(|claim| claim.phase = Phase::Starting).await?;
        let Some(role) = self.start(role).await? else {
            return Ok(self.stopped().await);
        };
        self.claim(|claim| claim.phase = Phase::Running).await?;
        let mut work = JoinSet::new();
        match self.run(&role, &mut work).await? {
            RunEnd::Returned => {
                // Out of rotation before `on_stop`, as in every stop.
                report_failure(self.claim(|claim| claim.phase = Phase::Stopping).await);
                self.stop(role, false).await?;
                let stop_ordered = self.goals.expect_stop();
                Ok(if stop_ordered {
                    self.stopped().await
                } else {
                    Ending::RunReturned
                })
            }
            RunEnd::Ordered => {
                self.stop(role, false).await?;
                Ok(self.stopped().await)
            }
            RunEnd::Signalled => {
                report_failure(self.claim(|claim| claim.phase = Phase::Stopping).await);
                self.stop(role, true).await?;
                Ok(self.stopped().await)
            }
        }
    }

    /// Calls `on_start`. `None`: a stop was ordered before it ended.
    async fn start<R: RoleEntryPoint>(&mut self, mut role: R) -> Result<Option<Arc<R>>, LifeError> {
        let environment = self.environment.clone();
        let mut task = JoinSet::new();
        task.spawn(async move { (role.on_start(&environment).await, role) });
        let (started, role) = tokio::select! {
            Some(ended) = task.join_next() => ended.map_err(panicked("on_start"))?,
            () = self.goals.stop_expected() => return Ok(None),
            () = self.signals.next() => return Ok(None),
        };
        match started {
            Ok(true) => Ok(Some(Arc::new(role))),
            Ok(false) => Err(LifeError::StartRefused),
            Err(source) => Err(LifeError::OnStart { source }),
        }
    }

    /// Calls `run`, as a task in `work`, and serves the host until one of the two ends it. After an
    /// order `run` goes on beside `on_stop`, for as long as its task is kept.
    async fn run<R: RoleEntryPoint>(
        &mut self,
        role: &Arc<R>,
        work: &mut JoinSet<Result<(), BoxError>>,
    ) -> Result<RunEnd, LifeError> {
        work.spawn({
            let (role, environment) = (Arc::clone(role), self.environment.clone());
            async move { role.run(&environment).await }
        });
        let pace = role.status_check_interval();
        let mut checks = interval_at(Instant::now() + pace, pace);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                Some(ended) = work.join_next() => {
                    let returned = ended.map_err(panicked("run"))?;
                    returned.map_err(|source| LifeError::Run { source })?;
                    return Ok(RunEnd::Returned);
                }
                goal = self.goals.next() => match goal.expected_state {
                    ExpectedState::Stopped => return Ok(RunEnd::Ordered),
                    ExpectedState::Started => self.adopt(&**role, goal).await,
                },
                _ = checks.tick() => self.check_status(&**role).await,
                () = busy_lapsed(&self.environment) => {
                    report_failure(self.claim(|claim| claim.lapse(SystemTime::now())).await);
                }
                () = self.signals.next() => return Ok(RunEnd::Signalled),
            }
        }
    }

    /// Puts a newer incarnation to the role, and takes it or asks for a recycle.
    async fn adopt<R: RoleEntryPoint>(&mut self, role: &R, goal: GoalState) {
        let environment = &self.environment;
        let Some(fabric) = environment.fabric() else {
            return;
        };
        if goal.incarnation <= self.goals.answered {
            return;
        }
        let document = match host::read_environment(Path::new(&goal.role_environment_path)) {
            Ok(document) => document,
            // Without the file there is nothing to take or to refuse; the host sees no new lease.
            Err(error) => return report(&error),
        };
        self.goals.answered = goal.incarnation;
        let (at_once, changes) = split(changes(&fabric.document(), &document), document.blast);
        if !at_once.is_empty() {
            role.simultaneous_changing(&at_once, environment);
        }
        let accepted =
            changes.is_empty() || role.changing(&changes, environment) == Response::Accept;
        let told = fabric.holder.update(|claim| {
            claim.incarnation = goal.incarnation;
            claim.endpoint = PathBuf::from(&goal.current_state_endpoint);
            claim.recycle |= !accepted;
        });
        report_failure(told.await);
        if accepted {
            fabric.replace(document);
            if !at_once.is_empty() {
                role.simultaneous_changed(&at_once, environment);
            }
            if !changes.is_empty() {
                role.changed(&changes, environment);
            }
        }
    }

    /// Asks the role how it is, and tells the host where that is news. Outside any fabric nobody wants to know.
    async fn check_status<R: RoleEntryPoint>(&self, role: &R) {
        let Some(fabric) = self.environment.fabric() else {
            return;
        };
        let mut check = StatusCheck::new(fabric.holder.is_ready().await);
        role.status_check(&mut check, &self.environment);
        let busy = check.is_busy();
        report_failure(self.claim(|claim| claim.checked_busy = busy).await);
    }

    /// Calls `on_stop`. Where a signal ordered it, a second one ends it at once.
    async fn stop<R: RoleEntryPoint>(
        &mut self,
        role: Arc<R>,
        by_signal: bool,
    ) -> Result<(), LifeError> {
        self.environment.begin_stopping();
        let environment = self.environment.clone();
        let mut task = JoinSet::new();
        task.spawn(async move { role.on_stop(&environment).await });
        tokio::select! {
            Some(ended) = task.join_next() => ended.map_err(panicked("on_stop")),
            () = self.signals.next(), if by_signal => Err(LifeError::Interrupted),
        }
    }

    /// Says that stopping has finished. A host that no longer listens does not turn it into a failure.
    async fn stopped(&mut self) -> Ending {
        self.environment.begin_stopping();
        report_failure(self.claim(|claim| claim.phase = Phase::Stopped).await);
        Ending::Stopped
    }

    /// Changes what is claimed of the host; nothing outside any fabric.
    async fn claim(&self, change: impl FnOnce(&mut Claim)) -> Result<(), HostError> {
        match self.environment.fabric() {
            Some(fabric) => fabric.holder.update(change).await,
            None => Ok(()),
        }
    }
}

/// The changes that reach all instances at once, and those that go domain by domain.
fn split(changes: Vec<Change>, blast: bool) -> (Vec<Change>, Vec<Change>) {
    let is_at_once = |change: &Change| blast && matches!(change, Change::Topology { .. });
    changes.into_iter().partition(is_at_once)
}

async fn busy_lapsed(environment: &RoleEnvironment) {
    match environment.fabric() {
        Some(fabric) => fabric.holder.busy_lapsed().await,
        None => std::future::pending().await,
    }
}

fn panicked(method: &'static str) -> impl Fn(JoinError) -> LifeError {
    // The tasks are never cancelled while they are waited for, so a join fails by a panic only.
    move |_| LifeError::Panicked { method }
}

fn report_failure(told: Result<(), HostError>) {
    if let Err(error) = told {
        report(&error);
    }
}

fn exit_code(ended: Result<Ending, LifeError>) -> ExitCode {
    match ended {
        Ok(Ending::Stopped | Ending::RunReturned) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}
