//! `sbom.cdx.json`: the bill of materials, CycloneDX 1.5.
//!
//! It lists the service and every file with its digest. The crates inside each role's binary are
//! not listed yet: the packager is handed finished binaries and does not read cargo's metadata. No
//! serial number and no time stamp, so equal packages have equal bills; links have no content and
//! are left out.
//!
//! Source: CycloneDX 1.5 JSON reference, <https://cyclonedx.org/docs/1.5/json/>.

use serde::Serialize;

use crate::manifest::{Content, ManifestFile};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bom<'a> {
    bom_format: &'static str,
    spec_version: &'static str,
    version: u32,
    metadata: Metadata<'a>,
    components: Vec<Component<'a>>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    tools: Tools<'a>,
    component: Component<'a>,
}

#[derive(Serialize)]
struct Tools<'a> {
    components: [Component<'a>; 1],
}

#[derive(Serialize)]
struct Component<'a> {
    r#type: &'static str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hashes: Vec<Hash>,
}

#[derive(Serialize)]
struct Hash {
    alg: &'static str,
    content: String,
}

/// The bill of `service` with `files`, as bytes.
pub(crate) fn render(service: &str, files: &[ManifestFile]) -> Vec<u8> {
    let packager = Component {
        r#type: "application",
        name: env!("CARGO_PKG_NAME"),
        version: Some(env!("CARGO_PKG_VERSION")),
        hashes: Vec::new(),
    };
    let component = Component {
        r#type: "application",
        name: service,
        version: None,
        hashes: Vec::new(),
    };
    let bom = Bom {
        bom_format: "CycloneDX",
        spec_version: "1.5",
        version: 1,
        metadata: Metadata {
            tools: Tools {
                components: [packager],
            },
            component,
        },
        components: files.iter().filter_map(file_component).collect(),
    };
    let mut json = serde_json::to_vec_pretty(&bom).expect("no map with keys that are not text");
    json.push(b'\n');
    json
}

fn file_component(file: &ManifestFile) -> Option<Component<'_>> {
    let Content::File { sha256, .. } = &file.content else {
        return None;
    };
    let hash = Hash {
        alg: "SHA-256",
        content: sha256.to_string(),
    };
    Some(Component {
        r#type: "file",
        name: &file.path,
        version: None,
        hashes: vec![hash],
    })
}
