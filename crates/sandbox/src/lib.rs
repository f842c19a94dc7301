//! The steps that need `unsafe` or privilege: forking a process of our own, spawning a program, and
//! ending everything below a process.
//!
//! This crate is the only place where `unsafe` may stand; each use has a SAFETY note. It does not decide what runs or when, and keeps no state: the keeper and the hosts do.
//!
//! - [`fork`] starts one of approot's own processes from the single-threaded keeper.
//! - [`spawn`] starts a startup task or a role program below a host, in a [`Confinement`] made of:
//!   [`Cgroup`] limits and kills, [`View`] shows folders and hides others, [`Files`] says what may be read and written.
//! - [`Machine`] says what of that this machine gives, [`identity`] which users and files there are.
//! - [`Pidfd`] waits for a process to end; [`unread_bytes`] tells what the other end of a socket has not read.
//! - [`descendants`] finds and kills what is left below this process, or what a dead host left behind.

#![allow(
    unsafe_code,
    reason = "fork(2) and the child's side of spawn have no safe form; every use is explained"
)]

mod cgroup;
pub mod descendants;
mod files;
mod fork;
pub mod identity;
mod machine;
mod passing;
mod peer;
mod pidfd;
mod spawn;
mod view;

pub use cgroup::{Cgroup, Hierarchies, Limits};
pub use files::{Elsewhere, FileRules, Files, is_of_the_system};
pub use fork::{close_descriptors_except, fork};
pub use machine::Machine;
pub use peer::unread_bytes;
pub use pidfd::{Pidfd, Reaped};
pub use spawn::{Confinement, Program, STEPS, SpawnError, Spawned, spawn};
pub use view::{View, ViewRules, first_closed};
