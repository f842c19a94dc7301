//! Which namespace each prefix means, while the tree is built.
//!
//! Source: Namespaces in XML 1.0 (Third Edition), sections 3 and 6. Names of namespaces are compared
//! as they are written, never resolved.

use std::borrow::Cow;
use std::num::NonZeroU32;

use diagnostics::Span;

use crate::codes;
use crate::problem::Problem;
use crate::tag::RawAttribute;
use crate::tree::offset;

const XML: &str = "http://www.w3.org/XML/1998/namespace";
const XMLNS: &str = "http://www.w3.org/2000/xmlns/";

/// The namespace of an element: its place among those that elements are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NamespaceId(NonZeroU32);

impl NamespaceId {
    fn new(index: usize) -> NamespaceId {
        let number = NonZeroU32::MIN.saturating_add(offset(index));
        NamespaceId(number)
    }

    /// The index into [`crate::Tree`]'s list of namespaces.
    pub(crate) fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// A declaration in force.
#[derive(Debug)]
struct Declaration<'a> {
    /// Empty for the default namespace.
    prefix: &'a str,
    /// Empty for none.
    name: Cow<'a, str>,
    /// Given to it with the first element that is in it: many are declared and never used.
    id: Option<NamespaceId>,
}

/// The declarations in force, the innermost last.
#[derive(Debug)]
pub(crate) struct Namespaces<'a> {
    declared: Vec<Declaration<'a>>,
    /// The names that have an id: elements are many and a name can be as long as the document, so none
    /// has a copy of its own.
    named: Vec<Cow<'a, str>>,
}

/// How many declarations were in force before an element's own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope(usize);

impl<'a> Namespaces<'a> {
    pub(crate) fn new() -> Namespaces<'a> {
        Namespaces {
            declared: Vec::new(),
            named: vec![Cow::Borrowed(XML)],
        }
    }

    /// The names that ids stand for.
    pub(crate) fn into_names(self) -> Vec<Cow<'a, str>> {
        self.named
    }

    /// The scope of an element without declarations of its own.
    pub(crate) fn scope(&self) -> Scope {
        Scope(self.declared.len())
    }

    /// Takes in the declarations among `attributes` of `text`; [`Namespaces::leave`] ends them.
    pub(crate) fn enter(
        &mut self,
        text: &'a str,
        attributes: &[RawAttribute<'a>],
        problems: &mut Vec<Problem>,
    ) {
        for attribute in attributes {
            let Some(prefix) = declared_prefix(attribute.name.text(text)) else {
                continue;
            };
            match check_declaration(prefix, attribute) {
                Some(problem) => problems.push(problem),
                None if prefix == "xml" => {}
                None => self.declared.push(Declaration {
                    prefix,
                    name: attribute.value.clone(),
                    id: None,
                }),
            }
        }
    }

    /// How many declarations are in force.
    pub(crate) fn len(&self) -> usize {
        self.declared.len()
    }

    /// Forgets the declarations since `scope`.
    pub(crate) fn leave(&mut self, scope: Scope) {
        self.declared.truncate(scope.0);
    }

    /// The namespace of an element with this prefix at `offset`.
    pub(crate) fn of_element(
        &mut self,
        prefix: Option<&str>,
        offset: usize,
        problems: &mut Vec<Problem>,
    ) -> Option<NamespaceId> {
        if prefix == Some("xml") {
            return Some(NamespaceId::new(0));
        }
        let innermost = self.innermost(prefix.unwrap_or_default());
        if let (None, Some(prefix)) = (innermost, prefix) {
            problems.push(undeclared(prefix, offset));
        }
        let innermost = innermost.filter(|&index| !self.declared[index].name.is_empty())?;
        Some(match self.declared[innermost].id {
            Some(id) => id,
            None => self.give_id(innermost),
        })
    }

    /// The name of the namespace of a prefix at `offset`; one that is not declared is a problem.
    pub(crate) fn of_prefix(
        &self,
        prefix: &str,
        offset: usize,
        problems: &mut Vec<Problem>,
    ) -> Option<&str> {
        if prefix == "xml" {
            return Some(XML);
        }
        let innermost = self.innermost(prefix);
        if innermost.is_none() {
            problems.push(undeclared(prefix, offset));
        }
        innermost.map(|index| &*self.declared[index].name)
    }

    /// The index of the declaration of a prefix that is in force.
    fn innermost(&self, prefix: &str) -> Option<usize> {
        self.declared
            .iter()
            .rposition(|declared| declared.prefix == prefix)
    }

    /// Gives a declaration the id of one in force with an equal name, or else a new one.
    fn give_id(&mut self, index: usize) -> NamespaceId {
        let name = &self.declared[index].name;
        let is_equal = |other: &&Declaration<'a>| other.id.is_some() && other.name == *name;
        let equal = self.declared.iter().find(is_equal);
        let id = equal.and_then(|equal| equal.id).unwrap_or_else(|| {
            self.named.push(name.clone());
            NamespaceId::new(self.named.len() - 1)
        });
        self.declared[index].id = Some(id);
        id
    }
}

fn undeclared(prefix: &str, offset: usize) -> Problem {
    let span = Span::new(offset, offset + prefix.len());
    let message = format!("the prefix `{prefix}` is not declared");
    let help = format!("declare it with `xmlns:{prefix}=\"…\"` or take the prefix away");
    Problem::new(codes::NAMESPACE, span, message).help(help)
}

/// The prefix that an attribute of this name declares; empty for the default namespace.
pub(crate) fn declared_prefix(attribute: &str) -> Option<&str> {
    match attribute.strip_prefix("xmlns")? {
        "" => Some(""),
        rest => rest.strip_prefix(':'),
    }
}

fn check_declaration(prefix: &str, attribute: &RawAttribute<'_>) -> Option<Problem> {
    let problem = |message: String| Some(Problem::new(codes::NAMESPACE, attribute.span(), message));
    let value = &*attribute.value;
    match prefix {
        "xmlns" => problem("the prefix `xmlns` cannot be declared".into()),
        "xml" if value != XML => problem(format!("the prefix `xml` always means `{XML}`")),
        "xml" => None,
        _ if value == XML || value == XMLNS => {
            problem(format!("only XML itself may use the namespace `{value}`"))
        }
        "" if value.is_empty() => None,
        _ if value.is_empty() => problem(format!("the prefix `{prefix}` is declared as nothing")),
        _ if !is_uri(value) => problem(format!("the namespace `{value}` is not a URI")),
        _ => None,
    }
}

/// Whether `text` has the form of a URI reference: a scheme before the first colon, the right characters,
/// `%` before two digits, at most one `#`, and a number as port.
///
/// Source: RFC 3986, section 2 and appendix A; libxml2 refuses an empty port and so does this.
fn is_uri(text: &str) -> bool {
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    };
    let first_segment = text.split(['/', '?', '#']).next().unwrap_or_default();
    let (scheme, after_scheme) = match first_segment.split_once(':') {
        Some((scheme, _)) => (Some(scheme), &text[scheme.len() + 1..]),
        None => (None, text),
    };
    let (authority, rest) = match after_scheme.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len())),
        None => ("", after_scheme),
    };
    let is_uri_char = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?#@!$&'()*+,;=%".contains(&b);
    let escapes_are_hex = text.split('%').skip(1).all(|rest| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    scheme.is_none_or(is_scheme)
        && is_authority(authority)
        && rest.bytes().all(is_uri_char)
        && escapes_are_hex
        && rest.matches('#').count() <= 1
}

fn is_authority(authority: &str) -> bool {
    let host = authority.rsplit('@').next().unwrap_or_default();
    let (name, port) = match host.strip_prefix('[') {
        Some(address) => match address.split_once(']') {
            Some((address, port)) => (address, port.strip_prefix(':')),
            None => return false,
        },
        None => match host.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (host, None),
        },
    };
    let is_host_char = |b: u8| b.is_ascii_alphanumeric() || b"-._~:!$&'()*+,;=%".contains(&b);
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    name.bytes().all(is_host_char) && port.is_none_or(is_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_have_the_form_of_a_uri() {
        for good in [
            "u",
            "http://a.b:80/c?d#e",
            "urn:x:y",
            "http://[::1]:1/",
            "a%20b",
        ] {
            assert!(is_uri(good), "{good}");
        }
        for bad in [
            "a b",
            "http://a:b/",
            "a#b#c",
            "a%2",
            "a%zz",
            "<a>",
            "é",
            "a|b",
        ] {
            assert!(!is_uri(bad), "{bad}");
        }
    }
}
