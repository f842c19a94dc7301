//! A service has 1 to 20 upgrade domains; the schema itself knows only the lower bound.

use diagnostics::Finding;

use crate::codes;
use crate::csdef::ServiceDefinition;
use crate::findings::Findings;

/// Upgrade domains of one deployment.
///
/// Source: `upgradeDomainCount` in the service definition schema's documentation.
const MAX_UPGRADE_DOMAINS: u32 = 20;

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    let count = definition.upgrade_domain_count;
    let Some(count) = count.filter(|count| count.value > MAX_UPGRADE_DOMAINS) else {
        return;
    };
    let message = format!(
        "a service has 1 to {MAX_UPGRADE_DOMAINS} upgrade domains, not {}",
        count.value
    );
    findings.push(Finding::error(
        codes::UPGRADE_DOMAIN_COUNT,
        definition.file,
        count.span,
        message,
    ));
}
