//! A role has each certificate once in a store.
//!
//! One name in several stores is how real services say that a certificate belongs into each of them: the
//! configuration gives the name one thumbprint.

use std::collections::HashMap;

use diagnostics::Finding;

use super::shown;
use crate::codes;
use crate::csdef::{Certificate, ServiceDefinition};
use crate::findings::{Findings, quotable};
use crate::spanned::Spanned;

pub(super) fn check_definition(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    let file = definition.file;
    for role in &definition.roles {
        let mut first_of = HashMap::new();
        for placed in role.certificates.iter().filter_map(placed) {
            let [name, _, store] = placed;
            let first = *first_of
                .entry(placed.map(|part| part.value))
                .or_insert(name);
            if first.span == name.span {
                continue;
            }
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
