//! A role runs exactly one `ProgramEntryPoint`.
//!
//! On the platform a role without one had its .NET assembly loaded; approot loads none, so there it is an
//! error, and so is `NetFxEntryPoint`. `setReadyOnProcessStart="false"` was reserved on the platform and
//! works here, which is reported.

use diagnostics::{Finding, Span};

use super::shown;
use crate::codes;
use crate::csdef::{EntryPoint, Role, ServiceDefinition};
use crate::findings::Findings;

const ADVICE: &str = "give the role a program: `<ProgramEntryPoint commandLine=\"…\" \
                      setReadyOnProcessStart=\"true\" />` in `Runtime/EntryPoint`";

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    let mut error = |code, span: Span, message: String, help: &str| {
        findings.push(Finding::error(code, definition.file, span, message).help(help));
    };
    for role in definition.worker_roles() {
        let name = shown(role.name);
        let Some(entry_point) = &role.entry_point else {
            let message = format!("role {name} names no program to run");
            error(codes::NO_ENTRY_POINT, role.span, message, ADVICE);
            continue;
        };
        match (entry_point.programs.len(), &entry_point.net[..]) {
            (1, []) => {}
            (0, [net]) => {
                let message = format!(
                    "the entry point of role {name} is a .NET assembly, which approot does not load"
                );
                error(codes::NET_ENTRY_POINT, net.span, message, ADVICE);
            }
            (n_programs, net) => {
                let message = format!(
                    "the entry point of role {name} has {} choices, not one",
                    n_programs + net.len()
                );
                error(codes::ENTRY_POINT, entry_point.span, message, ADVICE);
            }
        }
    }
    let ready = definition
        .worker_roles()
        .flat_map(|role| report_ready(definition, role));
    findings.extend(ready);
}

fn report_ready<'t>(
    definition: &'t ServiceDefinition<'_>,
    role: &'t Role<'_>,
) -> impl Iterator<Item = Finding> {
    let programs = role
        .entry_point
        .iter()
        .flat_map(|entry_point: &EntryPoint<'_>| &entry_point.programs);
    programs
        .filter_map(|program| program.set_ready_on_process_start)
        .filter(|ready| !ready.value)
        .map(|ready| {
            let message =
                "the instance is Ready when its program says so; the platform refused `false`";
            Finding::report(
                codes::READY_BY_PROGRAM,
                definition.file,
                ready.span,
                message,
            )
            .help("write `true` if the program does not speak to its host")
        })
}
