//! A role has each certificate once.

use std::borrow::Cow;

use super::{check_unique, shown};
use crate::codes;
use crate::cscfg::ServiceConfiguration;
use crate::findings::Findings;

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
