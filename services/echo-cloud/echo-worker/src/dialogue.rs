//! What the worker says: a line in, a reply out.
//!
//! Pure: the time comes in as an argument and text goes out; it reads no socket and closes none.
//! Every line that it writes ends in CR LF; a prompt ends in none, so that the answer stands beside it.

use jiff::civil::DateTime;

/// What is known of one visitor's connection.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    pub(crate) greeting: String,
    /// The menu's lines, each with its CR LF.
    pub(crate) menu: String,
    /// The id of the role instance.
    pub(crate) role_id: String,
    /// The id of the connection.
    pub(crate) connection_id: String,
    /// Whether there is a fabric that could recycle the instance.
    pub(crate) can_recycle: bool,
}

/// What to say, and what to do once it is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) text: String,
    pub(crate) next: Next,
}

/// What follows a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Read the next line.
    Listen,
    /// Ask for a recycle, then read the next line.
    Recycle,
    /// Close the connection.
    Close,
}

impl Visit {
    /// What a visitor sees first.
    pub(crate) fn welcome(&self) -> String {
        format!("{}\r\n\r\n{}{PROMPT}", self.greeting, self.menu)
    }

    /// Answers one line, which comes without its end.
    pub(crate) fn answer(&self, line: &str, now: DateTime) -> Reply {
        let say = |text: String| Reply {
            text: format!("{text}\r\n{PROMPT}"),
            next: Next::Listen,
        };
        match line.trim() {
            "1" => say(format!("Current date: {}", short_date(now))),
            "2" => say(format!("Current time: {}", short_time(now))),
            "3" => say(format!("Role ID: {}", self.role_id)),
            "4" => say(format!("Connection ID: {}", self.connection_id)),
            "8" if self.can_recycle => Reply {
                next: Next::Recycle,
                ..say("A recycle of this role instance has been asked for.".to_owned())
            },
            "8" => say("No fabric runs this worker, so nothing can recycle it.".to_owned()),
            "9" => farewell("Goodbye."),
            _ => Reply {
                text: format!("{}{PROMPT}", self.menu),
                next: Next::Listen,
            },
        }
    }
}

/// What a visitor reads who is shown out.
pub(crate) fn farewell(reason: &str) -> Reply {
    Reply {
        text: format!("{reason}\r\n"),
        next: Next::Close,
    }
}

/// `text` with each line ending in CR LF, the last one too.
pub(crate) fn with_crlf(text: &str) -> String {
    text.lines().map(|line| format!("{line}\r\n")).collect()
}

/// As .NET's `ToShortDateString` writes it for en-US.
fn short_date(now: DateTime) -> impl std::fmt::Display {
    now.strftime("%-m/%-d/%Y")
}

/// As .NET's `ToShortTimeString` writes it for en-US.
fn short_time(now: DateTime) -> impl std::fmt::Display {
    now.strftime("%-I:%M %p")
}

const PROMPT: &str = "\r\nYour choice: ";

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use jiff::civil::{DateTime, date};

    use super::*;

    fn visit(can_recycle: bool) -> Visit {
        Visit {
            greeting: "Welcome.".to_owned(),
            menu: with_crlf("  1  Date\n  9  Leave"),
            role_id: "EchoWorker_IN_3".to_owned(),
            connection_id: "6ad2b2d4-8e5f-4d14-b6a4-0d2c1a3e5f70".to_owned(),
            can_recycle,
        }
    }

    fn morning() -> DateTime {
        date(2026, 11, 20).at(8, 19, 59, 0)
    }

    /// The whole text of a dialogue, its ends of line shown.
    #[track_caller]
    fn check(can_recycle: bool, lines: &[&str], expected: Expect) {
        let visit = visit(can_recycle);
        let mut transcript = visit.welcome();
        for line in lines {
            let Reply { text, next } = visit.answer(line, morning());
            transcript.push_str(&format!("{line}\n{text}"));
            if next != Next::Listen {
                transcript.push_str(&format!("[{next:?}]"));
            }
        }
        expected.assert_eq(&transcript.replace('\r', "\\r"));
    }

    #[test]
    fn a_whole_dialogue() {
        check(
            true,
            &["1", "2", " 3 ", "4", "8", "9"],
            expect![[r#"
                Welcome.\r
                \r
                  1  Date\r
                  9  Leave\r
                \r
                Your choice: 1
                Current date: 11/20/2026\r
                \r
                Your choice: 2
                Current time: 8:19 AM\r
                \r
                Your choice:  3 
                Role ID: EchoWorker_IN_3\r
                \r
                Your choice: 4
                Connection ID: 6ad2b2d4-8e5f-4d14-b6a4-0d2c1a3e5f70\r
                \r
                Your choice: 8
                A recycle of this role instance has been asked for.\r
                \r
                Your choice: [Recycle]9
                Goodbye.\r
                [Close]"#]],
        );
    }

    #[test]
    fn anything_else_shows_the_menu_again() {
        for line in ["", "7", "11", "one", "\u{fffd}", "9 9"] {
            let Reply { text, next } = visit(true).answer(line, morning());
            assert_eq!(
                text, "  1  Date\r\n  9  Leave\r\n\r\nYour choice: ",
                "{line:?}"
            );
            assert_eq!(next, Next::Listen);
        }
    }

    #[test]
    fn without_a_fabric_there_is_no_recycle() {
        let Reply { text, next } = visit(false).answer("8", morning());
        let expected =
            "No fabric runs this worker, so nothing can recycle it.\r\n\r\nYour choice: ";
        assert_eq!((text.as_str(), next), (expected, Next::Listen));
    }

    #[test]
    fn short_dates_and_times_are_those_of_dotnet() {
        for (now, expected) in [
            (date(2026, 1, 2).at(0, 5, 0, 0), "1/2/2026 12:05 AM"),
            (date(2026, 12, 31).at(12, 0, 0, 0), "12/31/2026 12:00 PM"),
            (date(987, 6, 5).at(23, 59, 59, 0), "6/5/0987 11:59 PM"),
            (date(2026, 11, 20).at(9, 9, 0, 0), "11/20/2026 9:09 AM"),
        ] {
            assert_eq!(format!("{} {}", short_date(now), short_time(now)), expected);
        }
    }

    #[test]
    fn every_line_end_becomes_crlf() {
        assert_eq!(with_crlf("a\nb\r\n\nc"), "a\r\nb\r\n\r\nc\r\n");
        assert_eq!(with_crlf(""), "");
    }
}
