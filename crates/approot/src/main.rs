//! The one binary: the operator's commands, and the processes of a deployment.
//!
//! `approot run` becomes the keeper and forks the fabric, the balancer and the hosts from itself; every other
//! command is a client that asks a running fabric, or works on files alone. This is the only crate that prints.
//!
//! What goes where: approot's own words go to standard error, for people; JSON and the other formats for programs,
//! and the output of roles that `logs` prints, go to standard output, for programs and pipes.

#![forbid(unsafe_code)]

mod check;
mod cli;
mod configure;
mod detach;
mod difference;
mod exit;
mod files;
mod inspect;
mod ledger;
mod left_overs;
mod locations;
mod notices;
mod operate;
mod options_file;
mod packages;
mod print;
mod progress;
mod prompt;
mod run;
mod runtime_directory;
mod service;
mod show;
mod signing;
mod staging;
mod table;
mod why;

use std::process::ExitCode;

use clap::Parser;
use fabric::Renewal;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let outcome = match cli.command {
        cli::Command::Check(arguments) => check::check(&arguments),
        cli::Command::Ledger(arguments) => ledger::ledger(&arguments),
        cli::Command::Run(arguments) => run::run(&arguments),
        cli::Command::Status(arguments) => operate::status(&arguments),
        cli::Command::Logs(arguments) => operate::logs(&arguments),
        cli::Command::Recycle(arguments) => operate::recycle(&arguments),
        cli::Command::Reboot(arguments) => operate::renew(&arguments, Renewal::Reboot),
        cli::Command::Reimage(arguments) => operate::renew(&arguments, Renewal::Reimage),
        cli::Command::Configure(arguments) => configure::configure(&arguments),
        cli::Command::Scale(arguments) => configure::scale(&arguments),
        cli::Command::Why(arguments) => why::why(&arguments),
        cli::Command::Explain(arguments) => why::explain(&arguments),
        cli::Command::Stop(arguments) => operate::stop(&arguments),
        cli::Command::Package(cli::PackageCommand::Build(arguments)) => packages::build(&arguments),
        cli::Command::Package(cli::PackageCommand::Verify(arguments)) => {
            packages::verify(&arguments)
        }
        cli::Command::Package(cli::PackageCommand::Inspect(arguments)) => {
            inspect::inspect(&arguments)
        }
        cli::Command::Package(cli::PackageCommand::Unpack(arguments)) => {
            inspect::unpack(&arguments)
        }
        cli::Command::Package(cli::PackageCommand::Diff(arguments)) => difference::diff(&arguments),
    };
    match outcome {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            show::error(&failure.error);
            ExitCode::from(failure.status)
        }
    }
}
