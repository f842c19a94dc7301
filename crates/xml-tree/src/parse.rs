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
//! tokenizer event ── start tag ──► plain or else tag: name, attributes ──► namespaces ──► open element
//!                 ├─ end tag ────► the open element ends
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
use crate::namespaces::{Namespaces, Scope, declared_prefix};
use crate::plain::{PlainTag, read_plain_tag};
use crate::problem::Problem;
use crate::prolog::{check_comment, check_instruction, unclosed};
use crate::tag::{RawAttribute, duplicate, read_start_tag};
use crate::tree::{AttributeData, ElementData, NONE, QualifiedName, Tree, offset};
use crate::value::{normalise_cdata, normalise_text, normalise_value, resolve};

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

/// Text to an element, and to an attribute, in a service file: room for so many is set aside, as a list
/// that grows is copied again and again. What is not used of it costs addresses and no memory.
const BYTES_AN_ELEMENT: usize = 64;

/// An element whose end has not come yet.
struct Open<'a> {
    /// Its place in the tree.
    index: usize,
    /// Its character data so far.
    text: Cow<'a, str>,
    scope: Scope,
}

struct Builder<'a> {
    text: &'a str,
    tree: Tree<'a>,
    open: Vec<Open<'a>>,
    namespaces: Namespaces<'a>,
    /// The attributes of the tag being read; kept for its allocation.
    attributes: Vec<RawAttribute<'a>>,
    problems: Vec<Problem>,
    /// Where the event being read begins.
    at: usize,
}

impl<'a> Builder<'a> {
    fn new(text: &'a str) -> Builder<'a> {
        let usual = text.len().min(MAX_TEXT_BYTES) / BYTES_AN_ELEMENT;
        Builder {
            text,
            tree: Tree {
                text,
                elements: Vec::with_capacity(usual.min(MAX_ELEMENTS)),
                attributes: Vec::with_capacity(usual),
                ..Tree::default()
            },
            open: Vec::new(),
            namespaces: Namespaces::new(),
            attributes: Vec::new(),
            problems: Vec::new(),
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
            Event::Start(_) | Event::Empty(_) => self.start_tag(end),
            Event::End(_) => self.end_tag(raw, end),
            Event::Text(_) if is_indentation(raw) => self.indentation(raw),
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

    /// A start tag that ends at `end`.
    fn start_tag(&mut self, end: usize) -> Flow {
        let mut attributes = std::mem::take(&mut self.attributes);
        if let Some(tag) = read_plain_tag(self.text, self.at, &mut attributes) {
            debug_assert_eq!(
                tag.end, end,
                "both end a tag at the first `>` outside quotes"
            );
            return self.plain_start_tag(&tag, attributes);
        }
        let is_empty = self.text[..end].ends_with("/>");
        let span = Span::new(self.at, end - 1 - usize::from(is_empty));
        let name = read_start_tag(self.text, span, &mut attributes, &mut self.problems);
        let Ok(name) = name else {
            return Break(());
        };
        self.element(name, attributes, true, end)?;
        if is_empty {
            self.close(end);
        }
        Continue(())
    }

    /// A start tag whose values are still as written.
    fn plain_start_tag(&mut self, tag: &PlainTag, mut attributes: Vec<RawAttribute<'a>>) -> Flow {
        if tag.has_special {
            for attribute in &mut attributes {
                let Span { start, end } = attribute.value_span;
                let raw = &self.text[start..end];
                attribute.value = normalise_value(raw, start, &mut self.problems);
            }
        }
        self.element(tag.name, attributes, tag.has_declarations, tag.end)?;
        if tag.is_empty {
            self.close(tag.end);
        }
        Continue(())
    }

    /// Opens an element whose start tag ends at `end`.
    fn element(
        &mut self,
        name: QualifiedName,
        mut attributes: Vec<RawAttribute<'a>>,
        may_declare: bool,
        end: usize,
    ) -> Flow {
        self.check_room(name)?;
        let scope = self.namespaces.scope();
        if may_declare {
            self.namespaces
                .enter(self.text, &attributes, &mut self.problems);
            if self.namespaces.len() > MAX_NAMESPACES {
                let message = format!("more than {MAX_NAMESPACES} namespaces are declared at once");
                return self.stop(Problem::new(codes::LIMIT, name.span(), message));
            }
        }
        let prefix = name.prefix(self.text);
        let namespace = self
            .namespaces
            .of_element(prefix, name.start(), &mut self.problems);
        if attributes
            .iter()
            .any(|attribute| attribute.name.is_prefixed())
        {
            self.check_prefixes(&attributes);
        }
        let first_attribute = self.tree.attributes.len();
        for attribute in attributes.drain(..) {
            if !may_declare || declared_prefix(attribute.name.text(self.text)).is_none() {
                self.keep(attribute);
            }
        }
        self.attributes = attributes;
        if let Some(parent) = self.open.last_mut()
            && is_blank(&parent.text)
        {
            parent.text = Cow::Borrowed("");
        }
        let index = self.tree.elements.len();
        self.tree.elements.push(ElementData {
            name,
            end: offset(end),
            namespace,
            first_attribute: offset(first_attribute),
            n_attributes: offset(self.tree.attributes.len() - first_attribute),
            text: NONE,
            next: offset(index + 1),
        });
        self.open.push(Open {
            index,
            text: Cow::Borrowed(""),
            scope,
        });
        Continue(())
    }

    /// Adds an attribute to the tree.
    fn keep(&mut self, attribute: RawAttribute<'a>) {
        let value = match attribute.value {
            Cow::Borrowed(_) => NONE,
            Cow::Owned(value) => {
                self.tree.values.push(value);
                offset(self.tree.values.len() - 1)
            }
        };
        self.tree.attributes.push(AttributeData {
            name: attribute.name,
            value_start: offset(attribute.value_span.start),
            value_end: offset(attribute.value_span.end),
            value,
        });
    }

    fn check_room(&mut self, name: QualifiedName) -> Flow {
        if self.open.is_empty()
            && let Some(root) = self.tree.elements.first()
        {
            let message = format!("`{}` is a second root element", name.text(self.text));
            let problem = Problem::new(codes::OUTSIDE_ROOT, name.span(), message)
                .related(root.name.span(), "the root element");
            return self.stop(problem);
        }
        if self.open.len() == MAX_DEPTH {
            let message = format!("elements are nested more than {MAX_DEPTH} deep");
            return self.stop(Problem::new(codes::LIMIT, name.span(), message));
        }
        if self.tree.elements.len() == MAX_ELEMENTS {
            let message = format!("the document has more than {MAX_ELEMENTS} elements");
            return self.stop(Problem::new(codes::LIMIT, name.span(), message));
        }
        Continue(())
    }

    /// Undeclared prefixes of attributes, and two attributes of one name under two prefixes.
    fn check_prefixes(&mut self, attributes: &[RawAttribute<'a>]) {
        let text = self.text;
        let mut seen: Vec<(&str, &RawAttribute<'a>)> = Vec::new();
        for attribute in attributes {
            if declared_prefix(attribute.name.text(text)).is_some() {
                continue;
            }
            let Some(prefix) = attribute.name.prefix(text) else {
                continue;
            };
            let start = attribute.name.start();
            let namespace = self.namespaces.of_prefix(prefix, start, &mut self.problems);
            let Some(namespace) = namespace else { continue };
            let local = attribute.name.local(text);
            // Names of namespaces last: they may be as long as the document.
            let twin = seen.iter().find(|(other, first)| {
                first.name.local(text) == local
                    && first.name.text(text) != attribute.name.text(text)
                    && *other == namespace
            });
            if let Some((_, first)) = twin {
                self.problems.push(duplicate(text, attribute, first));
            }
            seen.push((namespace, attribute));
        }
    }

    fn end_tag(&mut self, raw: &str, end: usize) -> Flow {
        if let Some(open) = self.open.last()
            && raw["</".len()..].strip_suffix('>') == Some(self.name_of(open.index).text(self.text))
        {
            self.close(end);
            return Continue(());
        }
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
            Some(open) if self.name_of(open.index).text(self.text) == name => {
                self.close(end);
                Continue(())
            }
            Some(open) => {
                let problem = self.mismatch(self.name_of(open.index), name, span);
                self.stop(problem)
            }
        }
    }

    /// The name of an element of the tree.
    fn name_of(&self, index: usize) -> QualifiedName {
        self.tree.elements[index].name
    }

    /// `</name>` while another element is open: if `name` is open further out, the inner one was never
    /// closed; else the end tag is misspelt.
    fn mismatch(&self, inner: QualifiedName, name: &str, span: Span) -> Problem {
        let is_open = self
            .open
            .iter()
            .any(|open| self.name_of(open.index).text(self.text) == name);
        let open = inner.text(self.text);
        if is_open {
            return self
                .never_closed(inner)
                .related(span, format!("`{name}` is closed here already"));
        }
        let message = format!("`</{name}>` cannot close `{open}`");
        Problem::new(codes::MISMATCHED_END, span, message)
            .help(format!("write `</{open}>`"))
            .related(inner.span(), "opened here")
    }

    fn never_closed(&self, element: QualifiedName) -> Problem {
        let name = element.text(self.text);
        let message = format!("`{name}` is never closed");
        Problem::new(codes::UNCLOSED, element.span(), message).help(format!(
            "add `</{name}>`, or end the start tag with `/>` if it is empty"
        ))
    }

    /// Ends the innermost open element at `end`.
    fn close(&mut self, end: usize) {
        let Some(open) = self.open.pop() else {
            return;
        };
        self.namespaces.leave(open.scope);
        let next = offset(self.tree.elements.len());
        let element = &mut self.tree.elements[open.index];
        element.end = offset(end);
        element.next = next;
        if !open.text.is_empty() {
            element.text = offset(self.tree.texts.len());
            self.tree.texts.push(open.text);
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

    /// White space that needs no change.
    fn indentation(&mut self, raw: &'a str) -> Flow {
        if let Some(open) = self.open.last_mut()
            && open.text.is_empty()
            && open.index + 1 == self.tree.elements.len()
        {
            // The only text so far of an element without children so far.
            open.text = Cow::Borrowed(raw);
        } else {
            self.append(Cow::Borrowed(raw));
        }
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
            .strip_prefix(CDATA_START)
            .and_then(|rest| rest.strip_suffix("]]>"));
        let Some(body) = body else {
            return self.stop(unclosed(raw, self.at));
        };
        if self.open.is_empty() {
            return self.stop(outside_root(span));
        }
        let problem = check_chars(body, self.at + CDATA_START.len());
        self.append(normalise_cdata(body));
        self.note(problem)
    }

    /// Adds character data to the open element; blank pieces beside child elements are dropped.
    fn append(&mut self, piece: Cow<'a, str>) {
        let Some(open) = self.open.last_mut() else {
            return;
        };
        let has_children = open.index + 1 < self.tree.elements.len();
        if has_children && is_blank(&piece) {
            return;
        }
        match open.text.is_empty() {
            true => open.text = piece,
            false => open.text.to_mut().push_str(&piece),
        }
    }

    fn doctype(&mut self) -> Flow {
        let span = Span::new(self.at, self.at + DOCTYPE_START.len());
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
        if is_doctype(rest) {
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
        let problem = match (self.open.last(), self.tree.elements.first()) {
            (Some(innermost), _) => self.never_closed(self.name_of(innermost.index)),
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
        self.tree.namespaces = self.namespaces.into_names();
        self.tree.problems = self.problems;
        self.tree
    }
}

/// Whether it is white space without a line end to mend.
fn is_indentation(raw: &str) -> bool {
    raw.bytes().all(|byte| matches!(byte, b' ' | b'\n' | b'\t'))
}

const CDATA_START: &str = "<![CDATA[";
const DOCTYPE_START: &str = "<!DOCTYPE";

fn is_doctype(rest: &str) -> bool {
    let start = rest.get(..DOCTYPE_START.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(DOCTYPE_START))
}

fn outside_root(span: Span) -> Problem {
    Problem::new(
        codes::OUTSIDE_ROOT,
        span,
        "text stands outside the root element",
    )
    .help("only comments and white space may stand there")
}
