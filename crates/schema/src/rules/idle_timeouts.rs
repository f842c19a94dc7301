//! An idle timeout is one that the platform took, and stands where it has an effect.

use diagnostics::Finding;

use super::shown;
use crate::codes;
use crate::csdef::ServiceDefinition;
use crate::findings::Findings;
use crate::spanned::Spanned;

/// Minutes that the platform took; the schema itself knows only the lower bound 1.
///
/// Source: `idleTimeoutInMinutes` in the documentation of the schema.
const TAKEN: std::ops::RangeInclusive<u32> = 4..=30;

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    type Name<'t> = Option<Spanned<&'t str>>;
    let mut check = |minutes: Option<Spanned<u32>>, protocol: Name<'_>, name: Name<'_>| {
        let Some(minutes) = minutes else { return };
        let name = shown(name);
        let (message, help) = if protocol.is_some_and(|protocol| protocol.value == "udp") {
            let message =
                format!("the idle timeout of endpoint {name} has no effect: it is for `tcp`");
            (message, "delete it".to_owned())
        } else if TAKEN.contains(&minutes.value) {
            return;
        } else {
            let message = format!(
                "the idle timeout of endpoint {name} is {} minutes, which the platform did not take",
                minutes.value
            );
            (
                message,
                format!("write {} to {}", TAKEN.start(), TAKEN.end()),
            )
        };
        let (file, code) = (definition.file, codes::IDLE_TIMEOUT);
        findings.push(Finding::warning(code, file, minutes.span, message).help(help));
    };
    for role in &definition.roles {
        for endpoint in &role.input_endpoints {
            check(
                endpoint.idle_timeout_minutes,
                endpoint.protocol,
                endpoint.name,
            );
        }
        for endpoint in &role.instance_input_endpoints {
            check(
                endpoint.idle_timeout_minutes,
                endpoint.protocol,
                endpoint.name,
            );
        }
    }
}
