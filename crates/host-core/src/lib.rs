//! The life of one role instance, as a pure state machine.
//!
//! [`Instance`] is told what happened ([`Event`]) and when (a [`Duration`](std::time::Duration) since the host began), and answers what
//! to do ([`Action`]). It touches no process, file, socket or clock; the `host` crate does what it asks for.
//!
//! Drive it in this order: any of [`Instance::handle_event`] and [`Instance::handle_timeout`], then
//! [`Instance::poll_action`] until it returns `None`, then wait for the next event or for
//! [`Instance::poll_timeout`].
//!
//! ```text
//!            Start           prepared        tasks done        ready
//!   Idle ──────────► Preparing ──────► Tasks ──────► Starting ──────► Running
//!                        ▲                │              │               │  recycle or stop ordered,
//!                        │                │ exit ≠ 0     │ ended         │  or the role asks for it
//!                        │                ▼              ▼               ▼
//!                     Waiting ◄──────── Emptying ◄─── Stopping ◄──── Draining
//!                     (pacing)             │         (Stopped, SIGTERM,
//!                                          ▼          SIGKILL at the limit)
//!                                        Ended
//! ```
//!
//! A program that ends by itself, with whatever status, goes to Emptying at once: it is gone already, so
//! there is nothing to drain. Every way out of an attempt leads through Emptying, where all that is left below
//! the host is killed, so an attempt never meets processes of the one before it.
//!
//! A new configuration reaches a running program as a new role environment ([`Order::Change`]), or where a program
//! cannot be told ([`Order::Replace`]) with a recycle. [`Order::Reboot`] is a stop without the question, after which
//! the host ends and another one follows.
//!
//! Source of the order of steps: "Role lifecycle" and "Startup tasks" in the platform's documentation.

#![forbid(unsafe_code)]

mod instance;
mod leases;
mod messages;
mod pacing;

pub use instance::{
    CLIENT_ANSWERED_LIMIT, DRAIN_LIMIT, Instance, Limits, REBOOT_LIMIT, Shape, TASK_END_LIMIT,
};
pub use leases::{CLIENTS_MAX, Lease, LeaseStatus};
pub use messages::{Action, Event, Exit, Order, Report, Status};
