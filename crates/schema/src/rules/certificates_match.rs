//! Declared certificates are in the configuration, and those in the configuration are declared.
//!
//! As with settings: a role that approot does not run is not missed, and what its configuration says must
//! be true all the same.

use std::collections::HashSet;

use diagnostics::Finding;

use super::misspelt::Mismatch;
use super::{configured_roles, meant_or, shown};
use crate::codes;
use crate::cscfg::{self, ServiceConfiguration};
use crate::csdef::{Role, RoleKind, ServiceDefinition};
use crate::findings::{Findings, quotable};
use crate::modules::{self, Imported};
use crate::spanned::Spanned;

pub(super) fn check(
    definition: &ServiceDefinition<'_>,
    configuration: &ServiceConfiguration<'_>,
    findings: &mut Findings,
) {
    for (role, configured) in configured_roles(definition, configuration) {
        // Of a virtual machine role only the name is read.
        if role.kind != RoleKind::VirtualMachine {
            check_role(definition, role, configuration, configured, findings);
        }
    }
}

fn check_role(
    definition: &ServiceDefinition<'_>,
    role: &Role<'_>,
    configuration: &ServiceConfiguration<'_>,
    configured: &cscfg::Role<'_>,
    findings: &mut Findings,
) {
    let declared = || role.certificates.iter().filter_map(|part| part.name);
    let present = || configured.certificates.iter().filter_map(|part| part.name);
    let values = |name: Spanned<_>| name.value;
    if declared().map(values).eq(present().map(values)) {
        return;
    }
    let present_names: HashSet<_> = present().map(values).collect();
    let declared_names: HashSet<_> = declared().map(values).collect();
    let imported = Imported::of(role);
    let is_legal = |name: &str| declared_names.contains(name) || imported.declares(name);
    // One name may stand for several stores.
    let mut seen = HashSet::new();
    let mismatch = Mismatch::new(
        declared()
            .filter(|name| !present_names.contains(name.value) && seen.insert(name.value))
            .collect(),
        present().filter(|name| !is_legal(name.value)),
    );
    let missed = match role.kind {
        RoleKind::Worker => &mismatch.missing[..],
        RoleKind::Web | RoleKind::VirtualMachine => &[],
    };
    for name in missed {
        let message = format!(
            "certificate `{}` of role {} is not in the configuration",
            name.value,
            shown(role.name)
        );
        let help = format!(
            "add `<Certificate name=\"{}\" thumbprint=\"…\" thumbprintAlgorithm=\"sha1\" />`",
            name.value
        );
        let (code, file) = (codes::CERTIFICATE_WITHOUT_THUMBPRINT, configuration.file);
        let span = configured.name.map_or(configured.span, |name| name.span);
        let finding = Finding::error(code, file, span, message)
            .related(definition.file, name.span, "declared here")
            .help(help);
        findings.push(finding);
    }
    for (name, meant) in mismatch.unknown {
        findings.push_error(configuration.file, name.span, || {
            let quoted = quotable(name.value);
            let message = format!(
                "role {} declares no certificate `{quoted}`",
                shown(role.name)
            );
            let advice = modules::advice(name.value)
                .unwrap_or_else(|| "delete it, or declare it in the role's `Certificates`".into());
            let (code, file) = (codes::CERTIFICATE_NOT_DECLARED, configuration.file);
            let finding = Finding::error(code, file, name.span, message);
            meant_or(finding, definition.file, meant, advice)
        });
    }
}
