//! What a command line refers to as `%NAME%` is a variable of its program.
//!
//! Only a warning: an undefined one stays as it is written, as it did on the platform.

use diagnostics::Finding;

use super::part;
use crate::codes;
use crate::csdef::{ServiceDefinition, Variable};
use crate::findings::{Findings, quotable};
use crate::spanned::Spanned;
use crate::suggest::did_you_mean;
use crate::variables::{PLATFORM_VARIABLES, is_given, references};

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    for role in definition.worker_roles() {
        let programs = role.entry_point.iter().flat_map(|entry| &entry.programs);
        for line in programs.filter_map(|program| program.command_line) {
            check_line(definition, line, &role.environment, findings);
        }
        for task in &role.startup_tasks {
            if let Some(line) = task.command_line {
                check_line(definition, line, &task.environment, findings);
            }
        }
    }
}

fn check_line(
    definition: &ServiceDefinition<'_>,
    line: Spanned<&str>,
    declared: &[Variable<'_>],
    findings: &mut Findings,
) {
    for found in references(line.value) {
        let declared = || declared.iter().filter_map(|variable| variable.name);
        let is_declared = || declared().any(|name| name.value.eq_ignore_ascii_case(found.name));
        if is_given(found.name) || is_declared() {
            continue;
        }
        let names = declared().map(|name| name.value);
        let help = did_you_mean(found.name, names.chain(PLATFORM_VARIABLES)).unwrap_or_else(|| {
            "declare it in the `Environment` of this program or task, or take it out".to_owned()
        });
        let message = format!(
            "`{}` is no variable that this program has: it stays as it is written",
            quotable(found.name)
        );
        let span = part(line, found.start, found.end);
        let finding = Finding::warning(codes::UNDEFINED_VARIABLE, definition.file, span, message);
        findings.push(finding.help(help));
    }
}
