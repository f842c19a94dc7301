//! Which characters XML 1.0 allows where.
//!
//! Source: XML 1.0 (Fifth Edition), productions 2 to 5 and 66, and Namespaces in XML 1.0, production 4.

use diagnostics::Span;

use crate::codes;
use crate::problem::Problem;

/// Whether it is a quote as typographers set them, which means nothing in XML.
pub(crate) fn is_typographic_quote(c: char) -> bool {
    matches!(c, '“' | '”' | '„' | '‘' | '’' | '«' | '»' | '″')
}

/// Production 3, `S`.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Whether nothing but white space is in `text`.
pub(crate) fn is_blank(text: &str) -> bool {
    text.bytes().all(is_space)
}

/// Production 2, `Char`.
pub(crate) fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Production 4, `NameStartChar`, the colon included.
pub(crate) fn is_name_start(c: char) -> bool {
    matches!(c,
        'A'..='Z' | 'a'..='z' | '_' | ':'
        | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}'
        | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}'
        | '\u{2070}'..='\u{218f}' | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}'
        | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}' | '\u{10000}'..='\u{effff}')
}

/// Production 4a, `NameChar`, the colon included.
pub(crate) fn is_name_char(c: char) -> bool {
    is_name_start(c)
        || matches!(c, '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}

/// The length in bytes of the name characters that `text` begins with, whatever the first one is.
pub(crate) fn name_len(text: &str) -> usize {
    let is_ascii_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':' | b'-' | b'.');
    let ascii = text.bytes().take_while(|&b| is_ascii_name(b)).count();
    match text.as_bytes().get(ascii) {
        Some(byte) if !byte.is_ascii() => text.find(|c| !is_name_char(c)).unwrap_or(text.len()),
        _ => ascii,
    }
}

/// What is wrong with a qualified name at `offset`, if anything is.
pub(crate) fn check_name(name: &str, offset: usize) -> Option<Problem> {
    let starts_well = |part: &str| part.starts_with(|c| c != ':' && is_name_start(c));
    let is_fine = match name.split_once(':') {
        None => starts_well(name),
        Some((prefix, local)) => starts_well(prefix) && starts_well(local) && !local.contains(':'),
    };
    if is_fine {
        return None;
    }
    let span = Span::new(offset, offset + name.len());
    let problem = Problem::new(codes::NAME, span, format!("`{name}` is not a name in XML"));
    Some(
        problem
            .help("names begin with a letter or `_` and have at most one colon, in their middle"),
    )
}

/// The first character of `text`, at `offset`, that no document may hold.
pub(crate) fn check_chars(text: &str, offset: usize) -> Option<Problem> {
    // Only control characters and U+FFFE, U+FFFF (which begin with 0xEF) can be wrong in a `str`.
    let is_suspect = |b: u8| (b < b' ' && !is_space(b)) || b == 0xef;
    let mut from = 0;
    while let Some(found) = text.as_bytes()[from..].iter().position(|&b| is_suspect(b)) {
        let at = from + found;
        let c = text[at..].chars().next()?;
        if !is_char(c) {
            return Some(forbidden_char(c, offset + at));
        }
        from = at + c.len_utf8();
    }
    None
}

/// The problem of a character that no document may hold.
pub(crate) fn forbidden_char(c: char, offset: usize) -> Problem {
    let span = Span::new(offset, offset + c.len_utf8());
    let message = format!("the character U+{:04X} is not allowed in XML", u32::from(c));
    Problem::new(codes::CHARACTER, span, message)
        .help("delete it; it cannot be written as a reference either")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_at_the_first_other_character() {
        assert_eq!(name_len("a-b.c_d:e f"), 9);
        assert_eq!(name_len("größe=1"), "größe".len());
        assert_eq!(name_len("a\u{201c}"), 1);
        assert_eq!(name_len("=x"), 0);
        assert_eq!(name_len(""), 0);
    }

    #[test]
    fn names_have_rules_at_their_start_and_for_colons() {
        for good in ["a", "_a", "é", "a:b", "a1", "a.b-c"] {
            assert_eq!(check_name(good, 0), None, "{good}");
        }
        for bad in [
            "1a", "-a", ".a", ":a", "a:", ":", "a:1", "a:b:c", "\u{b7}a", "",
        ] {
            assert!(check_name(bad, 0).is_some(), "{bad}");
        }
    }

    #[test]
    fn control_characters_and_non_characters_are_found_where_they_stand() {
        assert_eq!(
            check_chars("a\tb\r\n\u{7f}\u{fffd}\u{feff}\u{1f600}", 0),
            None
        );
        for (text, offset) in [
            ("\u{1}", 0),
            ("ab\u{1f}", 2),
            ("é\u{fffe}", 2),
            ("\u{feff}\u{ffff}", 3),
        ] {
            let problem = check_chars(text, 10).expect(text);
            assert_eq!(problem.span.start, 10 + offset);
        }
    }
}
