//! The tree: elements and attributes that borrow from the text and know where they stand.
//!
//! A document is kept as far as service files and role documents need it: comments and processing
//! instructions are dropped, and so is blank text beside child elements. What was wrong with the
//! document stands in [`Tree::problems`]; a tree with problems holds what could be read before and
//! around them.
//!
//! All elements stand in one list in the order of their start tags, each with the place where its
//! descendants end, and all attributes in another. [`Element`] and [`Attribute`] are places in them; what
//! they are asked for is looked up in a few instructions, hence `inline`.

use std::borrow::Cow;
use std::fmt;

use diagnostics::Span;

use crate::namespaces::NamespaceId;
use crate::problem::Problem;

/// What [`crate::parse`] made of a text.
#[derive(Debug, Default)]
pub struct Tree<'a> {
    pub(crate) text: &'a str,
    pub(crate) elements: Vec<ElementData>,
    pub(crate) attributes: Vec<AttributeData>,
    /// The character data of the elements that have some.
    pub(crate) texts: Vec<Cow<'a, str>>,
    /// The values that differ from what stands in the text.
    pub(crate) values: Vec<String>,
    /// The names of namespaces that elements are in; the first is that of `xml`.
    pub(crate) namespaces: Vec<Cow<'a, str>>,
    pub(crate) problems: Vec<Problem>,
}

impl Tree<'_> {
    /// The root element, if the text got as far as one.
    pub fn root(&self) -> Option<Element<'_>> {
        (!self.elements.is_empty()).then_some(Element {
            tree: self,
            index: 0,
        })
    }

    /// Everything that keeps the text from being well-formed, in the order of the text; empty for a
    /// well-formed document.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

/// The index of no text and no value: there are never so many, as each takes bytes of the document.
pub(crate) const NONE: u32 = u32::MAX;

/// An element as it is held: offsets and indices, all of which the bounds on a document keep small.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ElementData {
    pub(crate) name: QualifiedName,
    /// Offset after the end tag; the name begins one byte after the element.
    pub(crate) end: u32,
    pub(crate) namespace: Option<NamespaceId>,
    pub(crate) first_attribute: u32,
    pub(crate) n_attributes: u32,
    /// Index into [`Tree::texts`], or [`NONE`].
    pub(crate) text: u32,
    /// Index of the first element after this one and its descendants.
    pub(crate) next: u32,
}

/// An attribute as it is held.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AttributeData {
    pub(crate) name: QualifiedName,
    /// Where the value stands, without its quotes.
    pub(crate) value_start: u32,
    pub(crate) value_end: u32,
    /// Index into [`Tree::values`], or [`NONE`] for a value that says what it means.
    pub(crate) value: u32,
}

/// An element, from its start tag to its end tag: a place in its tree.
#[derive(Clone, Copy)]
pub struct Element<'t> {
    tree: &'t Tree<'t>,
    index: u32,
}

impl<'t> Element<'t> {
    #[inline]
    fn data(self) -> &'t ElementData {
        &self.tree.elements[self.index as usize]
    }

    /// The local name, without prefix.
    #[inline]
    pub fn name(self) -> &'t str {
        self.data().name.local(self.tree.text)
    }

    /// The prefix before the colon, if there is one.
    #[inline]
    pub fn prefix(self) -> Option<&'t str> {
        self.data().name.prefix(self.tree.text)
    }

    /// The name of the namespace that the element is in.
    pub fn namespace(self) -> Option<&'t str> {
        let id = self.data().namespace?;
        Some(&self.tree.namespaces[id.index()])
    }

    /// Whether the element is in the namespace of `ancestor`, which must be itself or an element around
    /// it. Compares no names, which are of any length: the declarations in force at one time that have
    /// equal names have the same id.
    #[inline]
    pub fn is_in_namespace_of(self, ancestor: Element<'_>) -> bool {
        self.data().namespace == ancestor.data().namespace
    }

    /// The attributes, namespace declarations left out, in the order of the text.
    #[inline]
    pub fn attributes(self) -> impl ExactSizeIterator<Item = Attribute<'t>> + Clone {
        let (tree, data) = (self.tree, self.data());
        let first = data.first_attribute as usize;
        let own = &tree.attributes[first..first + data.n_attributes as usize];
        own.iter().map(move |data| Attribute { tree, data })
    }

    /// The normalised value of the attribute of this name without prefix.
    pub fn attribute(self, name: &str) -> Option<&'t str> {
        self.find_attribute(name).map(Attribute::value)
    }

    /// The attribute of this name without prefix.
    #[inline]
    pub fn find_attribute(self, name: &str) -> Option<Attribute<'t>> {
        let is_it = |attribute: &Attribute<'t>| attribute.data.name.text(self.tree.text) == name;
        self.attributes().find(is_it)
    }

    /// The child elements, in the order of the text.
    #[inline]
    pub fn elements(self) -> impl Iterator<Item = Element<'t>> + Clone {
        let (tree, end) = (self.tree, self.data().next);
        let place = move |index| (index < end).then_some(Element { tree, index });
        std::iter::successors(place(self.index + 1), move |child| place(child.data().next))
    }

    /// The first child element of this local name, in any namespace.
    pub fn child(self, name: &str) -> Option<Element<'t>> {
        self.elements().find(|element| element.name() == name)
    }

    /// The element's own character data, CDATA sections and references included, line ends as `\n`.
    ///
    /// Blank pieces beside child elements are left out: they are indentation.
    #[inline]
    pub fn text(self) -> &'t str {
        match self.data().text {
            NONE => "",
            text => &self.tree.texts[text as usize],
        }
    }

    /// Where the name stands in the start tag, prefix included.
    #[inline]
    pub fn name_span(self) -> Span {
        self.data().name.span()
    }

    /// From the `<` of the start tag to after the `>` of the end tag; up to where reading ended for an
    /// element that is never closed.
    pub fn span(self) -> Span {
        Span::new(self.name_span().start - 1, self.data().end as usize)
    }
}

impl fmt::Debug for Element<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}> at {:?}", self.name(), self.span())
    }
}

/// An attribute that is not a namespace declaration: a place in its tree.
#[derive(Clone, Copy)]
pub struct Attribute<'t> {
    tree: &'t Tree<'t>,
    data: &'t AttributeData,
}

impl<'t> Attribute<'t> {
    /// The local name, without prefix.
    #[inline]
    pub fn name(self) -> &'t str {
        self.data.name.local(self.tree.text)
    }

    /// The prefix before the colon, if there is one.
    #[inline]
    pub fn prefix(self) -> Option<&'t str> {
        self.data.name.prefix(self.tree.text)
    }

    /// The value with references resolved and raw white space turned into spaces.
    #[inline]
    pub fn value(self) -> &'t str {
        match self.data.value {
            NONE => {
                let Span { start, end } = self.value_span();
                &self.tree.text[start..end]
            }
            value => &self.tree.values[value as usize],
        }
    }

    /// Where the name stands, prefix included.
    #[inline]
    pub fn name_span(self) -> Span {
        self.data.name.span()
    }

    /// Where the value stands, without its quotes.
    #[inline]
    pub fn value_span(self) -> Span {
        Span::new(self.data.value_start as usize, self.data.value_end as usize)
    }
}

impl fmt::Debug for Attribute<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.data.name.text(self.tree.text);
        write!(f, "{name}={:?} at {:?}", self.value(), self.name_span())
    }
}

/// An offset or length in a document: its bound keeps all of them far below 4 GiB.
pub(crate) fn offset(at: usize) -> u32 {
    u32::try_from(at).expect("a document is bounded")
}

/// Where a name stands in the text, and where its colon is: names are compared far more often than read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QualifiedName {
    start: u32,
    end: u32,
    /// Where the local name begins; `start` where there is no prefix.
    local: u32,
}

impl QualifiedName {
    /// The name at `start` of a text, as long as it is written, with the offset of its first colon in it.
    pub(crate) fn new(start: usize, len: usize, colon: Option<usize>) -> QualifiedName {
        QualifiedName {
            start: offset(start),
            end: offset(start + len),
            local: offset(start + colon.map_or(0, |colon| colon + 1)),
        }
    }

    /// The name as written, prefix included.
    #[inline]
    pub(crate) fn text(self, text: &str) -> &str {
        &text[self.start as usize..self.end as usize]
    }

    #[inline]
    pub(crate) fn local(self, text: &str) -> &str {
        &text[self.local as usize..self.end as usize]
    }

    #[inline]
    pub(crate) fn prefix(self, text: &str) -> Option<&str> {
        self.is_prefixed()
            .then(|| &text[self.start as usize..self.local as usize - 1])
    }

    #[inline]
    pub(crate) fn is_prefixed(self) -> bool {
        self.local > self.start
    }

    pub(crate) fn start(self) -> usize {
        self.start as usize
    }

    #[inline]
    pub(crate) fn span(self) -> Span {
        Span::new(self.start as usize, self.end as usize)
    }
}
