//! The server's side: one router.

use std::os::unix::net::UnixListener;

use axum::Json;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use fabric::{Handle, NoSuchInstance};
use http_body_util::channel::Channel;
use plan::InstanceId;
use serde::Deserialize;

use crate::logs;

/// Chunks of a log on their way to a client. Who reads slowly makes the reading of files wait, nothing else.
const LOG_CHUNKS: usize = 4;

/// Serves the API until the process ends. Call it inside a tokio runtime.
pub async fn serve(listener: UnixListener, fabric: Handle) {
    let router = Router::new()
        .route("/v1/status", get(status))
        .route("/v1/logs", get(show_logs))
        .route("/v1/instances/{id}/recycle", post(recycle))
        .route("/v1/stop", post(stop))
        .with_state(fabric);
    // The keeper made the socket non-blocking, and the runtime is there by this function's contract.
    if let Ok(listener) = tokio::net::UnixListener::from_std(listener) {
        // It returns only with the process.
        let _ = axum::serve(listener, router).await;
    }
}

async fn status(State(fabric): State<Handle>) -> Response {
    match fabric.status().await {
        Some(status) => Json(status).into_response(),
        None => ending(),
    }
}

async fn recycle(State(fabric): State<Handle>, Path(id): Path<String>) -> Response {
    match fabric.recycle(InstanceId::from(id.as_str())).await {
        Some(Ok(())) => StatusCode::ACCEPTED.into_response(),
        Some(Err(refused)) => {
            (StatusCode::NOT_FOUND, no_such_instance(&id, &refused)).into_response()
        }
        None => ending(),
    }
}

async fn stop(State(fabric): State<Handle>) -> Response {
    match fabric.stop().await {
        Some(()) => StatusCode::ACCEPTED.into_response(),
        None => ending(),
    }
}

#[derive(Deserialize)]
struct LogQuery {
    instance: Option<String>,
    #[serde(default)]
    follow: u8,
}

async fn show_logs(State(fabric): State<Handle>, Query(query): Query<LogQuery>) -> Response {
    let Some(mut folders) = fabric.log_folders().await else {
        return ending();
    };
    if let Some(instance) = query.instance {
        let known = folders.iter().map(|(id, _)| id.clone()).collect();
        folders.retain(|(id, _)| id.as_str() == instance);
        if folders.is_empty() {
            let refused = no_such_instance(&instance, &NoSuchInstance { known });
            return (StatusCode::NOT_FOUND, refused).into_response();
        }
    }
    let (sender, body) = Channel::new(LOG_CHUNKS);
    tokio::spawn(logs::send(folders, query.follow != 0, sender));
    (
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
        Body::new(body),
    )
        .into_response()
}

fn ending() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, "the fabric is ending").into_response()
}

fn no_such_instance(id: &str, refused: &NoSuchInstance) -> String {
    let known: Vec<String> = refused.known.iter().map(|id| format!("`{id}`")).collect();
    format!("there is no instance `{id}`; there is {}", known.join(", "))
}
