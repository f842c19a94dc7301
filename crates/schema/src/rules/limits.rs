//! Limits of a deployment: 1 to 25 roles, at most 25 endpoints of each kind and 199 certificates.
//!
//! Source: "Azure subscription and service limits", Cloud Services.

use diagnostics::{Finding, Span};

use crate::codes;
use crate::csdef::{Role, ServiceDefinition};
use crate::findings::Findings;

/// Roles of one deployment, those that approot does not run included.
const MAX_ROLES: usize = 25;

/// Endpoints of one kind in one deployment.
const MAX_ENDPOINTS: usize = 25;

/// Certificates of one service.
const MAX_CERTIFICATES: usize = 199;

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    let roles = &definition.roles;
    if roles.is_empty() {
        let message = "the service has no role";
        let finding = Finding::error(codes::LIMIT, definition.file, definition.span, message);
        findings.push(finding.help("add a `WorkerRole`"));
    }
    let mut limit = |mut spans: Vec<Span>, max: usize, what: &str| {
        spans.sort();
        if let Some(&extra) = spans.get(max) {
            let message = format!("the service has more than {max} {what}");
            let finding = Finding::error(codes::LIMIT, definition.file, extra, message);
            findings.push(finding.label(format!("number {}", max + 1)));
        }
    };
    let all = |spans: &dyn Fn(&Role<'_>) -> Vec<Span>| roles.iter().flat_map(spans).collect();
    limit(all(&|role| vec![role.span]), MAX_ROLES, "roles");
    let input = |role: &Role<'_>| spans(&role.input_endpoints, |endpoint| endpoint.span);
    limit(all(&input), MAX_ENDPOINTS, "input endpoints");
    let internal = |role: &Role<'_>| spans(&role.internal_endpoints, |endpoint| endpoint.span);
    limit(all(&internal), MAX_ENDPOINTS, "internal endpoints");
    let instance =
        |role: &Role<'_>| spans(&role.instance_input_endpoints, |endpoint| endpoint.span);
    limit(all(&instance), MAX_ENDPOINTS, "instance input endpoints");
    let certificates = |role: &Role<'_>| spans(&role.certificates, |certificate| certificate.span);
    limit(all(&certificates), MAX_CERTIFICATES, "certificates");
}

fn spans<T>(parts: &[T], span: impl Fn(&T) -> Span) -> Vec<Span> {
    parts.iter().map(span).collect()
}
