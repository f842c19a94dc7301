//! The controller of a deployment, as a pure state machine.
//!
//! [`Controller`] holds one goal (run this plan, or stop it) and what it has heard of every instance, and says
//! what to do so that the two come together. It spawns no process, speaks over no socket and reads no clock;
//! the `fabric` crate does. Drive it like the machine of `host-core`: events and timeouts in, then
//! [`Controller::poll_action`] until `None`.
//!
//! It owns the first three steps of the one stop path, which every stop, recycle and crash goes through:
//!
//! ```text
//!   host: "draining" ──► out of rotation ──► barrier ──────────► connections end ──► Order::Drained
//!                        a new Routing      the balancer         Idle, or the drain
//!                                           acknowledges it      limit passes: cut
//! ```
//!
//! A new configuration is a new plan ([`Event::Configured`]). Hosts are told of it, those that have to recycle one
//! upgrade domain at a time; instances beyond the new count leave by the stop path, and their folders go.
//!
//! What a table of the balancer looks like is not known here: [`Routing`] says who is in rotation, and the
//! driver translates.

#![forbid(unsafe_code)]

mod controller;
mod member;
mod messages;
mod routing;

pub use controller::{
    CHANGE_LIMIT, Controller, DRAIN_LIMIT, HOST_FAILURES_MAX, HOST_PACE_MAX, START_ATTEMPTS_MAX,
    STOP_LIMIT,
};
pub use messages::{Action, Event, MemberView, Outcome};
pub use routing::{EndpointRouting, Rotation, Route, Routing};
