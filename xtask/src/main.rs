//! The project's build commands: `cargo xtask run-local | package | test | ci | bench | fuzz`.
//!
//! One file per command; [`workspace`], [`service`] and [`build`] are what they share.
//! Nothing here reads a service definition: xtask finds the crates of a service's roles, builds
//! them reproducibly and hands over to the `approot` program, which knows what the files mean.
//!
//! Exit status: 0 done; 1 the command failed; 2 the command line is wrong; 3 the service is not
//! there or incomplete; 101 and others are those of the program that was handed over to.

#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a build tool speaks to its terminal"
)]

mod bench;
mod build;
mod ci;
mod components;
mod fuzz;
mod handover;
mod package;
mod python;
mod refusal;
mod run_local;
mod service;
mod tally;
mod test;
mod verify;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

use crate::refusal::Refusal;

/// Builds, runs, packages and checks approot and the services of this workspace.
#[derive(Parser)]
#[command(bin_name = "cargo xtask", disable_help_subcommand = true)]
enum Command {
    RunLocal(run_local::Arguments),
    Package(package::Arguments),
    /// Runs everything that a contributor must pass
    Test,
    /// Does what CI does: install what is missing, check format, lints and documents, test, fuzz
    Ci,
    Bench(bench::Arguments),
    Fuzz(fuzz::Arguments),
}

fn main() -> ExitCode {
    match run(Command::parse()) {
        Ok(exit_code) => exit_code,
        Err(error) => {
            eprintln!("error: {error:#}");
            let refusal = error.downcast_ref::<Refusal>();
            refusal.map_or(ExitCode::FAILURE, |refusal| refusal.status.into())
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    let sh = xshell::Shell::new()?;
    match command {
        Command::RunLocal(arguments) => run_local::run(&sh, arguments),
        Command::Package(arguments) => package::run(&sh, arguments),
        Command::Test => test::run(&sh),
        Command::Ci => ci::run(&sh),
        Command::Bench(arguments) => bench::run(&sh, arguments),
        Command::Fuzz(arguments) => fuzz::run(&sh, arguments),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Command::command().debug_assert();
    }
}
