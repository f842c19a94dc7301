//! A role has each setting once, in the definition as in the configuration.

use std::borrow::Cow;

use super::{check_unique, shown};
use crate::codes;
use crate::cscfg::ServiceConfiguration;
use crate::csdef::ServiceDefinition;
use crate::findings::Findings;

pub(super) fn check_definition(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    for role in &definition.roles {
        let message =
            |name: &str| format!("role {} declares setting `{name}` twice", shown(role.name));
        let names = role.settings.iter().copied();
        check_unique(
            definition.file,
            codes::SETTING_TWICE,
            names,
            Cow::Borrowed,
            message,
            findings,
        );
    }
}

pub(super) fn check_configuration(
    configuration: &ServiceConfiguration<'_>,
    findings: &mut Findings,
) {
    for role in &configuration.roles {
        let message = |name: &str| format!("role {} sets `{name}` twice", shown(role.name));
        let names = role.settings.iter().filter_map(|setting| setting.name);
        check_unique(
            configuration.file,
            codes::SETTING_TWICE,
            names,
            Cow::Borrowed,
            message,
            findings,
        );
    }
}
