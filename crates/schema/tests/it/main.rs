//! Tests of the crate from outside, all in one binary.

mod boundaries;
mod definition_rules;
mod files;
mod support;
