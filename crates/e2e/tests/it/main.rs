//! Whole-system tests: real processes, real sockets, real clients.

#![cfg(test)]

mod commands;
mod crashes;
mod environments;
mod failures;
mod inspection;
mod ledger;
mod lifetimes;
mod many_files;
mod memory;
mod operators;
mod packages;
mod peers;
mod rotation;
mod signatures;
mod workflow;
