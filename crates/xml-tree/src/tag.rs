//! One start tag: its name and its raw attributes, each with its place.
//!
//! Works on the text between `<` and `>` of a tag that [`crate::plain`] has left, and says what is wrong
//! with it. Namespaces are not its business.

use std::borrow::Cow;

use diagnostics::Span;

use crate::chars::{check_name, is_space, is_typographic_quote, name_len};
use crate::codes;
use crate::limits::MAX_ATTRIBUTES;
use crate::problem::Problem;
use crate::tree::QualifiedName;
use crate::value::normalise_value;

/// An attribute as it stands in the tag, namespace declarations included.
#[derive(Debug)]
pub(crate) struct RawAttribute<'a> {
    pub(crate) name: QualifiedName,
    pub(crate) value: Cow<'a, str>,
    pub(crate) value_span: Span,
}

impl RawAttribute<'_> {
    /// From the name to after the closing quote.
    pub(crate) fn span(&self) -> Span {
        Span::new(self.name.start(), self.value_span.end + 1)
    }
}

/// The tag could not be read to its end; the problem is among the others.
#[derive(Debug)]
pub(crate) struct Unreadable;

/// Reads the start tag between `span.start` (its `<`) and `span.end` (after its name and attributes,
/// before `>` or `/>`) of `text`. The attributes go into `attributes`, which is emptied first.
pub(crate) fn read_start_tag<'a>(
    text: &'a str,
    span: Span,
    attributes: &mut Vec<RawAttribute<'a>>,
    problems: &mut Vec<Problem>,
) -> Result<QualifiedName, Unreadable> {
    attributes.clear();
    let mut tag = TagReader {
        text,
        at: span.start + 1,
        end: span.end,
        problems,
    };
    let name = tag.read_name("element")?;
    while let Some(attribute) = tag.next_attribute()? {
        if attributes.len() == MAX_ATTRIBUTES {
            let name = name.text(text);
            let message = format!("`{name}` has more than {MAX_ATTRIBUTES} attributes");
            return Err(tag.fail(Problem::new(codes::LIMIT, attribute.span(), message)));
        }
        if let Some(first) = attributes
            .iter()
            .find(|other| other.name.text(text) == attribute.name.text(text))
        {
            tag.problems.push(duplicate(text, &attribute, first));
        }
        attributes.push(attribute);
    }
    Ok(name)
}

pub(crate) fn duplicate(
    text: &str,
    attribute: &RawAttribute<'_>,
    first: &RawAttribute<'_>,
) -> Problem {
    let name = attribute.name.text(text);
    let message = format!("the attribute `{name}` stands here twice");
    Problem::new(codes::DUPLICATE_ATTRIBUTE, attribute.name.span(), message)
        .help("delete one of the two")
        .related(first.name.span(), "first one here")
}

struct TagReader<'a, 'p> {
    text: &'a str,
    at: usize,
    end: usize,
    problems: &'p mut Vec<Problem>,
}

impl<'a> TagReader<'a, '_> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..self.end]
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes()[self.at..self.end].first().copied()
    }

    fn skip_space(&mut self) -> bool {
        let rest = &self.text.as_bytes()[self.at..self.end];
        let n_spaces = rest.iter().take_while(|&&byte| is_space(byte)).count();
        self.at += n_spaces;
        n_spaces > 0
    }

    fn fail(&mut self, problem: Problem) -> Unreadable {
        self.problems.push(problem);
        Unreadable
    }

    /// The character here, or an empty span at the end of the tag.
    fn here(&self) -> Span {
        let len = self.rest().chars().next().map_or(0, char::len_utf8);
        Span::new(self.at, self.at + len)
    }

    fn read_name(&mut self, of: &str) -> Result<QualifiedName, Unreadable> {
        let name = &self.rest()[..name_len(self.rest())];
        if name.is_empty() {
            let problem = self.no_name(of);
            return Err(self.fail(problem));
        }
        if let Some(problem) = check_name(name, self.at) {
            return Err(self.fail(problem));
        }
        let start = self.at;
        self.at += name.len();
        Ok(QualifiedName::new(start, name.len(), name.find(':')))
    }

    fn no_name(&self, of: &str) -> Problem {
        let problem = |message: &str| Problem::new(codes::TAG, self.here(), message);
        match self.peek() {
            Some(b'<') => {
                problem("a new tag begins inside this one").help("end the tag before with `>`")
            }
            Some(b'/') => {
                problem("a `/` stands in the middle of a tag").help("`/` belongs right before `>`")
            }
            Some(b'"' | b'\'') => problem("a quote stands where an attribute would begin")
                .help("check the quotes of the attribute before"),
            _ => {
                problem(&format!("there is no {of} name here")).help("in text, write `<` as `&lt;`")
            }
        }
    }

    fn next_attribute(&mut self) -> Result<Option<RawAttribute<'a>>, Unreadable> {
        let has_space = self.skip_space();
        if self.at == self.end {
            return Ok(None);
        }
        let name = self.read_name("attribute")?;
        if !has_space {
            let problem = Problem::new(
                codes::TAG,
                name.span(),
                "white space is missing before this attribute",
            );
            self.problems.push(problem);
        }
        self.skip_space();
        if self.peek() != Some(b'=') {
            let span = name.span();
            let name = name.text(self.text);
            let message = format!("the attribute `{name}` has no value");
            let help = format!("write `{name}=\"…\"`");
            return Err(self.fail(Problem::new(codes::TAG, span, message).help(help)));
        }
        self.at += 1;
        self.skip_space();
        self.read_value(name).map(Some)
    }

    fn read_value(&mut self, name: QualifiedName) -> Result<RawAttribute<'a>, Unreadable> {
        let name_text = name.text(self.text);
        let Some(quote @ (b'"' | b'\'')) = self.peek() else {
            let problem = self.no_quote(name_text);
            return Err(self.fail(problem));
        };
        let start = self.at + 1;
        let inside = &self.text[start..self.end];
        let Some(len) = inside
            .bytes()
            .position(|byte| byte == quote || byte == b'<')
        else {
            let problem = unclosed_quote(name_text, self.here(), inside);
            return Err(self.fail(problem));
        };
        if inside.as_bytes()[len] == b'<' {
            let problem = less_than(name_text, &inside[..len], self.here());
            return Err(self.fail(problem));
        }
        self.at = start + len + 1;
        let swallowed_a_quote = inside[..len].trim_end().ends_with('=')
            && self.peek().is_some_and(|byte| !is_space(byte));
        if swallowed_a_quote {
            // `name="x port="80"`: the value ran into the next attribute, as far as its opening quote.
            let quote = Span::new(start - 1, start);
            return Err(self.fail(unclosed_quote(name_text, quote, &inside[..len])));
        }
        let value = normalise_value(&inside[..len], start, self.problems);
        Ok(RawAttribute {
            name,
            value,
            value_span: Span::new(start, start + len),
        })
    }

    fn no_quote(&self, name: &str) -> Problem {
        let message = format!("the value of `{name}` does not begin with a quote");
        let problem = Problem::new(codes::QUOTE, self.here(), message);
        match self
            .rest()
            .chars()
            .next()
            .filter(|c| is_typographic_quote(*c))
        {
            Some(quote) => problem.help(not_typographic(quote)),
            None => problem.help(format!("write `{name}=\"…\"`")),
        }
    }
}

/// Advice on a typographic quote around a value.
pub(crate) fn not_typographic(quote: char) -> String {
    format!(
        "`{quote}` is a typographic quote, as word processors and web pages make them; write a straight `\"` on \
         both sides"
    )
}

/// The problem of a value whose closing quote never comes; `quote` is the opening one, and `after` what
/// follows it.
pub(crate) fn unclosed_quote(name: &str, quote: Span, after: &str) -> Problem {
    let message = format!("the value of `{name}` has no closing quote");
    let problem = Problem::new(codes::QUOTE, quote, message);
    match closing_typographic_quote(after) {
        Some(typographic) => problem.help(not_typographic(typographic)),
        None => problem.help("close it with the same quote it begins with"),
    }
}

/// A typographic quote where the value's own could have stood: before the next attribute or the tag's end.
fn closing_typographic_quote(after: &str) -> Option<char> {
    let value = after.split(['=', '<', '>', '\n']).next()?;
    let (at, quote) = value
        .char_indices()
        .find(|(_, c)| is_typographic_quote(*c))?;
    let next = after[at + quote.len_utf8()..].chars().next();
    let ends = next.is_none_or(|c| c.is_ascii_whitespace() || matches!(c, '/' | '>'));
    ends.then_some(quote)
}

/// A `<` after `before` in a value. Where a tag seems to end in between, the quote is what is missing.
fn less_than(name: &str, before: &str, quote: Span) -> Problem {
    if before.contains('>') || before.contains('\n') {
        return unclosed_quote(name, quote, before);
    }
    let at = quote.end + before.len();
    let message = format!("a `<` stands in the value of `{name}`");
    Problem::new(codes::LESS_THAN, Span::new(at, at + 1), message).help("write it as `&lt;`")
}
