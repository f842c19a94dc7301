//! What Cloud Services (extended support) refuses, for services that are on their way there.
//!
//! Nearly every service of the classic platform is in no virtual network and has a size by its old name.
//! Those who leave the platform need not read that, so only a service that shows a sign of being meant for
//! extended support is looked at: a virtual network, which it requires, or a size that an old one was
//! renamed to. `Standard_D1_v2` is no sign: the classic tools wrote it into every new service. Each thing
//! is one report, however many roles it is said of.
//!
//! Source: "Prerequisites for deploying Azure Cloud Services (extended support)"; for the name
//! of the service, issue 75495 of the repository of that documentation.

use diagnostics::{FileId, Finding, Span};

use crate::codes;
use crate::cscfg::ServiceConfiguration;
use crate::csdef::{Role, ServiceDefinition};
use crate::findings::Findings;
use crate::spanned::Spanned;

/// Sizes by their old names, and the size to write; `None` for those that were withdrawn.
const OLD_SIZES: &[(&str, Option<&str>)] = &[
    ("ExtraSmall", Some("Standard_A1_v2")),
    ("Small", Some("Standard_A1_v2")),
    ("Medium", Some("Standard_A2_v2")),
    ("Large", Some("Standard_A4_v2")),
    ("ExtraLarge", Some("Standard_A8_v2")),
    ("A5", Some("Standard_A2m_v2")),
    ("A6", Some("Standard_A4m_v2")),
    ("A7", Some("Standard_A8m_v2")),
    ("A8", None),
    ("A9", None),
    ("A10", None),
    ("A11", None),
];

/// The modules of the remote desktop that roles brought along; there it is an extension.
const REMOTE_DESKTOP: &[&str] = &["RemoteAccess", "RemoteForwarder"];

pub(super) fn check(
    definition: &ServiceDefinition<'_>,
    configuration: &ServiceConfiguration<'_>,
    findings: &mut Findings,
) {
    let network = configuration.network.virtual_network_site;
    let is_new = |size: &str| OLD_SIZES.iter().any(|(_, new)| *new == Some(size));
    let has_new_size = sizes(definition).any(|size| is_new(size.value));
    if network.is_none() && !has_new_size {
        return;
    }
    if network.is_none() {
        let message = "extended support takes only services in a virtual network";
        let finding = report(configuration.file, configuration.span, message);
        findings.push(
            finding.help("add `<VirtualNetworkSite name=\"…\" />` to `NetworkConfiguration`"),
        );
    }
    findings.extend(old_sizes(definition));
    findings.extend(remote_desktop(definition));
    findings.extend(service_name(definition, configuration));
}

/// One report for each old size.
fn old_sizes(definition: &ServiceDefinition<'_>) -> impl Iterator<Item = Finding> {
    let first_of = |(old, new): &(&str, Option<&str>)| {
        let size = sizes(definition).find(|size| size.value == *old)?;
        let (message, help) = match new {
            Some(new) => (
                format!("extended support does not know the size `{old}` by this name"),
                format!("write `vmsize=\"{new}\"`"),
            ),
            None => (
                format!("extended support has no size `{old}`"),
                "choose one of those that begin with `Standard_`".to_owned(),
            ),
        };
        Some(report(definition.file, size.span, message).help(help))
    };
    OLD_SIZES.iter().filter_map(first_of)
}

fn remote_desktop(definition: &ServiceDefinition<'_>) -> Option<Finding> {
    let mut imports = definition.roles.iter().flat_map(|role| &role.imports);
    let import = imports.find(|import| REMOTE_DESKTOP.contains(&import.value))?;
    let message = format!(
        "extended support does not take the import of `{}`",
        import.value
    );
    let help = "delete the imports of remote desktop, their settings and their certificate";
    Some(report(definition.file, import.span, message).help(help))
}

fn service_name(
    definition: &ServiceDefinition<'_>,
    configuration: &ServiceConfiguration<'_>,
) -> Option<Finding> {
    let name = configuration.service_name?;
    let mut roles = definition.roles.iter().filter_map(|role| role.name);
    let role = roles.find(|role| role.value == name.value)?;
    let message = format!(
        "extended support takes no service that is called like its role `{}`",
        name.value
    );
    let finding = report(configuration.file, name.span, message)
        .related(definition.file, role.span, "the role")
        .help("give the service another name, in both files");
    Some(finding)
}

/// The sizes that are written; what becomes of the default there is documented nowhere.
fn sizes<'t>(definition: &ServiceDefinition<'t>) -> impl Iterator<Item = Spanned<&'t str>> {
    let written = |role: &Role<'t>| role.vmsize.filter(|size| size.span != role.span);
    definition.roles.iter().filter_map(written)
}

fn report(file: FileId, span: Span, message: impl Into<String>) -> Finding {
    Finding::report(codes::EXTENDED_SUPPORT, file, span, message)
}
