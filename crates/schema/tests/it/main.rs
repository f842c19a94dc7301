//! Tests of the crate from outside, all in one binary.

mod boundaries;
mod configuration_rules;
mod definition_rules;
mod files;
mod findings_page;
mod ledger;
mod schema_page;
mod support;
