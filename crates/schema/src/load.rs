//! From what reading a file gave to a source, or to the finding that says why not.
//!
//! Opens nothing: whoever reads the file hands in the outcome.

use std::io;

use diagnostics::{FileId, Finding, Sources, Span};

use crate::codes;

/// Adds the file `name` to `sources`, its text decoded.
///
/// # Errors
///
/// If it could not be read or is not text: the finding that says so. The file is in `sources` then too,
/// without text, so that the finding can be rendered.
pub fn load(
    sources: &mut Sources,
    name: &str,
    read: io::Result<Vec<u8>>,
) -> Result<FileId, Box<Finding>> {
    let (code, message, help) = match read {
        Ok(bytes) => match xml_tree::decode(bytes) {
            Ok(text) => return Ok(sources.add(name, text)),
            Err(error) => (
                codes::NOT_TEXT,
                format!("`{name}` is not text: {error}"),
                "save it as UTF-8",
            ),
        },
        Err(error) => (
            codes::UNREADABLE,
            format!("`{name}` cannot be read: {error}"),
            "check its name and who may read it",
        ),
    };
    let file = sources.add(name, "");
    Err(Box::new(
        Finding::error(code, file, Span::default(), message).help(help),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_decoded() {
        let mut sources = Sources::new();
        let file = load(&mut sources, "a.csdef", Ok(b"\xff\xfe<\0a\0".to_vec())).unwrap();
        assert_eq!(sources.file(file).text(), "<a");
    }

    #[test]
    fn what_is_no_text_or_cannot_be_read_is_a_finding_that_names_the_file() {
        let mut sources = Sources::new();
        let finding = load(&mut sources, "a.csdef", Ok(b"<a>\xff".to_vec())).unwrap_err();
        assert_eq!(finding.code, codes::NOT_TEXT);
        assert_eq!(
            finding.message,
            "`a.csdef` is not text: byte 3, on line 1, is not UTF-8"
        );
        let error = io::Error::from(io::ErrorKind::NotFound);
        let finding = load(&mut sources, "b.cscfg", Err(error)).unwrap_err();
        assert_eq!(finding.code, codes::UNREADABLE);
        assert_eq!(sources.file(finding.primary.file).name(), "b.cscfg");
        assert_eq!(sources.file(finding.primary.file).text(), "");
    }
}
