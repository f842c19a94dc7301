//! Network traffic rules are about internal endpoints and roles that the service has.
//!
//! What clients outside may reach is no business of theirs: for that the configuration has access control
//! lists.

use std::collections::HashMap;

use diagnostics::{FileId, Finding};

use super::shown;
use crate::codes;
use crate::csdef::{Role, RoleEndpoint, RoleKind, ServiceDefinition};
use crate::findings::{Findings, quotable};
use crate::modules::{self, ModuleEndpointKind};
use crate::spanned::Spanned;
use crate::suggest::did_you_mean;

/// An endpoint that a rule can name.
#[derive(Clone, Copy)]
struct Endpoint<'t> {
    name: Spanned<&'t str>,
    is_internal: bool,
}

/// The endpoints of one role in the order of the file, and the same by name.
struct Endpoints<'t> {
    in_order: Vec<Endpoint<'t>>,
    by_name: HashMap<&'t str, Endpoint<'t>>,
}

/// The roles of the service, with the endpoints of those that are named as a destination.
struct Roles<'r, 't> {
    file: FileId,
    names: Vec<&'t str>,
    by_name: HashMap<&'t str, (&'r Role<'t>, Option<Endpoints<'t>>)>,
}

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    if definition.traffic_rules.is_empty() {
        return;
    }
    let mut roles = Roles::new(definition);
    for rule in &definition.traffic_rules {
        for destination in &rule.destinations {
            roles.check_destination(destination, findings);
        }
        for source in &rule.from_roles {
            roles.check_role(*source, findings);
        }
    }
}

impl<'r, 't> Roles<'r, 't> {
    fn new(definition: &'r ServiceDefinition<'t>) -> Roles<'r, 't> {
        let roles = definition.roles.iter();
        let named = roles.filter_map(|role| Some((role.name?.value, role)));
        // From the back, so that the first of two roles of one name is the one that stays.
        let by_name = named.clone().rev().map(|(name, role)| (name, (role, None)));
        Roles {
            file: definition.file,
            names: named.clone().map(|(name, _)| name).collect(),
            by_name: by_name.collect(),
        }
    }

    fn check_role(&self, name: Spanned<&str>, findings: &mut Findings) {
        if self.by_name.contains_key(name.value) {
            return;
        }
        findings.push_error(self.file, name.span, || {
            let message = format!("the definition has no role `{}`", quotable(name.value));
            let help = did_you_mean(name.value, self.names.iter().copied());
            let help = help.unwrap_or_else(|| "name a role of this file".to_owned());
            Finding::error(codes::TRAFFIC_RULE, self.file, name.span, message).help(help)
        });
    }

    fn check_destination(&mut self, destination: &RoleEndpoint<'_>, findings: &mut Findings) {
        let Some(role_name) = destination.role else {
            return;
        };
        let Some((role, endpoints)) = self.by_name.get_mut(role_name.value) else {
            return self.check_role(role_name, findings);
        };
        let Some(name) = destination.endpoint else {
            return;
        };
        // Of a virtual machine role only the name is read.
        if role.kind == RoleKind::VirtualMachine {
            return;
        }
        let role = *role;
        let endpoints = endpoints.get_or_insert_with(|| endpoints_of(role));
        let file = self.file;
        match endpoints.by_name.get(name.value) {
            Some(endpoint) if endpoint.is_internal => {}
            Some(endpoint) => findings.push(not_internal(file, role, name, *endpoint)),
            None => {
                findings.push_error(file, name.span, || no_endpoint(file, role, name, endpoints))
            }
        }
    }
}

fn not_internal(
    file: FileId,
    role: &Role<'_>,
    name: Spanned<&str>,
    endpoint: Endpoint<'_>,
) -> Finding {
    let message = format!(
        "endpoint `{}` of role {} is not internal",
        quotable(name.value),
        shown(role.name)
    );
    Finding::error(codes::TRAFFIC_RULE, file, name.span, message)
        .related(file, endpoint.name.span, "declared here")
        .help(
            "traffic rules are about internal endpoints; for others the configuration has `AccessControls`",
        )
}

fn no_endpoint(
    file: FileId,
    role: &Role<'_>,
    name: Spanned<&str>,
    endpoints: &Endpoints<'_>,
) -> Finding {
    let message = format!(
        "role {} has no internal endpoint `{}`",
        shown(role.name),
        quotable(name.value)
    );
    let internal = endpoints.in_order.iter().filter(|it| it.is_internal);
    let help = did_you_mean(name.value, internal.map(|it| it.name.value));
    let help = help.unwrap_or_else(|| "name an `InternalEndpoint` of the role".to_owned());
    Finding::error(codes::TRAFFIC_RULE, file, name.span, message).help(help)
}

fn endpoints_of<'t>(role: &Role<'t>) -> Endpoints<'t> {
    let endpoint = |is_internal: bool| {
        move |name: Option<Spanned<&'t str>>| name.map(|name| Endpoint { name, is_internal })
    };
    let internal = role.internal_endpoints.iter().map(|it| it.name);
    let input = role.input_endpoints.iter().map(|it| it.name);
    let instance = role.instance_input_endpoints.iter().map(|it| it.name);
    let imported = modules::imported_endpoints(role).map(|(_, endpoint, span)| Endpoint {
        name: Spanned::new(endpoint.name, span),
        is_internal: endpoint.kind == ModuleEndpointKind::Internal,
    });
    let in_order: Vec<_> = internal
        .filter_map(endpoint(true))
        .chain(input.chain(instance).filter_map(endpoint(false)))
        .chain(imported)
        .collect();
    let by_name = in_order
        .iter()
        .rev()
        .map(|it| (it.name.value, *it))
        .collect();
    Endpoints { in_order, by_name }
}
