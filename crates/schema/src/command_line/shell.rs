//! The operators of the command interpreter, cmd.exe, and what they are in `/bin/sh`.
//!
//! - `>` `>>` `<`, a digit right before them, `>&1` and `>&2`: the same.
//! - `|`, `&&`, `||`: the same.
//! - `&`, which runs one command after the other, is `;`. So is a `;` that stands alone, which the
//!   interpreter passed over: whoever writes one means that.
//! - `^` before one of `< > | & ^` makes it an ordinary character.
//! - The file `NUL` is `/dev/null`.
//!
//! Not here: parentheses, which are characters like any other, and all that only batch files have.
//!
//! Source: "Command shell overview" and "Using command redirection operators", Windows Server documentation.

use std::iter::Peekable;
use std::str::CharIndices;

use super::{CommandLineError, Part};

/// A word or an operator, before it is known what the word is.
#[derive(Debug)]
enum Token {
    Word(String),
    /// Stands between two commands.
    Between {
        text: &'static str,
        at: usize,
    },
    /// Is followed by a file.
    Redirection {
        text: String,
        at: usize,
    },
    /// Stands for itself: `2>&1`.
    Duplication(String),
}

/// Cuts a line into its parts; empty for an empty line.
pub(super) fn parts(text: &str) -> Result<Vec<Part>, CommandLineError> {
    let mut parts = Vec::new();
    let mut tokens = Tokens::of(text)?.into_iter().peekable();
    // Whether the command that is being read has its program, and which operator wants one.
    let mut has_program = false;
    let mut wanted_by = None;
    while let Some(token) = tokens.next() {
        match token {
            Token::Word(word) if has_program => parts.push(Part::Argument(argument(word))),
            Token::Word(word) => {
                has_program = true;
                parts.push(Part::Program(word.replace('\\', "/")));
            }
            Token::Duplication(text) => parts.push(Part::Operator(text)),
            Token::Redirection { text, at } => {
                let Some(Token::Word(file)) = tokens.next_if(|next| matches!(next, Token::Word(_)))
                else {
                    return Err(missing(&text, at));
                };
                parts.push(Part::Operator(text.clone()));
                parts.push(Part::File(self::file(file)));
                wanted_by.get_or_insert((text, at));
            }
            Token::Between { text, at } => {
                if !has_program {
                    return Err(missing(text, at));
                }
                // A command may end with what would lead to the next.
                if text == ";" && tokens.peek().is_none() {
                    break;
                }
                parts.push(Part::Operator(text.to_owned()));
                has_program = false;
                wanted_by = Some((text.to_owned(), at));
            }
        }
    }
    match wanted_by {
        Some((text, at)) if !has_program => Err(missing(&text, at)),
        _ => Ok(parts),
    }
}

fn missing(operator: &str, at: usize) -> CommandLineError {
    let mut characters = operator.chars();
    let operator = characters.find(|character| !character.is_ascii_digit());
    // `;` is what `&` has become.
    let operator = operator.map_or('&', |found| if found == ';' { '&' } else { found });
    CommandLineError::Operator { operator, at }
}

fn argument(word: String) -> String {
    let is_relative = word.starts_with(".\\") || word.starts_with("..\\");
    if is_relative {
        word.replace('\\', "/")
    } else {
        word
    }
}

fn file(word: String) -> String {
    if word.eq_ignore_ascii_case("nul") {
        return "/dev/null".to_owned();
    }
    word.replace('\\', "/")
}

/// A line on its way into tokens.
struct Tokens<'t> {
    characters: Peekable<CharIndices<'t>>,
    tokens: Vec<Token>,
    word: Option<String>,
    /// Whether the word holds what is no plain character, and so is no digit before `>` and no lone `;`.
    is_literal: bool,
}

impl Tokens<'_> {
    fn of(text: &str) -> Result<Vec<Token>, CommandLineError> {
        let mut line = Tokens {
            characters: text.char_indices().peekable(),
            tokens: Vec::new(),
            word: None,
            is_literal: false,
        };
        let mut open_quote = None;
        while let Some((at, character)) = line.characters.next() {
            match character {
                '"' => {
                    open_quote = match open_quote {
                        Some(_) => None,
                        None => Some(at),
                    };
                    line.word.get_or_insert_default();
                    line.is_literal = true;
                }
                character if open_quote.is_some() => line.push(character),
                '^' if line.is_next("<>|&^") => {
                    let escaped = line.characters.next();
                    line.push(escaped.map_or('^', |(_, escaped)| escaped));
                    line.is_literal = true;
                }
                '<' | '>' => line.redirection(character, at)?,
                '|' | '&' => line.between(character, at),
                character if character.is_whitespace() => line.end_word(at),
                character => line.push(character),
            }
        }
        if let Some(at) = open_quote {
            return Err(CommandLineError::OpenQuote { at });
        }
        line.end_word(text.len());
        Ok(line.tokens)
    }

    fn push(&mut self, character: char) {
        self.word.get_or_insert_default().push(character);
    }

    fn is_next(&mut self, one_of: &str) -> bool {
        self.characters
            .peek()
            .is_some_and(|(_, next)| one_of.contains(*next))
    }

    /// Passes over the next character if it is this one.
    fn take(&mut self, wanted: char) -> bool {
        self.characters
            .next_if(|(_, next)| *next == wanted)
            .is_some()
    }

    /// `at` is where the word has ended.
    fn end_word(&mut self, at: usize) {
        let is_literal = std::mem::take(&mut self.is_literal);
        let Some(word) = self.word.take() else { return };
        self.tokens.push(if word == ";" && !is_literal {
            let (text, at) = (";", at - 1);
            Token::Between { text, at }
        } else {
            Token::Word(word)
        });
    }

    fn redirection(&mut self, direction: char, at: usize) -> Result<(), CommandLineError> {
        let is_digit = |word: &String| word.len() == 1 && word.as_bytes()[0].is_ascii_digit();
        let is_stream = !self.is_literal && self.word.as_ref().is_some_and(is_digit);
        let mut text = if is_stream {
            self.word.take().unwrap_or_default()
        } else {
            self.end_word(at);
            String::new()
        };
        text.push(direction);
        if self.take('&') {
            let digit = self.characters.next_if(|(_, next)| next.is_ascii_digit());
            let (_, digit) = digit.ok_or_else(|| missing(&text, at))?;
            text.extend(['&', digit]);
            self.tokens.push(Token::Duplication(text));
            return Ok(());
        }
        if direction == '>' && self.take('>') {
            text.push('>');
        }
        self.tokens.push(Token::Redirection { text, at });
        Ok(())
    }

    fn between(&mut self, character: char, at: usize) {
        self.end_word(at);
        let is_double = self.take(character);
        let text = match (character, is_double) {
            ('|', false) => "|",
            ('|', true) => "||",
            (_, false) => ";",
            (_, true) => "&&",
        };
        self.tokens.push(Token::Between { text, at });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `P` a program, `A` an argument, `F` a file, `O` an operator.
    #[track_caller]
    fn check(line: &str, expected: &str) {
        let shown: Vec<String> = parts(line)
            .unwrap()
            .iter()
            .map(|part| match part {
                Part::Program(text) => format!("P{text}"),
                Part::Argument(text) => format!("A{text}"),
                Part::File(text) => format!("F{text}"),
                Part::Operator(text) => format!("O{text}"),
            })
            .collect();
        assert_eq!(shown.join(" "), expected, "{line}");
    }

    #[test]
    fn redirections_have_their_files() {
        check("setup.cmd > log.txt", "Psetup.cmd O> Flog.txt");
        check(
            r"bin\setup.cmd x>>logs\a.txt 2> NUL",
            "Pbin/setup.cmd Ax O>> Flogs/a.txt O2> F/dev/null",
        );
        check("a >log.txt 2>&1", "Pa O> Flog.txt O2>&1");
        check("a 1>&2 b", "Pa O1>&2 Ab");
        check("< in a", "O< Fin Pa");
        // A digit belongs to the operator only where nothing stands between them, and alone.
        check("a 2 > f", "Pa A2 O> Ff");
        check("a x2> f", "Pa Ax2 O> Ff");
        check("a \"2\"> f", "Pa A2 O> Ff");
        check("a > \"my log\"", "Pa O> Fmy log");
    }

    #[test]
    fn commands_follow_each_other() {
        check("a 1&&b", "Pa A1 O&& Pb");
        check("a || b", "Pa O|| Pb");
        check("a | b 2 | c", "Pa O| Pb A2 O| Pc");
        check("a & b", "Pa O; Pb");
        check("a ; b", "Pa O; Pb");
        check("a &", "Pa");
        check("a k=1;l=2 \";\"", "Pa Ak=1;l=2 A;");
    }

    #[test]
    fn a_caret_takes_an_operator_its_meaning() {
        check("a ^> ^^ ^x 2^>f b^&c", "Pa A> A^ A^x A2>f Ab&c");
        check("a \"^>\" ^", "Pa A^> A^");
    }
}
