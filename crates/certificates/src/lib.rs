//! Certificates on disk: found by their thumbprints in a folder of PFX and PEM files, and made for development.
//!
//! It knows no service and decides nothing: who needs which certificate, and what a missing one means, is for
//! those who ask. It trusts nobody: chains are put in order and never verified, an expired certificate is
//! handed out with its dates. Keys leave it only as [`Certificate::key`], which nothing prints.

#![forbid(unsafe_code)]

mod certificate;
mod development;
mod folder;
mod key;
mod pfx;

pub use certificate::Certificate;
pub use development::{Authority, AuthorityError};
pub use folder::{Folder, Problem, Trouble};
pub use key::Key;
