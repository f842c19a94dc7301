//! Lexical types of attribute values: what each accepts, and its values.
//!
//! Source: the types of `ServiceDefinitionSchema` and `ServiceConfigurationSchema` (Azure SDK 2.4), and of
//! XML Schema for `int` and `boolean`, white space around those two included.

use std::net::Ipv4Addr;

use crate::suggest::did_you_mean;

/// The most characters of a command line, path or variable name.
///
/// Source: `NonEmptyString` of the schema.
const MAX_TEXT_CHARS: usize = 256;

/// The type of an attribute value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lexical {
    /// Any text, the empty one included.
    Text,
    /// 1 to 256 characters.
    NonEmpty,
    /// The name of an environment variable: `NonEmpty`, without `=`, which ends a name everywhere.
    VariableName,
    /// A name of a service, role, setting, endpoint or store.
    Name,
    /// The prefix of host names of instances: 1 to 10 letters, digits and inner hyphens.
    VmName,
    /// At most 256 characters.
    BoundedText,
    /// A whole number of 32 bits.
    Int,
    /// A whole number of 32 bits from this one.
    AtLeast(i32),
    /// 0 to 65535.
    UnsignedShort,
    /// 1 to 65535.
    Port,
    /// 1 to 65535, or `*`.
    PortSpecifier,
    /// `true`, `false`, `1` or `0`.
    Boolean,
    /// An IPv4 address.
    Ipv4,
    /// An IPv4 address, or one and the length of its prefix: `10.0.0.0/8`.
    Subnet,
    /// The digest of a certificate: hex digits of either case, white space between them.
    Thumbprint,
    /// One of these words.
    OneOf(&'static [&'static str]),
}

/// Why a value is not of its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// What the value should be: follows "is not".
    pub(crate) expected: String,
    pub(crate) help: Option<String>,
}

impl Lexical {
    /// Whether `value` is of this type.
    pub(crate) fn check(self, value: &str) -> Result<(), Fault> {
        let is_valid = match self {
            Lexical::Text => true,
            Lexical::NonEmpty => is_non_empty(value),
            Lexical::VariableName => is_non_empty(value) && !value.contains('='),
            Lexical::Name => is_name(value),
            Lexical::VmName => is_vm_name(value),
            Lexical::Int => int(value).is_some(),
            Lexical::AtLeast(least) => int(value).is_some_and(|number| number >= least),
            Lexical::BoundedText => is_bounded(value),
            Lexical::UnsignedShort => unsigned_short(value).is_some(),
            Lexical::Ipv4 => value.parse::<Ipv4Addr>().is_ok(),
            Lexical::Subnet => subnet(value).is_some(),
            Lexical::Thumbprint => thumbprint(value).is_some(),
            Lexical::Port => port(value).is_some(),
            Lexical::PortSpecifier => value == "*" || port(value).is_some(),
            Lexical::Boolean => boolean(value).is_some(),
            Lexical::OneOf(words) => words.contains(&value),
        };
        if is_valid {
            return Ok(());
        }
        Err(Fault {
            expected: self.expected(),
            help: self.help(value),
        })
    }

    fn expected(self) -> String {
        let text = match self {
            Lexical::Text => "a text",
            Lexical::NonEmpty => "a text of 1 to 256 characters",
            Lexical::VariableName => "a variable name of 1 to 256 characters without `=`",
            Lexical::Name => "a valid name",
            Lexical::VmName => "1 to 10 letters, digits and inner hyphens",
            Lexical::Int => return format!("a whole number from {} to {}", i32::MIN, i32::MAX),
            Lexical::AtLeast(least) => {
                return format!("a whole number from {least} to {}", i32::MAX);
            }
            Lexical::BoundedText => "a text of at most 256 characters",
            Lexical::UnsignedShort => "a whole number from 0 to 65535",
            Lexical::Ipv4 => "an IPv4 address",
            Lexical::Subnet => "an IPv4 subnet such as `10.0.0.0/8`",
            Lexical::Thumbprint => "a thumbprint: hex digits",
            Lexical::Port => "a port from 1 to 65535",
            Lexical::PortSpecifier => "a port from 1 to 65535 or `*`",
            Lexical::Boolean => "`true` or `false`",
            Lexical::OneOf([word]) => return format!("`{word}`"),
            Lexical::OneOf(words) => {
                let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
                return format!("one of {}", words.join(", "));
            }
        };
        text.to_owned()
    }

    /// A value to begin with, for advice; dots where there is none that fits most.
    pub(crate) fn example(self) -> &'static str {
        match self {
            Lexical::Boolean => "true",
            Lexical::OneOf(words) => words.first().copied().unwrap_or("…"),
            _ => "…",
        }
    }

    fn help(self, value: &str) -> Option<String> {
        match self {
            Lexical::Name => Some(
                "names begin with a letter or `_`, have none of \\ / : * ? \" < > | ` ' ^, and do not \
                 end with `.` or white space"
                    .to_owned(),
            ),
            Lexical::Boolean => did_you_mean(value, ["true", "false"]),
            Lexical::OneOf(words) => did_you_mean(value, words.iter().copied()),
            _ => None,
        }
    }
}

fn is_non_empty(value: &str) -> bool {
    !value.is_empty() && is_bounded(value)
}

fn is_bounded(value: &str) -> bool {
    // A character has a byte at least.
    value.len() <= MAX_TEXT_CHARS || value.chars().count() <= MAX_TEXT_CHARS
}

/// `NamedElementNameString`.
fn is_name(value: &str) -> bool {
    let is_forbidden = |b: u8| {
        matches!(
            b,
            b'\\' | b'/' | b':' | b'*' | b'?' | b'"' | b'<' | b'>' | b'|' | b'`' | b'\'' | b'^'
        )
    };
    value.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        // A fold, which looks at all bytes, becomes vector code; `any` does not.
        && !value.bytes().fold(false, |any, b| any | is_forbidden(b))
        && !value.ends_with(|c: char| c == '.' || c.is_whitespace())
}

fn is_vm_name(value: &str) -> bool {
    let is_inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    (1..=10).contains(&value.len())
        && value.bytes().all(is_inner)
        && !value.starts_with('-')
        && !value.ends_with('-')
}

/// An `xs:int`.
pub(crate) fn int(value: &str) -> Option<i32> {
    value.trim_matches([' ', '\t', '\r', '\n']).parse().ok()
}

/// An `xs:int` that is not negative.
pub(crate) fn number(value: &str) -> Option<u32> {
    int(value).and_then(|number| u32::try_from(number).ok())
}

/// An `xs:unsignedShort`.
pub(crate) fn unsigned_short(value: &str) -> Option<u16> {
    int(value).and_then(|number| u16::try_from(number).ok())
}

/// An IPv4 subnet with its host bits cleared: address and length of the prefix.
///
/// Host bits are tolerated, a bare address is a subnet of its own: the platform's documentation has the
/// first in its example, and says nothing of the second.
pub(crate) fn subnet(value: &str) -> Option<(Ipv4Addr, u8)> {
    let value = value.trim_matches([' ', '\t', '\r', '\n']);
    let (address, length) = match value.split_once('/') {
        None => (value, 32),
        Some((address, length)) => (address, decimal(length).filter(|length| *length <= 32)?),
    };
    let address: Ipv4Addr = address.parse().ok()?;
    let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
    Some((Ipv4Addr::from_bits(address.to_bits() & mask), length))
}

/// A number without sign or leading blanks, which `parse` would take.
fn decimal(text: &str) -> Option<u8> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok()).flatten()
}

/// The hex digits of a thumbprint in upper case, without white space and colons and without the mark (U+200E) that
/// certificate dialogs of Windows put first when one is copied.
pub(crate) fn thumbprint(value: &str) -> Option<String> {
    let is_filler = |c: char| c.is_ascii_whitespace() || matches!(c, '\u{200e}' | ':');
    let digits: String = value.chars().filter(|c| !is_filler(*c)).collect();
    let is_hex = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| digits.to_ascii_uppercase())
}

/// A port from 1 to 65535.
pub(crate) fn port(value: &str) -> Option<u16> {
    int(value)
        .and_then(|number| u16::try_from(number).ok())
        .filter(|&port| port > 0)
}

/// An `xs:boolean`.
pub(crate) fn boolean(value: &str) -> Option<bool> {
    match value.trim_matches([' ', '\t', '\r', '\n']) {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lexical: Lexical, good: &[&str], bad: &[&str]) {
        for value in good {
            assert_eq!(lexical.check(value), Ok(()), "{lexical:?} {value:?}");
        }
        for value in bad {
            assert!(lexical.check(value).is_err(), "{lexical:?} {value:?}");
        }
    }

    #[test]
    fn names() {
        let good = [
            "a",
            "_",
            "My Role",
            "Microsoft.WindowsAzure.Plugins.X",
            "a-1",
            "aé",
        ];
        let bad = [
            "", "1a", "-a", ".a", " a", "a.", "a ", "a/b", "a\\b", "a:b", "a*", "a?", "a\"", "a<",
            "a>", "a|", "a`", "a'", "a^", "é",
        ];
        check(Lexical::Name, &good, &bad);
    }

    #[test]
    fn texts_have_one_to_256_characters() {
        let (longest, too_long) = ("é".repeat(256), "é".repeat(257));
        check(Lexical::NonEmpty, &["a", " ", &longest], &["", &too_long]);
        check(
            Lexical::VariableName,
            &["a", "PATH.x y"],
            &["", "a=b", &too_long],
        );
        check(Lexical::Text, &["", &too_long], &[]);
    }

    #[test]
    fn numbers_and_ports() {
        check(
            Lexical::Int,
            &["0", "-1", "+7", "007", " 1 ", "2147483647"],
            &["", "1.0", "x", "2147483648", "0x1"],
        );
        check(
            Lexical::AtLeast(1),
            &["1", "2147483647"],
            &["0", "-1", "2147483648"],
        );
        check(
            Lexical::Port,
            &["1", "65535", "080"],
            &["0", "65536", "-1", "*", ""],
        );
        check(
            Lexical::PortSpecifier,
            &["*", "1", "65535"],
            &["0", "65536", "**", ""],
        );
    }

    #[test]
    fn numbers_with_bounds() {
        check(
            Lexical::AtLeast(5),
            &["5", "2147483647"],
            &["4", "-5", "2147483648"],
        );
        check(
            Lexical::UnsignedShort,
            &["0", "65535", "007"],
            &["-1", "65536", ""],
        );
    }

    #[test]
    fn bounded_texts() {
        let (longest, too_long) = ("é".repeat(256), "é".repeat(257));
        check(Lexical::BoundedText, &["", &longest], &[&too_long]);
    }

    #[test]
    fn addresses_and_subnets() {
        check(
            Lexical::Ipv4,
            &["10.0.0.1"],
            &["", "10.0.0", "::1", "10.0.0.256"],
        );
        check(
            Lexical::Subnet,
            &[
                "0.0.0.0/0",
                "10.0.0.0/8",
                "175.1.0.1/24",
                "10.0.0.1",
                "1.2.3.4/32",
            ],
            &[
                "",
                "10.0.0.0/33",
                "10.0.0.0/",
                "10.0.0.0/+8",
                "::/0",
                "10/8",
            ],
        );
        let masked = |text| subnet(text).map(|(address, length)| (address.to_string(), length));
        assert_eq!(masked("175.1.0.1/24"), Some(("175.1.0.0".into(), 24)));
        assert_eq!(masked("175.1.0.1/0"), Some(("0.0.0.0".into(), 0)));
        assert_eq!(masked("175.1.0.1"), Some(("175.1.0.1".into(), 32)));
    }

    #[test]
    fn thumbprints_as_people_paste_them() {
        check(
            Lexical::Thumbprint,
            &["0a", "\u{200e}0A 1b\t2C", "0a:1B"],
            &["", " ", "0g", "0a-1b"],
        );
        assert_eq!(
            thumbprint("\u{200e}0a 1B").as_deref(),
            Some("0A1B"),
            "one spelling"
        );
    }

    #[test]
    fn booleans_and_words() {
        check(
            Lexical::Boolean,
            &["true", "false", "1", "0", " true "],
            &["True", "yes", "", "2"],
        );
        check(
            Lexical::OneOf(&["tcp", "http"]),
            &["tcp"],
            &["TCP", "", "udp"],
        );
        let fault = Lexical::OneOf(&["tcp", "http"]).check("TCP").unwrap_err();
        assert_eq!(fault.expected, "one of `tcp`, `http`");
        assert_eq!(fault.help.as_deref(), Some("did you mean `tcp`?"));
    }

    #[test]
    fn names_of_machines() {
        check(
            Lexical::VmName,
            &["a", "a-b", "0123456789"],
            &["", "-a", "a-", "01234567890", "a_b"],
        );
    }
}
