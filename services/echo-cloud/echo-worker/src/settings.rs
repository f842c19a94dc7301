//! The worker's configuration settings, from text to checked values.
//!
//! Pure: whoever calls says where a setting's text comes from. A setting that is absent has its
//! default; one that is there and makes no sense is an error, not a default.

use std::{error::Error, fmt, str::FromStr, time::Duration};

use crate::lines::MAX_LINE_BYTES;

/// The settings of one start. Only the greeting can change while the worker runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The line that a visitor reads first: `Greeting`.
    pub(crate) greeting: String,
    /// How long a visitor may take for a line: `IdleLimitSeconds`, 1 to 86,400.
    pub(crate) idle_limit: Duration,
    /// How many visitors may be there at once: `ConnectionLimit`, 1 to 10,000.
    pub(crate) connection_limit: u32,
}

/// The one setting that is taken while running.
pub(crate) const GREETING: &str = "Greeting";

impl Settings {
    /// Reads the settings by way of `text_of`.
    pub(crate) fn read(text_of: impl Fn(&str) -> Option<String>) -> Result<Self, SettingError> {
        let idle_limit_s = number(
            &text_of,
            "IdleLimitSeconds",
            DEFAULT_IDLE_LIMIT_S,
            MAX_IDLE_LIMIT_S,
        )?;
        let connection_limit = number(
            &text_of,
            "ConnectionLimit",
            DEFAULT_CONNECTION_LIMIT,
            MAX_CONNECTION_LIMIT,
        )?;
        Ok(Self {
            greeting: greeting(text_of(GREETING).as_deref()),
            idle_limit: Duration::from_secs(idle_limit_s.into()),
            connection_limit,
        })
    }
}

/// The greeting as it is shown: one line without control characters, and no longer than one may be.
pub(crate) fn greeting(text: Option<&str>) -> String {
    let text = text.unwrap_or(DEFAULT_GREETING);
    text.chars()
        .filter(|character| !character.is_control())
        .take(MAX_LINE_BYTES)
        .collect()
}

fn number(
    text_of: impl Fn(&str) -> Option<String>,
    name: &'static str,
    default: u32,
    max: u32,
) -> Result<u32, SettingError> {
    let Some(text) = text_of(name) else {
        return Ok(default);
    };
    let number = u32::from_str(text.trim())
        .ok()
        .filter(|number| (1..=max).contains(number));
    number.ok_or(SettingError { name, text, max })
}

/// A setting whose value makes no sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SettingError {
    name: &'static str,
    text: String,
    max: u32,
}

impl fmt::Display for SettingError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, text, max } = self;
        write!(
            formatter,
            "setting `{name}` is no number from 1 to {max}: `{text}`"
        )
    }
}

impl Error for SettingError {}

const DEFAULT_GREETING: &str = "Welcome to the echo worker.";
/// Long enough for a person who was called away, short enough that the forgotten do not add up.
const DEFAULT_IDLE_LIMIT_S: u32 = 600;
/// A day; beyond it there is no limit to speak of.
const MAX_IDLE_LIMIT_S: u32 = 86_400;
/// A connection is a descriptor, of which a process has 1,024 unless it is given more.
const DEFAULT_CONNECTION_LIMIT: u32 = 500;
/// At about 10 KiB a connection, 100 MB: still sensible for one small instance.
const MAX_CONNECTION_LIMIT: u32 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &[(&str, &str)]) -> Result<Settings, String> {
        let text_of = |name: &str| {
            let found = settings.iter().find(|(setting, _)| *setting == name);
            found.map(|(_, text)| (*text).to_owned())
        };
        Settings::read(text_of).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_absent_has_its_default() {
        let settings = read(&[]).unwrap();
        assert_eq!(settings.greeting, DEFAULT_GREETING);
        assert_eq!(settings.idle_limit, Duration::from_secs(600));
        assert_eq!(settings.connection_limit, 500);
    }

    #[test]
    fn what_is_there_counts() {
        let settings = read(&[
            ("Greeting", "Good\r\nday"),
            ("IdleLimitSeconds", " 86400 "),
            ("ConnectionLimit", "1"),
        ]);
        let expected = Settings {
            greeting: "Goodday".to_owned(),
            idle_limit: Duration::from_secs(86_400),
            connection_limit: 1,
        };
        assert_eq!(settings, Ok(expected));
        assert_eq!(read(&[("Greeting", "")]).unwrap().greeting, "");
        assert_eq!(
            read(&[("Greeting", &"é".repeat(2000))])
                .unwrap()
                .greeting
                .chars()
                .count(),
            1024
        );
    }

    #[test]
    fn what_makes_no_sense_is_an_error() {
        for text in ["", "0", "-1", "10001", "1.5", "many"] {
            let error = format!("setting `ConnectionLimit` is no number from 1 to 10000: `{text}`");
            assert_eq!(read(&[("ConnectionLimit", text)]), Err(error));
        }
        let error = "setting `IdleLimitSeconds` is no number from 1 to 86400: `86401`";
        assert_eq!(
            read(&[("IdleLimitSeconds", "86401")]),
            Err(error.to_owned())
        );
    }
}
