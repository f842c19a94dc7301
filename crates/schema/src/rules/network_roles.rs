//! The roles that the network configuration speaks of exist: those of addresses and of security groups.

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
    if configuration.network.roles.is_empty() {
        return;
    }
    let defined = || definition.roles.iter().filter_map(|role| role.name);
    let defined_names: HashSet<_> = defined().map(|name| name.value).collect();
    let unknown = configuration
        .network
        .roles
        .iter()
        .filter(|name| !defined_names.contains(name.value));
    for name in unknown {
        findings.push_error(configuration.file, name.span, || {
            let message = format!("the definition has no role `{}`", name.value);
            let help = did_you_mean(name.value, defined().map(|name| name.value));
            let (code, file) = (codes::INSTANCE_ADDRESS, configuration.file);
            Finding::error(code, file, name.span, message)
                .help(help.unwrap_or_else(|| "delete it, or correct its name".into()))
        });
    }
}
