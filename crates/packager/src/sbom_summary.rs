//! Reading a bill of materials: how much it lists, and nothing else.
//!
//! Whether the bill is right is not asked; it is counted as it is read, and nothing of it is kept.

use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// How many components a bill of materials lists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SbomSummary {
    /// Files.
    pub files: usize,
    /// Libraries: what the programs were built from.
    pub libraries: usize,
    /// Components of any other type.
    pub others: usize,
}

impl SbomSummary {
    /// `None` where the bytes are not CycloneDX JSON.
    pub(crate) fn of(json: &[u8]) -> Option<SbomSummary> {
        let bom: Bom = serde_json::from_slice(json).ok()?;
        (bom.bom_format == Format::CycloneDx).then_some(bom.components)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bom {
    bom_format: Format,
    #[serde(default, deserialize_with = "count")]
    components: SbomSummary,
}

#[derive(Deserialize, PartialEq, Eq)]
enum Format {
    #[serde(rename = "CycloneDX")]
    CycloneDx,
}

#[derive(Deserialize)]
struct Component {
    r#type: Type,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Type {
    File,
    Library,
    #[serde(other)]
    Other,
}

fn count<'de, D: Deserializer<'de>>(json: D) -> Result<SbomSummary, D::Error> {
    json.deserialize_seq(Count)
}

struct Count;

impl<'de> Visitor<'de> for Count {
    type Value = SbomSummary;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of components")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<SbomSummary, A::Error> {
        let mut summary = SbomSummary::default();
        while let Some(Component { r#type }) = list.next_element()? {
            match r#type {
                Type::File => summary.files += 1,
                Type::Library => summary.libraries += 1,
                Type::Other => summary.others += 1,
            }
        }
        Ok(summary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_are_counted_by_type() {
        let json = br#"{"bomFormat":"CycloneDX","x":[{}],"components":[
            {"type":"file","name":"a"},{"type":"library"},{"type":"data"},{"type":"file"}]}"#;
        let summary = SbomSummary {
            files: 2,
            libraries: 1,
            others: 1,
        };
        assert_eq!(SbomSummary::of(json), Some(summary));
        let empty = br#"{"bomFormat":"CycloneDX"}"#;
        assert_eq!(SbomSummary::of(empty), Some(SbomSummary::default()));
        for bad in [
            "",
            "{}",
            r#"{"bomFormat":"SPDX"}"#,
            r#"{"bomFormat":"CycloneDX","components":1}"#,
        ] {
            assert_eq!(SbomSummary::of(bad.as_bytes()), None, "{bad}");
        }
    }
}
