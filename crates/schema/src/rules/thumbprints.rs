//! A thumbprint is a SHA-1 digest of 40 hex digits; another number of them is a placeholder or a slip.
//!
//! Only a warning, for the schema has no length, and files for a development machine hold placeholders.
//! What is no hex digit at all is refused by the grammar.

use diagnostics::Finding;

use super::shown;
use crate::cscfg::ServiceConfiguration;
use crate::findings::Findings;
use crate::{codes, lexical};

/// Hex digits of a SHA-1 digest.
const DIGITS: usize = 40;

pub(super) fn check(configuration: &ServiceConfiguration<'_>, findings: &mut Findings) {
    let certificates = configuration
        .roles
        .iter()
        .flat_map(|role| &role.certificates);
    for certificate in certificates {
        let Some(written) = certificate.thumbprint else {
            continue;
        };
        let n_digits = lexical::thumbprint(written.value).map_or(0, |digits| digits.len());
        if n_digits != DIGITS {
            let message = format!(
                "the thumbprint of certificate {} has not {DIGITS} digits but {n_digits}",
                shown(certificate.name)
            );
            let (code, file) = (codes::THUMBPRINT, configuration.file);
            let finding = Finding::warning(code, file, written.span, message);
            findings.push(finding.help("copy the SHA-1 thumbprint from the certificate"));
        }
    }
}
