//! Access controls have different names, and the rules of each an `order` of their own.
//!
//! The first rule that a client matches decides, in ascending order: between two of one `order` nothing
//! decides.

use std::borrow::Cow;

use diagnostics::Finding;

use super::{check_unique, repeated, shown};
use crate::codes;
use crate::cscfg::ServiceConfiguration;
use crate::findings::Findings;

pub(super) fn check(configuration: &ServiceConfiguration<'_>, findings: &mut Findings) {
    let controls = &configuration.network.access_controls;
    check_unique(
        configuration.file,
        codes::ACCESS_CONTROL_TWICE,
        controls.iter().filter_map(|control| control.name),
        Cow::Borrowed,
        |name| format!("there are two access controls `{name}`"),
        findings,
    );
    for control in controls {
        let orders = control.orders.iter().copied();
        for (first, order) in repeated(orders, |order| order.value) {
            let message = format!(
                "two rules of access control {} have the order {}",
                shown(control.name),
                order.value
            );
            let file = configuration.file;
            let finding = Finding::error(codes::ACL_RULE, file, order.span, message)
                .related(file, first.span, "first used here")
                .help("give each rule an `order` of its own: the lowest decides first");
            findings.push(finding);
        }
    }
}
