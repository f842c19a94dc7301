//! How operators' requests reach the fabric.

use std::collections::BTreeMap;
use std::path::PathBuf;

use causes::Doing;
use host::protocol::Renewal;
use host_core::Report;
use plan::{Difference, InstanceId, InstancePlan};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use crate::status::Status;

/// A request, with where its answer goes.
#[derive(Debug)]
pub(crate) enum ControlRequest {
    Status(oneshot::Sender<Status>),
    Recycle(InstanceId, oneshot::Sender<Result<(), NoSuchInstance>>),
    Renew(
        InstanceId,
        Renewal,
        oneshot::Sender<Result<(), RenewRefused>>,
    ),
    Configure(
        ConfigureRequest,
        oneshot::Sender<Result<Configured, ConfigureRefused>>,
    ),
    Definition(oneshot::Sender<PathBuf>),
    Stop(oneshot::Sender<()>),
    LogFolders(oneshot::Sender<Vec<(InstanceId, PathBuf)>>),
    Subject(
        InstanceId,
        oneshot::Sender<Result<Box<Subject>, NoSuchInstance>>,
    ),
}

/// What the fabric knows of one instance, for whoever explains how it is.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Its plan.
    pub plan: InstancePlan,
    /// The last report of its host.
    pub report: Option<Report>,
    /// What its host does.
    pub doing: Option<Doing>,
}

/// The deployment has no instance of that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoSuchInstance {
    /// The instances there are.
    pub known: Vec<InstanceId>,
}

/// A new configuration for the deployment that runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConfigureRequest {
    /// The text of a service configuration; `None` for the one that is in force.
    pub configuration: Option<String>,
    /// Instance counts that replace the configuration's. With no new text, the others that were replaced stay so.
    pub instances: BTreeMap<String, u32>,
}

/// A configuration was committed and is being carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configured {
    /// The number of the plan; that of before where nothing changes.
    pub incarnation: u64,
    /// What it asks of the instances.
    #[serde(flatten)]
    pub difference: Difference,
}

/// A configuration was not taken, and nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigureRefused {
    /// It does not fit the service.
    Invalid(String),
    /// Not now.
    Conflict(String),
}

/// An instance is not started anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RenewRefused {
    /// There is none of that name.
    NoSuchInstance(NoSuchInstance),
    /// It cannot be committed.
    Failed(String),
}

/// Asks a running fabric. Clones ask the same one.
///
/// Every method returns `None` when the fabric is ending and answers no more.
#[derive(Debug, Clone)]
pub struct Handle {
    pub(crate) requests: mpsc::Sender<ControlRequest>,
}

impl Handle {
    /// What runs, and how it is.
    pub async fn status(&self) -> Option<Status> {
        self.ask(ControlRequest::Status).await
    }

    /// Orders a recycle; returns as soon as it is ordered. May be repeated.
    pub async fn recycle(&self, instance: InstanceId) -> Option<Result<(), NoSuchInstance>> {
        self.ask(|answer| ControlRequest::Recycle(instance, answer))
            .await
    }

    /// Orders that an instance is started anew, host and all; returns when that is committed. May be repeated.
    pub async fn renew(
        &self,
        instance: InstanceId,
        renewal: Renewal,
    ) -> Option<Result<(), RenewRefused>> {
        self.ask(|answer| ControlRequest::Renew(instance, renewal, answer))
            .await
    }

    /// Commits a new configuration; it is carried out from then on. The same one again changes nothing.
    pub async fn configure(
        &self,
        request: ConfigureRequest,
    ) -> Option<Result<Configured, ConfigureRefused>> {
        self.ask(|answer| ControlRequest::Configure(request, answer))
            .await
    }

    /// The service definition that the deployment runs.
    pub async fn definition(&self) -> Option<PathBuf> {
        self.ask(ControlRequest::Definition).await
    }

    /// Orders the stop of the whole; returns as soon as it is ordered. May be repeated.
    pub async fn stop(&self) -> Option<()> {
        self.ask(ControlRequest::Stop).await
    }

    /// The folder that keeps each instance's logs, for [`host::logs`].
    pub async fn log_folders(&self) -> Option<Vec<(InstanceId, PathBuf)>> {
        self.ask(ControlRequest::LogFolders).await
    }

    /// What is known of one instance here, for [`host::evidence::facts`].
    pub async fn subject(
        &self,
        instance: InstanceId,
    ) -> Option<Result<Box<Subject>, NoSuchInstance>> {
        self.ask(|answer| ControlRequest::Subject(instance, answer))
            .await
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<T>) -> ControlRequest,
    ) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(request(answer)).await.ok()?;
        answered.await.ok()
    }
}
