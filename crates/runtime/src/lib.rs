//! The SDK that a Rust role is written on: [`RoleEntryPoint`] and [`RoleEnvironment`].
//!
//! A role's `main` is one line, `runtime::start(MyRole)`. [`start`] finds the host through
//! `WaRuntimeEndpoint`, reads the role environment, calls the role's methods in their order and tells
//! the host how the role is; the module `life` draws that order. Where the variable is absent the same
//! program runs as a plain one: [`RoleEnvironment::is_available`] is false, and signals stop it.
//!
//! The platform's members in Rust's words, what it had as a property or an event standing here as a method:
//!
//! | `RoleEnvironment` there | here |
//! |---|---|
//! | `IsAvailable`, `IsEmulated`, `DeploymentId` | [`is_available`], [`is_emulated`], [`deployment_id`] |
//! | `CurrentRoleInstance`, its `Role`, `InstanceEndpoints` | [`current_instance`], [`role_name`], [`endpoint`] |
//! | `Roles`, `Role.Instances` | [`roles`], [`role`], [`Role::instance`] |
//! | `PublicIPEndpoint.Port` | [`Endpoint::public_port`] |
//! | `GetConfigurationSettingValue` | [`setting`], and all at once and typed: [`settings`] |
//! | `GetLocalResource` | [`local_resource`] |
//! | `RequestRecycle` | [`request_recycle`] |
//! | `Changing`, `Changed` | [`RoleEntryPoint::changing`], [`RoleEntryPoint::changed`] |
//! | `SimultaneousChanging`, `SimultaneousChanged` | [`RoleEntryPoint::simultaneous_changing`], [`RoleEntryPoint::simultaneous_changed`] |
//! | `StatusCheck`, `SetBusy` | [`RoleEntryPoint::status_check`], [`StatusCheck::set_busy`], [`set_busy`] |
//! | `Stopping` | [`stopping`] |
//! | `VirtualIPGroups` | not here: a machine has no such groups |
//!
//! [`is_available`]: RoleEnvironment::is_available
//! [`is_emulated`]: RoleEnvironment::is_emulated
//! [`deployment_id`]: RoleEnvironment::deployment_id
//! [`current_instance`]: RoleEnvironment::current_instance
//! [`role_name`]: RoleEnvironment::role_name
//! [`endpoint`]: RoleEnvironment::endpoint
//! [`roles`]: RoleEnvironment::roles
//! [`role`]: RoleEnvironment::role
//! [`setting`]: RoleEnvironment::setting
//! [`settings`]: RoleEnvironment::settings
//! [`local_resource`]: RoleEnvironment::local_resource
//! [`request_recycle`]: RoleEnvironment::request_recycle
//! [`set_busy`]: RoleEnvironment::set_busy
//! [`stopping`]: RoleEnvironment::stopping
//!
//! A role is served by [`RoleEnvironment::listen`] or [`RoleEnvironment::bind_udp`] and [`serve`]; with the feature
//! `tls` there is TLS for it. A whole role:
//!
//! ```no_run
//! use std::sync::OnceLock;
//! use std::time::Duration;
//! use runtime::{BoxError, RoleEntryPoint, RoleEnvironment};
//! use tokio::io::AsyncWriteExt;
//! use tokio::net::{TcpListener, TcpStream};
//! use tokio::sync::Notify;
//!
//! #[derive(Default)]
//! struct Greeter {
//!     listener: std::sync::Mutex<Option<TcpListener>>,
//!     greeting: OnceLock<String>,
//!     drained: Notify,
//! }
//!
//! impl RoleEntryPoint for Greeter {
//!     async fn on_start(&mut self, environment: &RoleEnvironment) -> Result<bool, BoxError> {
//!         let greeting = environment.setting("Greeting").unwrap_or_default();
//!         self.greeting.set(greeting).ok();
//!         *self.listener.get_mut().unwrap() = Some(environment.listen("Greetings")?);
//!         Ok(true)
//!     }
//!
//!     async fn run(&self, environment: &RoleEnvironment) -> Result<(), BoxError> {
//!         let listener = self.listener.lock().unwrap().take().ok_or("on_start comes first")?;
//!         let greet = |mut stream: TcpStream, _| {
//!             let greeting = self.greeting.get().cloned().unwrap_or_default();
//!             async move { drop(stream.write_all(greeting.as_bytes()).await) }
//!         };
//!         runtime::serve(listener, environment.stopping(), Duration::from_secs(10), greet).await;
//!         self.drained.notify_one();
//!         std::future::pending().await
//!     }
//!
//!     async fn on_stop(&self, _: &RoleEnvironment) {
//!         // The process ends when this returns.
//!         self.drained.notified().await;
//!     }
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     runtime::start(Greeter::default())
//! }
//! ```
//!
//! It speaks the protocol of `runtime-protocol` and no other, and decides nothing that is the host's:
//! no restarts, no health, no limits on time. It reads no file but the role environment, writes none,
//! and says on stderr what went wrong; all other output is the role's.

#![forbid(unsafe_code)]

mod certificates;
mod connections;
mod endpoints;
mod entry_point;
mod environment;
mod error;
mod host;
mod lease;
mod life;
mod passed;
mod settings;
mod signals;
#[cfg(feature = "tls")]
pub mod tls;

pub use runtime_protocol::{Change, Endpoint, Expiration, Instance, LocalResource, Role};

pub use certificates::{CertificateFiles, UnknownCertificate};
pub use connections::serve;
pub use entry_point::{BoxError, Response, RoleEntryPoint, STATUS_CHECK_INTERVAL, StatusCheck};
pub use environment::RoleEnvironment;
pub use error::{HostError, LifeError, ListenError};
pub use life::{Ending, live, start, start_async};
pub use settings::SettingsError;
