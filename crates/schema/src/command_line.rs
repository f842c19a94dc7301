//! Command lines of startup tasks and entry points, as they were written for Windows, cut into words.
//!
//! Variables are not put in and no file is looked for: that is done where the program runs.
//! Not understood yet: shell operators (`setup.cmd > log.txt`). Such a line is refused rather than run wrong.

use std::fmt;

/// A command line: `<Task commandLine="startup\prepare.cmd fast" />`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    text: String,
    words: Vec<String>,
}

impl CommandLine {
    /// Splits at white space outside double quotes. In the first word, and in later ones that begin with `.\`
    /// or `..\`, a backslash is a separator of paths.
    ///
    /// # Errors
    /// See [`CommandLineError`].
    pub fn parse(text: &str) -> Result<CommandLine, CommandLineError> {
        let mut words = split(text)?;
        let Some((first, rest)) = words.split_first_mut() else {
            return Err(CommandLineError::Empty);
        };
        let relative = rest
            .iter_mut()
            .filter(|word| word.starts_with(".\\") || word.starts_with("..\\"));
        for word in std::iter::once(first).chain(relative) {
            *word = word.replace('\\', "/");
        }
        Ok(CommandLine {
            text: text.to_owned(),
            words,
        })
    }

    /// The line as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The program and its arguments; at least one word.
    pub fn words(&self) -> &[String] {
        &self.words
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn split(text: &str) -> Result<Vec<String>, CommandLineError> {
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut open_quote = None;
    for (at, character) in text.char_indices() {
        match character {
            '"' => {
                open_quote = match open_quote {
                    Some(_) => None,
                    None => Some(at),
                };
                word.get_or_insert_default();
            }
            '<' | '>' | '|' | '&' if open_quote.is_none() => {
                return Err(CommandLineError::Operator {
                    operator: character,
                    at,
                });
            }
            c if c.is_whitespace() && open_quote.is_none() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    if let Some(at) = open_quote {
        return Err(CommandLineError::OpenQuote { at });
    }
    words.extend(word);
    Ok(words)
}

/// A program of Windows, as the first word of a command line names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WindowsProgram<'w> {
    /// A script; a file of this stem runs instead.
    Script(&'w str),
    /// A file that would run on Windows; where it is not there, one of this stem runs.
    Executable(&'w str),
    /// An interpreter that every Windows has.
    Shell,
}

impl<'w> WindowsProgram<'w> {
    /// What `word` is; `None` for what means nothing to Windows alone.
    pub(crate) fn of(word: &'w str) -> Option<WindowsProgram<'w>> {
        let (stem, extension) = word.rsplit_once('.').unwrap_or((word, ""));
        let is = |known: &str| extension.eq_ignore_ascii_case(known);
        let is_shell = ["cmd", "powershell"]
            .iter()
            .any(|shell| stem.eq_ignore_ascii_case(shell));
        if stem.is_empty() {
            None
        } else if ["cmd", "bat", "ps1"].into_iter().any(is) {
            Some(WindowsProgram::Script(stem))
        } else if is_shell && (extension.is_empty() || is("exe")) {
            Some(WindowsProgram::Shell)
        } else if is("exe") {
            Some(WindowsProgram::Executable(stem))
        } else {
            None
        }
    }
}

/// Whether a word holds `%NAME%` or `${NAME}`, whose value only the machine that runs it knows.
pub fn names_a_variable(word: &str) -> bool {
    let percent = word
        .split('%')
        .nth(1)
        .filter(|_| word.matches('%').count() > 1);
    let brace = word
        .split_once("${")
        .and_then(|(_, rest)| rest.split_once('}'));
    let is_name = |name: &str| !name.is_empty() && !name.contains(char::is_whitespace);
    percent.is_some_and(is_name) || brace.is_some_and(|(name, _)| is_name(name))
}

/// The name of a Windows script without its extension, `a` of `a.cmd`; `None` for any other word.
pub fn windows_script_stem(word: &str) -> Option<&str> {
    match WindowsProgram::of(word)? {
        WindowsProgram::Script(stem) => Some(stem),
        WindowsProgram::Executable(_) | WindowsProgram::Shell => None,
    }
}

/// Why a command line cannot be run; places are byte offsets in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandLineError {
    /// There is nothing in it.
    Empty,
    /// A quotation mark is never closed.
    OpenQuote {
        /// Where it stands.
        at: usize,
    },
    /// An operator of a shell stands outside quotation marks.
    Operator {
        /// Its first character.
        operator: char,
        /// Where it stands.
        at: usize,
    },
}

impl fmt::Display for CommandLineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommandLineError::Empty => write!(f, "it is empty"),
            CommandLineError::OpenQuote { .. } => write!(f, "a quotation mark is never closed"),
            CommandLineError::Operator { operator, .. } => {
                write!(f, "the shell operator `{operator}` is not supported yet")
            }
        }
    }
}

impl std::error::Error for CommandLineError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Result<&[&str], CommandLineError>) {
        let parsed = CommandLine::parse(line);
        if let Ok(parsed) = &parsed {
            assert_eq!(parsed.as_str(), line);
        }
        let words = parsed.map(|line| line.words);
        assert_eq!(
            words,
            expected.map(|words| words.iter().map(|&word| word.to_owned()).collect()),
            "{line}"
        );
    }

    #[test]
    fn lines_are_split_as_windows_did() {
        check("echo-worker", Ok(&["echo-worker"]));
        check(
            r"  bin\ps.cmd   LaunchWorker.ps1 ",
            Ok(&["bin/ps.cmd", "LaunchWorker.ps1"]),
        );
        check(
            r"node.cmd .\server.js C:\data",
            Ok(&["node.cmd", "./server.js", r"C:\data"]),
        );
        check(
            r#""my program" "a b"c "" d"#,
            Ok(&["my program", "a bc", "", "d"]),
        );
        check(r#"say "a > b""#, Ok(&["say", "a > b"]));
    }

    #[test]
    fn programs_of_windows_are_known_by_their_names() {
        use WindowsProgram::{Executable, Script, Shell};
        for (word, expected) in [
            ("a.cmd", Some(Script("a"))),
            ("bin/a.PS1", Some(Script("bin/a"))),
            ("a.exe", Some(Executable("a"))),
            ("cmd", Some(Shell)),
            ("PowerShell.exe", Some(Shell)),
            ("cmd.bat", Some(Script("cmd"))),
            ("a.sh", None),
            ("a", None),
            (".exe", None),
            ("", None),
        ] {
            assert_eq!(WindowsProgram::of(word), expected, "{word}");
        }
    }

    #[test]
    fn what_cannot_be_run_is_refused_with_its_place() {
        check(" \t", Err(CommandLineError::Empty));
        check(r#"run "a"#, Err(CommandLineError::OpenQuote { at: 4 }));
        let operator = CommandLineError::Operator {
            operator: '>',
            at: 10,
        };
        check("setup.cmd > log.txt", Err(operator));
    }
}
