//! All instances of a service have a place on one machine.
//!
//! Counts can be replaced when the service is run, so this keeps nobody from running it.

use diagnostics::Finding;

use crate::INSTANCES_MAX;
use crate::codes;
use crate::cscfg::ServiceConfiguration;
use crate::csdef::ServiceDefinition;
use crate::findings::Findings;
use crate::rules::configured_roles;

pub(super) fn check(
    definition: &ServiceDefinition<'_>,
    configuration: &ServiceConfiguration<'_>,
    findings: &mut Findings,
) {
    let mut total: u64 = 0;
    let roles = configured_roles(definition, configuration).filter(|(role, _)| role.kind.is_run());
    for count in roles.filter_map(|(_, configured)| configured.instance_count) {
        total += u64::try_from(count.value).unwrap_or(0);
        if total > u64::from(INSTANCES_MAX) {
            let message = format!(
                "the service has {total} instances up to here, and approot runs at most {INSTANCES_MAX} on one machine"
            );
            let code = codes::TOO_MANY_INSTANCES;
            let finding = Finding::warning(code, configuration.file, count.span, message);
            findings.push(finding.help("write smaller counts, or run fewer with `--instances`"));
            return;
        }
    }
}
