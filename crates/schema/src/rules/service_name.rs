//! The configuration is of the service that the definition defines.

use diagnostics::Finding;

use crate::codes;
use crate::cscfg::ServiceConfiguration;
use crate::csdef::ServiceDefinition;
use crate::findings::Findings;

pub(super) fn check(
    definition: &ServiceDefinition<'_>,
    configuration: &ServiceConfiguration<'_>,
    findings: &mut Findings,
) {
    let names = definition.name.zip(configuration.service_name);
    let Some((defined, configured)) = names.filter(|(a, b)| a.value != b.value) else {
        return;
    };
    let message = format!(
        "the configuration is of service `{}`, not `{}`",
        configured.value, defined.value
    );
    let finding = Finding::error(
        codes::SERVICE_NAME,
        configuration.file,
        configured.span,
        message,
    )
    .related(definition.file, defined.span, "the definition's name")
    .help(format!("write `serviceName=\"{}\"`", defined.value));
    findings.push(finding);
}
