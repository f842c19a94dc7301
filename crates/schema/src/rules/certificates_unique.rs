//! A role has each certificate once: in the definition once in a store, in the configuration once.
//!
//! One name in several stores is how real services say that a certificate belongs into each of them: the
//! configuration gives the name one thumbprint.

use std::borrow::Cow;

use diagnostics::Finding;

use super::{check_unique, repeated, shown};
use crate::codes;
use crate::cscfg::ServiceConfiguration;
use crate::csdef::{Certificate, ServiceDefinition};
use crate::findings::{Findings, quotable};
use crate::spanned::Spanned;

pub(super) fn check_definition(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    let file = definition.file;
    for role in &definition.roles {
        let placed = role.certificates.iter().filter_map(placed);
        for ([first, ..], [name, _, store]) in repeated(placed, |placed| placed.map(|it| it.value))
        {
            let message = format!(
                "role {} declares certificate `{}` twice in store `{}`",
                shown(role.name),
                quotable(name.value),
                store.value
            );
            let finding = Finding::error(codes::CERTIFICATE_TWICE, file, name.span, message)
                .related(file, first.span, "first one here")
                .help("rename or delete one of them");
            findings.push(finding);
        }
    }
}

/// Name, location and store, where all are there.
fn placed<'t>(certificate: &Certificate<'t>) -> Option<[Spanned<&'t str>; 3]> {
    let (location, store) = (certificate.store_location?, certificate.store_name?);
    Some([certificate.name?, location, store])
}

pub(super) fn check_configuration(
    configuration: &ServiceConfiguration<'_>,
    findings: &mut Findings,
) {
    for role in &configuration.roles {
        let message =
            |name: &str| format!("role {} has certificate `{name}` twice", shown(role.name));
        let names = role
            .certificates
            .iter()
            .filter_map(|certificate| certificate.name);
        check_unique(
            configuration.file,
            codes::CERTIFICATE_TWICE,
            names,
            Cow::Borrowed,
            message,
            findings,
        );
    }
}
