//! How operators' requests reach the fabric.

use std::path::PathBuf;

use plan::InstanceId;
use tokio::sync::{mpsc, oneshot};

use crate::status::Status;

/// A request, with where its answer goes.
#[derive(Debug)]
pub(crate) enum ControlRequest {
    Status(oneshot::Sender<Status>),
    Recycle(InstanceId, oneshot::Sender<Result<(), NoSuchInstance>>),
    Stop(oneshot::Sender<()>),
    LogFolders(oneshot::Sender<Vec<(InstanceId, PathBuf)>>),
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

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<T>) -> ControlRequest,
    ) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(request(answer)).await.ok()?;
        answered.await.ok()
    }
}
