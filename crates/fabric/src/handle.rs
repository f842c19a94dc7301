//! How operators' requests reach the fabric.

use std::path::PathBuf;

use causes::Doing;
use host_core::Report;
use plan::{InstanceId, InstancePlan};
use tokio::sync::{mpsc, oneshot};

use crate::status::Status;

/// A request, with where its answer goes.
#[derive(Debug)]
pub(crate) enum ControlRequest {
    Status(oneshot::Sender<Status>),
    Recycle(InstanceId, oneshot::Sender<Result<(), NoSuchInstance>>),
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
