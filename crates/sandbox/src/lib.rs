//! The steps that need `unsafe` or privilege: forking a process of our own, spawning a program, and
//! ending everything below a process.
//!
//! This crate is the only place where `unsafe` may stand; each use has a SAFETY note. It does not decide what runs or when, and keeps no state: the keeper and the hosts do.
//!
//! Not here yet: own identities, capabilities, Landlock and cgroups of a `limited` role. Until they are,
//! every role runs as the fabric's user, and the fabric says so.
//!
//! - [`fork`] starts one of approot's own processes from the single-threaded keeper.
//! - [`spawn`] starts a startup task or a role program below a host.
//! - [`Pidfd`] waits for a process to end.
//! - [`descendants`] finds and kills what is left below this process, or what a dead host left behind.

#![allow(
    unsafe_code,
    reason = "fork(2) and the child's side of spawn have no safe form; every use is explained"
)]

pub mod descendants;
mod fork;
mod pidfd;
mod spawn;

pub use fork::{close_descriptors_except, fork};
pub use pidfd::{Pidfd, Reaped};
pub use spawn::{Program, Spawned, spawn};
