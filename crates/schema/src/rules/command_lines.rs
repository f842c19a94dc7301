//! A command line can be cut into words: quotes are closed, no shell operator stands outside of them.

use diagnostics::{Finding, Span};

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
                "put the line into a script, `setup.sh` for instance, and name that here; what a task prints is \
                 kept, see `approot logs`",
            ),
        };
        let message = format!("this command line cannot be run: {error}");
        let span = at.map_or(line.span, |at| character(line, at));
        let finding = Finding::error(codes::COMMAND_LINE, definition.file, span, message);
        findings.push(finding.help(help));
    }
}

fn of_role<'t>(role: &Role<'t>) -> Vec<Spanned<&'t str>> {
    let programs = role.entry_point.iter().flat_map(|entry| &entry.programs);
    let programs = programs.filter_map(|program| program.command_line);
    let tasks = role
        .startup_tasks
        .iter()
        .filter_map(|task| task.command_line);
    programs.chain(tasks).collect()
}

/// The place of one character of the line; all of the line where references make offsets differ.
fn character(line: Spanned<&str>, at: usize) -> Span {
    if line.span.end - line.span.start == line.value.len() {
        Span::new(line.span.start + at, line.span.start + at + 1)
    } else {
        line.span
    }
}
