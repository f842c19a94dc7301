//! The way from texts to findings and a service: parse, walk, lower, apply the rules, finish.
//!
//! Every step works on what the one before could build, so that one run reports everything. A service
//! comes out only when nothing reported is an error.

use diagnostics::{FileId, Finding, Sources};
use xml_tree::{Problem, Tree};

use crate::cscfg::{self, ServiceConfiguration};
use crate::csdef::{self, ServiceDefinition};
use crate::findings::Findings;
use crate::grammar::{self, Document, check_root};
use crate::model::{Definition, Service};
use crate::{finish, rules};

pub(crate) const DEFINITION: Document = Document {
    root: &grammar::csdef::SERVICE_DEFINITION,
    namespace: grammar::csdef::NAMESPACE,
};

pub(crate) const CONFIGURATION: Document = Document {
    root: &grammar::cscfg::SERVICE_CONFIGURATION,
    namespace: grammar::cscfg::NAMESPACE,
};

/// What [`check`] found.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The service; absent when a finding is an error.
    pub service: Option<Service>,
    /// Every finding, sorted by file, then offset.
    pub findings: Vec<Finding>,
}

/// What [`check_definition`] found.
#[derive(Clone, Debug)]
pub struct CheckedDefinition {
    /// The definition; absent when a finding is an error.
    pub definition: Option<Definition>,
    /// Every finding, sorted by file, then offset.
    pub findings: Vec<Finding>,
}

/// Checks a service definition and a service configuration, each alone and both together.
///
/// Rules over both files run only where both are well-formed and have the right root.
pub fn check(sources: &Sources, definition: FileId, configuration: FileId) -> Checked {
    let (service, findings) = check_both(sources, definition, configuration, finish::service);
    Checked { service, findings }
}

/// The findings of [`check`], for those who need no service: building one takes a third as long again.
pub fn check_findings(
    sources: &Sources,
    definition: FileId,
    configuration: FileId,
) -> Vec<Finding> {
    check_both(sources, definition, configuration, |_, _| Some(())).1
}

/// Every finding, and what `finish` makes of the two files when none of them is an error.
fn check_both<T>(
    sources: &Sources,
    definition: FileId,
    configuration: FileId,
    finish: impl FnOnce(&ServiceDefinition<'_>, &ServiceConfiguration<'_>) -> Option<T>,
) -> (Option<T>, Vec<Finding>) {
    let mut findings = Findings::default();
    let definition_tree = parse(sources, definition, &mut findings);
    let definition = read_definition(&definition_tree, definition, &mut findings);
    let configuration_tree = parse(sources, configuration, &mut findings);
    let configuration = read_configuration(&configuration_tree, configuration, &mut findings);
    let both = definition.as_ref().zip(configuration.as_ref());
    if let Some((definition, configuration)) = both {
        apply_service_rules(definition, configuration, &mut findings);
    }
    let finished = both
        .filter(|_| !findings.has_error())
        .and_then(|(definition, configuration)| finish(definition, configuration));
    debug_assert!(
        finished.is_some() || findings.has_error(),
        "nothing is missing unreported"
    );
    (finished, findings.into_list())
}

/// Checks a service definition alone.
pub fn check_definition(sources: &Sources, definition: FileId) -> CheckedDefinition {
    let mut findings = Findings::default();
    let tree = parse(sources, definition, &mut findings);
    let lowered = read_definition(&tree, definition, &mut findings);
    let lowered = lowered.filter(|_| !findings.has_error());
    let definition = lowered.as_ref().and_then(finish::definition);
    debug_assert!(
        definition.is_some() || findings.has_error(),
        "nothing is missing unreported"
    );
    CheckedDefinition {
        definition,
        findings: findings.into_list(),
    }
}

/// Checks a service configuration alone; the findings are sorted by offset.
pub fn check_configuration(sources: &Sources, configuration: FileId) -> Vec<Finding> {
    let mut findings = Findings::default();
    let tree = parse(sources, configuration, &mut findings);
    read_configuration(&tree, configuration, &mut findings);
    findings.into_list()
}

pub(crate) fn parse<'s>(sources: &'s Sources, file: FileId, findings: &mut Findings) -> Tree<'s> {
    let tree = xml_tree::parse(sources.file(file).text());
    findings.extend(tree.problems().iter().map(|problem| finding(file, problem)));
    tree
}

/// A problem of the XML as a finding about its file.
fn finding(file: FileId, problem: &Problem) -> Finding {
    let mut finding = Finding::error(problem.code, file, problem.span, &problem.message);
    if let Some((span, text)) = &problem.related {
        finding = finding.related(file, *span, text);
    }
    finding.help.extend(problem.help.clone());
    finding
}

/// The typed definition of a well-formed tree with the right root.
///
/// Of a malformed text only its own problems are said: what the grammar thinks of half a tree is noise.
pub(crate) fn read_definition<'t>(
    tree: &'t Tree<'t>,
    file: FileId,
    findings: &mut Findings,
) -> Option<ServiceDefinition<'t>> {
    let root = tree.root().filter(|_| tree.problems().is_empty())?;
    if !check_root(&DEFINITION, file, root, findings) {
        return None;
    }
    let definition = csdef::lower(file, root);
    rules::DEFINITION
        .iter()
        .for_each(|rule| rule(&definition, findings));
    Some(definition)
}

/// The typed configuration of a well-formed tree with the right root.
pub(crate) fn read_configuration<'t>(
    tree: &'t Tree<'t>,
    file: FileId,
    findings: &mut Findings,
) -> Option<ServiceConfiguration<'t>> {
    let root = tree.root().filter(|_| tree.problems().is_empty())?;
    if !check_root(&CONFIGURATION, file, root, findings) {
        return None;
    }
    let configuration = cscfg::lower(file, root);
    rules::CONFIGURATION
        .iter()
        .for_each(|rule| rule(&configuration, findings));
    Some(configuration)
}

/// Applies the rules over both files.
pub(crate) fn apply_service_rules(
    definition: &ServiceDefinition<'_>,
    configuration: &ServiceConfiguration<'_>,
    findings: &mut Findings,
) {
    rules::SERVICE
        .iter()
        .for_each(|rule| rule(definition, configuration, findings));
}
