//! A variable has exactly one of `value` and `RoleInstanceValue`.

use diagnostics::Finding;

use super::shown;
use crate::codes;
use crate::csdef::{Role, ServiceDefinition, Variable};
use crate::findings::Findings;

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    for variable in definition.worker_roles().flat_map(of_role) {
        let name = shown(variable.name);
        let finding =
            |span, message| Finding::error(codes::VARIABLE_VALUE, definition.file, span, message);
        match (&variable.value, &variable.role_instance_value) {
            (Some(value), Some(other)) => findings.push(
                finding(
                    other.span,
                    format!("variable {name} has both a value and a `RoleInstanceValue`"),
                )
                .related(definition.file, value.span, "the value")
                .help("keep one of the two"),
            ),
            (None, None) => findings.push(
                finding(
                    variable.span,
                    format!("variable {name} has neither a value nor a `RoleInstanceValue`"),
                )
                .help("add `value=\"…\"`; `value=\"\"` sets the empty text"),
            ),
            (Some(_), None) | (None, Some(_)) => {}
        }
    }
}

/// The variables of a role's program and of its startup tasks.
pub(super) fn of_role<'r, 't>(role: &'r Role<'t>) -> impl Iterator<Item = &'r Variable<'t>> {
    let of_tasks = role.startup_tasks.iter().flat_map(|task| &task.environment);
    role.environment.iter().chain(of_tasks)
}
