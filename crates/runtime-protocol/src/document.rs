//! What all parsers here share: from bytes to a well-formed root element, and the ways to fail.
//!
//! It knows no document; each module asks it for its own root, children and attributes.
//! Unknown elements and attributes are ignored everywhere, so that either side may add some.

use std::{error::Error, fmt};

use xml_tree::{Element, Tree};

/// Why a document was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DocumentError {
    /// Longer than this kind of document may be.
    TooLarge {
        /// The limit, in bytes.
        limit_bytes: usize,
    },
    /// Not UTF-8.
    NotUtf8,
    /// Not well-formed XML.
    NotWellFormed {
        /// The first problem, in words.
        problem: String,
    },
    /// Well-formed, but another document.
    WrongRoot {
        /// The root element that was wanted.
        expected: &'static str,
        /// The one that was there.
        found: String,
    },
    /// An element or attribute that must be there is not.
    Missing {
        /// Its name; an attribute's begins with `@`.
        what: &'static str,
    },
    /// A value outside its type, such as an unknown status.
    Invalid {
        /// The element or attribute that holds the value.
        what: &'static str,
        /// The value as it was written, cut short where it is long.
        value: String,
    },
}

impl DocumentError {
    pub(crate) fn invalid(what: &'static str, value: &str) -> Self {
        Self::Invalid {
            what,
            value: value.chars().take(VALUE_CHARS_MAX).collect(),
        }
    }
}

impl fmt::Display for DocumentError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { limit_bytes } => {
                write!(formatter, "the document is larger than {limit_bytes} bytes")
            }
            Self::NotUtf8 => formatter.write_str("the document is not UTF-8"),
            Self::NotWellFormed { problem } => {
                write!(formatter, "the document is not well-formed: {problem}")
            }
            Self::WrongRoot { expected, found } => {
                write!(formatter, "the document is not a `{expected}`: `{found}`")
            }
            Self::Missing { what } => write!(formatter, "`{what}` is missing"),
            Self::Invalid { what, value } => {
                write!(
                    formatter,
                    "`{what}` has a value that means nothing: `{value}`"
                )
            }
        }
    }
}

impl Error for DocumentError {}

/// Reads `document` as a tree whose root is `root` and hands that element to `read`.
pub(crate) fn parse<T>(
    document: &[u8],
    limit_bytes: usize,
    root: &'static str,
    read: impl FnOnce(Element<'_>) -> Result<T, DocumentError>,
) -> Result<T, DocumentError> {
    if document.len() > limit_bytes {
        return Err(DocumentError::TooLarge { limit_bytes });
    }
    let text = str::from_utf8(document).map_err(|_| DocumentError::NotUtf8)?;
    let tree = xml_tree::parse(text.strip_prefix('\u{feff}').unwrap_or(text));
    read(root_of(&tree, root)?)
}

fn root_of<'tree>(
    tree: &'tree Tree<'_>,
    expected: &'static str,
) -> Result<Element<'tree>, DocumentError> {
    if let Some(problem) = tree.problems().first() {
        return Err(DocumentError::NotWellFormed {
            problem: problem.message.clone(),
        });
    }
    match tree.root() {
        Some(root) if root.name() == expected => Ok(root),
        Some(root) => Err(DocumentError::WrongRoot {
            expected,
            found: root.name().to_owned(),
        }),
        None => Err(DocumentError::Missing { what: expected }),
    }
}

/// The child `name` of `parent`.
pub(crate) fn child<'tree>(
    parent: Element<'tree>,
    name: &'static str,
) -> Result<Element<'tree>, DocumentError> {
    parent
        .child(name)
        .ok_or(DocumentError::Missing { what: name })
}

/// The text of the child `name`, as it stands: a path may end in a blank.
pub(crate) fn text_of(parent: Element<'_>, name: &'static str) -> Result<String, DocumentError> {
    Ok(child(parent, name)?.text().to_owned())
}

/// The text of the child `name` without the white space around it, turned into a value by `read`.
pub(crate) fn value_of<T>(
    parent: Element<'_>,
    name: &'static str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<T, DocumentError> {
    let text = child(parent, name)?.text().trim();
    read(text).ok_or_else(|| DocumentError::invalid(name, text))
}

/// The elements called `name` below the child `list`; none where there is no such list.
pub(crate) fn items<'tree>(
    parent: Element<'tree>,
    list: &str,
    name: &str,
) -> impl Iterator<Item = Element<'tree>> {
    let elements = parent.child(list).into_iter().flat_map(Element::elements);
    elements.filter(move |element| element.name() == name)
}

/// The attribute `what`, which is written with its `@`.
pub(crate) fn attribute<'tree>(
    element: Element<'tree>,
    what: &'static str,
) -> Result<&'tree str, DocumentError> {
    element
        .attribute(&what[1..])
        .ok_or(DocumentError::Missing { what })
}

/// The attribute `what` as a number, an address or whatever else parses from text.
pub(crate) fn attribute_as<T: std::str::FromStr>(
    element: Element<'_>,
    what: &'static str,
) -> Result<T, DocumentError> {
    let value = attribute(element, what)?;
    value
        .parse()
        .map_err(|_| DocumentError::invalid(what, value))
}

/// How much of a wrong value an error repeats: enough to recognise it in a log line.
const VALUE_CHARS_MAX: usize = 80;
