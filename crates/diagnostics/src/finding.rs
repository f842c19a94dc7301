//! What is said about a file: a [`Finding`] and its parts.
//!
//! Values only: deciding what to report belongs to the rules, showing it to the `render_` functions.

use std::fmt;

use crate::codes::Code;
use crate::span::{FileId, Span};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The service cannot run as it stands.
    Error,
    /// It runs, probably not as its author meant.
    Warning,
    /// It runs, and differs from the platform in a way worth knowing.
    Report,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Report => "report",
        })
    }
}

/// A place with something to say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The file.
    pub file: FileId,
    /// The exact text that is meant.
    pub span: Span,
    /// A lower-case phrase, shown under the span; may be empty.
    pub text: String,
}

impl Label {
    /// A place without words.
    pub fn new(file: FileId, span: Span) -> Label {
        Label {
            file,
            span,
            text: String::new(),
        }
    }

    /// The same place with `text` under it.
    #[must_use]
    pub fn with_text(self, text: impl Into<String>) -> Label {
        Label {
            text: text.into(),
            ..self
        }
    }
}

/// Something the user should know about a file.
///
/// Messages are lower-case phrases without a final full stop; literals stand in backticks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The kind, stable across versions.
    pub code: Code,
    /// How much it matters.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// Where.
    pub primary: Label,
    /// Other places that explain it, such as the first of two declarations.
    pub related: Vec<Label>,
    /// What to do about it, one piece of advice each; empty when the cure is not known.
    pub help: Vec<String>,
}

impl Finding {
    /// A finding with neither related places nor help.
    pub fn new(
        severity: Severity,
        code: Code,
        message: impl Into<String>,
        primary: Label,
    ) -> Finding {
        let message = message.into();
        Finding {
            code,
            severity,
            message,
            primary,
            related: Vec::new(),
            help: Vec::new(),
        }
    }

    /// An error at `span` of `file`.
    pub fn error(code: Code, file: FileId, span: Span, message: impl Into<String>) -> Finding {
        Finding::new(Severity::Error, code, message, Label::new(file, span))
    }

    /// A warning at `span` of `file`.
    pub fn warning(code: Code, file: FileId, span: Span, message: impl Into<String>) -> Finding {
        Finding::new(Severity::Warning, code, message, Label::new(file, span))
    }

    /// A report at `span` of `file`.
    pub fn report(code: Code, file: FileId, span: Span, message: impl Into<String>) -> Finding {
        Finding::new(Severity::Report, code, message, Label::new(file, span))
    }

    /// Puts `text` under the primary span.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Finding {
        self.primary.text = text.into();
        self
    }

    /// Adds a related place.
    #[must_use]
    pub fn related(mut self, file: FileId, span: Span, text: impl Into<String>) -> Finding {
        self.related.push(Label::new(file, span).with_text(text));
        self
    }

    /// Adds a piece of advice.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Finding {
        self.help.push(text.into());
        self
    }

    /// The message, and in parentheses what would stand under the primary span, for where no excerpt is shown.
    pub(crate) fn headline(&self) -> String {
        match self.primary.text.as_str() {
            "" => self.message.clone(),
            label => format!("{} ({label})", self.message),
        }
    }

    /// Whether this alone keeps the service from running.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// Sorts findings as they are shown: by file, then by offset; those of one place keep their order.
pub fn sort(findings: &mut [Finding]) {
    findings.sort_by_key(|finding| (finding.primary.file, finding.primary.span.start));
}
