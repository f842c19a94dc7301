//! The fabric: the process that brings a deployment to its goal and keeps it there.
//!
//! The decisions are [`fabric_core::Controller`]'s and [`plan::plan`]'s; this crate carries them out. It stages
//! the package, claims a block of loopback addresses, has the keeper open the public ports and fork the
//! hosts, gives the balancer its table, and answers operators through a [`Handle`]. What was asked for is
//! committed to a small database before it is acted on; what is running is asked of the hosts.
//!
//! ```text
//!   keeper ◄──────► fabric ◄──────► host …      (one link each, ipc)
//!                     ▲  └────────► balancer
//!                     │
//!                  control (another crate, through `Handle`)
//! ```
//!
//! It prints nothing: [`Notice`]s go to whoever started it. It serves no HTTP: `control` does.
//!
//! When a fabric dies, the hosts it had stop their roles and end, and the fabric that the keeper starts next takes
//! the committed deployment up once they have gone. Adopting hosts that still run is the controller's later
//! work, as are a second slot, upgrades and several packages side by side.

#![forbid(unsafe_code)]

mod addresses;
mod balancer_link;
mod certificates;
mod configure;
mod error;
mod event;
mod handle;
mod hosts;
mod keeper_link;
mod left_over;
mod notice;
mod run;
mod start;
mod status;
mod store;

pub use certificates::CertificateSource;
pub use error::{FabricError, MissingCertificate};
pub use handle::{
    ConfigureRefused, ConfigureRequest, Configured, Handle, NoSuchInstance, RenewRefused, Subject,
};
pub use host::protocol::Renewal;
pub use notice::Notice;
pub use run::{Outside, run};
pub use start::{LAYOUT, Layout, Settings, Source};
pub use status::{DeploymentStatus, EndpointStatus, InstanceStatus, RoleStatus, Status};
