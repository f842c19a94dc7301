//! An `xpath` is one of the documented forms and names a setting, store or endpoint of the same role.
//!
//! A setting may be one that an import declares. An import's endpoint may not: approot has none of those.
//!
//! On the platform a wrong one gave an empty variable at run time; both are known before that.

use std::collections::HashSet;

use diagnostics::{FileId, Finding};

use super::{part, shown, variables};
use crate::codes;
use crate::csdef::{Role, ServiceDefinition};
use crate::findings::Findings;
use crate::model::RoleInstanceValue;
use crate::modules;
use crate::spanned::Spanned;
use crate::suggest::did_you_mean;
use crate::xpath::{self, XPath, XPathError};

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    for role in definition.worker_roles() {
        let elements =
            variables::of_role(role).filter_map(|variable| variable.role_instance_value.as_ref());
        let mut xpaths = elements.filter_map(|element| element.xpath).peekable();
        if xpaths.peek().is_none() {
            continue;
        }
        let declared = Declared::of_role(role);
        for xpath in xpaths {
            let finding = match xpath::parse(xpath.value) {
                Ok(parsed) => undeclared(definition.file, role, &declared, xpath, &parsed),
                Err(error) => Some(undocumented(definition.file, xpath, error)),
            };
            findings.extend(finding);
        }
    }
}

/// The names that a role has for an xpath to select.
struct Declared<'t> {
    settings: Names<'t>,
    stores: Names<'t>,
    endpoints: Names<'t>,
}

/// Names of one kind: in their order for suggestions, and to look one up, since both a role's names and
/// its xpaths can be thousands.
struct Names<'t> {
    in_order: Vec<&'t str>,
    distinct: HashSet<&'t str>,
}

impl<'t> Declared<'t> {
    fn of_role(role: &Role<'t>) -> Declared<'t> {
        let settings = role.settings.iter().map(|name| name.value);
        let imported = modules::imported(role).flat_map(|(module, _)| module.settings);
        let stores = role.local_resources.iter().filter_map(|store| store.name);
        let endpoints = role.endpoint_names();
        Declared {
            settings: Names::new(settings.chain(imported.copied())),
            stores: Names::new(stores.map(|name| name.value)),
            endpoints: Names::new(endpoints.iter().map(|name| name.value)),
        }
    }
}

impl<'t> Names<'t> {
    fn new(names: impl Iterator<Item = &'t str>) -> Names<'t> {
        let in_order: Vec<_> = names.collect();
        let distinct = in_order.iter().copied().collect();
        Names { in_order, distinct }
    }
}

fn undocumented(file: FileId, xpath: Spanned<&str>, error: XPathError) -> Finding {
    let finding = Finding::error(
        codes::XPATH,
        file,
        part(xpath, error.at.0, error.at.1),
        error.message,
    );
    if error.expected.is_empty() {
        return finding.help("delete it");
    }
    let expected: Vec<_> = error
        .expected
        .iter()
        .map(|step| format!("`{step}`"))
        .collect();
    finding.help(format!("documented here: {}", expected.join(", ")))
}

fn undeclared(
    file: FileId,
    role: &Role<'_>,
    declared: &Declared<'_>,
    xpath: Spanned<&str>,
    parsed: &XPath,
) -> Option<Finding> {
    let (what, name, names) = reference(declared, &parsed.value)?;
    if names.distinct.contains(name) {
        return None;
    }
    let message = format!("role {} has no {what} `{name}`", shown(role.name));
    let span = part(xpath, parsed.name.0, parsed.name.1);
    let finding = Finding::error(codes::XPATH_NAME, file, span, message);
    let help = did_you_mean(name, names.in_order.iter().copied());
    Some(finding.help(help.unwrap_or_else(|| format!("declare the {what} in the same role"))))
}

/// What a value refers to: its kind, its name, and the names that the role has of that kind.
fn reference<'v, 'd, 't>(
    declared: &'d Declared<'t>,
    value: &'v RoleInstanceValue,
) -> Option<(&'static str, &'v str, &'d Names<'t>)> {
    use RoleInstanceValue as Value;
    match value {
        Value::Emulated
        | Value::DeploymentId
        | Value::InstanceId
        | Value::UpdateDomain
        | Value::FaultDomain
        | Value::RoleName => None,
        Value::Setting(name) => Some(("setting", name, &declared.settings)),
        Value::LocalResourcePath(name) | Value::LocalResourceSize(name) => {
            Some(("local store", name, &declared.stores))
        }
        Value::EndpointProtocol(name)
        | Value::EndpointAddress(name)
        | Value::EndpointPort(name) => Some(("endpoint", name, &declared.endpoints)),
    }
}
