//! Service definition (`.csdef`) and service configuration (`.cscfg`), read by their real grammar.
//!
//! ```text
//! text ─► xml_tree::parse ─► grammar (tables, one walk) ─► csdef, cscfg (typed, spanned) ─► rules ─► Service
//!                  └──────────────┴────────────── findings ───────────────┴──────────────────┘
//! ```
//!
//! [`check`] and its relatives collect every [`Finding`](diagnostics::Finding) of the files they are given
//! and build the span-free [`Service`] when none of them is an error. What this version does not read is a
//! finding with its place, never silence.
//! Pure: no file is opened here ([`load`] is handed what reading gave), nothing is decided about where and
//! how the service runs, and nothing after this crate knows that XML existed.

#![forbid(unsafe_code)]

mod check;
pub mod codes;
mod command_line;
mod cscfg;
mod csdef;
mod findings;
mod finish;
mod grammar;
mod ledger;
mod lexical;
mod load;
mod model;
mod modules;
mod places;
mod rules;
mod spanned;
mod suggest;
mod variables;
mod vm_sizes;
mod xpath;

/// The most instances of one deployment: the addresses of its loopback block 127.17.n.0/24, but the first and
/// the last.
pub const INSTANCES_MAX: u32 = 254;

pub use check::{Checked, CheckedDefinition, check, check_definition, check_files};
pub use command_line::{
    CommandLine, CommandLineError, Part as CommandPart, names_a_variable, windows_script_stem,
};
pub use ledger::{LedgerEntry, LedgerInput, Verdict, ledger};
pub use load::load;
pub use model::{
    Certificate, Content, Definition, ExecutionContext, InputEndpoint, InstanceInputEndpoint,
    InternalEndpoint, InternalPorts, LocalResource, PortSpecifier, ProgramEntryPoint, Protocol,
    RoleConfiguration, RoleDefinition, RoleInstanceValue, Service, StartupTask, TaskType, Variable,
    VariableValue,
};
pub use places::{ContentPlaces, RolePlaces, role_places};
pub use variables::{PLATFORM_VARIABLES, Reference, is_inherited, references};
pub use vm_sizes::VmSize;
