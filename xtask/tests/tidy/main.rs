//! Rules of the whole workspace that no compiler checks, as tests.
//!
//! They read text and `cargo metadata`, and say which file breaks which rule, all of them at once.
//! What a rule cannot see by such simple means is left to reviews.
//!
//! The modules say `cfg(test)`, without which the lints take their helpers for production code.

#[cfg(test)]
mod dependencies;
#[cfg(test)]
mod files;
#[cfg(test)]
mod manifests;
#[cfg(test)]
mod purity;
#[cfg(test)]
mod schema_page;
#[cfg(test)]
mod sources;
