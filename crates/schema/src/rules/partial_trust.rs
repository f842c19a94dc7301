//! `enableNativeCodeExecution="false"` asked for partial trust, which the platform dropped.

use diagnostics::Finding;

use crate::codes;
use crate::csdef::ServiceDefinition;
use crate::findings::Findings;

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    let asked = definition
        .roles
        .iter()
        .filter_map(|role| role.enable_native_code_execution);
    for native in asked.filter(|native| !native.value) {
        let message = "partial trust no longer exists: `false` has no effect";
        let finding = Finding::warning(codes::PARTIAL_TRUST, definition.file, native.span, message);
        findings.push(
            finding.help("delete the attribute; `executionContext` limits what a role may do"),
        );
    }
}
