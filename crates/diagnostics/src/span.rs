//! Where something stands: byte offsets, files, lines and columns.
//!
//! Offsets count bytes of the *decoded* text, so that they slice it directly; people are shown lines and
//! columns. Reads no files: texts are handed in by whoever read them.

use std::cell::OnceCell;
use std::ops::Range;

/// A range of byte offsets in the decoded text of one file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset after the last byte; equal to `start` for a place between two characters.
    pub end: usize,
}

impl Span {
    /// The bytes from `start` up to, not including, `end`.
    pub const fn new(start: usize, end: usize) -> Span {
        Span { start, end }
    }
}

/// A file of [`Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(u32);

/// A place as people count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// From 1; LF ends a line, with or without a CR before it.
    pub line: usize,
    /// From 1, in characters of the decoded text.
    pub column: usize,
}

/// A name and the decoded text that goes by it.
#[derive(Clone, Debug)]
pub struct SourceFile {
    name: String,
    text: String,
    /// Found when a line is asked for: most files have no finding.
    line_starts: OnceCell<Vec<usize>>,
}

impl SourceFile {
    /// What findings call the file, usually the path as the user gave it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The decoded text; empty for a file that could not be read.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The place of byte `offset`; an offset past the end, or inside a character, is that of the nearest
    /// character boundary before it.
    pub fn location(&self, offset: usize) -> Location {
        let offset = self.boundary_before(offset);
        let line = self.line_starts().partition_point(|&start| start <= offset);
        let start = self.line_starts()[line - 1];
        Location {
            line,
            column: self.text[start..offset].chars().count() + 1,
        }
    }

    fn line_starts(&self) -> &[usize] {
        self.line_starts.get_or_init(|| line_starts(&self.text))
    }

    /// The nearest character boundary at or before `offset`.
    pub(crate) fn boundary_before(&self, offset: usize) -> usize {
        let is_boundary = |&at: &usize| self.text.is_char_boundary(at);
        (0..=offset.min(self.text.len()))
            .rev()
            .find(is_boundary)
            .unwrap_or(0)
    }

    /// The nearest character boundary at or after `offset`.
    pub(crate) fn boundary_after(&self, offset: usize) -> usize {
        let is_boundary = |&at: &usize| self.text.is_char_boundary(at);
        (offset..self.text.len())
            .find(is_boundary)
            .unwrap_or(self.text.len())
    }

    /// The whole lines that `span` touches, without the last one's line end.
    pub(crate) fn lines_around(&self, span: Span) -> Range<usize> {
        let line = |offset| self.line_starts().partition_point(|&start| start <= offset);
        let start = self.line_starts()[line(span.start.min(self.text.len())) - 1];
        let end = self
            .line_starts()
            .get(line(span.end))
            .copied()
            .unwrap_or(self.text.len());
        let end = self.text[start..end.max(start)]
            .trim_end_matches(['\r', '\n'])
            .len()
            + start;
        start..end
    }
}

/// The files that findings speak about.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<SourceFile>,
}

impl Sources {
    /// No files yet.
    pub fn new() -> Sources {
        Sources::default()
    }

    /// Adds a file; an empty `text` stands for one that could not be read.
    ///
    /// # Panics
    ///
    /// At more than `u32::MAX` files.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).expect("a few files, not four billion"));
        self.files.push(SourceFile {
            name: name.into(),
            text: text.into(),
            line_starts: OnceCell::new(),
        });
        id
    }

    /// The file that [`Sources::add`] gave this id to.
    ///
    /// # Panics
    ///
    /// If the id is another list's and this list is shorter.
    pub fn file(&self, file: FileId) -> &SourceFile {
        &self.files[file.0 as usize]
    }

    /// Line and column of a byte offset; see [`SourceFile::location`].
    pub fn location(&self, file: FileId, offset: usize) -> Location {
        self.file(file).location(offset)
    }
}

fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0)
        .chain(text.match_indices('\n').map(|(end, _)| end + 1))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, offset: usize) -> (usize, usize) {
        let mut sources = Sources::new();
        let file = sources.add("a", text);
        let Location { line, column } = sources.location(file, offset);
        (line, column)
    }

    #[test]
    fn lines_and_columns_count_from_one() {
        assert_eq!(at("", 0), (1, 1));
        assert_eq!(at("ab\ncd", 1), (1, 2));
        assert_eq!(at("ab\ncd", 2), (1, 3));
        assert_eq!(at("ab\ncd", 3), (2, 1));
        assert_eq!(at("ab\n", 3), (2, 1));
    }

    #[test]
    fn a_line_end_may_have_a_carriage_return() {
        assert_eq!(at("a\r\nb", 3), (2, 1));
        assert_eq!(
            at("a\rb", 2),
            (1, 3),
            "alone it is a character like any other"
        );
    }

    #[test]
    fn columns_count_characters() {
        assert_eq!(at("äöx", 4), (1, 3));
        assert_eq!(at("ä", 1), (1, 1), "inside a character");
    }

    #[test]
    fn an_offset_past_the_end_is_the_end() {
        assert_eq!(at("ab", 99), (1, 3));
    }
}
