//! The rules: one a file, each with its code, over one file or over both.
//!
//! A rule looks at the typed trees, pushes findings and never stops another. What is missing because the
//! grammar refused it (`None` in the trees) has a finding already, so rules pass over it in silence.

mod approot_prefix;
mod certificate_stores;
mod certificates_unique;
mod command_lines;
mod endpoint_names;
mod entry_point;
mod fixed_ports;
mod https_certificates;
mod idle_timeouts;
mod instance_count;
mod internal_endpoint_count;
mod known_imports;
mod known_vm_sizes;
mod limits;
mod port_ranges;
mod probe_paths;
mod probe_times;
mod probes_exist;
mod probes_unique;
mod public_ports;
mod role_names;
mod roles_match;
mod schema_versions;
mod service_name;
mod settings_match;
mod settings_unique;
mod store_names;
mod store_sizes;
mod traffic_rule_forms;
mod traffic_rules;
mod unsupported_roles;
mod upgrade_domain_count;
mod variables;
mod web_roles;
mod xpaths;

use std::borrow::Cow;
use std::collections::HashMap;

use diagnostics::{Code, FileId, Finding, Span};

use crate::cscfg::ServiceConfiguration;
use crate::csdef::ServiceDefinition;
use crate::findings::{Findings, quotable};
use crate::spanned::Spanned;

/// Rules over a definition.
pub(crate) const DEFINITION: &[fn(&ServiceDefinition<'_>, &mut Findings)] = &[
    approot_prefix::check,
    certificate_stores::check,
    certificates_unique::check_definition,
    command_lines::check,
    endpoint_names::check,
    entry_point::check,
    fixed_ports::check,
    https_certificates::check,
    idle_timeouts::check,
    internal_endpoint_count::check,
    known_imports::check,
    known_vm_sizes::check,
    limits::check,
    port_ranges::check,
    probe_paths::check,
    probe_times::check,
    probes_exist::check,
    probes_unique::check,
    public_ports::check,
    role_names::check_definition,
    settings_unique::check_definition,
    store_names::check,
    store_sizes::check,
    traffic_rule_forms::check,
    traffic_rules::check,
    unsupported_roles::check,
    upgrade_domain_count::check,
    variables::check,
    web_roles::check,
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
    let mut first_of = HashMap::new();
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

/// The place of the bytes `start..end` of a value; of all of it where references make offsets differ.
fn part(value: Spanned<&str>, start: usize, end: usize) -> Span {
    let is_verbatim = value.span.end - value.span.start == value.value.len();
    match is_verbatim {
        true => Span::new(value.span.start + start, value.span.start + end),
        false => value.span,
    }
}
