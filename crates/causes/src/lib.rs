//! Why an instance is not Ready, or why it recycles: from evidence to causes, each with a stable code and a cure.
//!
//! [`causes`] is one pure function over [`Facts`]. It looks at nothing itself: the `host` crate keeps a [`Death`] for
//! each end that nobody asked for, with what it could find out in that moment, and gathers the facts of an instance
//! that lives. No rule fires without evidence, and each [`Cause`] carries the evidence it was taken from.
//! Where no rule fires, there is no known cause, and the last lines are all that is said.
//!
//! Three groups of rules, in this order:
//! 1. what a living instance waits for, or does not do;
//! 2. what the last death says of its cause: it could not be executed, or it missed something that it named itself;
//! 3. only where none of those fires, how it ended.

#![forbid(unsafe_code)]

pub mod codes;
mod death;
mod explanation;
mod facts;
mod rules;

pub use death::{
    Death, End, Endpoint, Executable, FileKind, Limit, Listener, Memory, NotStarted, Phase,
    Process, Store,
};
pub use explanation::{Explanation, explain};
pub use facts::{Doing, Facts, RECENT, SLOW};
pub use rules::{Cause, causes};
