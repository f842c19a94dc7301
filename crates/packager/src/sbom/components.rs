//! The list of what a program was built from, as somebody else made it: read, judged, put under a
//! role's name.
//!
//! A CycloneDX document in JSON, of any version: `metadata.component` is the program, `components`
//! and `dependencies` the rest. Of a component is taken what [`Component`] has; a serial number, a
//! time and everything else is left, so that the same program gives the same bytes. What cannot be
//! carried without a loss that nobody would see, components inside components, is refused.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The largest document in bytes; one of a program with 1,000 crates has about 1 MiB.
const BYTES_MAX: u64 = 16 << 20;

/// What the program of a role was built from.
#[derive(Debug, Clone)]
pub struct Components {
    /// The program first.
    pub(super) components: Vec<Component>,
    pub(super) dependencies: Vec<Dependency>,
}

/// As CycloneDX has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Component {
    r#type: Kind,
    #[serde(rename = "bom-ref")]
    reference: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<Scope>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    hashes: Vec<Hash>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    licenses: Vec<License>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purl: Option<String>,
    /// Only to see that there are none.
    #[serde(default, skip_serializing)]
    components: Vec<serde::de::IgnoredAny>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Application,
    Framework,
    Library,
    Container,
    Platform,
    OperatingSystem,
    Device,
    DeviceDriver,
    Firmware,
    File,
    MachineLearningModel,
    Data,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Scope {
    Required,
    Optional,
    Excluded,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Hash {
    pub(super) alg: Algorithm,
    pub(super) content: String,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) enum Algorithm {
    #[serde(rename = "MD5")]
    Md5,
    #[serde(rename = "SHA-1")]
    Sha1,
    #[serde(rename = "SHA-256")]
    Sha256,
    #[serde(rename = "SHA-384")]
    Sha384,
    #[serde(rename = "SHA-512")]
    Sha512,
    #[serde(rename = "SHA3-256")]
    Sha3With256,
    #[serde(rename = "SHA3-384")]
    Sha3With384,
    #[serde(rename = "SHA3-512")]
    Sha3With512,
    #[serde(rename = "BLAKE2b-256")]
    Blake2bWith256,
    #[serde(rename = "BLAKE2b-384")]
    Blake2bWith384,
    #[serde(rename = "BLAKE2b-512")]
    Blake2bWith512,
    #[serde(rename = "BLAKE3")]
    Blake3,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum License {
    Expression(String),
    License(NamedLicense),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum NamedLicense {
    Id(String),
    Name(String),
}

/// What a component uses directly.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Dependency {
    #[serde(rename = "ref")]
    pub(super) reference: String,
    #[serde(rename = "dependsOn", default)]
    pub(super) depends_on: Vec<String>,
}

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "bomFormat")]
    format: String,
    metadata: Metadata,
    #[serde(default)]
    components: Vec<Component>,
    #[serde(default)]
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Metadata {
    component: Component,
}

impl Components {
    /// Reads a document.
    ///
    /// # Errors
    ///
    /// Any [`ComponentsError`].
    pub fn read(path: &Path) -> Result<Components, ComponentsError> {
        let mut json = Vec::new();
        let read =
            File::open(path).and_then(|file| file.take(BYTES_MAX + 1).read_to_end(&mut json));
        read.map_err(|source| ComponentsError::Read {
            path: path.to_owned(),
            source,
        })?;
        if json.len() as u64 > BYTES_MAX {
            let why = format!("it has more than {BYTES_MAX} bytes");
            return Err(ComponentsError::Invalid {
                path: path.to_owned(),
                why,
            });
        }
        Components::parse(&json).map_err(|why| ComponentsError::Invalid {
            path: path.to_owned(),
            why,
        })
    }

    fn parse(json: &[u8]) -> Result<Components, String> {
        let document: Document = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        if document.format != "CycloneDX" {
            return Err("its `bomFormat` is not `CycloneDX`".to_owned());
        }
        let program = document.metadata.component;
        let mut components = document.components;
        components.sort_by(|a, b| a.reference.cmp(&b.reference));
        let nested = components.iter().find(|other| !other.components.is_empty());
        if let Some(Component { reference, .. }) = nested {
            return Err(format!("component `{reference}` has components inside"));
        }
        components.insert(0, program);
        let mut references = BTreeSet::new();
        for Component { reference, .. } in &components {
            if !references.insert(reference.as_str()) {
                return Err(format!("two components are called `{reference}`"));
            }
        }
        let mut dependencies = document.dependencies;
        dependencies.sort_by(|a, b| a.reference.cmp(&b.reference));
        let mut previous = None;
        for dependency in &mut dependencies {
            if previous == Some(&dependency.reference) {
                let reference = &dependency.reference;
                return Err(format!("`{reference}` has its dependencies listed twice"));
            }
            dependency.depends_on.sort();
            dependency.depends_on.dedup();
            let mut named = dependency.depends_on.iter().chain([&dependency.reference]);
            if let Some(unknown) = named.find(|name| !references.contains(name.as_str())) {
                return Err(format!("there is no component `{unknown}`"));
            }
            previous = Some(&dependency.reference);
        }
        Ok(Components {
            components,
            dependencies,
        })
    }

    /// What the program is called.
    pub(super) fn program(&self) -> &str {
        &self.components[0].reference
    }

    /// The same, each component called something that no other role's is.
    pub(super) fn of_role(&self, role: &str) -> Components {
        let mut named = self.clone();
        let rename = |reference: &mut String| *reference = format!("{role}:{reference}");
        for component in &mut named.components {
            rename(&mut component.reference);
        }
        for dependency in &mut named.dependencies {
            rename(&mut dependency.reference);
            dependency.depends_on.iter_mut().for_each(rename);
        }
        named
    }
}

/// Why the list of a program's components cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum ComponentsError {
    /// The file could not be read.
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is no document of CycloneDX that can be taken over.
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

impl fmt::Display for ComponentsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ComponentsError::Read { path, .. } => write!(f, "cannot read `{}`", path.display()),
            ComponentsError::Invalid { path, why } => write!(
                f,
                "not a list of components in CycloneDX, {}: {}",
                why.escape_debug(),
                path.display()
            ),
        }
    }
}

impl Error for ComponentsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ComponentsError::Read { source, .. } => Some(source),
            ComponentsError::Invalid { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn component(name: &str) -> Value {
        json!({"type": "library", "bom-ref": name, "name": name})
    }

    fn refused(change: impl FnOnce(&mut Value)) -> String {
        let mut document = json!({
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "serialNumber": "urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79",
            "metadata": {"component": component("a"), "timestamp": "2026-01-01T00:00:00Z"},
            "components": [component("c"), component("b")],
            "dependencies": [
                {"ref": "b"},
                {"ref": "a", "dependsOn": ["c", "b", "c"]},
            ],
        });
        change(&mut document);
        let parsed = Components::parse(document.to_string().as_bytes());
        parsed.map(|_| String::new()).unwrap_or_else(|why| why)
    }

    #[test]
    fn what_cannot_be_carried_over_is_refused() {
        assert_eq!(refused(|_| ()), "");
        let expected = "its `bomFormat` is not `CycloneDX`";
        assert_eq!(
            refused(|other| other["bomFormat"] = json!("SPDX")),
            expected
        );
        let nested = |document: &mut Value| {
            document["components"][0]["components"] = json!([component("d")]);
        };
        assert_eq!(refused(nested), "component `c` has components inside");
        let twice = |document: &mut Value| document["components"][0]["bom-ref"] = json!("a");
        assert_eq!(refused(twice), "two components are called `a`");
        let listed_twice = |document: &mut Value| document["dependencies"][0]["ref"] = json!("a");
        assert_eq!(
            refused(listed_twice),
            "`a` has its dependencies listed twice"
        );
        let unknown = |document: &mut Value| document["dependencies"][0]["ref"] = json!("x");
        assert_eq!(refused(unknown), "there is no component `x`");
        let kind = |document: &mut Value| document["components"][0]["type"] = json!("x");
        assert!(refused(kind).contains("unknown variant `x`"));
        assert!(refused(|other| *other = json!([])).contains("invalid"));
    }
}
