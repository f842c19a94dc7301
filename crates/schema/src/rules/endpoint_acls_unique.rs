//! An endpoint has at most one `EndpointAcl`: which of two decides is said nowhere.

use diagnostics::Finding;

use super::repeated;
use crate::codes;
use crate::cscfg::ServiceConfiguration;
use crate::findings::{Findings, quotable};

pub(super) fn check(configuration: &ServiceConfiguration<'_>, findings: &mut Findings) {
    let joined = configuration
        .network
        .endpoint_acls
        .iter()
        .filter_map(|acl| acl.role.zip(acl.endpoint));
    for ((_, first), (role, endpoint)) in
        repeated(joined, |(role, endpoint)| (role.value, endpoint.value))
    {
        let message = format!(
            "endpoint `{}` of role `{}` has two `EndpointAcl`",
            quotable(endpoint.value),
            quotable(role.value)
        );
        let (code, file) = (codes::ENDPOINT_ACL_TWICE, configuration.file);
        let finding = Finding::error(code, file, endpoint.span, message)
            .related(file, first.span, "first one here")
            .help("put the rules of both into one access control");
        findings.push(finding);
    }
}
