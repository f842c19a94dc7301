//! XML text to a tree with spans.
//!
//! [`decode`] turns bytes into text, [`parse`] turns text into a [`Tree`] of [`Element`]s that borrow
//! from it, each name and value with its place; [`escape`] is for writers.
//! Parsing never fails and never panics: what keeps a text from being well-formed is a [`Problem`] in
//! the tree. Every input is bounded by the constants of [`limits`].
//! Pure: it reads no files. It knows no schema, fetches nothing and refuses a DOCTYPE, so no entity but
//! the five predefined ones exists.

#![forbid(unsafe_code)]

mod chars;
pub mod codes;
mod decode;
mod escape;
pub mod limits;
mod namespaces;
mod parse;
mod plain;
mod problem;
mod prolog;
mod scan;
mod tag;
mod tree;
mod value;

pub use decode::{DecodeError, decode};
pub use escape::escape;
pub use parse::parse;
pub use problem::Problem;
pub use tree::{Attribute, Element, Tree};
