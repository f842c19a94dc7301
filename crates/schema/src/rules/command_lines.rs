//! A command line can be cut into words: quotes are closed, and operators have something to work on.

use diagnostics::Finding;

use super::part;
use crate::codes;
use crate::command_line::{CommandLine, CommandLineError};
use crate::csdef::{Role, ServiceDefinition};
use crate::findings::Findings;
use crate::spanned::Spanned;

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    for line in definition.worker_roles().flat_map(of_role) {
        let Err(error) = CommandLine::parse(line.value) else {
            continue;
        };
        let (at, help) = match error {
            CommandLineError::Empty => (None, "name a program"),
            CommandLineError::OpenQuote { at } => (Some(at), "add the closing `\"`"),
            CommandLineError::Operator { at, .. } => (
                Some(at),
                "complete the line; where the character itself is meant, put it into quotation marks",
            ),
        };
        let message = format!("this command line cannot be run: {error}");
        let span = at.map_or(line.span, |at| part(line, at, at + 1));
        let finding = Finding::error(codes::COMMAND_LINE, definition.file, span, message);
        findings.push(finding.help(help));
    }
}

/// The command lines of a role's program and startup tasks.
pub(super) fn of_role<'t>(role: &Role<'t>) -> Vec<Spanned<&'t str>> {
    let programs = role.entry_point.iter().flat_map(|entry| &entry.programs);
    let programs = programs.filter_map(|program| program.command_line);
    let tasks = role
        .startup_tasks
        .iter()
        .filter_map(|task| task.command_line);
    programs.chain(tasks).collect()
}
