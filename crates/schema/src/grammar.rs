//! The grammar of service files as tables, and one walk that checks any element against them.
//!
//! [`csdef`] and [`cscfg`] hold the tables: per element its attributes (type, presence, default), its
//! children (how often), and what becomes of each ([`Fate`](fate::Fate)). From the same tables come the
//! findings of [`check_root`], suggestions for misspelt names, the defaults that [`Node`] hands to
//! lowering, and the verdicts of the ledger. Rules that look at more than one value are not here.
//!
//! Children may stand in any order: the schema says so for roles, and real files do it everywhere.

pub(crate) mod cscfg;
pub(crate) mod csdef;
pub(crate) mod fate;
mod node;
mod walk;

pub(crate) use node::Node;
pub(crate) use walk::{Document, check_root, is_of_any_document};

use crate::lexical::Lexical;
use fate::Fate;

/// What the grammar says of one element.
#[derive(Debug)]
pub(crate) struct ElementSpec {
    pub(crate) name: &'static str,
    pub(crate) attributes: &'static [AttributeSpec],
    pub(crate) children: &'static [ChildSpec],
    /// Spellings and places that are known to be wrong, with advice.
    pub(crate) known_mistakes: &'static [(&'static str, &'static str)],
    /// Nothing inside is looked at: a rule refuses the element as a whole.
    pub(crate) is_opaque: bool,
    /// What becomes of an occurrence; a refusal includes everything inside.
    pub(crate) fate: Fate,
}

impl ElementSpec {
    const fn new(name: &'static str, fate: Fate) -> ElementSpec {
        ElementSpec {
            name,
            attributes: &[],
            children: &[],
            known_mistakes: &[],
            is_opaque: false,
            fate,
        }
    }

    /// The attribute of this name.
    pub(crate) fn attribute(&self, name: &str) -> Option<&'static AttributeSpec> {
        self.attributes
            .iter()
            .find(|attribute| attribute.name == name)
    }

    /// The child of this name.
    pub(crate) fn child(&self, name: &str) -> Option<&'static ChildSpec> {
        self.children
            .iter()
            .find(|child| child.element.name == name)
    }

    /// The advice for a name that is known to be wrong here.
    pub(crate) fn known_mistake(&self, name: &str) -> Option<&'static str> {
        let mistake = self
            .known_mistakes
            .iter()
            .find(|(mistake, _)| *mistake == name);
        mistake.map(|(_, advice)| *advice)
    }
}

/// What the grammar says of one attribute.
#[derive(Debug)]
pub(crate) struct AttributeSpec {
    pub(crate) name: &'static str,
    pub(crate) lexical: Lexical,
    pub(crate) presence: Presence,
    /// What becomes of an occurrence, where its element is not refused.
    pub(crate) fate: Fate,
}

/// Whether an attribute must stand there.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Presence {
    Required,
    Optional,
    /// When absent it has this value.
    Default(&'static str),
}

const fn required(name: &'static str, lexical: Lexical, fate: Fate) -> AttributeSpec {
    AttributeSpec {
        name,
        lexical,
        presence: Presence::Required,
        fate,
    }
}

const fn optional(name: &'static str, lexical: Lexical, fate: Fate) -> AttributeSpec {
    AttributeSpec {
        name,
        lexical,
        presence: Presence::Optional,
        fate,
    }
}

const fn with_default(
    name: &'static str,
    lexical: Lexical,
    default: &'static str,
    fate: Fate,
) -> AttributeSpec {
    AttributeSpec {
        name,
        lexical,
        presence: Presence::Default(default),
        fate,
    }
}

/// How often an element may stand under its parent.
#[derive(Debug)]
pub(crate) struct ChildSpec {
    pub(crate) element: &'static ElementSpec,
    pub(crate) min: usize,
    /// `None`: as often as one likes.
    pub(crate) max: Option<usize>,
}

const fn any_number(element: &'static ElementSpec) -> ChildSpec {
    ChildSpec {
        element,
        min: 0,
        max: None,
    }
}

const fn at_most_one(element: &'static ElementSpec) -> ChildSpec {
    ChildSpec {
        element,
        min: 0,
        max: Some(1),
    }
}

const fn at_least_one(element: &'static ElementSpec) -> ChildSpec {
    ChildSpec {
        element,
        min: 1,
        max: None,
    }
}

const fn exactly_one(element: &'static ElementSpec) -> ChildSpec {
    ChildSpec {
        element,
        min: 1,
        max: Some(1),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use xml_tree::Element;

    use super::*;

    /// Every element and attribute of the tables below `spec`, as `Task` and `Task/@taskType`.
    fn in_tables(spec: &'static ElementSpec, found: &mut BTreeSet<String>) {
        if !found.insert(spec.name.to_owned()) {
            return;
        }
        let attributes = spec.attributes.iter();
        found.extend(attributes.map(|attribute| format!("{}/@{}", spec.name, attribute.name)));
        for child in spec.children {
            in_tables(child.element, found);
        }
    }

    fn in_text(element: Element<'_>, found: &mut BTreeSet<String>) {
        found.insert(element.name().to_owned());
        let attributes = element.attributes();
        found.extend(
            attributes.map(|attribute| format!("{}/@{}", element.name(), attribute.name())),
        );
        for child in element.elements() {
            in_text(child, found);
        }
    }

    #[track_caller]
    fn check(root: &'static ElementSpec, text: &str) {
        let tree = xml_tree::parse(text);
        assert_eq!(tree.problems(), []);
        let (mut known, mut used) = (BTreeSet::new(), BTreeSet::new());
        in_tables(root, &mut known);
        in_text(tree.root().unwrap(), &mut used);
        let unused: Vec<_> = known.difference(&used).collect();
        assert!(unused.is_empty(), "not in the complete file: {unused:?}");
    }

    /// What the ledger takes for granted: an element's fate is decided in one step, and is its own.
    fn check_fates(spec: &'static ElementSpec, seen: &mut BTreeSet<&'static str>) {
        use fate::Fate;

        let is_final = |fate: &Fate| !matches!(fate, Fate::ByValue(..) | Fate::WithElement);
        let is_sound = |fate: &Fate| match fate {
            Fate::ByValue(_, cases, otherwise) => {
                is_final(otherwise) && cases.iter().all(|(_, fate)| is_final(fate))
            }
            fate => is_final(fate),
        };
        assert!(is_sound(&spec.fate), "{}", spec.name);
        for attribute in spec.attributes {
            let is_shared = matches!(attribute.fate, Fate::WithElement);
            assert!(is_shared || is_sound(&attribute.fate), "{}", attribute.name);
        }
        for child in spec.children {
            if seen.insert(child.element.name) {
                check_fates(child.element, seen);
            }
        }
    }

    #[test]
    fn every_fate_is_decided_in_one_step() {
        let mut seen = BTreeSet::new();
        check_fates(&csdef::SERVICE_DEFINITION, &mut seen);
        check_fates(&cscfg::SERVICE_CONFIGURATION, &mut seen);
        assert!(seen.len() > 60, "{seen:?}");
    }

    #[test]
    fn the_complete_files_of_the_ledger_tests_have_every_element_and_attribute() {
        check(
            &csdef::SERVICE_DEFINITION,
            include_str!("../test_data/ledger/complete.csdef"),
        );
        check(
            &cscfg::SERVICE_CONFIGURATION,
            include_str!("../test_data/ledger/complete.cscfg"),
        );
    }
}
