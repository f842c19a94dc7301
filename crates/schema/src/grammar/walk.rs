//! The walk: any element against its table, every difference a finding.
//!
//! An element that is unknown or opaque has one finding at most, and nothing inside it is looked at. What
//! has no effect is said where the tables say so, once for an element and all inside it, and
//! once for all places of one kind: the ledger has every one. The walk recurses
//! no deeper than the tree is, which the reader bounds.

use diagnostics::{FileId, Finding, Label, Span};
use xml_tree::{Attribute, Element};

use super::fate::{Fate, Refusal};
use super::{AttributeSpec, ElementSpec, Presence};
use crate::codes;
use crate::findings::{Findings, quotable};
use crate::suggest::{did_you_mean, nearest};

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
        said_once: Vec::new(),
        findings,
    };
    walk.element(document.root, root, false);
    let said_once = walk.said_once;
    findings.extend(said_once.into_iter().map(Repeated::finding));
    true
}

struct Walk<'w> {
    file: FileId,
    root: Element<'w>,
    /// Refusals that were met already; the tables have a few dozen.
    said_once: Vec<Repeated>,
    findings: &'w mut Findings,
}

/// What is said of the first of several places.
struct Repeated {
    refusal: &'static Refusal,
    first: Finding,
    n_more: usize,
}

impl Repeated {
    fn finding(self) -> Finding {
        match self.n_more {
            0 => self.first,
            1 => self
                .first
                .help("the same holds for 1 more place, see `approot ledger`"),
            n => {
                let help = format!("the same holds for {n} more places, see `approot ledger`");
                self.first.help(help)
            }
        }
    }
}

impl Walk<'_> {
    /// `is_refused`: what it stands in has no effect, so neither has it.
    fn element(&mut self, spec: &'static ElementSpec, element: Element<'_>, is_refused: bool) {
        if spec.is_opaque {
            return;
        }
        let at = element.name_span();
        let is_refused = is_refused || self.is_refused(&spec.fate, element, spec.name, at);
        for attribute in element.attributes() {
            self.attribute(spec, element, attribute, is_refused);
        }
        for missing in missing_attributes(spec, element) {
            self.missing_attribute(missing, misspelling(spec, element, missing), element);
        }
        for child in element.elements() {
            self.child(spec, element, child, is_refused);
        }
        self.cardinality(spec, element);
        if !element.text().trim().is_empty() {
            let message = format!("the text in `{}` has no effect", element.name());
            let finding =
                Finding::warning(codes::STRAY_TEXT, self.file, element.name_span(), message);
            self.findings.push(finding);
        }
    }

    /// Whether what is called `name` is refused, which is said where the tables say so.
    fn is_refused(
        &mut self,
        fate: &'static Fate,
        element: Element<'_>,
        name: &str,
        at: Span,
    ) -> bool {
        let (Fate::Refused(refusal), decided_by) = fate.of(element) else {
            return false;
        };
        let Some((severity, code)) = refusal.finding else {
            return true;
        };
        let is_same = |said: &&mut Repeated| said.refusal == refusal;
        if let Some(said) = self.said_once.iter_mut().find(is_same) {
            said.n_more += 1;
            return true;
        }
        let (subject, span) = match decided_by {
            Some(value) => (
                format!("{}=\"{}\"", value.name(), value.value()),
                value.value_span(),
            ),
            None => (name.to_owned(), at),
        };
        let verb = if refusal.is_not_yet {
            "is not supported yet"
        } else {
            "has no effect"
        };
        let message = format!("`{subject}` {verb}: {}", refusal.why);
        let finding = Finding::new(severity, code, message, Label::new(self.file, span));
        self.said_once.push(Repeated {
            refusal,
            first: finding.help(refusal.instead),
            n_more: 0,
        });
        true
    }

    fn attribute(
        &mut self,
        spec: &'static ElementSpec,
        element: Element<'_>,
        attribute: Attribute<'_>,
        is_refused: bool,
    ) {
        let name = attribute.name();
        if is_of_any_document(attribute) {
            return;
        }
        let known = spec
            .attribute(name)
            .filter(|_| attribute.prefix().is_none());
        match known {
            Some(known) => {
                let is_valid = self.value(known, attribute);
                if is_valid && !is_refused {
                    self.is_refused(&known.fate, element, name, attribute.name_span());
                }
            }
            None if is_misspelling(spec, element, attribute) => {}
            None => {
                let candidates = spec.attributes.iter().map(|attribute| attribute.name);
                let present = |name: &&str| element.find_attribute(name).is_none();
                let help = self.advice(spec, name, candidates.filter(present));
                let shown = match attribute.prefix() {
                    Some(prefix) => format!("{prefix}:{name}"),
                    None => name.to_owned(),
                };
                let message = format!("`{shown}` is unknown here and has no effect");
                let span = attribute.name_span();
                let finding = Finding::warning(codes::UNKNOWN_ATTRIBUTE, self.file, span, message);
                self.findings.push(with_help(finding, help));
            }
        }
    }

    fn value(&mut self, spec: &AttributeSpec, attribute: Attribute<'_>) -> bool {
        let checked = spec.lexical.check(attribute.value());
        let is_valid = checked.is_ok();
        if let Err(fault) = checked {
            let (name, value) = (spec.name, attribute.value());
            let message = format!("`{name}` is not {}: `{value}`", fault.expected);
            let finding = Finding::error(codes::VALUE, self.file, attribute.value_span(), message);
            self.findings.push(with_help(finding, fault.help));
        }
        is_valid
    }

    fn missing_attribute(
        &mut self,
        missing: &AttributeSpec,
        misspelt: Option<Attribute<'_>>,
        element: Element<'_>,
    ) {
        let message = format!("`{}` has no `{}`", element.name(), missing.name);
        let (span, help) = match misspelt {
            Some(attribute) => (
                attribute.name_span(),
                format!("did you mean `{}`?", missing.name),
            ),
            None => (
                element.name_span(),
                format!("add `{}=\"{}\"`", missing.name, missing.lexical.example()),
            ),
        };
        let finding = Finding::error(codes::MISSING_ATTRIBUTE, self.file, span, message);
        self.findings.push(finding.help(help));
    }

    fn child(
        &mut self,
        spec: &ElementSpec,
        parent: Element<'_>,
        child: Element<'_>,
        is_refused: bool,
    ) {
        let name = child.name();
        let span = child.name_span();
        if !child.is_in_namespace_of(self.root) {
            let name = quotable(name);
            let message = match child.namespace() {
                Some(namespace) => format!(
                    "`{name}` is in the namespace `{}`, not in that of its file, and has no effect",
                    quotable(namespace)
                ),
                None => format!("`{name}` is in no namespace, and has no effect"),
            };
            let finding = Finding::warning(codes::NAMESPACE, self.file, span, message);
            let help = "delete its prefix or `xmlns` if it is meant, or else the element";
            self.findings.push(finding.help(help));
            return;
        }
        if let Some(known) = spec.child(name) {
            self.element(known.element, child, is_refused);
            return;
        }
        let candidates = spec.children.iter().map(|child| child.element.name);
        let help = self.advice(spec, name, candidates);
        let message = format!("`{name}` is unknown here and has no effect");
        let finding = Finding::warning(codes::UNKNOWN_ELEMENT, self.file, span, message)
            .label(format!("in `{}`", parent.name()));
        self.findings.push(with_help(finding, help));
    }

    /// Advice for a name that the tables do not have.
    fn advice<'c>(
        &self,
        spec: &ElementSpec,
        name: &str,
        candidates: impl Iterator<Item = &'c str>,
    ) -> Option<String> {
        let advice = spec.known_mistake(name).map(str::to_owned);
        advice.or_else(|| did_you_mean(name, candidates))
    }

    fn cardinality(&mut self, spec: &ElementSpec, element: Element<'_>) {
        for child in spec.children {
            let name = child.element.name;
            let is_it =
                |child: &Element<'_>| child.name() == name && child.is_in_namespace_of(self.root);
            let mut found = element.elements().filter(is_it);
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

/// The attributes that an element must have and has not.
fn missing_attributes<'e>(
    spec: &'static ElementSpec,
    element: Element<'e>,
) -> impl Iterator<Item = &'static AttributeSpec> + use<'e> {
    let attributes = spec.attributes.iter();
    attributes.filter(move |known| {
        matches!(known.presence, Presence::Required) && element.find_attribute(known.name).is_none()
    })
}

/// The first unknown attribute that is probably the missing one.
fn misspelling<'e>(
    spec: &ElementSpec,
    element: Element<'e>,
    missing: &AttributeSpec,
) -> Option<Attribute<'e>> {
    let is_unknown = |attribute: &Attribute<'e>| {
        attribute.prefix().is_none() && spec.attribute(attribute.name()).is_none()
    };
    element.attributes().filter(is_unknown).find(|attribute| {
        spec.known_mistake(attribute.name()).is_none()
            && nearest(attribute.name(), [missing.name]).is_some()
    })
}

/// Whether an unknown attribute is told of as the misspelling of one that is missing.
fn is_misspelling(
    spec: &'static ElementSpec,
    element: Element<'_>,
    attribute: Attribute<'_>,
) -> bool {
    missing_attributes(spec, element).any(|missing| {
        misspelling(spec, element, missing)
            .is_some_and(|found| found.name_span() == attribute.name_span())
    })
}

/// Whether any XML document may have it, as a hint to others: `xsi:schemaLocation`, `xml:lang` and the like.
///
/// The prefix is taken for its namespace, as everyone writes it; a wrong guess costs one warning.
pub(crate) fn is_of_any_document(attribute: Attribute<'_>) -> bool {
    matches!(attribute.prefix(), Some("xsi" | "xml"))
}

fn with_help(finding: Finding, help: Option<String>) -> Finding {
    match help {
        Some(help) => finding.help(help),
        None => finding,
    }
}
