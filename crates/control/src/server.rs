//! The server's side: one router.

use std::os::unix::net::UnixListener;
use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use fabric::{ConfigureRefused, ConfigureRequest, Handle, NoSuchInstance, RenewRefused, Renewal};
use plan::InstanceId;
use serde::Deserialize;
use tokio::sync::Semaphore;

use crate::logs;

/// Clients that read logs at the same time. Each holds a file of every instance open, and a process may have
/// 1024: with more, fifty instances would leave the fabric none.
const LOG_READERS_MAX: usize = 8;

/// What requests are answered from.
#[derive(Clone)]
struct Api {
    fabric: Handle,
    log_seats: Arc<Semaphore>,
}

/// Serves the API until the process ends. Call it inside a tokio runtime.
pub async fn serve(listener: UnixListener, fabric: Handle) {
    let router = Router::new()
        .route("/v1/status", get(status))
        .route("/v1/logs", get(show_logs))
        .route("/v1/instances/{id}/recycle", post(recycle))
        .route("/v1/instances/{id}/reboot", post(reboot))
        .route("/v1/instances/{id}/reimage", post(reimage))
        .route("/v1/definition", get(definition))
        .route("/v1/configure", post(configure))
        .route("/v1/instances/{id}/why", get(why))
        .route("/v1/stop", post(stop))
        .with_state(Api {
            fabric,
            log_seats: Arc::new(Semaphore::new(LOG_READERS_MAX)),
        });
    // The keeper made the socket non-blocking, and the runtime is there by this function's contract.
    if let Ok(listener) = tokio::net::UnixListener::from_std(listener) {
        // It returns only with the process.
        let _ = axum::serve(listener, router).await;
    }
}

async fn status(State(api): State<Api>) -> Response {
    match api.fabric.status().await {
        Some(status) => Json(status).into_response(),
        None => ending(),
    }
}

async fn recycle(State(api): State<Api>, Path(id): Path<String>) -> Response {
    match api.fabric.recycle(InstanceId::from(id.as_str())).await {
        Some(Ok(())) => StatusCode::ACCEPTED.into_response(),
        Some(Err(refused)) => {
            (StatusCode::NOT_FOUND, no_such_instance(&id, &refused)).into_response()
        }
        None => ending(),
    }
}

async fn reboot(State(api): State<Api>, Path(id): Path<String>) -> Response {
    renew(&api, &id, Renewal::Reboot).await
}

async fn reimage(State(api): State<Api>, Path(id): Path<String>) -> Response {
    renew(&api, &id, Renewal::Reimage).await
}

async fn renew(api: &Api, id: &str, renewal: Renewal) -> Response {
    match api.fabric.renew(InstanceId::from(id), renewal).await {
        Some(Ok(())) => StatusCode::ACCEPTED.into_response(),
        Some(Err(RenewRefused::NoSuchInstance(refused))) => {
            (StatusCode::NOT_FOUND, no_such_instance(id, &refused)).into_response()
        }
        Some(Err(RenewRefused::Failed(words))) => {
            (StatusCode::INTERNAL_SERVER_ERROR, words).into_response()
        }
        None => ending(),
    }
}

async fn definition(State(api): State<Api>) -> Response {
    let Some(path) = api.fabric.definition().await else {
        return ending();
    };
    // A small file, which the kernel has just had in its hands.
    match std::fs::read(&path) {
        Ok(bytes) => ([(header::CONTENT_TYPE, "text/xml")], bytes).into_response(),
        Err(error) => {
            let words = format!("cannot read {}: {error}", path.display());
            (StatusCode::INTERNAL_SERVER_ERROR, words).into_response()
        }
    }
}

async fn configure(State(api): State<Api>, Json(request): Json<ConfigureRequest>) -> Response {
    match api.fabric.configure(request).await {
        Some(Ok(configured)) => Json(configured).into_response(),
        Some(Err(ConfigureRefused::Invalid(words))) => {
            (StatusCode::UNPROCESSABLE_ENTITY, words).into_response()
        }
        Some(Err(ConfigureRefused::Conflict(words))) => {
            (StatusCode::CONFLICT, words).into_response()
        }
        None => ending(),
    }
}

async fn why(State(api): State<Api>, Path(id): Path<String>) -> Response {
    let subject = match api.fabric.subject(InstanceId::from(id.as_str())).await {
        Some(Ok(subject)) => subject,
        Some(Err(refused)) => {
            return (StatusCode::NOT_FOUND, no_such_instance(&id, &refused)).into_response();
        }
        None => return ending(),
    };
    // Files and all processes are looked at, which the fabric's own thread does not wait for.
    let explained = tokio::task::spawn_blocking(move || {
        let report = subject.report.as_ref();
        causes::explain(&host::evidence::facts(&subject.plan, report, subject.doing))
    });
    match explained.await {
        Ok(explanation) => Json(explanation).into_response(),
        Err(_) => ending(),
    }
}

async fn stop(State(api): State<Api>) -> Response {
    match api.fabric.stop().await {
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

async fn show_logs(State(api): State<Api>, Query(query): Query<LogQuery>) -> Response {
    let Ok(seat) = api.log_seats.try_acquire_owned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, too_many_readers()).into_response();
    };
    let Some(mut folders) = api.fabric.log_folders().await else {
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
    let body = logs::body(folders, query.follow != 0, seat);
    (
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
        Body::new(body),
    )
        .into_response()
}

fn ending() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, "the fabric is ending").into_response()
}

fn too_many_readers() -> String {
    format!("{LOG_READERS_MAX} clients read logs already; end one of them first")
}

fn no_such_instance(id: &str, refused: &NoSuchInstance) -> String {
    let known: Vec<String> = refused.known.iter().map(|id| format!("`{id}`")).collect();
    format!("there is no instance `{id}`; there is {}", known.join(", "))
}
