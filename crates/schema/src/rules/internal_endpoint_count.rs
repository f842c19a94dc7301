//! More than five internal endpoints in one role: legal by the limits of the deployment, refused by old
//! tools with "maximum number permitted is 5".

use diagnostics::Finding;

use super::shown;
use crate::codes;
use crate::csdef::ServiceDefinition;
use crate::findings::Findings;

/// Internal endpoints of one role that every tool of the platform took.
///
/// Source: the WorkerRole schema page of 2011, text and comment.
const MAX_OF_OLD_TOOLS: usize = 5;

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    for role in &definition.roles {
        let Some(sixth) = role.internal_endpoints.get(MAX_OF_OLD_TOOLS) else {
            continue;
        };
        let message = format!(
            "role {} has more than {MAX_OF_OLD_TOOLS} internal endpoints",
            shown(role.name)
        );
        let code = codes::MANY_INTERNAL_ENDPOINTS;
        let finding = Finding::warning(code, definition.file, sixth.span, message);
        findings.push(finding.help("approot takes them; old tools of the platform do not"));
    }
}
