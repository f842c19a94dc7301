//! The load balancer that an input endpoint names is one of the configuration.

use std::collections::HashSet;

use diagnostics::Finding;

use super::shown;
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
    let balancers = || {
        let names = configuration.network.load_balancers.iter();
        names.map(|name| name.value)
    };
    let known: HashSet<_> = balancers().collect();
    let endpoints = definition
        .roles
        .iter()
        .flat_map(|role| &role.input_endpoints);
    for endpoint in endpoints {
        let named = endpoint.load_balancer;
        let Some(name) = named.filter(|name| !known.contains(name.value)) else {
            continue;
        };
        findings.push_error(definition.file, name.span, || {
            let message = format!(
                "input endpoint {} names load balancer `{}`, which the configuration has not",
                shown(endpoint.name),
                name.value
            );
            let help = did_you_mean(name.value, balancers()).unwrap_or_else(|| {
                "delete it, or add a `LoadBalancer` of that name to `NetworkConfiguration/LoadBalancers`"
                    .into()
            });
            let (code, file) = (codes::UNKNOWN_LOAD_BALANCER, definition.file);
            Finding::error(code, file, name.span, message).help(help)
        });
    }
}
