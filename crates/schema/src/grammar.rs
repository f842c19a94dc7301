//! The grammar of service files as tables, and one walk that checks any element against them.
//!
//! [`csdef`] and [`cscfg`] hold the tables: per element its attributes (type, presence, default), its
//! children (how often), and what else the schema knows there but this version does not read. From the
//! same tables come the findings of [`check_root`], suggestions for misspelt names, and the defaults that
//! [`Node`] hands to lowering. Rules that look at more than one value are not here.
//!
//! Children may stand in any order: the schema says so for roles, and real files do it everywhere.

pub(crate) mod cscfg;
pub(crate) mod csdef;
mod node;
mod walk;

pub(crate) use node::Node;
pub(crate) use walk::{Document, check_root};

use crate::lexical::Lexical;

/// What the grammar says of one element.
#[derive(Debug)]
pub(crate) struct ElementSpec {
    pub(crate) name: &'static str,
    pub(crate) attributes: &'static [AttributeSpec],
    pub(crate) children: &'static [ChildSpec],
    /// Elements and attributes that the schema has here and this version does not read.
    pub(crate) not_yet: &'static [&'static str],
    /// Spellings and places that are known to be wrong, with advice.
    pub(crate) known_mistakes: &'static [(&'static str, &'static str)],
    /// Nothing inside is looked at: a rule refuses the element as a whole.
    pub(crate) is_opaque: bool,
}

impl ElementSpec {
    const fn new(name: &'static str) -> ElementSpec {
        ElementSpec {
            name,
            attributes: &[],
            children: &[],
            not_yet: &[],
            known_mistakes: &[],
            is_opaque: false,
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
}

/// Whether an attribute must stand there.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Presence {
    Required,
    Optional,
    /// When absent it has this value.
    Default(&'static str),
}

const fn required(name: &'static str, lexical: Lexical) -> AttributeSpec {
    AttributeSpec {
        name,
        lexical,
        presence: Presence::Required,
    }
}

const fn optional(name: &'static str, lexical: Lexical) -> AttributeSpec {
    AttributeSpec {
        name,
        lexical,
        presence: Presence::Optional,
    }
}

const fn with_default(
    name: &'static str,
    lexical: Lexical,
    default: &'static str,
) -> AttributeSpec {
    AttributeSpec {
        name,
        lexical,
        presence: Presence::Default(default),
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

const fn exactly_one(element: &'static ElementSpec) -> ChildSpec {
    ChildSpec {
        element,
        min: 1,
        max: Some(1),
    }
}
