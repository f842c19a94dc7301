//! The rules: one a file, each with its code, over one file or over both.
//!
//! A rule looks at the typed trees, pushes findings and never stops another. What is missing because the
//! grammar refused it (`None` in the trees) has a finding already, so rules pass over it in silence.

mod access_controls;
mod approot_prefix;
mod certificate_stores;
mod certificates_match;
mod certificates_unique;
mod command_lines;
mod endpoint_acls;
mod endpoint_acls_unique;
mod endpoint_names;
mod entry_point;
mod extended_support;
mod fixed_ports;
mod https_certificates;
mod idle_timeouts;
mod instance_count;
mod instance_ports;
mod instance_total;
mod internal_endpoint_count;
mod known_imports;
mod known_vm_sizes;
mod limits;
mod load_balancers;
mod misspelt;
mod network_roles;
mod port_ranges;
mod probe_paths;
mod probe_times;
mod probes_exist;
mod probes_unique;
mod public_ports;
mod range_sizes;
mod role_names;
mod roles_match;
mod schema_versions;
mod service_name;
mod settings_match;
mod settings_unique;
mod store_names;
mod store_sizes;
mod thumbprints;
mod traffic_rule_forms;
mod traffic_rules;
mod undefined_variables;
mod unsupported_roles;
mod upgrade_domain_count;
mod variables;
mod variables_unique;
mod web_roles;
mod windows_programs;
mod xpaths;

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;

use diagnostics::{Code, FileId, Finding, Span};

use crate::cscfg::{self, ServiceConfiguration};
use crate::csdef::{self, ServiceDefinition};
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
    instance_ports::check,
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
    undefined_variables::check,
    unsupported_roles::check,
    upgrade_domain_count::check,
    variables::check,
    variables_unique::check,
    web_roles::check,
    windows_programs::check,
    xpaths::check_definition,
];

/// Rules over a configuration.
pub(crate) const CONFIGURATION: &[fn(&ServiceConfiguration<'_>, &mut Findings)] = &[
    access_controls::check,
    certificates_unique::check_configuration,
    endpoint_acls::check_configuration,
    endpoint_acls_unique::check,
    instance_count::check,
    role_names::check_configuration,
    settings_unique::check_configuration,
    thumbprints::check,
];

/// A rule over both files.
type ServiceRule = fn(&ServiceDefinition<'_>, &ServiceConfiguration<'_>, &mut Findings);

/// Rules over both files.
pub(crate) const SERVICE: &[ServiceRule] = &[
    certificates_match::check,
    endpoint_acls::check,
    extended_support::check,
    instance_total::check,
    load_balancers::check,
    network_roles::check,
    range_sizes::check,
    roles_match::check,
    schema_versions::check,
    service_name::check,
    settings_match::check,
    xpaths::check_service,
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
    for (first, name) in repeated(names, |name| fold(name.value)) {
        let finding = Finding::error(code, file, name.span, message(name.value))
            .related(file, first.span, "first one here")
            .help("rename or delete one of them");
        findings.push(finding);
    }
}

/// Every item whose key stood before, after the first one of that key.
fn repeated<T: Copy, K: Eq + Hash>(
    items: impl IntoIterator<Item = T>,
    key: impl Fn(T) -> K,
) -> impl Iterator<Item = (T, T)> {
    let items = items.into_iter();
    // Growing would hash every key again, which is most of the work.
    let mut first_of = HashMap::with_capacity(items.size_hint().1.unwrap_or(0));
    items.filter_map(move |item| match first_of.entry(key(item)) {
        Entry::Occupied(first) => Some((*first.get(), item)),
        Entry::Vacant(vacant) => {
            vacant.insert(item);
            None
        }
    })
}

/// Every role of the definition that is configured, with its configuration.
fn configured_roles<'d, 't>(
    definition: &'d ServiceDefinition<'t>,
    configuration: &'d ServiceConfiguration<'t>,
) -> impl Iterator<Item = (&'d csdef::Role<'t>, &'d cscfg::Role<'t>)> {
    // From the back, so that the first of two roles of one name is the one that stays.
    let configured: HashMap<_, _> = configuration
        .roles
        .iter()
        .rev()
        .filter_map(|role| role.name.map(|name| (name.value, role)))
        .collect();
    definition
        .roles
        .iter()
        .filter_map(move |role| Some((role, *configured.get(role.name?.value)?)))
}

/// A finding about an unknown name, with the one that was probably meant, or else with `advice`.
fn meant_or(
    finding: Finding,
    file: FileId,
    meant: Option<Spanned<&str>>,
    advice: String,
) -> Finding {
    match meant {
        Some(meant) => finding
            .related(file, meant.span, "declared here")
            .help(format!("did you mean `{}`?", meant.value)),
        None => finding.help(advice),
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
