//! More than five internal endpoints in one role: legal by the limits of the deployment, refused by old
//! tools.
//!
//! Remote desktop takes one of the five. Modules that are younger than those tools are not counted.

use diagnostics::Finding;

use super::shown;
use crate::codes;
use crate::csdef::{Role, ServiceDefinition};
use crate::findings::Findings;
use crate::modules;

/// Internal endpoints of one role that every tool of the platform took.
///
/// Source: the WorkerRole schema page of 2011, text and comment.
const MAX_OF_OLD_TOOLS: usize = 5;

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    for role in &definition.roles {
        let n_endpoints = role.internal_endpoints.len() + usize::from(has_remote_desktop(role));
        let Some(last) = role.internal_endpoints.last() else {
            continue;
        };
        if n_endpoints <= MAX_OF_OLD_TOOLS {
            continue;
        }
        // Remote desktop comes last, so that the place is one that can be deleted.
        let at = role
            .internal_endpoints
            .get(MAX_OF_OLD_TOOLS)
            .unwrap_or(last);
        let name = shown(role.name);
        let message = match has_remote_desktop(role) {
            false => format!("role {name} has more than {MAX_OF_OLD_TOOLS} internal endpoints"),
            true => format!(
                "role {name} has more than {MAX_OF_OLD_TOOLS} internal endpoints, one of them that of remote \
                 desktop"
            ),
        };
        let code = codes::MANY_INTERNAL_ENDPOINTS;
        let finding = Finding::warning(code, definition.file, at.span, message);
        findings.push(finding.help(format!(
            "approot takes them; old tools of the platform say: Invalid number of endpoints for role {name}; \
             maximum number permitted is {MAX_OF_OLD_TOOLS}"
        )));
    }
}

fn has_remote_desktop(role: &Role<'_>) -> bool {
    modules::imported(role).any(|(module, _)| module.name == "RemoteAccess")
}
