//! Places of many offsets of one file, in time that grows with the file and not with their number.
//!
//! [`SourceFile::location`] counts the characters of a line each time; a file of one endless line would
//! make that the square of its length.

use crate::span::{Location, SourceFile};

/// Finds the places of offsets that are asked for in ascending order.
#[derive(Clone, Debug)]
pub struct Locator<'s> {
    text: &'s str,
    offset: usize,
    location: Location,
}

impl<'s> Locator<'s> {
    /// At the beginning of the file.
    pub fn new(file: &'s SourceFile) -> Locator<'s> {
        Locator {
            text: file.text(),
            offset: 0,
            location: Location { line: 1, column: 1 },
        }
    }

    /// The place of `offset`, as [`SourceFile::location`] has it; one before the last that was asked for
    /// starts from the beginning again.
    pub fn locate(&mut self, offset: usize) -> Location {
        if offset < self.offset {
            self.offset = 0;
            self.location = Location { line: 1, column: 1 };
        }
        let offset = self.text.floor_char_boundary(offset);
        for character in self.text[self.offset..offset].chars() {
            if character == '\n' {
                self.location.line += 1;
                self.location.column = 1;
            } else {
                self.location.column += 1;
            }
        }
        self.offset = offset;
        self.location
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::Sources;

    #[test]
    fn it_agrees_with_the_file_wherever_it_is_asked() {
        let text = "ab\r\ncé\n\n\rd";
        let mut sources = Sources::new();
        let file = sources.add("a", text);
        let file = sources.file(file);
        let mut locator = Locator::new(file);
        let forwards = 0..=text.len() + 3;
        for offset in forwards.clone().chain(forwards.rev()) {
            assert_eq!(locator.locate(offset), file.location(offset), "{offset}");
        }
    }
}
