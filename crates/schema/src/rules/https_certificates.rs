//! An `https` endpoint names a certificate, and whatever an endpoint names the same role declares.

use std::collections::HashSet;

use diagnostics::{FileId, Finding};

use super::shown;
use crate::codes;
use crate::csdef::{InputEndpoint, Role, ServiceDefinition};
use crate::findings::{Findings, quotable};
use crate::modules;
use crate::spanned::Spanned;
use crate::suggest::did_you_mean;

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    for role in &definition.roles {
        let is_concerned = |endpoint: &&InputEndpoint<'_>| {
            endpoint.has_certificate || protocol(endpoint) == Some("https")
        };
        let mut endpoints = role.input_endpoints.iter().filter(is_concerned).peekable();
        if endpoints.peek().is_none() {
            continue;
        }
        let declared = declared(role);
        let distinct: HashSet<_> = declared.iter().copied().collect();
        for endpoint in endpoints {
            match endpoint.certificate {
                Some(name) if distinct.contains(name.value) => {}
                Some(name) => findings.push_error(definition.file, name.span, || {
                    unknown(definition.file, role, name, &declared)
                }),
                // What stands there and is no name has its finding.
                None if endpoint.has_certificate => {}
                None => findings.extend(missing(definition.file, endpoint, &declared)),
            }
        }
    }
}

fn protocol<'t>(endpoint: &InputEndpoint<'t>) -> Option<&'t str> {
    endpoint.protocol.map(|protocol| protocol.value)
}

/// The certificates of a role, those of its imports included.
fn declared<'t>(role: &Role<'t>) -> Vec<&'t str> {
    let own = role.certificates.iter().filter_map(|it| it.name);
    let imported = modules::imported(role).flat_map(|(module, _)| module.certificates);
    own.map(|name| name.value)
        .chain(imported.copied())
        .collect()
}

fn unknown(file: FileId, role: &Role<'_>, name: Spanned<&str>, declared: &[&str]) -> Finding {
    let message = format!(
        "role {} has no certificate `{}`",
        shown(role.name),
        quotable(name.value)
    );
    let help = did_you_mean(name.value, declared.iter().copied());
    let help = help.unwrap_or_else(|| "declare it in the role's `Certificates`".into());
    Finding::error(codes::HTTPS_CERTIFICATE, file, name.span, message).help(help)
}

fn missing(file: FileId, endpoint: &InputEndpoint<'_>, declared: &[&str]) -> Option<Finding> {
    let message = format!(
        "https endpoint {} names no certificate",
        shown(endpoint.name)
    );
    let help = match declared {
        [only] => format!("add `certificate=\"{only}\"`"),
        [] => "declare one in the role's `Certificates` and name it in `certificate`".to_owned(),
        _ => "name one of the role's in `certificate`".to_owned(),
    };
    let span = endpoint.protocol?.span;
    let finding = Finding::error(codes::HTTPS_CERTIFICATE, file, span, message);
    Some(finding.help(help))
}
