//! Every role of the definition is configured, and every configured role is defined.

use std::collections::HashSet;

use diagnostics::Finding;

use super::meant_or;
use super::misspelt::Mismatch;
use crate::codes;
use crate::cscfg::ServiceConfiguration;
use crate::csdef::ServiceDefinition;
use crate::findings::{Findings, quotable};

pub(super) fn check(
    definition: &ServiceDefinition<'_>,
    configuration: &ServiceConfiguration<'_>,
    findings: &mut Findings,
) {
    let defined = || definition.roles.iter().filter_map(|role| role.name);
    let defined_names: HashSet<_> = defined().map(|name| name.value).collect();
    let configured = || configuration.roles.iter().filter_map(|role| role.name);
    let configured_names: HashSet<_> = configured().map(|name| name.value).collect();
    let mismatch = Mismatch::new(
        defined()
            .filter(|name| !configured_names.contains(name.value))
            .collect(),
        configured().filter(|name| !defined_names.contains(name.value)),
    );
    // A role that approot does not run has its own finding; that it is not configured adds nothing.
    let worker: HashSet<_> = definition
        .worker_roles()
        .filter_map(|role| role.name)
        .map(|name| name.value)
        .collect();
    let missed = mismatch.missing.iter();
    for name in missed.filter(|name| worker.contains(name.value)) {
        let message = format!("role `{}` is not configured", name.value);
        let help = format!(
            "add `<Role name=\"{}\"><Instances count=\"1\" /></Role>`",
            name.value
        );
        let (file, span) = (configuration.file, configuration.span);
        let finding = Finding::error(codes::ROLE_NOT_CONFIGURED, file, span, message)
            .related(definition.file, name.span, "declared here")
            .help(help);
        findings.push(finding);
    }
    for (name, meant) in mismatch.unknown {
        let message = format!("the definition has no role `{}`", quotable(name.value));
        let (code, file) = (codes::ROLE_NOT_DEFINED, configuration.file);
        let finding = Finding::error(code, file, name.span, message);
        let advice = "delete it, or correct its name".to_owned();
        findings.push(meant_or(finding, definition.file, meant, advice));
    }
}
