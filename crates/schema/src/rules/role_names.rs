//! Role names are unique in each file, without regard to case: instances and folders are named after them.

use std::borrow::Cow;

use super::check_unique;
use crate::codes;
use crate::cscfg::ServiceConfiguration;
use crate::csdef::ServiceDefinition;
use crate::findings::Findings;

fn folded(name: &str) -> Cow<'_, str> {
    name.to_lowercase().into()
}

fn message(name: &str) -> String {
    format!("the role name `{name}` is used twice")
}

pub(super) fn check_definition(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    let names = definition.roles.iter().filter_map(|role| role.name);
    let (file, code) = (definition.file, codes::ROLE_TWICE);
    check_unique(file, code, names, folded, message, findings);
}

pub(super) fn check_configuration(
    configuration: &ServiceConfiguration<'_>,
    findings: &mut Findings,
) {
    let names = configuration.roles.iter().filter_map(|role| role.name);
    let (file, code) = (configuration.file, codes::ROLE_TWICE);
    check_unique(file, code, names, folded, message, findings);
}
