//! What tests of several crates need: to say that they could not run, and to wait.
//!
//! For `[dev-dependencies]` alone. No fixtures and no model: a test's own crate has those.

#![forbid(unsafe_code)]

mod requirement;
mod wait;

pub use requirement::{has_program, has_python_module, is_root, not_run};
pub use wait::{DEADLINE, wait_until, wait_within};
