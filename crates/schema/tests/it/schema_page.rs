//! What the WorkerRole schema page of 10 November 2011 says, one fact a test.
//!
//! `docs/schema-page.md` maps every statement of the page to tests: to these where files alone show it, to
//! those of the host, the plan, the balancer and the packager where something has to run.

mod certificates;
mod contents;
mod document;
mod imports;
mod input_endpoints;
mod internal_endpoints;
mod local_storage;
mod runtime;
mod settings;
mod startup;
mod worker_role;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use diagnostics::{Finding, Severity, Sources};
use schema::{
    Content, Definition, ExecutionContext, InternalPorts, LedgerInput, PortSpecifier, Protocol,
    RoleDefinition, RoleInstanceValue, TaskType, VariableValue, Verdict,
};

use crate::ledger;
use crate::support::{configuration, configured, definition, role};

/// The namespace that every service definition has.
const NAMESPACE: &str = "http://schemas.microsoft.com/ServiceHosting/2008/10/ServiceDefinition";

/// The findings of a definition, and the definition where none is an error.
fn read(text: &str) -> (Vec<Finding>, Option<Definition>) {
    let mut sources = Sources::new();
    let file = sources.add("a.csdef", text);
    let checked = schema::check_definition(&sources, file);
    (checked.findings, checked.definition)
}

/// A service of the role `W` with this in it.
fn service(body: &str) -> String {
    definition("", &role("W", body))
}

/// The role `W` with this in it; without errors.
#[track_caller]
fn role_with(body: &str) -> RoleDefinition {
    let (findings, definition) = read(&service(body));
    let mut definition = definition.unwrap_or_else(|| panic!("{body}: {findings:#?}"));
    definition.roles.remove(0)
}

#[track_caller]
fn passes(text: &str) {
    let (findings, definition) = read(text);
    assert!(definition.is_some(), "{text}: {findings:#?}");
}

/// Whether there is a finding of this code.
fn finds(text: &str, code: &str) -> bool {
    read(text)
        .0
        .iter()
        .any(|finding| finding.code.as_str() == code)
}

/// There is an error of this code; later rules may see more in the same text.
#[track_caller]
fn refuses(text: &str, code: &str) {
    let (findings, definition) = read(text);
    assert!(definition.is_none(), "{text}: no error");
    let is_it =
        |finding: &Finding| finding.severity == Severity::Error && finding.code.as_str() == code;
    assert!(
        findings.iter().any(is_it),
        "{text}: no {code} in {findings:#?}"
    );
}

/// Each of the `required` attributes is missed when it is taken out of `element`, and no other is.
#[track_caller]
fn presence(wrap: fn(&str) -> String, element: &str, required: &[&str], optional: &[&str]) {
    assert!(!finds(&wrap(element), "AR0108"), "{element} is complete");
    for attribute in required.iter().chain(optional) {
        let without = wrap(&take_out(element, attribute));
        let is_missed = finds(&without, "AR0108");
        assert_eq!(
            is_missed,
            required.contains(attribute),
            "`{attribute}`: {without}"
        );
    }
}

#[track_caller]
fn take_out(element: &str, attribute: &str) -> String {
    let start = element
        .find(&format!(" {attribute}=\""))
        .expect("it is there");
    let value = start + attribute.len() + " =\"".len();
    let end = value + element[value..].find('"').expect("it is closed") + 1;
    format!("{}{}", &element[..start], &element[end..])
}

/// These values of `{}` pass its type, and those do not.
#[track_caller]
fn values(template: &str, good: &[&str], bad: &[&str]) {
    for value in good {
        assert!(
            !finds(&service(&template.replace("{}", value)), "AR0109"),
            "{value}"
        );
    }
    for value in bad {
        assert!(
            finds(&service(&template.replace("{}", value)), "AR0109"),
            "{value}"
        );
    }
}

/// The verdict on the one part whose path ends so, with its reason.
#[track_caller]
fn verdict(text: &str, path: &str) -> (Verdict, String) {
    let entries = ledger::of(Some(text), &[]);
    let (verdict, how) = ledger::verdict(&entries, path);
    (verdict, how.to_owned())
}

/// Refused for good: it is not a promise of later work.
#[track_caller]
fn is_never(text: &str, path: &str) {
    let (verdict, how) = verdict(text, path);
    assert_eq!(verdict, Verdict::Refused, "{path}: {how}");
    assert!(!how.contains("not yet"), "{path}: {how}");
}

#[track_caller]
fn is_honoured(text: &str, path: &str) {
    let (verdict, how) = verdict(text, path);
    assert_eq!(verdict, Verdict::Honoured, "{path}: {how}");
}

fn in_stores(store: &str) -> String {
    service(&format!("<LocalResources>{store}</LocalResources>"))
}

fn in_endpoints(endpoint: &str) -> String {
    service(&format!("<Endpoints>{endpoint}</Endpoints>"))
}

fn in_certificates(certificate: &str) -> String {
    service(&format!("<Certificates>{certificate}</Certificates>"))
}

fn in_startup(task: &str) -> String {
    service(&format!("<Startup>{task}</Startup>"))
}

/// A role whose `Runtime` is this; [`role`] has one of its own.
fn of_runtime(runtime: &str) -> String {
    definition(
        "",
        &format!("<WorkerRole name=\"W\">{runtime}</WorkerRole>"),
    )
}

fn of_entry_point(entry_point: &str) -> String {
    of_runtime(&format!(
        "<Runtime><EntryPoint>{entry_point}</EntryPoint></Runtime>"
    ))
}

fn of_environment(variables: &str) -> String {
    of_runtime(&format!(
        "<Runtime><Environment>{variables}</Environment><EntryPoint>\
         <ProgramEntryPoint commandLine=\"w\" setReadyOnProcessStart=\"true\" /></EntryPoint></Runtime>"
    ))
}

#[track_caller]
fn internal_ports(inside: &str) -> InternalPorts {
    let endpoint = format!("<InternalEndpoint name=\"E\" protocol=\"tcp\" {inside}");
    let mut role = role_with(&format!("<Endpoints>{endpoint}</Endpoints>"));
    role.internal_endpoints.remove(0).ports
}

/// Every entry of a definition, for whose scripts there is something else to run where `has_others`.
fn entries(text: &str, has_others: bool) -> Vec<ledger::Entry> {
    let mut sources = Sources::new();
    let file = sources.add("a.csdef", text);
    let find = |_: &str, _: &str| Some("other.sh".to_owned());
    let input = LedgerInput {
        definition: Some(file),
        configurations: &[],
        find_program: has_others.then_some(&find),
    };
    ledger::ledger(&sources, &input)
}

/// The verdicts of parts, as `Task/@taskType refused: not yet`.
fn verdicts_of_the_ledger() -> BTreeSet<String> {
    let complete = Path::new(env!("CARGO_MANIFEST_DIR")).join("test_data/ledger/complete.csdef");
    let complete = fs::read_to_string(complete).expect("the complete file is there");
    let untrusted = service("").replacen("\">", "\" enableNativeCodeExecution=\"false\">", 1);
    let entries = [
        entries(&complete, false),
        entries(&complete, true),
        entries(&untrusted, false),
    ];
    // All in a web role is refused, whatever it is.
    let entries = entries
        .iter()
        .flatten()
        .filter(|entry| !entry.path.contains("/WebRole"));
    let line = |entry: &ledger::Entry| {
        let names = entry
            .path
            .split('/')
            .filter_map(|step| step.split('[').next());
        let names: Vec<_> = names.collect();
        let start = names.len() - if entry.value.is_some() { 2 } else { 1 };
        let not_yet = if entry.how.contains("not yet") {
            ": not yet"
        } else {
            ""
        };
        format!(
            "{} {}{not_yet}",
            names[start..].join("/"),
            entry.verdict.as_str()
        )
    };
    entries.map(line).collect()
}

#[test]
fn the_verdicts_of_the_page_are_those_of_the_ledger() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schema-page.md");
    let page = fs::read_to_string(path).unwrap();
    let known = verdicts_of_the_ledger();
    let mut n_verdicts = 0;
    for row in page.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let ["", _, part, _, verdict, _, ""] = cells[..] else {
            continue;
        };
        if ["honoured", "translated", "refused"]
            .iter()
            .any(|word| verdict.starts_with(word))
        {
            let said = format!("{} {verdict}", part.trim_matches('`'));
            assert!(
                known.contains(&said),
                "`{said}` is not what the ledger says"
            );
            n_verdicts += 1;
        }
    }
    assert!(
        n_verdicts > 50,
        "the table was not found: {n_verdicts} verdicts"
    );
}
