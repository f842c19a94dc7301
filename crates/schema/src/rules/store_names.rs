//! Local stores of a role have different names, the old direct one included: they name folders.

use std::borrow::Cow;

use super::{check_unique, shown};
use crate::codes;
use crate::csdef::ServiceDefinition;
use crate::findings::Findings;

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    for role in &definition.roles {
        let message =
            |name: &str| format!("role {} has two local stores `{name}`", shown(role.name));
        let mut names: Vec<_> = role
            .local_resources
            .iter()
            .filter_map(|store| store.name)
            .collect();
        names.sort_by_key(|name| name.span);
        check_unique(
            definition.file,
            codes::STORE_TWICE,
            names,
            Cow::Borrowed,
            message,
            findings,
        );
    }
}
