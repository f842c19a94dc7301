//! What people see.

#![allow(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "the one place of the one crate that prints"
)]

use std::io::{IsTerminal, Write};

use anyhow::Context;
use balancer_core::EndpointCounters;
use diagnostics::{Finding, Sources, Style, render_human, render_json};
use fabric::{FabricError, Notice, Status};
use serde::Serialize;

use crate::cli::Format;
use crate::exit::Failure;

/// Prints an error with its causes, and what helps where that is known.
pub(crate) fn error(error: &anyhow::Error) {
    eprintln!("error: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  because {cause}");
    }
    if let Some(help) = error.downcast_ref::<FabricError>().and_then(help) {
        eprintln!("  help: {help}");
    }
}

fn help(error: &FabricError) -> Option<String> {
    match error {
        FabricError::NoProgram { role, what: "program", .. } => Some(format!(
            "build the program and name it with `--binary {role}=FILE`; `cargo xtask run-local` and `cargo xtask \
             package` do both for a role that is a package of this workspace"
        )),
        FabricError::NoProgram { .. } => {
            Some("put the file into the approot, with `Contents` or in the folder `<Role>Content` beside the definition".to_owned())
        }
        FabricError::Port { .. } => {
            Some("end the program that has the port, or listen on another address with `--listen IP`".to_owned())
        }
        _ => None,
    }
}

/// Prints findings: on standard error for people, on standard output as JSON.
pub(crate) fn findings(sources: &Sources, findings: &[Finding], format: Format) {
    match format {
        Format::Human if findings.is_empty() => {}
        Format::Human => {
            let style = if std::io::stderr().is_terminal() {
                Style::Coloured
            } else {
                Style::Plain
            };
            anstream::eprint!("{}", render_human(sources, findings, style));
            let n_errors = findings.iter().filter(|finding| finding.is_error()).count();
            eprintln!(
                "{}, {n_errors} of them errors",
                counted(findings.len(), "finding")
            );
        }
        Format::Json => println!("{}", render_json(sources, findings).trim_end()),
    }
}

fn counted(n: usize, noun: &str) -> String {
    if n == 1 {
        format!("1 {noun}")
    } else {
        format!("{n} {noun}s")
    }
}

/// Prints a line for people.
pub(crate) fn line(text: &str) {
    eprintln!("{text}");
}

/// Prints a document for programs, on one line.
pub(crate) fn json<T: Serialize>(document: &T) -> Result<(), Failure> {
    let text = serde_json::to_string(document).context("cannot write the result as JSON")?;
    println!("{text}");
    Ok(())
}

/// Passes on what roles have printed. Returns `false` when nobody reads any more.
pub(crate) fn output(bytes: &[u8]) -> bool {
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(bytes)
        .and_then(|()| stdout.flush())
        .is_ok()
}

/// Prints the status as `approot status` does.
pub(crate) fn status(status: &Status, format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => json(status)?,
        Format::Human => eprint!("{}", table(status)),
    }
    Ok(())
}

/// The table of instances and where they are reached.
fn table(status: &Status) -> String {
    let mut rows =
        vec![["INSTANCE", "STATUS", "PID", "RECYCLES", "ADDRESS", "DETAIL"].map(str::to_owned)];
    for instance in status.instances() {
        let addresses: Vec<String> = instance
            .endpoints
            .iter()
            .map(|endpoint| endpoint.address.to_string())
            .collect();
        rows.push([
            instance.id.to_string(),
            instance.status.to_string(),
            instance
                .pid
                .map_or_else(|| "-".to_owned(), |pid| pid.to_string()),
            instance.recycles.to_string(),
            addresses.join(" "),
            instance.detail.clone().unwrap_or_default(),
        ]);
    }
    let mut text = format!("service {}", status.service);
    for deployment in &status.deployments {
        text.push_str(&format!(
            ", deployment {} in its incarnation {}",
            deployment.id, deployment.incarnation
        ));
    }
    text.push_str("\n\n");
    text.push_str(&columns(&rows));
    text.push('\n');
    for (name, public, count) in endpoints(status) {
        let served = status
            .balancer
            .as_ref()
            .and_then(|counters| counters.endpoints.get(&name));
        let counted = served.map(|counters| {
            format!(
                ", {} accepted, {} open, {} parked, {}",
                counters.accepted,
                counters.open,
                counters.parked,
                cuts(counters)
            )
        });
        text.push_str(&format!(
            "endpoint {name} at {public}, {count} Ready{}\n",
            counted.unwrap_or_default()
        ));
    }
    text
}

/// How many connections were cut, by cause.
fn cuts(counters: &EndpointCounters) -> String {
    let total: u64 = counters.cut.values().sum();
    let causes: Vec<String> = counters
        .cut
        .iter()
        .map(|(cause, count)| format!("{count} {cause}"))
        .collect();
    if causes.is_empty() {
        return "none cut".to_owned();
    }
    format!("{total} cut ({})", causes.join(", "))
}

/// Each input endpoint with its public address and how many Ready instances stand behind it.
fn endpoints(status: &Status) -> Vec<(String, String, usize)> {
    let mut endpoints: Vec<(String, String, usize)> = Vec::new();
    for role in status
        .deployments
        .iter()
        .flat_map(|deployment| &deployment.roles)
    {
        for instance in &role.instances {
            let is_ready = usize::from(instance.status.to_string() == "Ready");
            for endpoint in &instance.endpoints {
                let Some(public) = endpoint.public else {
                    continue;
                };
                let name = format!("{}/{}", role.name, endpoint.name);
                match endpoints.iter_mut().find(|(known, ..)| *known == name) {
                    Some((.., count)) => *count += is_ready,
                    None => {
                        endpoints.push((name, format!("{} {public}", endpoint.protocol), is_ready))
                    }
                }
            }
        }
    }
    endpoints
}

fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let widths: [usize; N] = std::array::from_fn(|column| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    });
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Prints what a running deployment has to say.
pub(crate) fn notice(notice: Notice, format: Format) {
    match notice {
        Notice::Step(text) => eprintln!("{text}"),
        Notice::Limitation(text) => eprintln!("note: {text}"),
        Notice::Started(started) => {
            // A status that cannot be printed does not end the deployment.
            let _ = status(&started, format);
            if format == Format::Human {
                eprintln!(
                    "\nevery instance is Ready; Ctrl-C stops them, `approot status` and `approot logs` tell more"
                );
            }
        }
        Notice::AttemptEnded { instance, cause } => eprintln!("{instance}: {cause}"),
        Notice::StartFailed { instance, cause } => {
            eprintln!("error: {instance} does not start: {cause}");
        }
        Notice::Stopping(why) => eprintln!("stopping: {why}"),
        Notice::Stopped => eprintln!("stopped"),
        Notice::Resumed => eprintln!("the fabric was lost: a new one takes over"),
        Notice::Failed(failed) => error(&anyhow::Error::new(failed)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a", "bb"], ["ccc", ""]].map(|row| row.map(str::to_owned));
        assert_eq!(columns(&rows), "a    bb\nccc\n");
    }
}
