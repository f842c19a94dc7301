//! What becomes of a part of a service file: the truth about this version, kept in the tables.
//!
//! The ledger prints it, and the walk reports what a user must not overlook. A part that a later version
//! will honour is refused until it does.

use diagnostics::{Code, Severity};
use xml_tree::{Attribute, Element};

use crate::codes;

/// What becomes of an element or an attribute.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    /// It works as on the platform: by what.
    Honoured(&'static str),
    /// It works in another form: into what.
    Translated(&'static str),
    /// It has no effect, and nothing inside it has.
    Refused(Refusal),
    /// The element only holds others, each with a fate of its own.
    Group,
    /// An attribute shares its element's fate.
    WithElement,
    /// What the value of this attribute of the element says; the last where no case names the value.
    ByValue(&'static str, &'static [(&'static str, Fate)], &'static Fate),
}

/// See [`Fate::Group`].
pub(crate) const GROUP: Fate = Fate::Group;

/// See [`Fate::WithElement`].
pub(crate) const WITH_ELEMENT: Fate = Fate::WithElement;

/// Why something has no effect, and what its owner can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Whether a later version will honour it.
    pub(crate) is_not_yet: bool,
    /// A lower-case phrase.
    pub(crate) why: &'static str,
    /// A lower-case phrase.
    pub(crate) instead: &'static str,
    /// What the walk says about each occurrence; `None` for what the ledger alone says.
    pub(crate) finding: Option<(Severity, Code)>,
}

/// A later version will honour it.
pub(crate) const fn not_yet(why: &'static str, instead: &'static str) -> Refusal {
    Refusal {
        is_not_yet: true,
        why,
        instead,
        finding: None,
    }
}

/// It has no meaning off the platform.
pub(crate) const fn never(why: &'static str, instead: &'static str) -> Refusal {
    Refusal {
        is_not_yet: false,
        ..not_yet(why, instead)
    }
}

impl Refusal {
    /// The service does not run while it stands there.
    pub(crate) const fn stops(self) -> Refusal {
        self.says(Severity::Error, codes::NOT_YET)
    }

    /// The service runs, probably not as its author meant.
    pub(crate) const fn warns(self) -> Refusal {
        self.says(Severity::Warning, codes::NOT_YET)
    }

    /// The service runs as meant, without what the platform added.
    pub(crate) const fn reports(self) -> Refusal {
        self.says(Severity::Report, codes::NO_MEANING)
    }

    /// Each occurrence is this finding.
    pub(crate) const fn says(self, severity: Severity, code: Code) -> Refusal {
        Refusal {
            finding: Some((severity, code)),
            ..self
        }
    }

    pub(crate) const fn fate(self) -> Fate {
        Fate::Refused(self)
    }
}

impl Fate {
    /// The fate of this element or of one of its attributes, no longer [`Fate::ByValue`], and the attribute
    /// whose value decided it.
    pub(crate) fn of<'f, 'e>(&'f self, element: Element<'e>) -> (&'f Fate, Option<Attribute<'e>>) {
        let Fate::ByValue(name, cases, otherwise) = self else {
            return (self, None);
        };
        let Some(attribute) = element.find_attribute(name) else {
            return (otherwise, None);
        };
        // Types that such attributes have allow white space around a value, or no other value that this is.
        let value = attribute.value().trim();
        let case = cases.iter().find(|(case, _)| *case == value);
        let fate = case.map_or(*otherwise, |(_, fate)| fate);
        (fate, Some(attribute))
    }
}
