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

static DEFINITION: Document = Document {
    root: &grammar::csdef::SERVICE_DEFINITION,
    namespace: grammar::csdef::NAMESPACE,
};

static CONFIGURATION: Document = Document {
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
    let mut findings = Findings::default();
    let trees = Trees::parse(sources, Some(definition), &[configuration], &mut findings);
    let Lowered {
        definition,
        configurations,
    } = trees.read(&mut findings);
    let configuration = configurations.into_iter().flatten().next();
    let service = definition
        .zip(configuration)
        .filter(|_| !findings.has_error())
        .and_then(|(definition, configuration)| finish::service(&definition, &configuration));
    debug_assert!(
        service.is_some() || findings.has_error(),
        "nothing is missing unreported"
    );
    Checked {
        service,
        findings: findings.into_list(),
    }
}

/// Checks a service definition alone.
pub fn check_definition(sources: &Sources, definition: FileId) -> CheckedDefinition {
    let mut findings = Findings::default();
    let trees = Trees::parse(sources, Some(definition), &[], &mut findings);
    let lowered = trees.read(&mut findings).definition;
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

/// Checks the files there are, each alone, and each configuration against the definition: the findings of
/// [`check`], without the service, which takes a third as long again to build.
///
/// The findings are sorted by file, then offset; those of the definition alone are said once.
pub fn check_files(
    sources: &Sources,
    definition: Option<FileId>,
    configurations: &[FileId],
) -> Vec<Finding> {
    let mut findings = Findings::default();
    Trees::parse(sources, definition, configurations, &mut findings).read(&mut findings);
    findings.into_list()
}

/// The files of a service, parsed.
pub(crate) struct Trees<'s> {
    definition: Option<(FileId, Tree<'s>)>,
    configurations: Vec<(FileId, Tree<'s>)>,
}

/// The files of a service, typed; `None` for one that is not well-formed or has the wrong root.
pub(crate) struct Lowered<'t> {
    pub(crate) definition: Option<ServiceDefinition<'t>>,
    pub(crate) configurations: Vec<Option<ServiceConfiguration<'t>>>,
}

impl<'s> Trees<'s> {
    /// Parses the files; what keeps one from being well-formed is a finding.
    pub(crate) fn parse(
        sources: &'s Sources,
        definition: Option<FileId>,
        configurations: &[FileId],
        findings: &mut Findings,
    ) -> Trees<'s> {
        let mut parse = |file: FileId| (file, parse(sources, file, findings));
        Trees {
            definition: definition.map(&mut parse),
            configurations: configurations.iter().copied().map(parse).collect(),
        }
    }

    /// Every file with the grammar that it is read by, the definition first.
    pub(crate) fn documents(&self) -> impl Iterator<Item = (FileId, &Tree<'s>, &'static Document)> {
        let definition = self.definition.iter();
        let configurations = self.configurations.iter();
        let definition = definition.map(|(file, tree)| (*file, tree, &DEFINITION));
        definition.chain(configurations.map(|(file, tree)| (*file, tree, &CONFIGURATION)))
    }

    /// Walks and lowers every file and applies the rules.
    pub(crate) fn read(&self, findings: &mut Findings) -> Lowered<'_> {
        let definition = self.definition.as_ref();
        let definition = definition.and_then(|(file, tree)| read_definition(tree, *file, findings));
        let mut configurations = Vec::new();
        for (file, tree) in &self.configurations {
            let configuration = read_configuration(tree, *file, findings);
            if let (Some(definition), Some(configuration)) = (&definition, &configuration) {
                let rules = rules::SERVICE.iter();
                rules.for_each(|rule| rule(definition, configuration, findings));
            }
            configurations.push(configuration);
        }
        Lowered {
            definition,
            configurations,
        }
    }
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
fn read_configuration<'t>(
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
