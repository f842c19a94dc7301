//! `topologyChangeDiscovery="Blast"` told every instance of a change at once; approot tells them one
//! upgrade domain after the other, as the default does.

use diagnostics::Finding;

use crate::codes;
use crate::csdef::ServiceDefinition;
use crate::findings::Findings;

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    let Some(discovery) = definition.topology_change_discovery else {
        return;
    };
    if discovery.value == "Blast" {
        let message =
            "`Blast` is not done: instances learn of changes one upgrade domain after the other";
        let finding = Finding::report(codes::BLAST, definition.file, discovery.span, message);
        findings.push(
            finding.help("delete the attribute if nothing needs all instances to know at once"),
        );
    }
}
