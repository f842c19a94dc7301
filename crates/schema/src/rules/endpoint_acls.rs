//! An `EndpointAcl` joins an input endpoint of a role with an access control, all three of which exist.
//!
//! The schema and real files call the endpoint `endPoint`, the documentation calls it `endpoint`; both are
//! read, and one of them must stand there.

use std::collections::{HashMap, HashSet};

use diagnostics::{FileId, Finding, Span};

use super::shown;
use crate::codes;
use crate::cscfg::{EndpointAcl, ServiceConfiguration};
use crate::csdef::{Role, RoleKind, ServiceDefinition};
use crate::findings::{Findings, quotable};
use crate::modules::Imported;
use crate::spanned::Spanned;
use crate::suggest::did_you_mean;

pub(super) fn check_configuration(
    configuration: &ServiceConfiguration<'_>,
    findings: &mut Findings,
) {
    let file = configuration.file;
    let network = &configuration.network;
    let names = || network.access_controls.iter().filter_map(|acl| acl.name);
    let access_controls: HashSet<_> = names().map(|name| name.value).collect();
    for acl in &network.endpoint_acls {
        findings.extend(spelling(file, acl));
        let unknown = acl
            .access_control
            .filter(|name| !access_controls.contains(name.value));
        if let Some(name) = unknown {
            findings.push_error(file, name.span, || {
                let message = format!("there is no access control `{}`", name.value);
                let help = did_you_mean(name.value, names().map(|name| name.value));
                let help = help.unwrap_or_else(|| {
                    format!(
                        "add `<AccessControl name=\"{}\">` with its rules",
                        name.value
                    )
                });
                error(file, name.span, message).help(help)
            });
        }
    }
}

/// Neither spelling of the endpoint, or both.
fn spelling(file: FileId, acl: &EndpointAcl<'_>) -> Option<Finding> {
    if !acl.has_endpoint {
        let (code, message) = (codes::MISSING_ATTRIBUTE, "`EndpointAcl` has no `endPoint`");
        return Some(Finding::error(code, file, acl.span, message).help("add `endPoint=\"…\"`"));
    }
    let (first, second) = acl.endpoint.zip(acl.second_endpoint)?;
    let message = "`EndpointAcl` names its endpoint in `endPoint` and in `endpoint`";
    let finding = error(file, second.span, message.to_owned())
        .related(file, first.span, "the other one")
        .help("keep `endPoint`");
    Some(finding)
}

pub(super) fn check(
    definition: &ServiceDefinition<'_>,
    configuration: &ServiceConfiguration<'_>,
    findings: &mut Findings,
) {
    let acls = &configuration.network.endpoint_acls;
    if acls.is_empty() {
        return;
    }
    let file = configuration.file;
    // From the back, so that the first of two roles of one name is the one that stays.
    let roles = definition.roles.iter().rev();
    let roles: HashMap<_, _> = roles
        .filter_map(|role| role.name.map(|name| (name.value, Filterable::of(role))))
        .collect();
    for acl in acls {
        let Some(name) = acl.role else { continue };
        let Some(role) = roles.get(name.value) else {
            findings.push_error(file, name.span, || unknown_role(file, definition, name));
            continue;
        };
        if let Some(endpoint) = acl.endpoint.filter(|name| !role.has(name.value)) {
            findings.push_error(file, endpoint.span, || {
                unknown_endpoint(file, definition, role.role, endpoint)
            });
        }
    }
}

/// A role and the names of the endpoints that can be filtered.
struct Filterable<'d, 't> {
    role: &'d Role<'t>,
    inputs: HashSet<&'t str>,
    imported: Imported<'t>,
}

impl<'d, 't> Filterable<'d, 't> {
    fn of(role: &'d Role<'t>) -> Filterable<'d, 't> {
        Filterable {
            role,
            inputs: inputs(role).map(|name| name.value).collect(),
            imported: Imported::of(role),
        }
    }

    fn has(&self, endpoint: &str) -> bool {
        // Of a virtual machine role only the name is read.
        self.role.kind == RoleKind::VirtualMachine
            || self.inputs.contains(endpoint)
            || self.imported.declares(endpoint)
    }
}

fn inputs<'t>(role: &Role<'t>) -> impl Iterator<Item = Spanned<&'t str>> {
    role.input_endpoints
        .iter()
        .filter_map(|endpoint| endpoint.name)
}

fn unknown_role(file: FileId, definition: &ServiceDefinition<'_>, name: Spanned<&str>) -> Finding {
    let message = format!("the definition has no role `{}`", name.value);
    let defined = definition.roles.iter().filter_map(|role| role.name);
    let help = did_you_mean(name.value, defined.map(|name| name.value));
    error(file, name.span, message)
        .help(help.unwrap_or_else(|| "delete it, or correct its name".into()))
}

fn unknown_endpoint(
    file: FileId,
    definition: &ServiceDefinition<'_>,
    role: &Role<'_>,
    name: Spanned<&str>,
) -> Finding {
    let role_name = shown(role.name);
    let others = role.endpoint_names();
    if let Some(other) = others.iter().find(|other| other.value == name.value) {
        let message = format!(
            "endpoint `{}` of role {role_name} is not an input endpoint, and only those are filtered",
            quotable(name.value)
        );
        return error(file, name.span, message)
            .related(definition.file, other.span, "defined here")
            .help("name an `InputEndpoint`, or delete it");
    }
    let message = format!("role {role_name} has no input endpoint `{}`", name.value);
    let help = did_you_mean(name.value, inputs(role).map(|name| name.value));
    error(file, name.span, message)
        .help(help.unwrap_or_else(|| "delete it, or correct its name".into()))
}

fn error(file: FileId, span: Span, message: String) -> Finding {
    Finding::error(codes::ENDPOINT_ACL, file, span, message)
}
