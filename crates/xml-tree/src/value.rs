//! Character data and attribute values: references, line ends and white space.
//!
//! Texts are borrowed wherever they say what they mean already. What cannot be resolved is reported and
//! left out of the value, and reading goes on: a bad reference is never the cause of the next problem.

use std::borrow::Cow;

use diagnostics::Span;

use crate::chars::{forbidden_char, is_char, is_name_start, name_len};
use crate::codes;
use crate::limits::MAX_PROBLEMS;
use crate::problem::Problem;

/// The longest character reference that is read as one: `&#x` with leading zeros, digits and `;`.
///
/// Real ones have at most ten bytes; without a bound a line of zeros would be scanned for nothing.
const MAX_REFERENCE_BYTES: usize = 64;

/// The normalised attribute value `raw`, which stands at `offset` without its quotes.
///
/// Raw white space becomes spaces, `&#10;` survives.
/// Source: XML 1.0, sections 2.11 and 3.3.3.
pub(crate) fn normalise_value<'a>(
    raw: &'a str,
    offset: usize,
    problems: &mut Vec<Problem>,
) -> Cow<'a, str> {
    rewrite(raw, offset, problems, |byte| match byte {
        b'\t' | b'\n' => Some(' '),
        _ => None,
    })
}

/// The character data `raw`, which stands at `offset` and holds no reference.
pub(crate) fn normalise_text<'a>(
    raw: &'a str,
    offset: usize,
    problems: &mut Vec<Problem>,
) -> Cow<'a, str> {
    if let Some(at) = cdata_end(raw) {
        let span = Span::new(offset + at, offset + at + 3);
        let problem = Problem::new(codes::CDATA_END, span, "`]]>` stands in plain text");
        problems.push(problem.help("write it as `]]&gt;`"));
    }
    rewrite(raw, offset, problems, |_| None)
}

fn cdata_end(raw: &str) -> Option<usize> {
    // Setting up a search costs more than looking at the few bytes of most texts.
    any_byte(raw, |byte| byte == b']')
        .then(|| raw.find("]]>"))
        .flatten()
}

/// The content of a CDATA section, where nothing but line ends is changed.
pub(crate) fn normalise_cdata(raw: &str) -> Cow<'_, str> {
    match raw.contains('\r') {
        true => Cow::Owned(raw.replace("\r\n", "\n").replace('\r', "\n")),
        false => Cow::Borrowed(raw),
    }
}

/// Copies `raw` with line ends, references and the bytes that `replace` knows exchanged; borrows while
/// there is nothing to exchange.
fn rewrite<'a>(
    raw: &'a str,
    offset: usize,
    problems: &mut Vec<Problem>,
    replace: impl Fn(u8) -> Option<char>,
) -> Cow<'a, str> {
    if !any_byte(raw, is_special) {
        return Cow::Borrowed(raw);
    }
    let bytes = raw.as_bytes();
    let mut out: Option<String> = None;
    let (mut copied, mut at) = (0, 0);
    while let Some(found) = bytes[at..].iter().position(|&b| is_special(b)) {
        at += found;
        let (exchanged, next) = match bytes[at] {
            b'&' => match resolve(&raw[at..], offset + at) {
                Ok((c, len)) => (Some(Some(c)), at + len),
                Err(Unresolved { problem, len }) => {
                    report(problems, *problem);
                    (Some(None), at + len)
                }
            },
            b'\r' => {
                let end = at
                    + if bytes.get(at + 1) == Some(&b'\n') {
                        2
                    } else {
                        1
                    };
                (Some(Some(replace(b'\n').unwrap_or('\n'))), end)
            }
            byte @ (b'\t' | b'\n') => (replace(byte).map(Some), at + 1),
            _ => {
                let c = raw[at..]
                    .chars()
                    .next()
                    .expect("`at` is a character's first byte");
                match is_char(c) {
                    true => (None, at + c.len_utf8()),
                    false => {
                        report(problems, forbidden_char(c, offset + at));
                        (Some(None), at + c.len_utf8())
                    }
                }
            }
        };
        if let Some(c) = exchanged {
            let out = out.get_or_insert_with(|| String::with_capacity(raw.len()));
            out.push_str(&raw[copied..at]);
            out.extend(c);
            copied = next;
        }
        at = next;
    }
    match out {
        Some(mut out) => {
            out.push_str(&raw[copied..]);
            Cow::Owned(out)
        }
        None => Cow::Borrowed(raw),
    }
}

/// Adds a problem while there is room; one value can hold a million of them.
fn report(problems: &mut Vec<Problem>, problem: Problem) {
    if problems.len() < MAX_PROBLEMS {
        problems.push(problem);
    }
}

/// Whether `is_it` holds for any byte; looks at all of them, which the compiler turns into vector code.
fn any_byte(text: &str, is_it: impl Fn(u8) -> bool) -> bool {
    text.bytes().fold(false, |any, byte| any | is_it(byte))
}

/// Whether a byte can begin something that needs a look: a reference, white space, a control character,
/// or (0xEF) one of the two non-characters.
pub(crate) fn is_special(byte: u8) -> bool {
    byte < b' ' || byte == b'&' || byte == 0xef
}

/// A reference that means nothing.
#[derive(Debug)]
pub(crate) struct Unresolved {
    pub(crate) problem: Box<Problem>,
    /// The bytes to skip.
    pub(crate) len: usize,
}

impl Unresolved {
    fn new(problem: Problem, len: usize) -> Unresolved {
        Unresolved {
            problem: Box::new(problem),
            len,
        }
    }
}

/// The character that the reference at the start of `text` means and the length of the reference.
pub(crate) fn resolve(text: &str, offset: usize) -> Result<(char, usize), Unresolved> {
    let body = &text[1..];
    let end = if body.starts_with('#') {
        let digits = body.bytes().skip(1).take(MAX_REFERENCE_BYTES);
        1 + digits.take_while(|b| b.is_ascii_alphanumeric()).count()
    } else {
        name_len(body)
    };
    let name = &body[..end];
    let span = |len: usize| Span::new(offset, offset + len);
    let is_name = name.starts_with('#') || name.starts_with(is_name_start);
    if !is_name {
        let problem = Problem::new(codes::REFERENCE, span(1), "a `&` that begins no reference");
        return Err(Unresolved::new(
            problem.help("write a plain ampersand as `&amp;`"),
            1,
        ));
    }
    if !body[end..].starts_with(';') {
        let message = format!("the reference `&{name}` does not end with `;`");
        let problem = Problem::new(codes::REFERENCE, span(1 + end), message);
        return Err(Unresolved::new(
            problem.help("write a plain ampersand as `&amp;`"),
            1 + end,
        ));
    }
    let len = end + 2;
    match character(name) {
        Some(c) => Ok((c, len)),
        None => Err(Unresolved::new(undefined(name, span(len)), len)),
    }
}

fn character(name: &str) -> Option<char> {
    match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let digits = name.strip_prefix('#')?;
            let (digits, radix) = match digits.strip_prefix('x') {
                Some(digits) => (digits, 16),
                None => (digits, 10),
            };
            let number = u32::from_str_radix(digits, radix).ok()?;
            char::from_u32(number).filter(|&c| is_char(c))
        }
    }
}

fn undefined(name: &str, span: Span) -> Problem {
    if name.starts_with('#') {
        let message = format!("`&{name};` is no character that XML allows");
        return Problem::new(codes::REFERENCE, span, message);
    }
    let message = format!("the entity `{name}` is not defined");
    Problem::new(codes::REFERENCE, span, message).help(
        "only `&amp;`, `&lt;`, `&gt;`, `&quot;`, `&apos;` and character references such as `&#10;` exist; \
         write a plain ampersand as `&amp;`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(raw: &str) -> (String, Vec<String>) {
        let mut problems = Vec::new();
        let value = normalise_value(raw, 0, &mut problems).into_owned();
        (
            value,
            problems
                .into_iter()
                .map(|problem| problem.message)
                .collect(),
        )
    }

    #[test]
    fn a_plain_value_is_borrowed() {
        let mut problems = Vec::new();
        assert!(matches!(
            normalise_value("größe \u{feff}", 0, &mut problems),
            Cow::Borrowed(_)
        ));
        assert!(problems.is_empty());
    }

    #[test]
    fn raw_white_space_becomes_spaces_and_references_survive() {
        assert_eq!(value("a\tb\nc\r\nd\re").0, "a b c d e");
        assert_eq!(value("a&#10;b&#x9;c&#xD;d").0, "a\nb\tc\rd");
        assert_eq!(
            value("&lt;&gt;&amp;&quot;&apos;&#233;&#x1F600;").0,
            "<>&\"'é😀"
        );
        assert_eq!(value("&#0000000000000065;").0, "A");
    }

    #[test]
    fn a_reference_that_means_nothing_is_reported_and_left_out() {
        assert_eq!(
            value("a & b"),
            ("a  b".into(), vec!["a `&` that begins no reference".into()])
        );
        assert_eq!(
            value("a&nbsp;b"),
            ("ab".into(), vec!["the entity `nbsp` is not defined".into()])
        );
        assert_eq!(
            value("x&y=1").1,
            ["the reference `&y` does not end with `;`"]
        );
        assert_eq!(value("&").1.len(), 1);
        for reference in [
            "&#0;",
            "&#x1F;",
            "&#xD800;",
            "&#x110000;",
            "&#99999999999;",
            "&#;",
            "&#x;",
            "&#xfffe;",
            "&#+65;",
        ] {
            assert_eq!(value(reference).1.len(), 1, "{reference}");
        }
    }

    #[test]
    fn line_ends_of_text_become_line_feeds() {
        let mut problems = Vec::new();
        assert_eq!(
            normalise_text("a\r\nb\rc\td", 0, &mut problems),
            "a\nb\nc\td"
        );
        assert_eq!(normalise_cdata("a\r\nb\r&amp;"), "a\nb\n&amp;");
        assert!(problems.is_empty());
    }

    #[test]
    fn the_end_of_a_cdata_section_has_no_place_in_text() {
        let mut problems = Vec::new();
        normalise_text("ab]]>", 7, &mut problems);
        assert_eq!(problems[0].span, Span::new(9, 12));
    }
}
