//! A probe times out no earlier than it is sent again: before that no instance could have answered.

use diagnostics::Finding;

use super::shown;
use crate::codes;
use crate::csdef::ServiceDefinition;
use crate::findings::Findings;

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    let file = definition.file;
    for probe in &definition.load_balancer_probes {
        let times = probe.timeout_seconds.zip(probe.interval_seconds);
        let Some((timeout, interval)) =
            times.filter(|(timeout, interval)| timeout.value < interval.value)
        else {
            continue;
        };
        let message = format!(
            "probe {} gives up after {} s and is sent every {} s only",
            shown(probe.name),
            timeout.value,
            interval.value
        );
        // A default stands at the element's name; the interval of such a probe does not.
        let (at, other, what) = match timeout.span == probe.span {
            true => (
                interval,
                timeout,
                "`timeoutInSeconds` is 31 where it is not written",
            ),
            false => (timeout, interval, "the interval"),
        };
        let finding = Finding::warning(codes::PROBE_TIMES, file, at.span, message)
            .related(file, other.span, what)
            .help("write a `timeoutInSeconds` of about two intervals");
        findings.push(finding);
    }
}
