//! `approot.toml`: what an operator says of a service that its definition and configuration have no words for.
//!
//! [`check()`] reads the text, checks it against the definition and gives each role's [`plan::RoleOptions`], with a
//! finding for everything that is wrong: whatever is misspelt here would else be silently without effect.
//! [`KEYS`] lists every key; reading is driven by it, and `docs/options.md` is generated from it.
//!
//! Pure: it reads no file. Where the file is, and what follows from findings, is `approot`'s.

#![forbid(unsafe_code)]

mod check;
mod keys;

pub use check::{Checked, check};
pub use keys::{FILE_NAME, KEYS, Key, Kind, Scope};
