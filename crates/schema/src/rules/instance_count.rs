//! A role has at least one instance.

use diagnostics::Finding;

use super::shown;
use crate::codes;
use crate::cscfg::ServiceConfiguration;
use crate::findings::Findings;

pub(super) fn check(configuration: &ServiceConfiguration<'_>, findings: &mut Findings) {
    for role in &configuration.roles {
        let Some(count) = role.instance_count.filter(|count| count.value < 1) else {
            continue;
        };
        let message = format!(
            "role {} has no instance: `{}`",
            shown(role.name),
            count.value
        );
        let finding = Finding::error(
            codes::INSTANCE_COUNT,
            configuration.file,
            count.span,
            message,
        );
        findings.push(finding.help("write a `count` of at least 1"));
    }
}
