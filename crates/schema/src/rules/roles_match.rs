//! Every role of the definition is configured, and every configured role is defined.

use std::collections::HashSet;

use diagnostics::Finding;

use crate::codes;
use crate::cscfg::ServiceConfiguration;
use crate::csdef::ServiceDefinition;
use crate::findings::Findings;
use crate::suggest::did_you_mean;

pub(super) fn check(
    definition: &ServiceDefinition<'_>,
    configuration: &ServiceConfiguration<'_>,
    findings: &mut Findings,
) {
    let worker = || definition.worker_roles().filter_map(|role| role.name);
    let all = definition.roles.iter().filter_map(|role| role.name);
    let defined = || all.clone().map(|name| name.value);
    let defined_names: HashSet<_> = defined().collect();
    let configured = || configuration.roles.iter().filter_map(|role| role.name);
    let configured_names: HashSet<_> = configured().map(|name| name.value).collect();
    // A role that approot does not run has its own finding; that it is not configured adds nothing.
    for name in worker().filter(|name| !configured_names.contains(name.value)) {
        let message = format!("role `{}` is not configured", name.value);
        let help = format!(
            "add `<Role name=\"{}\"><Instances count=\"1\" /></Role>`",
            name.value
        );
        let (file, span) = (configuration.file, configuration.span);
        let finding = Finding::error(codes::ROLE_NOT_CONFIGURED, file, span, message)
            .related(definition.file, name.span, "defined here")
            .help(help);
        findings.push(finding);
    }
    for name in configured().filter(|name| !defined_names.contains(name.value)) {
        findings.push_error(|| {
            let message = format!("the definition has no role `{}`", name.value);
            let missing = defined().filter(|name| !configured_names.contains(name));
            let help = did_you_mean(name.value, missing);
            let help = help.unwrap_or_else(|| "delete it, or correct its name".to_owned());
            let (code, file) = (codes::ROLE_NOT_DEFINED, configuration.file);
            Finding::error(code, file, name.span, message).help(help)
        });
    }
}
