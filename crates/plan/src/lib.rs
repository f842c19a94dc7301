//! Decides everything about a deployment before anything happens.
//!
//! [`plan`] turns a checked [`schema::Service`] and [`Options`] into a [`DeploymentPlan`]: the instances and
//! their ids, domains, addresses and ports, the paths of their folders, the values of their variables. Whoever
//! executes a plan has no choice left to make.
//!
//! [`difference`] compares two plans of a deployment and says what follows for each instance.
//!
//! Pure and deterministic: the same input gives the same plan. `plan` never reads a file or the machine; what
//! it has to know of them (free addresses, the package's digest) comes in with [`Options`]. Whether a
//! program exists is asked later, with [`command_line::Program::resolve`], of whoever has the files.
//!
//! The types derive serde because a plan crosses a process border (fabric to host) and is kept in the
//! fabric's state.

#![forbid(unsafe_code)]

pub mod command_line;
mod deployment;
mod difference;
mod environment;
mod error;
mod planner;
mod role_options;

pub use deployment::{
    CertificatePlan, Command, DeploymentPlan, EndpointKind, EndpointPlan, InstanceId, InstancePlan,
    InstanceView, LocalResourcePlan, Paths, PublicEndpoint, RolePlan, RoleView, SandboxPlan,
    ScriptPart, Slot, TaskPlan, TaskType,
};
pub use difference::{Difference, difference};
pub use error::PlanError;
pub use planner::{IDENTITY_FIRST, Options, Package, identities, plan};
pub use role_options::{RoleOptions, STOP_LIMIT, is_same_program};
pub use schema::is_inherited;
