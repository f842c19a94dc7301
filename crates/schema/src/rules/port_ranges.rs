//! A range of ports has its `min` at or below its `max`.

use diagnostics::Finding;

use super::shown;
use crate::codes;
use crate::csdef::{PortRange, ServiceDefinition};
use crate::findings::Findings;
use crate::spanned::Spanned;

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    let file = definition.file;
    let mut check = |range: &PortRange, name: Option<Spanned<&str>>| {
        let (min, max) = (range.min, range.max);
        if min.value <= max.value {
            return;
        }
        let message = format!(
            "the ports of endpoint {} end before they begin: {} to {}",
            shown(name),
            min.value,
            max.value
        );
        let finding = Finding::error(codes::PORT_RANGE, file, max.span, message)
            .related(file, min.span, "above `max`")
            .help(format!(
                "write `min=\"{}\" max=\"{}\"`",
                max.value, min.value
            ));
        findings.push(finding);
    };
    for role in &definition.roles {
        for endpoint in &role.internal_endpoints {
            let ranges = endpoint.fixed_ports.iter();
            ranges.for_each(|range| check(range, endpoint.name));
        }
        for endpoint in &role.instance_input_endpoints {
            let range = endpoint.public_ports.iter();
            range.for_each(|range| check(range, endpoint.name));
        }
    }
}
