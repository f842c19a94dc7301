//! A program or task has each variable once, without regard to case, as on Windows.
//!
//! There the last one won; here two that differ in case are two variables.

use diagnostics::Finding;

use super::repeated;
use crate::codes;
use crate::csdef::{ServiceDefinition, Variable};
use crate::findings::{Findings, quotable};

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    for role in definition.worker_roles() {
        let of_tasks = role.startup_tasks.iter().map(|task| &task.environment);
        for variables in std::iter::once(&role.environment).chain(of_tasks) {
            check_environment(definition, variables, findings);
        }
    }
}

fn check_environment(
    definition: &ServiceDefinition<'_>,
    variables: &[Variable<'_>],
    findings: &mut Findings,
) {
    if variables.len() < 2 {
        return;
    }
    let names = variables.iter().filter_map(|variable| variable.name);
    for (first, name) in repeated(names, |name| name.value.to_lowercase()) {
        let quoted = quotable(name.value);
        let (message, help) = if first.value == name.value {
            (
                format!("variable `{quoted}` stands here twice"),
                "keep one: the last one counts",
            )
        } else {
            (
                format!("variable `{quoted}` differs from another in case only"),
                "keep one: on Windows they were one variable, here they are two",
            )
        };
        let (code, file) = (codes::VARIABLE_TWICE, definition.file);
        let finding = Finding::warning(code, file, name.span, message)
            .related(file, first.span, "first one here")
            .help(help);
        findings.push(finding);
    }
}
