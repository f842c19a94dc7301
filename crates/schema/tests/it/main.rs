//! Tests of the crate from outside, all in one binary.

mod boundaries;
mod files;
mod findings_page;
mod ledger;
mod schema_page;
mod support;
