//! The `loadBalancerProbe` of an endpoint is a probe of the service.

use std::collections::HashSet;

use diagnostics::Finding;

use super::shown;
use crate::codes;
use crate::csdef::ServiceDefinition;
use crate::findings::{Findings, quotable};
use crate::suggest::did_you_mean;

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    let probes = definition.load_balancer_probes.iter();
    let defined = probes.filter_map(|probe| probe.name.map(|name| name.value));
    let distinct: HashSet<_> = defined.clone().collect();
    let endpoints = definition
        .roles
        .iter()
        .flat_map(|role| &role.input_endpoints);
    for endpoint in endpoints {
        let probe = endpoint.load_balancer_probe;
        let Some(probe) = probe.filter(|probe| !distinct.contains(probe.value)) else {
            continue;
        };
        let (file, code) = (definition.file, codes::UNKNOWN_PROBE);
        findings.push_error(file, probe.span, || {
            let message = format!(
                "endpoint {} names probe `{}`, which the service has not",
                shown(endpoint.name),
                quotable(probe.value)
            );
            let help = did_you_mean(probe.value, defined.clone());
            let help = help.unwrap_or_else(|| "define it in `LoadBalancerProbes`".to_owned());
            Finding::error(code, file, probe.span, message).help(help)
        });
    }
}
