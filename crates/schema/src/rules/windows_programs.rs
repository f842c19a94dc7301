//! Scripts and interpreters of Windows do not run here.
//!
//! Whether a script for this system stands beside one, which then runs instead, is not known here: files are
//! not looked at. So this is a report, and the start of a role fails where there is none.

use diagnostics::{Finding, Span};

use super::command_lines;
use crate::codes;
use crate::command_line::{CommandLine, WindowsProgram, names_a_variable};
use crate::csdef::ServiceDefinition;
use crate::findings::{Findings, quotable};

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    for line in definition.worker_roles().flat_map(command_lines::of_role) {
        let Ok(parsed) = CommandLine::parse(line.value) else {
            continue;
        };
        check_line(definition, line.span, &parsed, findings);
    }
}

fn check_line(
    definition: &ServiceDefinition<'_>,
    span: Span,
    line: &CommandLine,
    findings: &mut Findings,
) {
    for word in line.programs() {
        if names_a_variable(word) {
            continue;
        }
        let quoted = quotable(word);
        let (message, help) = match WindowsProgram::of(word) {
            Some(WindowsProgram::Script(stem)) => (
                format!("`{quoted}` is a Windows script, which is not run"),
                format!("put `{stem}.sh`, or `{stem}`, beside it: that runs instead"),
            ),
            Some(WindowsProgram::Shell) => (
                format!("`{quoted}` is a program of Windows"),
                "name a program of this system".to_owned(),
            ),
            Some(WindowsProgram::Executable(_)) | None => continue,
        };
        let code = codes::WINDOWS_PROGRAM;
        findings.push(Finding::report(code, definition.file, span, message).help(help));
    }
}
