//! Limits of a deployment: 1 to 25 roles, at most 25 endpoints of each kind and 199 certificates.
//!
//! What modules add counts like what is declared.
//! Source: "Azure subscription and service limits", Cloud Services.

use diagnostics::{Finding, Span};

use crate::codes;
use crate::csdef::{Role, ServiceDefinition};
use crate::findings::Findings;
use crate::modules::{self, ModuleEndpointKind};

/// Roles of one deployment, those that approot does not run included.
const MAX_ROLES: usize = 25;

/// Endpoints of one kind in one deployment.
const MAX_ENDPOINTS: usize = 25;

/// Certificates of one service.
const MAX_CERTIFICATES: usize = 199;

/// What is counted, by the places of it.
#[derive(Default)]
struct Counted {
    roles: Vec<Span>,
    input: Vec<Span>,
    internal: Vec<Span>,
    instance_input: Vec<Span>,
    certificates: Vec<Span>,
}

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    if definition.roles.is_empty() {
        let message = "the service has no role";
        let finding = Finding::error(codes::LIMIT, definition.file, definition.span, message);
        findings.push(finding.help("add a `WorkerRole`"));
    }
    let mut counted = Counted::default();
    definition.roles.iter().for_each(|role| counted.add(role));
    let mut limit = |mut spans: Vec<Span>, max: usize, what: &str| {
        spans.sort();
        if let Some(&extra) = spans.get(max) {
            let message = format!("the service has more than {max} {what}");
            let finding = Finding::error(codes::LIMIT, definition.file, extra, message);
            findings.push(finding.label(format!("number {}", max + 1)));
        }
    };
    limit(counted.roles, MAX_ROLES, "roles");
    limit(counted.input, MAX_ENDPOINTS, "input endpoints");
    limit(counted.internal, MAX_ENDPOINTS, "internal endpoints");
    limit(
        counted.instance_input,
        MAX_ENDPOINTS,
        "instance input endpoints",
    );
    limit(counted.certificates, MAX_CERTIFICATES, "certificates");
}

impl Counted {
    fn add(&mut self, role: &Role<'_>) {
        self.roles.push(role.span);
        self.input
            .extend(role.input_endpoints.iter().map(|it| it.span));
        self.internal
            .extend(role.internal_endpoints.iter().map(|it| it.span));
        let instance_input = role.instance_input_endpoints.iter();
        self.instance_input.extend(instance_input.map(|it| it.span));
        self.certificates
            .extend(role.certificates.iter().map(|it| it.span));
        for (_, endpoint, import) in modules::imported_endpoints(role) {
            let of_kind = match endpoint.kind {
                ModuleEndpointKind::Input(_) => &mut self.input,
                ModuleEndpointKind::Internal => &mut self.internal,
                ModuleEndpointKind::InstanceInput(..) => &mut self.instance_input,
            };
            of_kind.push(import);
        }
        for (module, import) in modules::imported(role) {
            self.certificates
                .extend(module.certificates.iter().map(|_| import));
        }
    }
}
