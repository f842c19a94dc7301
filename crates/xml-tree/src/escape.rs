//! Escaping for those who write XML.
//!
//! One form that is right in attribute values and in character data alike; it writes no markup.

use std::borrow::Cow;
use std::fmt::Write as _;

/// `text` with `&`, `<`, `>` and `"` as entity references and control characters as character
/// references, so that it survives inside a double-quoted attribute value and in character data.
///
/// Characters that no XML document can hold, not even as a reference, become U+FFFD.
pub fn escape(text: &str) -> Cow<'_, str> {
    let needs_escape =
        |c: char| matches!(c, '&' | '<' | '>' | '"') || c < ' ' || !crate::chars::is_char(c);
    let Some(first) = text.find(needs_escape) else {
        return Cow::Borrowed(text);
    };
    let mut out = String::with_capacity(text.len() + 16);
    out.push_str(&text[..first]);
    for c in text[first..].chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if !crate::chars::is_char(c) => out.push('\u{fffd}'),
            c if c < ' ' => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_escaped_reads_back_the_same() {
        for text in [
            "plain",
            "",
            "a<b>&\"c'",
            "line\r\nend\ttab",
            " spaces ",
            "]]>",
            "é😀",
        ] {
            let document = format!("<a v=\"{0}\">{0}</a>", escape(text));
            let tree = crate::parse(&document);
            let root = tree.root().expect(&document);
            assert!(tree.problems().is_empty(), "{document}");
            assert_eq!(root.attribute("v"), Some(text));
            assert_eq!(root.text(), text);
        }
    }

    #[test]
    fn a_plain_text_is_borrowed() {
        assert!(matches!(escape("it's plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn what_no_document_can_hold_is_replaced() {
        assert_eq!(escape("a\0b\u{1b}c\u{ffff}"), "a\u{fffd}b\u{fffd}c\u{fffd}");
    }
}
