//! Command lines of startup tasks and entry points, as they were written for Windows, cut into words.
//!
//! Variables are not put in and no file is looked for: that is done where the program runs. Of the command
//! interpreter's grammar its operators are known, in [`shell`](self::shell); what a batch file may hold is not.

use std::fmt;

use crate::variables::references;

mod shell;

/// A command line: `<Task commandLine="startup\prepare.cmd fast &gt; log.txt" />`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    text: String,
    parts: Vec<Part>,
}

/// A part of a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// The first word of a command.
    Program(String),
    /// A later word.
    Argument(String),
    /// The file that a redirection goes to or comes from.
    File(String),
    /// An operator, as `/bin/sh` writes it: `|`, `&&`, `||`, `;`, `<`, `>`, `>>`, `2>`, `2>&1` and their like.
    Operator(String),
}

impl CommandLine {
    /// Splits at white space outside double quotes, and at the command interpreter's operators. In the first
    /// word of a command, in the file of a redirection, and in other words that begin with `.\` or `..\`, a
    /// backslash is a separator of paths. `^` before an operator makes it a character like any other.
    ///
    /// # Errors
    /// See [`CommandLineError`].
    pub fn parse(text: &str) -> Result<CommandLine, CommandLineError> {
        let parts = shell::parts(text)?;
        if parts.is_empty() {
            return Err(CommandLineError::Empty);
        }
        Ok(CommandLine {
            text: text.to_owned(),
            parts,
        })
    }

    /// The line as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The program of the line's first command; each line has one.
    pub fn program(&self) -> &str {
        self.programs()
            .next()
            .expect("a line without a program was refused")
    }

    /// The program of each command, in the order of the line.
    pub fn programs(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Program(word) => Some(word.as_str()),
            Part::Argument(_) | Part::File(_) | Part::Operator(_) => None,
        })
    }

    /// All of the line, in order.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Whether it takes a shell to run the line: it has an operator.
    pub fn has_operators(&self) -> bool {
        self.parts
            .iter()
            .any(|part| matches!(part, Part::Operator(_)))
    }
}

impl Part {
    /// What the part says: a word without its quotation marks, or an operator.
    pub fn as_str(&self) -> &str {
        match self {
            Part::Program(text)
            | Part::Argument(text)
            | Part::File(text)
            | Part::Operator(text) => text,
        }
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
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
    references(word).next().is_some()
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
    /// An operator has no command, or no file, beside it.
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
                write!(f, "the operator `{operator}` has nothing to work on")
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
        let words = parsed.map(|line| line.parts);
        let words = words.as_deref().map(|parts| parts.iter().map(Part::as_str));
        let words: Result<Vec<_>, _> = words.map(Iterator::collect).map_err(|error| *error);
        assert_eq!(words, expected.map(<[&str]>::to_vec), "{line}");
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
        for (line, operator, at) in [
            ("setup.cmd >", '>', 10),
            ("> log.txt", '>', 0),
            ("a > > b", '>', 2),
            ("a > | b", '>', 2),
            ("a | | b", '|', 4),
            ("&& b", '&', 0),
            ("a &&", '&', 2),
            ("a 2>&", '>', 3),
        ] {
            check(line, Err(CommandLineError::Operator { operator, at }));
        }
    }
}
