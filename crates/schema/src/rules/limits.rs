//! Limits of a deployment: 1 to 25 roles, at most 25 endpoints of each kind.
//!
//! Source: "Azure subscription and service limits", Cloud Services.

use diagnostics::{Finding, Span};

use crate::codes;
use crate::csdef::ServiceDefinition;
use crate::findings::Findings;

/// Roles of one deployment, those that approot does not run included.
const MAX_ROLES: usize = 25;

/// Endpoints of one kind in one deployment.
const MAX_ENDPOINTS: usize = 25;

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    let unsupported = definition.unsupported_roles.iter().map(|role| role.span);
    let roles: Vec<_> = definition
        .roles
        .iter()
        .map(|role| role.span)
        .chain(unsupported)
        .collect();
    if roles.is_empty() {
        let message = "the service has no role";
        let finding = Finding::error(codes::LIMIT, definition.file, definition.span, message);
        findings.push(finding.help("add a `WorkerRole`"));
    }
    let input = definition
        .roles
        .iter()
        .flat_map(|role| &role.input_endpoints);
    let internal = definition
        .roles
        .iter()
        .flat_map(|role| &role.internal_endpoints);
    let mut limit = |mut spans: Vec<Span>, max: usize, what: &str| {
        spans.sort();
        if let Some(&extra) = spans.get(max) {
            let message = format!("the service has more than {max} {what}");
            let finding = Finding::error(codes::LIMIT, definition.file, extra, message);
            findings.push(finding.label(format!("number {}", max + 1)));
        }
    };
    limit(roles, MAX_ROLES, "roles");
    limit(
        input.map(|endpoint| endpoint.span).collect(),
        MAX_ENDPOINTS,
        "input endpoints",
    );
    limit(
        internal.map(|endpoint| endpoint.span).collect(),
        MAX_ENDPOINTS,
        "internal endpoints",
    );
}
