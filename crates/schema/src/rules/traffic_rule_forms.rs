//! A network traffic rule names its sources in one way: `AllowAllTraffic` or `WhenSource`.
//!
//! The schema says so, and that `NetworkTrafficRules` stands once; samples of the documentation do neither.
//! There the union is meant, so that is a warning. A rule without any source means nothing.

use diagnostics::Finding;

use crate::codes;
use crate::csdef::ServiceDefinition;
use crate::findings::Findings;

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    let (file, code) = (definition.file, codes::TRAFFIC_RULE_FORM);
    if let [first, others @ ..] = &definition.network_traffic_rules[..] {
        for other in others {
            let message = "`NetworkTrafficRules` stands here again; the rules of all count";
            let finding = Finding::warning(code, file, *other, message)
                .related(file, *first, "first one here")
                .help("write all rules into one");
            findings.push(finding);
        }
    }
    for rule in &definition.traffic_rules {
        let finding = match (rule.allow_all_traffic, rule.when_source) {
            (Some(all), Some(some)) => {
                let message = "a rule that allows all traffic needs no `WhenSource`";
                Finding::warning(code, file, some, message)
                    .related(file, all, "every role may connect")
                    .help("keep one of the two")
            }
            (None, None) => {
                let message = "this rule says of no role whether it may connect";
                Finding::error(code, file, rule.span, message)
                    .help("add `<AllowAllTraffic />` or `<WhenSource matches=\"AnyRule\">`")
            }
            _ => continue,
        };
        findings.push(finding);
    }
}
