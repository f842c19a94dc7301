//! Codes: the stable names of kinds of findings, and the table that documents them.
//!
//! The codes themselves belong to the crates that report them; [`codes!`](crate::codes) declares them there.

use std::fmt;

/// A stable name for a kind of finding, such as `AR0107`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(&'static str);

impl Code {
    /// A code; once released it keeps its meaning and is never given to another.
    pub const fn new(code: &'static str) -> Code {
        Code(code)
    }

    /// The text, such as `AR0107`.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// One line of documentation for a [`Code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeEntry {
    /// The code.
    pub code: Code,
    /// What in the file leads to it: a lower-case phrase.
    pub cause: &'static str,
    /// What to do about it: a lower-case phrase.
    pub cure: &'static str,
}

/// Declares a crate's codes: a documented constant for each, and `ALL`, the table of them.
///
/// ```
/// diagnostics::codes! {
///     TWICE = "AR0900": "something stands here twice"; "delete one of the two".
/// }
/// assert_eq!(ALL[0].code, TWICE);
/// ```
#[macro_export]
macro_rules! codes {
    ($($name:ident = $code:literal: $cause:literal; $cure:literal.)+) => {
        $(#[doc = concat!("`", $code, "`: ", $cause, ".")] pub const $name: $crate::Code = $crate::Code::new($code);)+

        /// Every code of this crate, in ascending order.
        pub const ALL: &[$crate::CodeEntry] =
            &[$($crate::CodeEntry { code: $name, cause: $cause, cure: $cure }),+];
    };
}
