//! Endpoint names are unique in a role over all kinds: a role sees them in one dictionary.

use std::borrow::Cow;

use super::{check_unique, shown};
use crate::codes;
use crate::csdef::ServiceDefinition;
use crate::findings::Findings;

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    for role in &definition.roles {
        let message = |name: &str| format!("role {} has two endpoints `{name}`", shown(role.name));
        check_unique(
            definition.file,
            codes::ENDPOINT_TWICE,
            role.endpoint_names(),
            Cow::Borrowed,
            message,
            findings,
        );
    }
}
