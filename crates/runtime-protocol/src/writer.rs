//! Writes indented XML text: elements, attributes, escaped values.
//!
//! It does not check that elements are closed in order, since its callers are the few functions of
//! this crate. It never writes CR, which [`escape`] turns into a reference: a document inside a frame
//! must hold no CR LF.

use xml_tree::escape;

/// A document under construction.
pub(crate) struct Writer {
    text: String,
    depth: usize,
}

/// The attributes of one element, in the order they are written.
type Attributes<'a> = &'a [(&'a str, &'a str)];

impl Writer {
    /// Starts a document with the prolog that the published clients were written against.
    pub(crate) fn new() -> Self {
        Self {
            text: "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n".to_owned(),
            depth: 0,
        }
    }

    /// Writes `<name …>`; what follows is inside it until [`Writer::close`].
    pub(crate) fn open(&mut self, name: &str, attributes: Attributes<'_>) {
        self.tag(name, attributes);
        self.text.push_str(">\n");
        self.depth += 1;
    }

    /// Writes `</name>`.
    pub(crate) fn close(&mut self, name: &str) {
        self.depth -= 1;
        self.indent();
        self.text.push_str(&format!("</{name}>\n"));
    }

    /// Writes `<name … />`.
    pub(crate) fn empty(&mut self, name: &str, attributes: Attributes<'_>) {
        self.tag(name, attributes);
        self.text.push_str(" />\n");
    }

    /// Writes `<name>text</name>`.
    pub(crate) fn leaf(&mut self, name: &str, text: &str) {
        self.tag(name, &[]);
        self.text.push('>');
        self.text.push_str(&escape(text));
        self.text.push_str(&format!("</{name}>\n"));
    }

    /// The finished document.
    pub(crate) fn finish(self) -> String {
        debug_assert_eq!(self.depth, 0, "every opened element was closed");
        self.text
    }

    fn tag(&mut self, name: &str, attributes: Attributes<'_>) {
        self.indent();
        self.text.push('<');
        self.text.push_str(name);
        for (attribute, value) in attributes {
            self.text.push_str(&format!(" {attribute}=\""));
            self.text.push_str(&escape(value));
            self.text.push('"');
        }
    }

    fn indent(&mut self) {
        self.text.push_str(&"  ".repeat(self.depth));
    }
}
