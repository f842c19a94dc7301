//! Definition and configuration were written for one version of the schema.
//!
//! Only a warning: every version is a subset of what is read here.

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
    let versions = definition.schema_version.zip(configuration.schema_version);
    let Some((defined, configured)) = versions.filter(|(a, b)| a.value != b.value) else {
        return;
    };
    let message = format!(
        "the configuration is for schema version `{}`, the definition for `{}`",
        configured.value, defined.value
    );
    let code = codes::SCHEMA_VERSION;
    let finding = Finding::warning(code, configuration.file, configured.span, message)
        .related(definition.file, defined.span, "the definition's")
        .help("approot reads both; make them equal if other tools are to read the files");
    findings.push(finding);
}
