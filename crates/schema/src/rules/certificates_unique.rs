//! A role has each certificate once.

use std::borrow::Cow;

use super::{check_unique, shown};
use crate::codes;
use crate::csdef::ServiceDefinition;
use crate::findings::Findings;

pub(super) fn check_definition(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    for role in &definition.roles {
        let message = |name: &str| {
            let role = shown(role.name);
            format!("role {role} declares certificate `{name}` twice")
        };
        let names = role.certificates.iter();
        check_unique(
            definition.file,
            codes::CERTIFICATE_TWICE,
            names.filter_map(|certificate| certificate.name),
            Cow::Borrowed,
            message,
            findings,
        );
    }
}
