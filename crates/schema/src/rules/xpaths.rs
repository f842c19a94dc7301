//! An `xpath` is one of the documented forms and names a setting, store or endpoint of the same role.
//!
//! A setting may be one that an import declares. An import's endpoint may not: approot has none of those.
//!
//! On the platform a wrong one gave an empty variable at run time; both are known before that.

use std::collections::HashSet;

use diagnostics::{FileId, Finding};

use super::{configured_roles, part, shown, variables};
use crate::codes;
use crate::cscfg::ServiceConfiguration;
use crate::csdef::{Role, ServiceDefinition};
use crate::findings::{Findings, quotable};
use crate::model::RoleInstanceValue;
use crate::modules::Imported;
use crate::spanned::Spanned;
use crate::suggest::did_you_mean;
use crate::xpath::{self, XPath, XPathError};

pub(super) fn check_definition(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    for role in definition.worker_roles() {
        let elements =
            variables::of_role(role).filter_map(|variable| variable.role_instance_value.as_ref());
        let mut xpaths = elements.filter_map(|element| element.xpath).peekable();
        if xpaths.peek().is_none() {
            continue;
        }
        let declared = Declared::of_role(role);
        for xpath in xpaths {
            match xpath::parse(xpath.value) {
                Ok(parsed) => {
                    check_name(definition.file, role, &declared, xpath, &parsed, findings);
                }
                Err(error) => findings.push(undocumented(definition.file, xpath, error)),
            }
        }
    }
}

const SETTING: &str = "setting";

/// The names that a role has for an xpath to select.
struct Declared<'t> {
    settings: Names<'t>,
    imported: Imported<'t>,
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
        let stores = role.local_resources.iter().filter_map(|store| store.name);
        let endpoints = role.endpoint_names();
        Declared {
            settings: Names::new(settings),
            imported: Imported::of(role),
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

fn check_name(
    file: FileId,
    role: &Role<'_>,
    declared: &Declared<'_>,
    xpath: Spanned<&str>,
    parsed: &XPath,
    findings: &mut Findings,
) {
    let Some((what, name, names)) = reference(declared, &parsed.value) else {
        return;
    };
    let is_imported = what == SETTING && declared.imported.declares(name);
    if is_imported || names.distinct.contains(name) {
        return;
    }
    let span = part(xpath, parsed.name.0, parsed.name.1);
    findings.push_error(file, span, || {
        let message = format!(
            "role {} has no {what} `{}`",
            shown(role.name),
            quotable(name)
        );
        let help = did_you_mean(name, names.in_order.iter().copied());
        let help = help.unwrap_or_else(|| format!("declare the {what} in the same role"));
        Finding::error(codes::XPATH_NAME, file, span, message).help(help)
    });
}

/// An import's setting has a value only if the configuration gives it one.
pub(super) fn check_service(
    definition: &ServiceDefinition<'_>,
    configuration: &ServiceConfiguration<'_>,
    findings: &mut Findings,
) {
    for (role, configured) in configured_roles(definition, configuration) {
        if role.imports.is_empty() {
            continue;
        }
        let imported = Imported::of(role);
        let mut valued = None;
        let elements =
            variables::of_role(role).filter_map(|variable| variable.role_instance_value.as_ref());
        for xpath in elements.filter_map(|element| element.xpath) {
            let Ok(parsed) = xpath::parse(xpath.value) else {
                continue;
            };
            let RoleInstanceValue::Setting(name) = &parsed.value else {
                continue;
            };
            let valued: &HashSet<_> = valued.get_or_insert_with(|| {
                let names = configured
                    .settings
                    .iter()
                    .filter_map(|setting| setting.name);
                names.map(|name| name.value).collect()
            });
            if imported.declares(name) && !valued.contains(name.as_str()) {
                let message = format!("setting `{}` has no value", quotable(name));
                let span = part(xpath, parsed.name.0, parsed.name.1);
                let at = configured.name.map_or(configured.span, |name| name.span);
                let finding = Finding::error(codes::XPATH_NAME, definition.file, span, message)
                    .related(configuration.file, at, "not in the settings of this role")
                    .help("give it a value in the configuration");
                findings.push(finding);
            }
        }
    }
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
        Value::Setting(name) => Some((SETTING, name, &declared.settings)),
        Value::LocalResourcePath(name) | Value::LocalResourceSize(name) => {
            Some(("local store", name, &declared.stores))
        }
        Value::EndpointProtocol(name)
        | Value::EndpointAddress(name)
        | Value::EndpointPort(name) => Some(("endpoint", name, &declared.endpoints)),
    }
}
