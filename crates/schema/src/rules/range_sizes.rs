//! The public range of an instance input endpoint has a port for each instance of its role.

use diagnostics::Finding;

use super::{configured_roles, shown};
use crate::codes;
use crate::cscfg::ServiceConfiguration;
use crate::csdef::{PortRange, ServiceDefinition};
use crate::findings::Findings;

pub(super) fn check(
    definition: &ServiceDefinition<'_>,
    configuration: &ServiceConfiguration<'_>,
    findings: &mut Findings,
) {
    let mut endpoints = definition
        .roles
        .iter()
        .flat_map(|role| &role.instance_input_endpoints);
    if endpoints.next().is_none() {
        return;
    }
    for (role, configured) in configured_roles(definition, configuration) {
        let Some(count) = configured.instance_count else {
            continue;
        };
        for endpoint in &role.instance_input_endpoints {
            // A range that ends before it begins is wrong in itself, whatever the count is.
            let range = endpoint.public_ports;
            let Some(range) = range.filter(|range| range.min.value <= range.max.value) else {
                continue;
            };
            let n_ports = i32::from(range.max.value - range.min.value) + 1;
            if n_ports >= count.value {
                continue;
            }
            let message = format!(
                "endpoint {} has public ports for {n_ports} of the {} instances of role {}",
                shown(endpoint.name),
                count.value,
                shown(role.name)
            );
            let (code, file) = (codes::RANGE_TOO_SMALL, definition.file);
            let finding = Finding::error(code, file, range.max.span, message)
                .related(configuration.file, count.span, "the count")
                .help(advice(range, count.value));
            findings.push(finding);
        }
    }
}

fn advice(range: PortRange, n_instances: i32) -> String {
    let last = i32::from(range.min.value).saturating_add(n_instances - 1);
    match u16::try_from(last) {
        Ok(last) => format!("write `max=\"{last}\"` or more, or lower the `count`"),
        Err(_) => "lower `min`, or lower the `count`".to_owned(),
    }
}
