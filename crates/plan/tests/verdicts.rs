//! The ledger tells the truth about the plan: an attribute that it calls honoured or translated changes what
//! would run when it is changed, or is on the short list of those that are only checked; and one that it calls
//! refused changes nothing.
//!
//! What the plan hands on is acted upon by host, balancer and packager, whose own tests show that.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::PathBuf;

use diagnostics::{FileId, Sources, Span};
use plan::{Options, Package, Slot};
use schema::{LedgerInput, Verdict};

/// Files that pass, with all that is ever honoured.
const FILES: [&str; 2] = [
    include_str!("verdicts/service.csdef"),
    include_str!("verdicts/service.cscfg"),
];

/// Files that have everything the grammar knows.
const COMPLETE: [&str; 2] = [
    include_str!("../../schema/test_data/ledger/complete.csdef"),
    include_str!("../../schema/test_data/ledger/complete.cscfg"),
];

/// Attributes that decide nothing alone: names that another place has to have too, which is checked, and words
/// that are only compared or asked for.
const ONLY_CHECKED: &[&str] = &[
    "Role/@name",
    "Certificate/@name",
    "Certificate/@thumbprintAlgorithm",
    "ServiceConfiguration/@schemaVersion",
    "ServiceConfiguration/@serviceName",
    "InternalEndpoint/@name",
    "InputEndpoint/@loadBalancerDistribution",
    "Setting/@name",
    "WorkerRole/@name",
    "ServiceDefinition/@schemaVersion",
    "ServiceDefinition/@name",
];

/// What an attribute is changed to: valid values other than its own.
fn others(attribute: &str, value: &str) -> Vec<&'static str> {
    let all: &[&str] = match attribute {
        "upgradeDomainCount" | "count" => &["2", "3"],
        "sizeInMB" | "idleTimeoutInMinutes" | "intervalInSeconds" | "timeoutInSeconds" => {
            &["12", "13"]
        }
        "port" | "localPort" | "min" => &["5999", "6000"],
        "max" => &["6000"],
        "topologyChangeDiscovery" => &["Blast", "UpgradeDomainWalk"],
        "cleanOnRoleRecycle"
        | "ignoreRoleInstanceStatus"
        | "setReadyOnProcessStart"
        | "enableNativeCodeExecution"
        | "cleanupFirewallOnRoleRestart"
        | "allowRoleProcessLocalDumps" => &["true", "false"],
        "protocol" => &["tcp", "http", "udp"],
        "executionContext" => &["limited", "elevated"],
        "certificate" => &["Spare"],
        "permissionLevel" => &["limitedOrElevated", "elevated"],
        "storeLocation" => &["LocalMachine", "CurrentUser"],
        "taskType" => &["simple", "foreground", "background"],
        "loadBalancerDistribution" => &["none", "sourceIP"],
        "vmsize" => &["Small", "Large"],
        "xpath" => &["/RoleEnvironment/CurrentInstance/@roleName"],
        "osFamily" | "priority" => &["2"],
        "thumbprint" => &["0000000000000000000000000000000000000000"],
        "IPAddress" => &["10.0.0.5"],
        _ => &["other"],
    };
    let differs = |other: &&str| *other != value;
    all.iter().copied().filter(differs).collect()
}

/// What would run, as text (empty for nothing), and what is said about the files.
#[derive(PartialEq, Eq)]
struct Outcome {
    plan: String,
    findings: Vec<String>,
}

fn outcome(files: &[String; 2]) -> Outcome {
    let mut sources = Sources::new();
    let [definition, configuration] = files.each_ref().map(|text| sources.add("file", text));
    let checked = schema::check(&sources, definition, configuration);
    let plan = checked.service.map(|service| {
        let roles = service.definition.roles.iter();
        let contents: Vec<_> = roles.map(|role| &role.contents).collect();
        let plan = plan::plan(&service, &options()).expect("the options fit");
        format!("{plan:#?}\n{contents:#?}")
    });
    let said = |finding: &diagnostics::Finding| format!("{} {}", finding.code, finding.message);
    Outcome {
        plan: plan.unwrap_or_default(),
        findings: checked.findings.iter().map(said).collect(),
    }
}

fn options() -> Options {
    Options {
        deployment_id: "0".repeat(32),
        incarnation: 1,
        slot: Slot::Production,
        emulated: false,
        instances: BTreeMap::new(),
        listen: vec![Ipv4Addr::LOCALHOST.into()],
        block: 1,
        taken: BTreeSet::new(),
        instances_directory: PathBuf::from("/i"),
        sockets_directory: PathBuf::from("/s"),
        package: Package {
            digest: "0".repeat(64),
            root: PathBuf::from("/p"),
            takes_sockets: BTreeSet::new(),
        },
        has_identities: true,
        group: "approot-1".into(),
        roles: BTreeMap::new(),
        kept: BTreeMap::new(),
        certificates_directory: PathBuf::from("/c"),
    }
}

/// An attribute of the files, called `Task/@taskType`.
struct Attribute {
    /// 0 for the definition, 1 for the configuration.
    file: usize,
    name: String,
    span: Span,
    value: String,
    verdict: Verdict,
}

fn attributes(files: [&str; 2]) -> Vec<Attribute> {
    let mut sources = Sources::new();
    let ids: [FileId; 2] = files.map(|text| sources.add("file", text));
    let input = LedgerInput {
        definition: Some(ids[0]),
        configurations: &ids[1..],
        find_program: None,
    };
    let mut attributes = Vec::new();
    let listed = schema::ledger(&sources, &input, &mut |entry| {
        let Some(value) = entry.value else { return };
        let (parents, name) = entry
            .path
            .rsplit_once('/')
            .expect("an attribute has an element");
        let element = parents
            .rsplit('/')
            .next()
            .expect("a path has a step")
            .split('[')
            .next();
        attributes.push(Attribute {
            file: ids
                .iter()
                .position(|id| *id == entry.file)
                .expect("an entry is of one of the files"),
            name: format!("{}/{name}", element.expect("a step has a name")),
            span: entry.span,
            value: value.to_owned(),
            verdict: entry.verdict,
        });
    });
    assert_eq!(listed, Ok(()));
    attributes
}

impl Attribute {
    /// The files with another value for this attribute.
    fn set(&self, other: &str) -> [String; 2] {
        let mut files = FILES.map(str::to_owned);
        let text = &mut files[self.file];
        let start = self.span.end + "=\"".len();
        assert_eq!(
            &text[self.span.end..start],
            "=\"",
            "the files are written so"
        );
        let end = start + text[start..].find('"').expect("the value is closed");
        text.replace_range(start..end, other);
        files
    }
}

#[test]
fn what_is_honoured_changes_what_would_run_and_what_is_refused_does_not() {
    let before = outcome(&FILES.map(str::to_owned));
    assert_ne!(before.plan, "", "{:?}", before.findings);
    for attribute in attributes(FILES) {
        let Attribute {
            name,
            value,
            verdict,
            ..
        } = &attribute;
        let (_, local) = name.split_once('@').unwrap();
        let others = others(local, value);
        let after = others.iter().map(|other| outcome(&attribute.set(other)));
        let after: Vec<Outcome> = after.collect();
        if *verdict == Verdict::Refused {
            // Another value may be wrong beside the rest of the files: then nothing would run.
            let plans = after.iter().map(|after| after.plan.as_str());
            let changes = plans.filter(|plan| *plan != before.plan && !plan.is_empty());
            assert_eq!(
                changes.count(),
                0,
                "`{name}` is refused; `{value}` became one of {others:?}"
            );
        } else {
            let changes = |after: &Outcome| !after.plan.is_empty() && after.plan != before.plan;
            let is_said = after.iter().any(|after| after.findings != before.findings);
            let is_only_checked = ONLY_CHECKED.contains(&name.as_str());
            assert!(
                after.iter().any(changes) || is_only_checked && is_said,
                "`{name}` is {}, and nothing changes when `{value}` becomes one of {others:?}",
                verdict.as_str()
            );
        }
    }
}

#[test]
fn everything_that_is_ever_honoured_is_tried() {
    let honoured = |files| -> BTreeSet<String> {
        let all = attributes(files).into_iter();
        let honoured = all.filter(|attribute| attribute.verdict != Verdict::Refused);
        honoured.map(|attribute| attribute.name).collect()
    };
    let tried = honoured(FILES);
    let untried: Vec<_> = honoured(COMPLETE).difference(&tried).cloned().collect();
    assert!(untried.is_empty(), "{untried:?}");
}
