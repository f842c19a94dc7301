//! Declared settings have values, and values belong to declared settings.
//!
//! What a plugin imports it declares itself: `Import/@moduleName="Diagnostics"` makes every setting legal
//! whose name begins with `Microsoft.WindowsAzure.Plugins.Diagnostics.`.

use std::collections::{HashMap, HashSet};

use diagnostics::Finding;

use super::shown;
use crate::codes;
use crate::cscfg::{self, ServiceConfiguration};
use crate::csdef::{Role, ServiceDefinition};
use crate::findings::Findings;
use crate::spanned::Spanned;
use crate::suggest::did_you_mean;

const PLUGINS: &str = "Microsoft.WindowsAzure.Plugins.";

pub(super) fn check(
    definition: &ServiceDefinition<'_>,
    configuration: &ServiceConfiguration<'_>,
    findings: &mut Findings,
) {
    // From the back, so that the first of two roles of one name is the one that stays.
    let configured: HashMap<_, _> = configuration
        .roles
        .iter()
        .rev()
        .filter_map(|role| role.name.map(|name| (name.value, role)))
        .collect();
    for role in definition.worker_roles() {
        if let Some(configured) = role.name.and_then(|name| configured.get(name.value)) {
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
    for name in role
        .settings
        .iter()
        .filter(|name| !valued.contains(name.value))
    {
        let message = format!(
            "setting `{}` of role {} has no value",
            name.value,
            shown(role.name)
        );
        let span = configured.name.map_or(configured.span, |name| name.span);
        let finding = Finding::error(
            codes::SETTING_WITHOUT_VALUE,
            configuration.file,
            span,
            message,
        )
        .related(definition.file, name.span, "declared here")
        .help(format!(
            "add `<Setting name=\"{}\" value=\"…\" />`",
            name.value
        ));
        findings.push(finding);
    }
    let is_legal = |name: &str| declared.contains(name) || is_of_import(name, &role.imports);
    for name in names().filter(|name| !is_legal(name.value)) {
        let message = format!(
            "role {} declares no setting `{}`",
            shown(role.name),
            name.value
        );
        let code = codes::SETTING_NOT_DECLARED;
        let finding = Finding::error(code, configuration.file, name.span, message);
        let missing = role
            .settings
            .iter()
            .map(|name| name.value)
            .filter(|name| !valued.contains(name));
        let help = did_you_mean(name.value, missing).unwrap_or_else(|| {
            format!(
                "add `<Setting name=\"{}\" />` to the role in the definition",
                name.value
            )
        });
        findings.push(finding.help(help));
    }
}

fn is_of_import(setting: &str, imports: &[Spanned<&str>]) -> bool {
    let module = setting
        .strip_prefix(PLUGINS)
        .and_then(|rest| rest.split_once('.'));
    module.is_some_and(|(module, _)| imports.iter().any(|import| import.value == module))
}
