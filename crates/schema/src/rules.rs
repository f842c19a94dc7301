//! The rules: one a file, each with its code, over one file or over both.
//!
//! A rule looks at the typed trees, pushes findings and never stops another. What is missing because the
//! grammar refused it (`None` in the trees) has a finding already, so rules pass over it in silence.

mod blast;
mod endpoint_names;
mod entry_point;
mod fixed_ports;
mod instance_count;
mod internal_endpoint_count;
mod limits;
mod partial_trust;
mod protocols;
mod public_ports;
mod role_names;
mod roles_match;
mod schema_versions;
mod service_name;
mod settings_match;
mod settings_unique;
mod store_names;
mod unsupported_roles;
mod upgrade_domain_count;
mod variables;
mod xpaths;

use std::borrow::Cow;
use std::collections::HashMap;

use diagnostics::{Code, FileId, Finding};

use crate::cscfg::ServiceConfiguration;
use crate::csdef::ServiceDefinition;
use crate::findings::{Findings, quotable};
use crate::spanned::Spanned;

/// Rules over a definition.
pub(crate) const DEFINITION: &[fn(&ServiceDefinition<'_>, &mut Findings)] = &[
    blast::check,
    endpoint_names::check,
    entry_point::check,
    fixed_ports::check,
    internal_endpoint_count::check,
    limits::check,
    partial_trust::check,
    protocols::check,
    public_ports::check,
    role_names::check_definition,
    settings_unique::check_definition,
    store_names::check,
    unsupported_roles::check,
    upgrade_domain_count::check,
    variables::check,
    xpaths::check,
];

/// Rules over a configuration.
pub(crate) const CONFIGURATION: &[fn(&ServiceConfiguration<'_>, &mut Findings)] = &[
    instance_count::check,
    role_names::check_configuration,
    settings_unique::check_configuration,
];

/// A rule over both files.
type ServiceRule = fn(&ServiceDefinition<'_>, &ServiceConfiguration<'_>, &mut Findings);

/// Rules over both files.
pub(crate) const SERVICE: &[ServiceRule] = &[
    roles_match::check,
    schema_versions::check,
    service_name::check,
    settings_match::check,
];

/// One error for each name that stood before, pointing at the first; `fold` makes names comparable.
fn check_unique<'t>(
    file: FileId,
    code: Code,
    names: impl IntoIterator<Item = Spanned<&'t str>>,
    fold: impl Fn(&'t str) -> Cow<'t, str>,
    message: impl Fn(&str) -> String,
    findings: &mut Findings,
) {
    let names = names.into_iter();
    // Growing would hash every name again, which is most of the work.
    let mut first_of = HashMap::with_capacity(names.size_hint().1.unwrap_or(0));
    for name in names {
        let first = *first_of.entry(fold(name.value)).or_insert(name);
        if first.span != name.span {
            let finding = Finding::error(code, file, name.span, message(name.value))
                .related(file, first.span, "first one here")
                .help("rename or delete one of them");
            findings.push(finding);
        }
    }
}

/// What a role is called in messages, also when its name is missing.
fn shown(name: Option<Spanned<&str>>) -> String {
    name.map_or_else(
        || "without name".to_owned(),
        |name| format!("`{}`", quotable(name.value)),
    )
}
