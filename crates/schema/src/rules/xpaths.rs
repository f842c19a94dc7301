//! An `xpath` is one of the documented forms and names a setting, store or endpoint of the same role.
//!
//! On the platform a wrong one gave an empty variable at run time; both are known before that.

use diagnostics::{FileId, Finding, Span};

use super::{shown, variables};
use crate::codes;
use crate::csdef::{Role, ServiceDefinition};
use crate::findings::Findings;
use crate::model::RoleInstanceValue;
use crate::spanned::Spanned;
use crate::suggest::did_you_mean;
use crate::xpath::{self, XPath, XPathError};

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    for role in definition.worker_roles() {
        let elements =
            variables::of_role(role).filter_map(|variable| variable.role_instance_value.as_ref());
        for xpath in elements.filter_map(|element| element.xpath) {
            let finding = match xpath::parse(xpath.value) {
                Ok(parsed) => undeclared(definition.file, role, xpath, &parsed),
                Err(error) => Some(undocumented(definition.file, xpath, error)),
            };
            findings.extend(finding);
        }
    }
}

fn undocumented(file: FileId, xpath: Spanned<&str>, error: XPathError) -> Finding {
    let finding = Finding::error(codes::XPATH, file, part(xpath, error.at), error.message);
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
    xpath: Spanned<&str>,
    parsed: &XPath,
) -> Option<Finding> {
    let (what, name, declared) = reference(role, &parsed.value)?;
    if declared.contains(&name) {
        return None;
    }
    let message = format!("role {} has no {what} `{name}`", shown(role.name));
    let finding = Finding::error(codes::XPATH_NAME, file, part(xpath, parsed.name), message);
    let help = did_you_mean(name, declared);
    Some(finding.help(help.unwrap_or_else(|| format!("declare the {what} in the same role"))))
}

/// What a value refers to: its kind, its name, and the names that the role has of that kind.
fn reference<'v, 't>(
    role: &Role<'t>,
    value: &'v RoleInstanceValue,
) -> Option<(&'static str, &'v str, Vec<&'t str>)> {
    use RoleInstanceValue as Value;
    let names = |names: &mut dyn Iterator<Item = Option<Spanned<&'t str>>>| {
        names.flatten().map(|name| name.value).collect()
    };
    match value {
        Value::Emulated
        | Value::DeploymentId
        | Value::InstanceId
        | Value::UpdateDomain
        | Value::FaultDomain
        | Value::RoleName => None,
        Value::Setting(name) => Some((
            "setting",
            name,
            names(&mut role.settings.iter().map(|name| Some(*name))),
        )),
        Value::LocalResourcePath(name) | Value::LocalResourceSize(name) => {
            let stores = &mut role.local_resources.iter().map(|store| store.name);
            Some(("local store", name, names(stores)))
        }
        Value::EndpointProtocol(name)
        | Value::EndpointAddress(name)
        | Value::EndpointPort(name) => {
            let names = role.endpoint_names();
            Some((
                "endpoint",
                name,
                names.iter().map(|name| name.value).collect(),
            ))
        }
    }
}

/// The place of a part of the expression; of all of it where references make offsets differ.
fn part(xpath: Spanned<&str>, (start, end): (usize, usize)) -> Span {
    let is_verbatim = xpath.span.end - xpath.span.start == xpath.value.len();
    match is_verbatim {
        true => Span::new(xpath.span.start + start, xpath.span.start + end),
        false => xpath.span,
    }
}
