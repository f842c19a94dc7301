//! Tests of the crate from outside, all in one binary.

mod boundaries;
mod files;
mod ledger;
mod support;
