//! The tree: elements and attributes that borrow from the text and know where they stand.
//!
//! A document is kept as far as service files and role documents need it: comments and processing
//! instructions are dropped, and so is blank text beside child elements. What was wrong with the
//! document stands in [`Tree::problems`]; a tree with problems holds what could be read before and
//! around them.

use std::borrow::Cow;

use diagnostics::Span;

use crate::namespaces::Namespace;
use crate::problem::Problem;

/// What [`crate::parse`] made of a text.
#[derive(Debug, Default)]
pub struct Tree<'a> {
    pub(crate) root: Option<Element<'a>>,
    pub(crate) problems: Vec<Problem>,
}

impl<'a> Tree<'a> {
    /// The root element, if the text got as far as one.
    pub fn root(&self) -> Option<&Element<'a>> {
        self.root.as_ref()
    }

    /// Everything that keeps the text from being well-formed, in the order of the text; empty for a
    /// well-formed document.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

/// An element, from its start tag to its end tag.
#[derive(Debug)]
pub struct Element<'a> {
    pub(crate) name: QualifiedName<'a>,
    pub(crate) namespace: Option<Namespace<'a>>,
    pub(crate) attributes: Vec<Attribute<'a>>,
    pub(crate) children: Vec<Element<'a>>,
    pub(crate) text: Cow<'a, str>,
    pub(crate) span: Span,
}

impl<'a> Element<'a> {
    /// The local name, without prefix.
    pub fn name(&self) -> &'a str {
        self.name.local()
    }

    /// The prefix before the colon, if there is one.
    pub fn prefix(&self) -> Option<&'a str> {
        self.name.prefix()
    }

    /// The name of the namespace that the element is in.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_ref().map(Namespace::as_str)
    }

    /// The attributes, namespace declarations left out, in the order of the text.
    pub fn attributes(&self) -> &[Attribute<'a>] {
        &self.attributes
    }

    /// The normalised value of the attribute of this name without prefix.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let attribute = self
            .attributes
            .iter()
            .find(|attribute| attribute.name.text == name);
        attribute.map(Attribute::value)
    }

    /// The child elements, in the order of the text.
    pub fn elements(&self) -> impl Iterator<Item = &Element<'a>> + Clone {
        self.children.iter()
    }

    /// The first child element of this local name, in any namespace.
    pub fn child(&self, name: &str) -> Option<&Element<'a>> {
        self.children.iter().find(|element| element.name() == name)
    }

    /// The element's own character data, CDATA sections and references included, line ends as `\n`.
    ///
    /// Blank pieces beside child elements are left out: they are indentation.
    pub fn text(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.text)
    }

    /// Where the name stands in the start tag, prefix included.
    pub fn name_span(&self) -> Span {
        let start = self.span.start + 1;
        Span::new(start, start + self.name.text.len())
    }

    /// From the `<` of the start tag to after the `>` of the end tag; up to where reading ended for an
    /// element that is never closed.
    pub fn span(&self) -> Span {
        self.span
    }
}

/// An attribute that is not a namespace declaration.
#[derive(Debug)]
pub struct Attribute<'a> {
    pub(crate) name: QualifiedName<'a>,
    pub(crate) value: Cow<'a, str>,
    pub(crate) name_start: usize,
    pub(crate) value_span: Span,
}

impl<'a> Attribute<'a> {
    /// The local name, without prefix.
    pub fn name(&self) -> &'a str {
        self.name.local()
    }

    /// The prefix before the colon, if there is one.
    pub fn prefix(&self) -> Option<&'a str> {
        self.name.prefix()
    }

    /// The value with references resolved and raw white space turned into spaces.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Where the name stands, prefix included.
    pub fn name_span(&self) -> Span {
        Span::new(self.name_start, self.name_start + self.name.text.len())
    }

    /// Where the value stands, without its quotes.
    pub fn value_span(&self) -> Span {
        self.value_span
    }
}

/// A name as it stands in the text, and where its colon is: names are compared far more often than read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QualifiedName<'a> {
    pub(crate) text: &'a str,
    /// Where the local name begins; 0 where there is no prefix.
    local_at: u32,
}

impl<'a> QualifiedName<'a> {
    /// A name as written, whose first colon ends its prefix.
    pub(crate) fn new(text: &'a str) -> QualifiedName<'a> {
        let colon = text.bytes().position(|byte| byte == b':');
        let local_at = colon.and_then(|colon| u32::try_from(colon + 1).ok());
        QualifiedName {
            text,
            local_at: local_at.unwrap_or(0),
        }
    }

    pub(crate) fn local(self) -> &'a str {
        &self.text[self.local_at as usize..]
    }

    pub(crate) fn prefix(self) -> Option<&'a str> {
        (self.local_at as usize)
            .checked_sub(1)
            .map(|colon| &self.text[..colon])
    }
}
