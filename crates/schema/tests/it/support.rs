//! Services built for one purpose, and what a check finds in them.

use diagnostics::{Finding, Sources};

const PROGRAM: &str = "<Runtime><EntryPoint><ProgramEntryPoint commandLine=\"w\" \
                       setReadyOnProcessStart=\"true\" /></EntryPoint></Runtime>";

/// A service definition whose root has `attributes` and holds `body`.
pub(crate) fn definition(attributes: &str, body: &str) -> String {
    let namespace = "http://schemas.microsoft.com/ServiceHosting/2008/10/ServiceDefinition";
    format!(
        "<ServiceDefinition name=\"S\" xmlns=\"{namespace}\" {attributes}>{body}</ServiceDefinition>"
    )
}

/// A worker role that runs the program `w`.
pub(crate) fn role(name: &str, body: &str) -> String {
    format!("<WorkerRole name=\"{name}\">{body}{PROGRAM}</WorkerRole>")
}

/// A service configuration that holds `body`.
pub(crate) fn configuration(body: &str) -> String {
    let namespace = "http://schemas.microsoft.com/ServiceHosting/2008/10/ServiceConfiguration";
    format!(
        "<ServiceConfiguration serviceName=\"S\" xmlns=\"{namespace}\">{body}</ServiceConfiguration>"
    )
}

/// A configured role of one instance.
pub(crate) fn configured(name: &str, body: &str) -> String {
    format!("<Role name=\"{name}\"><Instances count=\"1\" />{body}</Role>")
}

/// The codes of findings, in their order.
pub(crate) fn codes(findings: &[Finding]) -> Vec<&'static str> {
    findings
        .iter()
        .map(|finding| finding.code.as_str())
        .collect()
}

/// The codes of the findings of a definition alone; it must be there exactly when none is an error.
pub(crate) fn check(definition: &str) -> Vec<&'static str> {
    let mut sources = Sources::new();
    let file = sources.add("a.csdef", definition);
    let checked = schema::check_definition(&sources, file);
    let has_error = checked.findings.iter().any(Finding::is_error);
    assert_eq!(checked.definition.is_none(), has_error);
    codes(&checked.findings)
}

/// The codes of the findings of both files; there is a service exactly when none is an error.
pub(crate) fn check_both(definition: &str, configuration: &str) -> Vec<&'static str> {
    let mut sources = Sources::new();
    let definition = sources.add("a.csdef", definition);
    let configuration = sources.add("a.cscfg", configuration);
    let checked = schema::check(&sources, definition, configuration);
    let has_error = checked.findings.iter().any(Finding::is_error);
    assert_eq!(checked.service.is_none(), has_error);
    codes(&checked.findings)
}
