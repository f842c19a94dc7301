//! Settings as a type of the role's own, through serde.
//!
//! A setting is a name and a text; what the text is to be, the field says. Nothing here looks into a value that
//! failed: settings may be secrets, and errors end up in logs.

use std::{error::Error, fmt, str::FromStr};

use serde::{
    Deserializer,
    de::{
        self, DeserializeOwned, IntoDeserializer, MapAccess, Unexpected, Visitor,
        value::MapDeserializer,
    },
    forward_to_deserialize_any,
};

/// Why the settings could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingsError {
    /// No fabric runs this program, so it has no settings.
    Unavailable,
    /// The role has no setting of this name, and the field no default.
    Missing {
        /// The setting's name.
        name: String,
    },
    /// The value does not fit the field.
    Invalid {
        /// The setting's name.
        name: String,
        /// What was wanted. It never holds the value.
        wanted: String,
    },
    /// The type takes no settings: it is no struct and no map.
    NoStruct {
        /// What serde says of it.
        reason: String,
    },
}

impl fmt::Display for SettingsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable => formatter.write_str("no fabric runs this program"),
            Self::Missing { name } => write!(formatter, "setting `{name}` is missing"),
            Self::Invalid { name, wanted } => {
                write!(formatter, "setting `{name}` does not fit: {wanted}")
            }
            Self::NoStruct { reason } => {
                write!(formatter, "settings do not fit this type: {reason}")
            }
        }
    }
}

impl Error for SettingsError {}

/// Reads `settings`, names with values.
pub(crate) fn read<'a, T: DeserializeOwned>(
    settings: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<T, SettingsError> {
    T::deserialize(Settings {
        map: MapDeserializer::new(settings.map(|(name, value)| (name, Value { name, value }))),
    })
    .map_err(|error| error.0)
}

struct Settings<M> {
    map: M,
}

impl<'de, M: MapAccess<'de, Error = Failure>> Deserializer<'de> for Settings<M> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_map(self.map)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// One setting.
struct Value<'a> {
    name: &'a str,
    value: &'a str,
}

impl<'a> IntoDeserializer<'a, Failure> for Value<'a> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl Value<'_> {
    fn parse<T: FromStr>(&self, wanted: &str) -> Result<T, Failure> {
        let parsed = self.value.trim().parse();
        parsed.map_err(|_| self.invalid(format!("{wanted} is wanted")))
    }

    fn invalid(&self, wanted: String) -> Failure {
        Failure(SettingsError::Invalid {
            name: self.name.to_owned(),
            wanted,
        })
    }

    /// Gives what serde says the setting's name.
    fn named<T>(&self, result: Result<T, Failure>) -> Result<T, Failure> {
        result.map_err(|failure| match failure.0 {
            SettingsError::NoStruct { reason } => self.invalid(reason),
            named => Failure(named),
        })
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty, $wanted:literal;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            let number = self.parse::<$type>($wanted)?;
            self.named(visitor.$visit(number))
        }
    )*};
}

impl<'de> Deserializer<'de> for Value<'_> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.named(visitor.visit_str(self.value))
    }

    numbers! {
        deserialize_i8 visit_i8 i8, "a whole number from -128 to 127";
        deserialize_i16 visit_i16 i16, "a whole number of 16 bits";
        deserialize_i32 visit_i32 i32, "a whole number of 32 bits";
        deserialize_i64 visit_i64 i64, "a whole number of 64 bits";
        deserialize_i128 visit_i128 i128, "a whole number of 128 bits";
        deserialize_u8 visit_u8 u8, "a whole number from 0 to 255";
        deserialize_u16 visit_u16 u16, "a whole number from 0 to 65535";
        deserialize_u32 visit_u32 u32, "a whole number of 32 bits, not negative";
        deserialize_u64 visit_u64 u64, "a whole number of 64 bits, not negative";
        deserialize_u128 visit_u128 u128, "a whole number of 128 bits, not negative";
        deserialize_f32 visit_f32 f32, "a number";
        deserialize_f64 visit_f64 f64, "a number";
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let text = self.value.trim();
        let is = |words: [&str; 2]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
        let value = match text {
            _ if is(["true", "1"]) => true,
            _ if is(["false", "0"]) => false,
            _ => return Err(self.invalid("`true` or `false` is wanted".to_owned())),
        };
        self.named(visitor.visit_bool(value))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if self.value.trim().is_empty() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let _ = (name, variants);
        let word: de::value::StrDeserializer<'_, Failure> = self.value.trim().into_deserializer();
        self.named(visitor.visit_enum(word))
    }

    forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// What serde builds errors of. Without the value, wherever serde offers to leave it out.
#[derive(Debug)]
struct Failure(SettingsError);

impl Failure {
    fn reason(reason: String) -> Self {
        Self(SettingsError::NoStruct { reason })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl Error for Failure {}

impl de::Error for Failure {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::reason(message.to_string())
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::reason(format!("{expected} is wanted"))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::reason(format!("{expected} is wanted"))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::reason(format!("one of {} is wanted", expected.join(", ")))
    }

    fn missing_field(field: &'static str) -> Self {
        Self(SettingsError::Missing {
            name: field.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, net::SocketAddr};

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    enum Mode {
        Fast,
        Safe,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "PascalCase")]
    struct Typed {
        greeting: String,
        limit: u16,
        share: f64,
        enabled: bool,
        mode: Mode,
        peer: SocketAddr,
        absent: Option<u32>,
        empty: Option<u32>,
        #[serde(default = "seven")]
        chosen: i8,
        #[serde(rename = "Contoso.Plugin.Key")]
        plugin: String,
    }

    fn seven() -> i8 {
        7
    }

    const SETTINGS: [(&str, &str); 9] = [
        ("Greeting", " hello "),
        ("Limit", " 8080"),
        ("Share", "0.5"),
        ("Enabled", "True"),
        ("Mode", "Fast"),
        ("Peer", "127.0.0.1:80"),
        ("Empty", ""),
        ("Contoso.Plugin.Key", "k"),
        ("Unwanted", "x"),
    ];

    fn with(name: &str, value: &'static str) -> Result<Typed, String> {
        let edited = SETTINGS.map(|(known, old)| (known, if known == name { value } else { old }));
        read(edited.into_iter()).map_err(|error| error.to_string())
    }

    #[test]
    fn texts_become_what_the_fields_are() {
        let expected = Typed {
            greeting: " hello ".into(),
            limit: 8080,
            share: 0.5,
            enabled: true,
            mode: Mode::Fast,
            peer: "127.0.0.1:80".parse().unwrap(),
            absent: None,
            empty: None,
            chosen: 7,
            plugin: "k".into(),
        };
        assert_eq!(with("", ""), Ok(expected));
        assert_eq!(with("Mode", "Safe").map(|typed| typed.mode), Ok(Mode::Safe));
        assert_eq!(with("Empty", "3").map(|typed| typed.empty), Ok(Some(3)));
        let all: BTreeMap<String, String> = read(SETTINGS.into_iter()).unwrap();
        assert_eq!(all.len(), SETTINGS.len());
    }

    #[test]
    fn an_error_names_the_setting_and_keeps_its_value() {
        for (name, wanted) in [
            ("Limit", "a whole number from 0 to 65535 is wanted"),
            ("Share", "a number is wanted"),
            ("Enabled", "`true` or `false` is wanted"),
            ("Mode", "one of Fast, Safe is wanted"),
            ("Empty", "a whole number of 32 bits, not negative is wanted"),
        ] {
            let expected = format!("setting `{name}` does not fit: {wanted}");
            assert_eq!(with(name, "hunter2"), Err(expected));
        }
        let error = with("Peer", "hunter2").unwrap_err();
        assert!(error.starts_with("setting `Peer` does not fit: ") && !error.contains("hunter2"));
        let missing = read::<Typed>(SETTINGS.into_iter().skip(1)).unwrap_err();
        assert_eq!(missing.to_string(), "setting `Greeting` is missing");
        let error = read::<u32>(SETTINGS.into_iter()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "settings do not fit this type: u32 is wanted"
        );
    }
}
