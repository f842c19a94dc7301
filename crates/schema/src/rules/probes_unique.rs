//! Probes have different names: endpoints refer to them.

use std::borrow::Cow;

use super::check_unique;
use crate::codes;
use crate::csdef::ServiceDefinition;
use crate::findings::Findings;

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    let probes = definition.load_balancer_probes.iter();
    check_unique(
        definition.file,
        codes::PROBE_TWICE,
        probes.filter_map(|probe| probe.name),
        Cow::Borrowed,
        |name| format!("the service has two probes `{name}`"),
        findings,
    );
}
