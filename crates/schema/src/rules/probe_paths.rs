//! A probe of `http` has the path that it asks for; one of `tcp` asks for nothing and has none.

use diagnostics::Finding;

use super::shown;
use crate::codes;
use crate::csdef::ServiceDefinition;
use crate::findings::Findings;

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    for probe in &definition.load_balancer_probes {
        let Some(protocol) = probe.protocol else {
            continue;
        };
        let name = shown(probe.name);
        let error = |span, message| Finding::error(codes::PROBE, definition.file, span, message);
        let finding = match (protocol.value, probe.path) {
            ("http", path) if path.is_none_or(|path| path.value.is_empty()) => {
                error(protocol.span, format!("http probe {name} has no path")).help(
                    "add `path=\"/…\"`; a probe succeeds where it is answered with status 200",
                )
            }
            ("tcp", Some(path)) => error(path.span, format!("tcp probe {name} has a path"))
                .related(definition.file, protocol.span, "asks for no path")
                .help("delete `path`, or write `protocol=\"http\"`"),
            _ => continue,
        };
        findings.push(finding);
    }
}
