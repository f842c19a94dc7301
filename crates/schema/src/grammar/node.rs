//! An element together with its grammar: how lowering reads values.
//!
//! Reading is silent: a value that is missing or wrong is `None` here and a finding of the walk.

use diagnostics::Span;
use xml_tree::Element;

use super::{ElementSpec, Presence};
use crate::lexical;
use crate::model::PortSpecifier;
use crate::spanned::Spanned;

/// An element and what the grammar says of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<'t> {
    element: Element<'t>,
    spec: &'static ElementSpec,
}

impl<'t> Node<'t> {
    pub(crate) fn new(element: Element<'t>, spec: &'static ElementSpec) -> Node<'t> {
        Node { element, spec }
    }

    pub(crate) fn name(self) -> &'static str {
        self.spec.name
    }

    pub(crate) fn name_span(self) -> Span {
        self.element.name_span()
    }

    /// The children of this name.
    ///
    /// # Panics
    ///
    /// If the grammar has no such child: a misspelling in lowering.
    pub(crate) fn children(self, name: &'static str) -> impl Iterator<Item = Node<'t>> {
        let child = self
            .spec
            .child(name)
            .expect("lowering reads what the grammar has");
        let is_it = move |element: &Element<'t>| {
            element.name() == name && element.is_in_namespace_of(self.element)
        };
        let elements = self.element.elements().filter(is_it);
        elements.map(|element| Node::new(element, child.element))
    }

    /// The first child of this name.
    pub(crate) fn child(self, name: &'static str) -> Option<Node<'t>> {
        self.children(name).next()
    }

    /// The children of this name inside the children `group`: one too many is an error already, and what
    /// it holds is not missing.
    pub(crate) fn grouped(
        self,
        group: &'static str,
        name: &'static str,
    ) -> impl Iterator<Item = Node<'t>> {
        self.children(group)
            .flat_map(move |group| group.children(name))
    }

    /// The children that the grammar knows, of every name, in the order of the file.
    pub(crate) fn all_children(self) -> impl Iterator<Item = Node<'t>> {
        let known = move |element: Element<'t>| {
            let child = self.spec.child(element.name())?;
            Some(Node::new(element, child.element))
        };
        let is_ours = move |element: &Element<'t>| element.is_in_namespace_of(self.element);
        self.element.elements().filter(is_ours).filter_map(known)
    }

    /// Whether the attribute stands there, valid or not.
    pub(crate) fn has(self, name: &str) -> bool {
        self.element.find_attribute(name).is_some()
    }

    /// An attribute's valid value, or its default. A `name` need not be valid: that is an error already, and what
    /// refers to it is right.
    ///
    /// # Panics
    ///
    /// If the grammar has no such attribute: a misspelling in lowering.
    pub(crate) fn text(self, name: &str) -> Option<Spanned<&'t str>> {
        let spec = self
            .spec
            .attribute(name)
            .expect("lowering reads what the grammar has");
        match self.element.find_attribute(name) {
            Some(attribute) => {
                let is_valid = name == "name" || spec.lexical.check(attribute.value()).is_ok();
                is_valid.then(|| Spanned::new(attribute.value(), attribute.value_span()))
            }
            None => match spec.presence {
                Presence::Default(value) => Some(Spanned::new(value, self.name_span())),
                Presence::Required | Presence::Optional => None,
            },
        }
    }

    fn read<T>(self, name: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<Spanned<T>> {
        let Spanned { value, span } = self.text(name)?;
        parse(value).map(|value| Spanned::new(value, span))
    }

    pub(crate) fn boolean(self, name: &str) -> Option<Spanned<bool>> {
        self.read(name, lexical::boolean)
    }

    pub(crate) fn int(self, name: &str) -> Option<Spanned<i32>> {
        self.read(name, lexical::int)
    }

    pub(crate) fn number(self, name: &str) -> Option<Spanned<u32>> {
        self.read(name, lexical::number)
    }

    pub(crate) fn unsigned_short(self, name: &str) -> Option<Spanned<u16>> {
        self.read(name, lexical::unsigned_short)
    }

    pub(crate) fn port(self, name: &str) -> Option<Spanned<u16>> {
        self.read(name, lexical::port)
    }

    pub(crate) fn port_specifier(self, name: &str) -> Option<Spanned<PortSpecifier>> {
        self.read(name, |value| match value {
            "*" => Some(PortSpecifier::Any),
            _ => lexical::port(value).map(PortSpecifier::Fixed),
        })
    }

    /// A word of a fixed list, as the value that `words` pairs it with.
    pub(crate) fn word<T: Copy>(self, name: &str, words: &[(&str, T)]) -> Option<Spanned<T>> {
        self.read(name, |value| {
            words
                .iter()
                .find(|(word, _)| *word == value)
                .map(|(_, meaning)| *meaning)
        })
    }
}
