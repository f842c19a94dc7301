//! Bounds on what is read, so that no file can cost more than it is worth.
//!
//! Real service files stay far below all of them: the largest seen has 40 KiB, depth 8 and a dozen
//! attributes an element.

/// Bytes of text in one document.
///
/// The largest service that the limits of the platform allow takes about 1 MiB; sixteen times that
/// still parses in a fraction of a second.
pub const MAX_TEXT_BYTES: usize = 16 * 1024 * 1024;

/// Elements that may be open at once.
///
/// The limit of libxml2, so that the two agree; it also bounds the recursion of whoever walks a tree.
/// Source: `xmlParserMaxDepth` (libxml2 2.9).
pub const MAX_DEPTH: usize = 256;

/// Attributes of one element, namespace declarations included.
///
/// Duplicates are found by comparing all pairs, so this bounds that work too.
pub const MAX_ATTRIBUTES: usize = 256;

/// Elements in one document.
///
/// At some 40 bytes each, and 24 an attribute, the tree takes a few megabytes; a full service has about
/// 12,000.
pub const MAX_ELEMENTS: usize = 100_000;

/// Namespace declarations that may be in force at once.
///
/// A prefix is looked for among all of them, so this bounds the work of each element.
pub const MAX_NAMESPACES: usize = 256;

/// Problems after which reading stops.
///
/// More would not be read by anyone, and each carries text of its own.
pub const MAX_PROBLEMS: usize = 100;
