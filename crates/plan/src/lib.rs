//! Decides everything about a deployment before anything happens.
//!
//! [`plan`] turns a checked [`schema::Service`] and [`Options`] into a [`DeploymentPlan`]: the instances and
//! their ids, domains, addresses and ports, the paths of their folders, the values of their variables. Whoever
//! executes a plan has no choice left to make.
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
mod environment;
mod error;
mod planner;

pub use deployment::{
    CertificatePlan, Command, DeploymentPlan, EndpointKind, EndpointPlan, InstanceId, InstancePlan,
    InstanceView, LocalResourcePlan, Paths, PublicEndpoint, RolePlan, RoleView, ScriptPart, Slot,
    TaskPlan, TaskType,
};
pub use error::PlanError;
pub use planner::{Options, Package, plan};
pub use schema::is_inherited;
