//! Start tags as nearly all are written, read in one pass.
//!
//! Takes names of ASCII letters, digits, `_`, `-` and `.`, values in straight quotes, and no white space around `=`.
//! Whatever else stands in a tag, mistakes included, is left to [`crate::tag`], which reads it from its beginning and
//! knows what to say of it; here nothing is ever reported.

use std::borrow::Cow;

use diagnostics::Span;

use crate::chars::is_space;
use crate::limits::MAX_ATTRIBUTES;
use crate::scan::position;
use crate::tag::RawAttribute;
use crate::tree::QualifiedName;
use crate::value::is_special;

/// A start tag.
pub(crate) struct PlainTag {
    pub(crate) name: QualifiedName,
    /// Whether it ends with `/>`.
    pub(crate) is_empty: bool,
    /// Offset after its `>`.
    pub(crate) end: usize,
    /// Whether an attribute declares a namespace.
    pub(crate) has_declarations: bool,
    /// Whether a value holds references, white space other than spaces, or characters to look at; the values are still
    /// as written then.
    pub(crate) has_special: bool,
}

/// Reads the start tag whose `<` is at `start` of `text`, its attributes into `attributes`, which is emptied first.
pub(crate) fn read_plain_tag<'a>(
    text: &'a str,
    start: usize,
    attributes: &mut Vec<RawAttribute<'a>>,
) -> Option<PlainTag> {
    attributes.clear();
    let bytes = text.as_bytes();
    let name = read_name(bytes, start + 1)?;
    let mut at = name.span().end;
    let (mut has_declarations, mut has_special) = (false, false);
    loop {
        let before = at;
        while is_space(*bytes.get(at)?) {
            at += 1;
        }
        let is_empty = match bytes[at] {
            b'>' => false,
            b'/' if bytes.get(at + 1) == Some(&b'>') => true,
            _ => {
                if at == before || attributes.len() == MAX_ATTRIBUTES {
                    return None;
                }
                let name = read_name(bytes, at)?;
                let name_text = name.text(text);
                let is_known = |other: &RawAttribute<'_>| other.name.text(text) == name_text;
                if attributes.iter().any(is_known) {
                    return None;
                }
                let (value, is_special) = read_value(bytes, name.span().end)?;
                has_declarations |= name_text.starts_with("xmlns");
                has_special |= is_special;
                at = value.end + 1;
                attributes.push(RawAttribute {
                    name,
                    value: Cow::Borrowed(&text[value.start..value.end]),
                    value_span: value,
                });
                continue;
            }
        };
        return Some(PlainTag {
            name,
            is_empty,
            end: at + 1 + usize::from(is_empty),
            has_declarations,
            has_special,
        });
    }
}

/// The name at `start`, if it is plain.
fn read_name(bytes: &[u8], start: usize) -> Option<QualifiedName> {
    let is_start = |at: usize| {
        KINDS[usize::from(*bytes.get(at)?)]
            .eq(&NAME_START)
            .then_some(())
    };
    is_start(start)?;
    let mut at = start + 1;
    let mut colon = None;
    loop {
        match KINDS[usize::from(*bytes.get(at)?)] {
            NAME | NAME_START => at += 1,
            COLON if colon.is_none() => {
                is_start(at + 1)?;
                colon = Some(at - start);
                at += 2;
            }
            OTHER => return Some(QualifiedName::new(start, at - start, colon)),
            _ => return None,
        }
    }
}

/// Where the value of `="value"` at `start` stands, and whether it holds anything special.
fn read_value(bytes: &[u8], start: usize) -> Option<(Span, bool)> {
    let &[b'=', quote @ (b'"' | b'\''), ref rest @ ..] = bytes.get(start..)? else {
        return None;
    };
    // Two looks at a value are quicker than one for all these bytes together.
    let len = position(rest, |byte| byte == quote || byte == b'<')?;
    let any_special = |any, &byte: &u8| any | is_special(byte);
    let has_special = rest[..len].iter().fold(false, any_special);
    (rest[len] == quote).then(|| (Span::new(start + 2, start + 2 + len), has_special))
}

/// What a byte is in a name. Bytes beyond ASCII are none of ours.
type Kind = u8;
const OTHER: Kind = 0;
const NAME_START: Kind = 1;
const NAME: Kind = 2;
const COLON: Kind = 3;
const FOREIGN: Kind = 4;

static KINDS: [Kind; 256] = kinds();

const fn kinds() -> [Kind; 256] {
    let mut kinds = [OTHER; 256];
    let mut byte = 0;
    while byte < 256 {
        kinds[byte] = match byte as u8 {
            b'A'..=b'Z' | b'a'..=b'z' | b'_' => NAME_START,
            b'0'..=b'9' | b'-' | b'.' => NAME,
            b':' => COLON,
            0x80.. => FOREIGN,
            _ => OTHER,
        };
        byte += 1;
    }
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(PlainTag, Vec<RawAttribute<'_>>)> {
        let mut attributes = Vec::new();
        read_plain_tag(text, 0, &mut attributes).map(|tag| (tag, attributes))
    }

    #[test]
    fn what_is_plain_is_read_to_its_end() {
        let text = "<p:a b=\"1>\" x:c-d='&lt;'\n/>text";
        let (tag, attributes) = read(text).unwrap();
        assert_eq!(tag.name.prefix(text), Some("p"));
        assert_eq!(tag.name.local(text), "a");
        assert!(tag.is_empty && tag.has_special && !tag.has_declarations);
        assert_eq!(&text[tag.end..], "text");
        let values: Vec<_> = attributes
            .iter()
            .map(|attribute| &*attribute.value)
            .collect();
        assert_eq!(values, ["1>", "&lt;"]);
        let (tag, _) = read("<a xmlns='u'>").unwrap();
        assert!(tag.has_declarations && !tag.is_empty);
    }

    #[test]
    fn what_is_not_plain_is_left() {
        for text in [
            "<",
            "<a",
            "<a ",
            "<a/",
            "<a b",
            "<a b=",
            "<a b='",
            "<a b=''",
            "<1>",
            "<é>",
            "<aé>",
            "<a:>",
            "<:a>",
            "<a:1>",
            "<a:b:c>",
            "<a b='1'c='2'>",
            "<a b=1>",
            "<a b = '1'>",
            "<a b='1' b='2'>",
            "<a b='<'>",
            "<a / >",
            "<a b>",
        ] {
            assert!(read(text).is_none(), "{text}");
        }
    }
}
