//! The documents and the framing in which a role process and its host speak, version `2011-03-08`.
//!
//! Pure: bytes in, values out, and back. It opens no socket, reads no file and knows no clock; the
//! host and the `runtime` crate do. It decides nothing either: what a status *means* is the host's.
//!
//! The flow, from the role's side: [`Discovery`] names the goal-state endpoint; that one streams
//! [`GoalState`] documents, each in a frame ([`frame`], [`FrameDecoder`]); a goal state names the
//! file with the [`RoleEnvironment`] and the endpoint that takes [`CurrentState`] documents.
//! [`changes`] tells what differs between two environments.
//!
//! Invariants: whatever `render` writes, `parse` of the same type reads back as the same value
//! (characters that XML cannot hold aside, which become U+FFFD); no rendered document holds CR LF;
//! nothing that a peer sends can panic or grow without bound.

#![forbid(unsafe_code)]

mod changes;
mod current_state;
mod discovery;
mod document;
mod environment;
mod frame;
mod goal_state;
mod moment;
mod writer;

pub use changes::{Change, changes};
pub use current_state::{CurrentState, Lease, LeaseStatus, MAX_CURRENT_STATE_BYTES};
pub use discovery::{Discovery, MAX_DISCOVERY_BYTES};
pub use document::DocumentError;
pub use environment::{
    CurrentInstance, Endpoint, Instance, LocalResource, MAX_ENVIRONMENT_BYTES, Role,
    RoleEnvironment, Setting,
};
pub use frame::{FrameDecoder, FrameError, frame};
pub use goal_state::{ExpectedState, GoalState, MAX_GOAL_STATE_BYTES};
pub use moment::{Deadline, Expiration};

/// By this a host finds, in the file of a program, that it takes the sockets that it is passed (`LISTEN_FDS`):
/// opening them for a program that binds its own would have that fail. The SDK puts it into each role's program.
pub const TAKES_PASSED_SOCKETS: [u8; 46] = *b"approot: this program takes passed sockets, v1";

/// The protocol version that every published client library asks for in [`Discovery`].
pub const VERSION: &str = "2011-03-08";
