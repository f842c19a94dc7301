//! Declared settings have values, and values belong to declared settings.
//!
//! A value that a role lacks which approot does not run is not missed; what the configuration says of such
//! a role must be true all the same.

use std::collections::HashSet;

use diagnostics::Finding;

use super::imported::{self, Imported};
use super::{configured_roles, shown};
use crate::codes;
use crate::cscfg::{self, ServiceConfiguration};
use crate::csdef::{Role, RoleKind, ServiceDefinition};
use crate::findings::Findings;
use crate::suggest::did_you_mean;

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
    let names = || {
        configured
            .settings
            .iter()
            .filter_map(|setting| setting.name)
    };
    let declared_in_order = role.settings.iter().map(|name| name.value);
    if declared_in_order.eq(names().map(|name| name.value)) {
        // As tools write the two files; a full service has thousands of settings.
        return;
    }
    let valued: HashSet<_> = names().map(|name| name.value).collect();
    let missing: Vec<_> = role
        .settings
        .iter()
        .filter(|name| !valued.contains(name.value))
        .collect();
    let missed = match role.kind {
        RoleKind::Worker => &missing[..],
        RoleKind::Web | RoleKind::VirtualMachine => &[],
    };
    for name in missed {
        let message = format!(
            "setting `{}` of role {} has no value",
            name.value,
            shown(role.name)
        );
        let (code, file) = (codes::SETTING_WITHOUT_VALUE, configuration.file);
        let span = configured.name.map_or(configured.span, |name| name.span);
        let finding = Finding::error(code, file, span, message)
            .related(definition.file, name.span, "declared here")
            .help(format!(
                "add `<Setting name=\"{}\" value=\"…\" />`",
                name.value
            ));
        findings.push(finding);
    }
    let declared: HashSet<_> = role.settings.iter().map(|name| name.value).collect();
    let imported = Imported::of(role);
    let is_legal = |name: &str| declared.contains(name) || imported.declares(name);
    for name in names().filter(|name| !is_legal(name.value)) {
        findings.push_error(|| {
            let message = format!(
                "role {} declares no setting `{}`",
                shown(role.name),
                name.value
            );
            let help = imported::advice(name.value)
                .or_else(|| did_you_mean(name.value, missing.iter().map(|name| name.value)))
                .unwrap_or_else(|| {
                    format!(
                        "add `<Setting name=\"{}\" />` to the role in the definition",
                        name.value
                    )
                });
            let (code, file) = (codes::SETTING_NOT_DECLARED, configuration.file);
            Finding::error(code, file, name.span, message).help(help)
        });
    }
}
