//! Whole-system tests: real processes, real sockets, real clients.

#![cfg(test)]

mod changes;
mod clients;
mod commands;
mod crashes;
mod environments;
mod failures;
mod faults;
mod fifos;
mod inspection;
mod ledger;
mod lifetimes;
mod many_files;
mod memory;
mod node;
mod operators;
mod options;
mod packages;
mod peers;
mod resources;
mod rotation;
mod sandbox;
mod signatures;
mod sockets;
mod workflow;
