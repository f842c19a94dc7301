//! The store `Disallow`, as the schema page of 2011 spells it, is not the built-in `Disallowed`.
//!
//! Any name that is not built in makes a store of one's own, so that the slip goes unnoticed.

use diagnostics::Finding;

use crate::codes;
use crate::csdef::ServiceDefinition;
use crate::findings::Findings;

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    let certificates = definition.roles.iter().flat_map(|role| &role.certificates);
    let stores = certificates.filter_map(|certificate| certificate.store_name);
    for store in stores.filter(|store| store.value.eq_ignore_ascii_case("Disallow")) {
        let message = format!(
            "`{}` is a store of your own, not a built-in one",
            store.value
        );
        let (file, code) = (definition.file, codes::STORE_NAME);
        let finding = Finding::warning(code, file, store.span, message);
        findings.push(finding.help("did you mean `Disallowed`?"));
    }
}
