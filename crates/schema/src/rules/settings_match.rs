//! Declared settings have values, and values belong to declared settings.
//!
//! A value that a role lacks which approot does not run is not missed; what the configuration says of such
//! a role must be true all the same.

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
    let declared: HashSet<_> = role.settings.iter().map(|name| name.value).collect();
    let imported = Imported::of(role);
    let missing = role.settings.iter().copied();
    let unknown = names().filter(|name| !declared.contains(name.value));
    for name in unknown.clone().filter(|name| imported.declares(name.value)) {
        findings.extend(unlisted(configuration, name));
    }
    let mismatch = Mismatch::new(
        missing
            .filter(|name| !valued.contains(name.value))
            .collect(),
        unknown.filter(|name| !imported.declares(name.value)),
    );
    let missed = match role.kind {
        RoleKind::Worker => &mismatch.missing[..],
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
    for (name, meant) in mismatch.unknown {
        findings.push_error(configuration.file, name.span, || {
            let quoted = quotable(name.value);
            let message = format!("role {} declares no setting `{quoted}`", shown(role.name));
            let advice = modules::advice(name.value).unwrap_or_else(|| {
                format!("add `<Setting name=\"{quoted}\" />` to the role in the definition")
            });
            let (code, file) = (codes::SETTING_NOT_DECLARED, configuration.file);
            let finding = Finding::error(code, file, name.span, message);
            meant_or(finding, definition.file, meant, advice)
        });
    }
}

/// A setting that bears the name of a known module, which is not known to declare it.
fn unlisted(configuration: &ServiceConfiguration<'_>, name: Spanned<&str>) -> Option<Finding> {
    let listed = modules::settings_beside(name.value)?;
    let message = format!("no module is known to declare `{}`", quotable(name.value));
    let (code, file) = (codes::IMPORTED_SETTING, configuration.file);
    let finding = Finding::warning(code, file, name.span, message);
    let help = did_you_mean(name.value, listed.iter().copied());
    Some(finding.help(help.unwrap_or_else(|| "check its name, or delete it".to_owned())))
}
