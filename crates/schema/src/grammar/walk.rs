//! The walk: any element against its table, every difference a finding.
//!
//! An element that is unknown, not read yet or opaque has one finding at most, and nothing inside it is
//! looked at. The walk recurses no deeper than the tables are nested.

use diagnostics::{FileId, Finding};
use xml_tree::{Attribute, Element};

use super::{AttributeSpec, ElementSpec, Presence};
use crate::codes;
use crate::findings::{Findings, quotable};
use crate::suggest::did_you_mean;

/// A kind of file: what its root must be.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) root: &'static ElementSpec,
    pub(crate) namespace: &'static str,
}

/// Checks a whole document; whether its root is the right one.
pub(crate) fn check_root(
    document: &Document,
    file: FileId,
    root: Element<'_>,
    findings: &mut Findings,
) -> bool {
    let expected = document.root.name;
    if root.name() != expected {
        let message = format!("the root element is `{}`, not `{expected}`", root.name());
        let mut finding = Finding::error(codes::ROOT, file, root.name_span(), message);
        if matches!(root.name(), "ServiceDefinition" | "ServiceConfiguration") {
            finding = finding.help("definition and configuration seem to be exchanged");
        } else if let Some(help) = did_you_mean(root.name(), [expected]) {
            finding = finding.help(help);
        }
        findings.push(finding);
        return false;
    }
    if root.namespace() != Some(document.namespace) {
        let message = match root.namespace() {
            Some(namespace) => format!("`{expected}` is in the namespace `{namespace}`"),
            None => format!("`{expected}` is in no namespace"),
        };
        let help = format!("write `xmlns=\"{}\"`", document.namespace);
        findings.push(Finding::error(codes::NAMESPACE, file, root.name_span(), message).help(help));
    }
    // What is below is compared with the root: a wrong namespace is one finding, not one an element.
    let mut walk = Walk {
        file,
        root,
        findings,
    };
    walk.element(document.root, root);
    true
}

struct Walk<'w> {
    file: FileId,
    root: Element<'w>,
    findings: &'w mut Findings,
}

impl Walk<'_> {
    fn element(&mut self, spec: &'static ElementSpec, element: Element<'_>) {
        if spec.is_opaque {
            return;
        }
        for attribute in element.attributes() {
            self.attribute(spec, element, attribute);
        }
        for attribute in spec.attributes {
            self.missing_attribute(attribute, element);
        }
        for child in element.elements() {
            self.child(spec, element, child);
        }
        self.cardinality(spec, element);
        if !element.text().trim().is_empty() {
            let message = format!("the text in `{}` has no effect", element.name());
            let finding =
                Finding::warning(codes::STRAY_TEXT, self.file, element.name_span(), message);
            self.findings.push(finding);
        }
    }

    fn attribute(&mut self, spec: &ElementSpec, element: Element<'_>, attribute: Attribute<'_>) {
        let name = attribute.name();
        let known = spec
            .attribute(name)
            .filter(|_| attribute.prefix().is_none());
        match known {
            Some(known) => self.value(known, attribute),
            None => {
                let candidates = spec.attributes.iter().map(|attribute| attribute.name);
                let present = |name: &&str| element.find_attribute(name).is_none();
                let help = self.advice(spec, name, candidates.filter(present));
                let shown = match attribute.prefix() {
                    Some(prefix) => format!("{prefix}:{name}"),
                    None => name.to_owned(),
                };
                let message = format!("`{shown}` is not understood yet here and has no effect");
                let span = attribute.name_span();
                let finding = Finding::warning(codes::UNKNOWN_ATTRIBUTE, self.file, span, message);
                self.findings.push(with_help(finding, help));
            }
        }
    }

    fn value(&mut self, spec: &AttributeSpec, attribute: Attribute<'_>) {
        if let Err(fault) = spec.lexical.check(attribute.value()) {
            let (name, value) = (spec.name, attribute.value());
            let message = format!("`{name}` is not {}: `{value}`", fault.expected);
            let finding = Finding::error(codes::VALUE, self.file, attribute.value_span(), message);
            self.findings.push(with_help(finding, fault.help));
        }
    }

    fn missing_attribute(&mut self, spec: &AttributeSpec, element: Element<'_>) {
        let is_missing = element.find_attribute(spec.name).is_none();
        if is_missing && matches!(spec.presence, Presence::Required) {
            let message = format!("`{}` has no `{}`", element.name(), spec.name);
            let span = element.name_span();
            let finding = Finding::error(codes::MISSING_ATTRIBUTE, self.file, span, message);
            self.findings
                .push(finding.help(format!("add `{}=\"…\"`", spec.name)));
        }
    }

    fn child(&mut self, spec: &ElementSpec, parent: Element<'_>, child: Element<'_>) {
        let name = child.name();
        let span = child.name_span();
        if !child.is_in_namespace_of(self.root) {
            let namespace = quotable(child.namespace().unwrap_or_default());
            let message =
                format!("`{name}` is in the namespace `{namespace}`, not in that of its file");
            self.findings
                .push(Finding::error(codes::NAMESPACE, self.file, span, message));
            return;
        }
        if let Some(known) = spec.child(name) {
            self.element(known.element, child);
            return;
        }
        let candidates = spec.children.iter().map(|child| child.element.name);
        let help = self.advice(spec, name, candidates);
        let message = format!("`{name}` is not understood yet here and has no effect");
        let finding = Finding::warning(codes::UNKNOWN_ELEMENT, self.file, span, message)
            .label(format!("in `{}`", parent.name()));
        self.findings.push(with_help(finding, help));
    }

    /// Advice for a name that the tables do not read: none for one that the schema has.
    fn advice<'c>(
        &self,
        spec: &ElementSpec,
        name: &str,
        candidates: impl Iterator<Item = &'c str>,
    ) -> Option<String> {
        if spec.not_yet.contains(&name) {
            return None;
        }
        let advice = spec.known_mistake(name).map(str::to_owned);
        advice.or_else(|| did_you_mean(name, candidates.chain(spec.not_yet.iter().copied())))
    }

    fn cardinality(&mut self, spec: &ElementSpec, element: Element<'_>) {
        for child in spec.children {
            let name = child.element.name;
            let mut found = element.elements().filter(|element| element.name() == name);
            if found.clone().count() < child.min {
                let message = format!("`{}` has no `{name}`", element.name());
                let span = element.name_span();
                let finding = Finding::error(codes::MISSING_ELEMENT, self.file, span, message);
                self.findings
                    .push(finding.help(format!("add `<{name} …/>` inside")));
            }
            let Some(max) = child.max else { continue };
            let first = found.clone().next();
            // Each one too many is a finding; with `max` at least 1 there is a first to point at.
            for (extra, first) in found.by_ref().skip(max).zip(first.into_iter().cycle()) {
                let message = format!("`{}` may have only {max} `{name}`", element.name());
                let finding =
                    Finding::error(codes::TOO_MANY, self.file, extra.name_span(), message)
                        .related(self.file, first.name_span(), "first one here")
                        .help("merge them or delete one");
                self.findings.push(finding);
            }
        }
    }
}

fn with_help(finding: Finding, help: Option<String>) -> Finding {
    match help {
        Some(help) => finding.help(help),
        None => finding,
    }
}
