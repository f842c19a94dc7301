//! A role that says what is called and does as it is told.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use runtime::{
    BoxError, Change, Ending, Expiration, LifeError, Response, RoleEntryPoint, RoleEnvironment,
    StatusCheck,
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use crate::host::within;

/// What the test tells `run` to do next.
pub(crate) enum Order {
    Return,
    Fail,
    Panic,
    Recycle,
    Busy(Duration),
    Clear,
    /// To be Busy at each status check, or not.
    Check(bool),
    /// To answer every question that there is.
    Members,
}

/// How `on_start` ends.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Start {
    True,
    False,
    Fail,
    Never,
}

pub(crate) struct Script {
    start: Start,
    response: Response,
    calls: mpsc::UnboundedSender<String>,
    orders: tokio::sync::Mutex<mpsc::UnboundedReceiver<Order>>,
    busy_when_checked: AtomicBool,
}

/// A role that is alive in this process, seen from the test.
pub(crate) struct Running {
    calls: mpsc::UnboundedReceiver<String>,
    orders: mpsc::UnboundedSender<Order>,
    life: JoinHandle<Result<Ending, LifeError>>,
}

impl Running {
    pub(crate) fn new(version_endpoint: Option<PathBuf>, start: Start, response: Response) -> Self {
        let (call_sender, calls) = mpsc::unbounded_channel();
        let (orders, order_receiver) = mpsc::unbounded_channel();
        let role = Script {
            start,
            response,
            calls: call_sender,
            orders: order_receiver.into(),
            busy_when_checked: AtomicBool::new(false),
        };
        let life = async move { runtime::live(role, version_endpoint.as_deref()).await };
        Self {
            calls,
            orders,
            life: tokio::spawn(life),
        }
    }

    /// The next call of one of the role's methods.
    pub(crate) async fn call(&mut self) -> String {
        within(self.calls.recv(), "a call")
            .await
            .unwrap_or_else(|| "no call any more".to_owned())
    }

    pub(crate) fn order(&self, order: Order) {
        assert!(self.orders.send(order).is_ok(), "the role listens");
    }

    /// How the life ends: the ending, or the error with its causes.
    pub(crate) async fn end(self) -> String {
        let ended = within(self.life, "the end")
            .await
            .expect("the life itself does not panic");
        match ended {
            Ok(ending) => format!("{ending:?}"),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                let causes = std::iter::successors(error.source(), |error| (*error).source());
                causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
            }
        }
    }
}

impl Script {
    fn say(&self, call: impl Into<String>) {
        // A test that has seen enough has dropped its end.
        let _ = self.calls.send(call.into());
    }
}

fn names(changes: &[Change]) -> String {
    let name = |change: &Change| match change {
        Change::ConfigurationSetting { name } => name.clone(),
        Change::Topology { role } => format!("topology of {role}"),
    };
    changes.iter().map(name).collect::<Vec<_>>().join(" ")
}

fn greeting(environment: &RoleEnvironment) -> String {
    environment
        .setting("Greeting")
        .unwrap_or_else(|| "none".to_owned())
}

impl RoleEntryPoint for Script {
    async fn on_start(&mut self, environment: &RoleEnvironment) -> Result<bool, BoxError> {
        let id = environment.current_instance().map(|instance| instance.id);
        self.say(format!(
            "on_start in {}",
            id.as_deref().unwrap_or("no fabric")
        ));
        match self.start {
            Start::True => Ok(true),
            Start::False => Ok(false),
            Start::Fail => Err("the database is away".into()),
            Start::Never => std::future::pending().await,
        }
    }

    async fn run(&self, environment: &RoleEnvironment) -> Result<(), BoxError> {
        self.say("run");
        let (_alive, dropped) = oneshot::channel::<()>();
        tokio::spawn({
            let calls = self.calls.clone();
            async move {
                let _ = dropped.await;
                let _ = calls.send("run is gone".to_owned());
            }
        });
        while let Some(order) = self.orders.lock().await.recv().await {
            match order {
                Order::Return => return Ok(()),
                Order::Fail => return Err("out of ideas".into()),
                Order::Panic => panic!("as the test wants"),
                Order::Recycle => environment.request_recycle().await?,
                Order::Clear => environment.clear_busy().await?,
                Order::Check(busy) => self.busy_when_checked.store(busy, Ordering::Relaxed),
                Order::Members => self.say(crate::members::all(environment)),
                Order::Busy(time) => {
                    let until = std::time::SystemTime::now() + time;
                    environment.set_busy(Expiration::At(until)).await?;
                }
            }
        }
        std::future::pending().await
    }

    async fn on_stop(&self, environment: &RoleEnvironment) {
        environment.stopping().await;
        self.say("on_stop");
    }

    fn changing(&self, changes: &[Change], environment: &RoleEnvironment) -> Response {
        self.say(format!(
            "changing {} from {}",
            names(changes),
            greeting(environment)
        ));
        self.response
    }

    fn changed(&self, changes: &[Change], environment: &RoleEnvironment) {
        self.say(format!(
            "changed {} to {}",
            names(changes),
            greeting(environment)
        ));
    }

    fn simultaneous_changing(&self, changes: &[Change], environment: &RoleEnvironment) {
        let seen = crate::members::instances(environment);
        self.say(format!("at once: changing {} from {seen}", names(changes)));
    }

    fn simultaneous_changed(&self, changes: &[Change], environment: &RoleEnvironment) {
        let seen = crate::members::instances(environment);
        self.say(format!("at once: changed {} to {seen}", names(changes)));
    }

    fn status_check(&self, check: &mut StatusCheck, _environment: &RoleEnvironment) {
        if self.busy_when_checked.load(Ordering::Relaxed) {
            check.set_busy();
        }
    }

    fn status_check_interval(&self) -> Duration {
        Duration::from_millis(20)
    }
}
