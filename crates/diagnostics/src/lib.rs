//! Findings about the user's files, and their rendering.
//!
//! [`Sources`] holds decoded texts under a [`FileId`]; a [`Finding`] points into them with [`Label`]s;
//! [`render_human`], [`render_json`], [`render_sarif`] and [`render_github`] turn a list of findings into text.
//! Pure: it reads no files, prints nothing and knows no rule. Failures of the world (a socket, a
//! process) are not findings; they are error enums of the crates they happen in.

#![forbid(unsafe_code)]

mod codes;
mod finding;
mod github;
mod human;
mod json;
mod locator;
mod sarif;
mod span;

pub use codes::{Code, CodeEntry};
pub use finding::{Finding, Label, Severity, sort};
pub use github::render_github;
pub use human::{Style, one_line, render_human};
pub use json::render_json;
pub use locator::Locator;
pub use sarif::render_sarif;
pub use span::{FileId, Location, SourceFile, Sources, Span};
