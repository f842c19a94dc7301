//! Text to tree: one pass over the tokenizer's events.
//!
//! The tokenizer (quick-xml) only cuts the text into tags, text and other markup; everything that makes a
//! document well-formed is checked here and in the modules below, because it lets much of it through:
//! two roots, text after the root, elements never closed, `<` in values, and more.
//!
//! A problem inside one value or name lets reading go on; one that leaves the structure in doubt ends it,
//! so that a broken file has one clear problem and not a train of consequences.
//!
//! ```text
//! tokenizer event ── start tag ──► tag: name, attributes ──► namespaces ──► open element
//!                 ├─ end tag ────► the open element joins its parent
//!                 ├─ text, reference, CDATA ──► value ──► the open element's text
//!                 └─ comment, instruction ────► prolog: checked, dropped
//! ```

use std::borrow::Cow;
use std::ops::ControlFlow::{self, Break, Continue};

use diagnostics::Span;
use quick_xml::Reader;
use quick_xml::events::Event;

use crate::chars::{check_chars, is_blank, is_space, name_len};
use crate::codes;
use crate::limits::{MAX_DEPTH, MAX_ELEMENTS, MAX_NAMESPACES, MAX_PROBLEMS, MAX_TEXT_BYTES};
use crate::namespaces::{Namespace, Namespaces, Scope, declared_prefix};
use crate::problem::Problem;
use crate::prolog::{check_comment, check_instruction, unclosed};
use crate::tag::{RawAttribute, duplicate, read_start_tag};
use crate::tree::{Attribute, Element, Tree};
use crate::value::{normalise_cdata, normalise_text, resolve};

/// Parses `text` into a tree; what is wrong with it stands in [`Tree::problems`].
///
/// A byte order mark is not part of a document's text; [`crate::decode`] takes it away.
pub fn parse(text: &str) -> Tree<'_> {
    let mut builder = Builder::new(text);
    let _ = builder.run();
    builder.finish()
}

const BYTE_ORDER_MARK: char = '\u{feff}';

/// Whether to go on with the next event.
type Flow = ControlFlow<()>;

struct Builder<'a> {
    text: &'a str,
    root: Option<Element<'a>>,
    open: Vec<(Element<'a>, Scope)>,
    namespaces: Namespaces<'a>,
    /// The attributes of the tag being read; kept for its allocation.
    attributes: Vec<RawAttribute<'a>>,
    problems: Vec<Problem>,
    n_elements: usize,
    /// Where the event being read begins.
    at: usize,
}

impl<'a> Builder<'a> {
    fn new(text: &'a str) -> Builder<'a> {
        Builder {
            text,
            root: None,
            open: Vec::new(),
            namespaces: Namespaces::default(),
            attributes: Vec::new(),
            problems: Vec::new(),
            n_elements: 0,
            at: 0,
        }
    }

    fn run(&mut self) -> Flow {
        if self.text.len() > MAX_TEXT_BYTES {
            let message = format!("the document is larger than {MAX_TEXT_BYTES} bytes");
            return self.stop(Problem::new(codes::LIMIT, Span::default(), message));
        }
        if self.text.starts_with(BYTE_ORDER_MARK) {
            // The tokenizer would skip it without counting it.
            return self.stop(outside_root(Span::new(0, BYTE_ORDER_MARK.len_utf8())));
        }
        let mut reader = Reader::from_str(self.text);
        let config = reader.config_mut();
        config.check_end_names = false;
        config.allow_unmatched_ends = true;
        loop {
            let event = reader.read_event();
            let end = usize::try_from(reader.buffer_position()).unwrap_or(self.text.len());
            match event {
                Ok(Event::Eof) => return self.end_of_text(),
                Ok(event) => self.event(&event, end)?,
                Err(_) => return self.broken_markup(),
            }
            self.at = end;
            if self.problems.len() >= MAX_PROBLEMS {
                return Break(());
            }
        }
    }

    fn event(&mut self, event: &Event<'_>, end: usize) -> Flow {
        let (at, raw) = (self.at, &self.text[self.at..end]);
        match event {
            Event::Start(_) => self.start_tag(end, end - 1, false),
            Event::Empty(_) => self.start_tag(end, end - 2, true),
            Event::End(_) => self.end_tag(raw, end),
            Event::Text(_) => self.text(raw),
            Event::GeneralRef(_) => self.reference(raw),
            Event::CData(_) => self.cdata(raw),
            Event::Comment(_) => self.note(check_comment(raw, at)),
            Event::PI(_) | Event::Decl(_) => self.note(check_instruction(raw, at)),
            Event::DocType(_) => self.doctype(),
            Event::Eof => Continue(()),
        }
    }

    fn stop(&mut self, problem: Problem) -> Flow {
        self.problems.push(problem);
        Break(())
    }

    /// Reports a problem that leaves no doubt about what follows.
    fn note(&mut self, problem: Option<Problem>) -> Flow {
        self.problems.extend(problem);
        Continue(())
    }

    fn start_tag(&mut self, end: usize, content_end: usize, is_empty: bool) -> Flow {
        let span = Span::new(self.at, content_end);
        let mut attributes = std::mem::take(&mut self.attributes);
        let name = read_start_tag(self.text, span, &mut attributes, &mut self.problems);
        let Ok(name) = name else {
            return Break(());
        };
        let name_span = Span::new(span.start + 1, span.start + 1 + name.text.len());
        self.check_room(name.text, name_span)?;
        let scope = self.namespaces.enter(&attributes, &mut self.problems);
        if self.namespaces.len() > MAX_NAMESPACES {
            let message = format!("more than {MAX_NAMESPACES} namespaces are declared at once");
            return self.stop(Problem::new(codes::LIMIT, name_span, message));
        }
        let namespace = self
            .namespaces
            .of_element(name, name_span.start, &mut self.problems);
        self.check_prefixes(&attributes);
        let element = Element {
            name,
            namespace,
            attributes: kept_attributes(&mut attributes),
            children: Vec::new(),
            text: Cow::Borrowed(""),
            span: Span::new(span.start, end),
        };
        self.attributes = attributes;
        if let Some((parent, _)) = self.open.last_mut()
            && is_blank(&parent.text)
        {
            parent.text = Cow::Borrowed("");
        }
        self.open.push((element, scope));
        if is_empty {
            self.close(end);
        }
        Continue(())
    }

    fn check_room(&mut self, name: &str, name_span: Span) -> Flow {
        self.n_elements += 1;
        if self.open.is_empty() && self.root.is_some() {
            let message = format!("`{name}` is a second root element");
            let problem = Problem::new(codes::OUTSIDE_ROOT, name_span, message);
            let root = self
                .root
                .as_ref()
                .map(Element::name_span)
                .unwrap_or_default();
            return self.stop(problem.related(root, "the root element"));
        }
        if self.open.len() == MAX_DEPTH {
            let message = format!("elements are nested more than {MAX_DEPTH} deep");
            return self.stop(Problem::new(codes::LIMIT, name_span, message));
        }
        if self.n_elements > MAX_ELEMENTS {
            let message = format!("the document has more than {MAX_ELEMENTS} elements");
            return self.stop(Problem::new(codes::LIMIT, name_span, message));
        }
        Continue(())
    }

    /// Undeclared prefixes of attributes, and two attributes of one name under two prefixes.
    fn check_prefixes(&mut self, attributes: &[RawAttribute<'a>]) {
        let mut seen: Vec<(Namespace<'a>, &RawAttribute<'a>)> = Vec::new();
        for attribute in attributes {
            if declared_prefix(attribute.name.text).is_some() {
                continue;
            }
            let Some(prefix) = attribute.name.prefix() else {
                continue;
            };
            let start = attribute.name_start;
            let namespace = self.namespaces.of_prefix(prefix, start, &mut self.problems);
            let Some(namespace) = namespace else { continue };
            let twin = seen.iter().find(|(other, first)| {
                other.as_str() == namespace.as_str()
                    && first.name.local() == attribute.name.local()
                    && first.name.text != attribute.name.text
            });
            if let Some((_, first)) = twin {
                self.problems.push(duplicate(attribute, first));
            }
            seen.push((namespace, attribute));
        }
    }

    fn end_tag(&mut self, raw: &str, end: usize) -> Flow {
        let body = &raw["</".len()..raw.len() - ">".len()];
        let name = &body[..name_len(body)];
        let start = self.at + "</".len();
        let span = Span::new(start, start + name.len());
        if name.is_empty() || !is_blank(&body[name.len()..]) {
            let span = Span::new(self.at, end);
            let problem = Problem::new(codes::TAG, span, "this end tag is malformed");
            return self.stop(problem.help("an end tag is `</`, the element's name and `>`"));
        }
        match self.open.last() {
            None => {
                let message = format!("`</{name}>` closes nothing");
                self.stop(Problem::new(codes::MISMATCHED_END, span, message))
            }
            Some((element, _)) if element.name.text == name => {
                self.close(end);
                Continue(())
            }
            Some((element, _)) => {
                let problem = self.mismatch(element, name, span);
                self.stop(problem)
            }
        }
    }

    /// `</name>` while another element is open: if `name` is open further out, the inner one was never
    /// closed; else the end tag is misspelt.
    fn mismatch(&self, inner: &Element<'_>, name: &str, span: Span) -> Problem {
        let is_open = self
            .open
            .iter()
            .any(|(element, _)| element.name.text == name);
        let open = inner.name.text;
        if is_open {
            return never_closed(inner).related(span, format!("`{name}` is closed here already"));
        }
        let message = format!("`</{name}>` cannot close `{open}`");
        Problem::new(codes::MISMATCHED_END, span, message)
            .help(format!("write `</{open}>`"))
            .related(inner.name_span(), "opened here")
    }

    /// Ends the innermost open element at `end`.
    fn close(&mut self, end: usize) {
        let Some((mut element, scope)) = self.open.pop() else {
            return;
        };
        self.namespaces.leave(scope);
        element.span.end = end;
        // A list grows by doubling, and most have one or two elements: the slack would be most of the tree.
        element.children.shrink_to_fit();
        match self.open.last_mut() {
            Some((parent, _)) => parent.children.push(element),
            None => self.root = Some(element),
        }
    }

    fn text(&mut self, raw: &'a str) -> Flow {
        if self.open.is_empty() {
            return self.text_outside_root(raw);
        }
        let piece = normalise_text(raw, self.at, &mut self.problems);
        self.append(piece);
        Continue(())
    }

    fn text_outside_root(&mut self, raw: &str) -> Flow {
        match raw.bytes().position(|byte| !is_space(byte)) {
            None => Continue(()),
            Some(first) => {
                let start = self.at + first;
                let len = raw[first..].trim_end().len();
                let problem = check_chars(raw, self.at);
                self.stop(problem.unwrap_or_else(|| outside_root(Span::new(start, start + len))))
            }
        }
    }

    fn reference(&mut self, raw: &str) -> Flow {
        if self.open.is_empty() {
            return self.stop(outside_root(Span::new(self.at, self.at + raw.len())));
        }
        match resolve(raw, self.at) {
            Ok((c, len)) if len == raw.len() => self.append(Cow::Owned(c.to_string())),
            Ok(_) => {}
            Err(unresolved) => self.problems.push(*unresolved.problem),
        }
        Continue(())
    }

    fn cdata(&mut self, raw: &'a str) -> Flow {
        let span = Span::new(self.at, self.at + raw.len());
        let body = raw
            .strip_prefix("<![CDATA[")
            .and_then(|rest| rest.strip_suffix("]]>"));
        let Some(body) = body else {
            return self.stop(unclosed(raw, self.at));
        };
        if self.open.is_empty() {
            return self.stop(outside_root(span));
        }
        let problem = check_chars(body, self.at + "<![CDATA[".len());
        self.append(normalise_cdata(body));
        self.note(problem)
    }

    /// Adds character data to the open element; blank pieces beside child elements are dropped.
    fn append(&mut self, piece: Cow<'a, str>) {
        let Some((element, _)) = self.open.last_mut() else {
            return;
        };
        if !element.children.is_empty() && is_blank(&piece) {
            return;
        }
        match element.text.is_empty() {
            true => element.text = piece,
            false => element.text.to_mut().push_str(&piece),
        }
    }

    fn doctype(&mut self) -> Flow {
        let span = Span::new(self.at, self.at + "<!DOCTYPE".len());
        let problem = Problem::new(codes::DOCTYPE, span, "a DOCTYPE is refused");
        self.stop(problem.help("delete it; service files need none, and it can define entities"))
    }

    /// The tokenizer gave up at `self.at`: something begins there that nothing ends.
    fn broken_markup(&mut self) -> Flow {
        let rest = &self.text[self.at..];
        if rest.starts_with('&') {
            let problem = match resolve(rest, self.at) {
                Err(unresolved) => *unresolved.problem,
                Ok((_, len)) => outside_root(Span::new(self.at, self.at + len)),
            };
            return self.stop(problem);
        }
        if rest
            .get(..9)
            .is_some_and(|start| start.eq_ignore_ascii_case("<!DOCTYPE"))
        {
            return self.doctype();
        }
        if rest.starts_with("<!") || rest.starts_with("<?") {
            return self.stop(unclosed(rest, self.at));
        }
        let mut attributes = std::mem::take(&mut self.attributes);
        let n_problems = self.problems.len();
        let span = Span::new(self.at, self.text.len());
        let is_end_tag = rest.starts_with("</");
        if !is_end_tag {
            // Read as far as it goes, this finds the very quote or character that is wrong.
            let _ = read_start_tag(self.text, span, &mut attributes, &mut self.problems);
        }
        if self.problems.len() > n_problems {
            return Break(());
        }
        let len = 1 + usize::from(is_end_tag);
        let name = name_len(&rest[len..]);
        let span = Span::new(self.at, self.at + len + name);
        let problem = Problem::new(codes::TAG, span, "this tag is never closed");
        self.stop(problem.help("close it with `>`"))
    }

    fn end_of_text(&mut self) -> Flow {
        let problem = match (self.open.last(), &self.root) {
            (Some((innermost, _)), _) => never_closed(innermost),
            (None, None) => {
                let span = Span::new(self.text.len(), self.text.len());
                Problem::new(codes::NO_ROOT, span, "the document has no element")
            }
            (None, Some(_)) => return Continue(()),
        };
        self.stop(problem)
    }

    /// The tree of what was read; elements still open end where reading ended.
    fn finish(mut self) -> Tree<'a> {
        while !self.open.is_empty() {
            self.close(self.at);
        }
        self.problems.sort_by_key(|problem| problem.span.start);
        // The tag or text that reached the bound may have gone beyond it.
        self.problems.truncate(MAX_PROBLEMS);
        Tree {
            root: self.root,
            problems: self.problems,
        }
    }
}

fn kept_attributes<'a>(raw: &mut Vec<RawAttribute<'a>>) -> Vec<Attribute<'a>> {
    let is_kept = |attribute: &RawAttribute<'_>| declared_prefix(attribute.name.text).is_none();
    let mut kept = Vec::with_capacity(raw.iter().filter(|&attribute| is_kept(attribute)).count());
    kept.extend(raw.drain(..).filter(is_kept).map(|attribute| Attribute {
        name: attribute.name,
        value: attribute.value,
        name_start: attribute.name_start,
        value_span: attribute.value_span,
    }));
    kept
}

fn never_closed(element: &Element<'_>) -> Problem {
    let name = element.name.text;
    let message = format!("`{name}` is never closed");
    Problem::new(codes::UNCLOSED, element.name_span(), message).help(format!(
        "add `</{name}>`, or end the start tag with `/>` if it is empty"
    ))
}

fn outside_root(span: Span) -> Problem {
    Problem::new(
        codes::OUTSIDE_ROOT,
        span,
        "text stands outside the root element",
    )
    .help("only comments and white space may stand there")
}
