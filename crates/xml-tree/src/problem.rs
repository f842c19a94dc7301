//! What can be wrong with an XML text: a [`Problem`] with its code and place.
//!
//! A problem knows no file and no severity (each one makes the text unusable); whoever knows the file
//! turns it into a finding.

use diagnostics::{Code, Span};

/// One reason why a text is not a well-formed document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The kind; see [`crate::codes`].
    pub code: Code,
    /// What is wrong: a lower-case phrase.
    pub message: String,
    /// Where.
    pub span: Span,
    /// What to do about it, when that can be told.
    pub help: Option<String>,
    /// Another place that explains it, with a phrase to stand under it.
    pub related: Option<(Span, String)>,
}

impl Problem {
    pub(crate) fn new(code: Code, span: Span, message: impl Into<String>) -> Problem {
        Problem {
            code,
            message: message.into(),
            span,
            help: None,
            related: None,
        }
    }

    pub(crate) fn help(self, help: impl Into<String>) -> Problem {
        Problem {
            help: Some(help.into()),
            ..self
        }
    }

    pub(crate) fn related(self, span: Span, text: impl Into<String>) -> Problem {
        Problem {
            related: Some((span, text.into())),
            ..self
        }
    }
}
