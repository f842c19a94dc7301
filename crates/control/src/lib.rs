//! The fabric's HTTP API over a Unix socket, and its client.
//!
//! ```text
//! GET  /v1/status                      the document of `approot status --format json`
//! GET  /v1/logs?instance=ID&follow=1   what instances printed, as lines of text, oldest first; 503 with too many readers
//! GET  /v1/instances/{id}/why          the document of `approot why --format json`, or 404 with the instances there are
//! POST /v1/instances/{id}/recycle      202, or 404 with the instances there are
//! POST /v1/instances/{id}/reboot       202 when it is committed, or 404; so is reimage
//! GET  /v1/definition                  the service definition that runs
//! POST /v1/configure                   a `ConfigureRequest`, answered with a `Configured` once it is committed; 422 where
//!                                      it does not fit the service, 409 while it cannot be taken
//! POST /v1/stop                        202
//! ```
//!
//! The socket is 0600, so that only the fabric's own user reaches it. The API decides nothing: [`serve`]
//! passes requests to a [`fabric::Handle`], and waiting for what comes of them is the client's business.
//! The keeper holds the socket while no fabric serves it, so a [`Client`] waits for an answer with a limit.
//!
//! Not here yet: the dashboard, metrics, and a token against roles that run as the same user.

#![forbid(unsafe_code)]

mod client;
mod instance_log;
mod logs;
mod server;

pub use client::{Client, ClientError};
pub use server::serve;
