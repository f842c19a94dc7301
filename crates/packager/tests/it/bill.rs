//! The bill of materials with what programs were built from, and PyPI's `cyclonedx-python-lib` as
//! its judge.

use std::fs;
use std::path::Path;
use std::process::Command;

use expect_test::expect;
use packager::{Components, ServiceSource};
use serde_json::Value;

use crate::support::Fixture;

/// As `cargo xtask package` writes it, with things that do not belong into a package.
const COMPONENTS: &str = r#"{
  "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
  "serialNumber": "urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79",
  "metadata": {
    "timestamp": "2026-01-01T00:00:00Z",
    "component": {"type": "application", "bom-ref": "worker", "name": "worker", "version": "1.0.0",
      "purl": "pkg:cargo/worker@1.0.0?download_url=file:crates/worker"}
  },
  "components": [
    {"type": "library", "bom-ref": "pkg:cargo/serde@1.0.229", "name": "serde", "version": "1.0.229",
      "purl": "pkg:cargo/serde@1.0.229", "licenses": [{"expression": "MIT OR Apache-2.0"}],
      "hashes": [{"alg": "SHA-256",
        "content": "4148590afebada386688f18773da617792bf2ef03ffc1e4cbd2b1d45b023e0ba"}]},
    {"type": "library", "bom-ref": "pkg:cargo/itoa@1.0.18", "name": "itoa", "version": "1.0.18",
      "purl": "pkg:cargo/itoa@1.0.18", "licenses": [{"license": {"id": "MIT"}}], "scope": "excluded"}
  ],
  "dependencies": [
    {"ref": "worker", "dependsOn": ["pkg:cargo/serde@1.0.229"]},
    {"ref": "pkg:cargo/serde@1.0.229", "dependsOn": ["pkg:cargo/itoa@1.0.18"]},
    {"ref": "pkg:cargo/itoa@1.0.18"}
  ]
}"#;

fn told(fixture: &Fixture) -> ServiceSource {
    fixture.write("EchoWorker.cdx.json", COMPONENTS);
    let components = Components::read(&fixture.path("EchoWorker.cdx.json")).unwrap();
    let mut source = fixture.source();
    source.roles[0].components = Some(components);
    source
}

fn bill(fixture: &Fixture, source: &ServiceSource, name: &str) -> String {
    let staged = packager::stage(source, &fixture.path(name)).unwrap();
    fs::read_to_string(staged.root.join("sbom.cdx.json")).unwrap()
}

#[test]
fn a_program_leads_to_what_it_was_built_from() {
    let fixture = Fixture::echo();
    let bill: Value = serde_json::from_str(&bill(&fixture, &told(&fixture), "staged")).unwrap();
    expect![[r#"
        [
          {
            "dependsOn": [
              "roles/EchoWorker/approot/echo-worker"
            ],
            "ref": "service"
          },
          {
            "dependsOn": [
              "EchoWorker:worker"
            ],
            "ref": "roles/EchoWorker/approot/echo-worker"
          },
          {
            "dependsOn": [],
            "ref": "EchoWorker:pkg:cargo/itoa@1.0.18"
          },
          {
            "dependsOn": [
              "EchoWorker:pkg:cargo/itoa@1.0.18"
            ],
            "ref": "EchoWorker:pkg:cargo/serde@1.0.229"
          },
          {
            "dependsOn": [
              "EchoWorker:pkg:cargo/serde@1.0.229"
            ],
            "ref": "EchoWorker:worker"
          }
        ]"#]]
    .assert_eq(&format!("{:#}", bill["dependencies"]));
    expect![[r#"
        [
          {
            "aggregate": "complete",
            "assemblies": [
              "service"
            ]
          }
        ]"#]]
    .assert_eq(&format!("{:#}", bill["compositions"]));
    let components = bill["components"].as_array().unwrap();
    let serde = components.iter().find(|other| other["name"] == "serde");
    expect![[r#"
        {
          "bom-ref": "EchoWorker:pkg:cargo/serde@1.0.229",
          "hashes": [
            {
              "alg": "SHA-256",
              "content": "4148590afebada386688f18773da617792bf2ef03ffc1e4cbd2b1d45b023e0ba"
            }
          ],
          "licenses": [
            {
              "expression": "MIT OR Apache-2.0"
            }
          ],
          "name": "serde",
          "purl": "pkg:cargo/serde@1.0.229",
          "type": "library",
          "version": "1.0.229"
        }"#]]
    .assert_eq(&format!("{:#}", serde.unwrap()));
}

#[test]
fn what_nobody_told_is_said_to_be_missing() {
    let fixture = Fixture::echo();
    let bill: Value = serde_json::from_str(&bill(&fixture, &fixture.source(), "staged")).unwrap();
    expect![[r#"
        [
          {
            "aggregate": "complete",
            "assemblies": [
              "service"
            ]
          },
          {
            "aggregate": "incomplete",
            "dependencies": [
              "service"
            ]
          }
        ]"#]]
    .assert_eq(&format!("{:#}", bill["compositions"]));
}

#[test]
fn the_order_and_the_clock_of_the_list_do_not_matter() {
    let fixture = Fixture::echo();
    let first = bill(&fixture, &told(&fixture), "first");
    let mut other: Value = serde_json::from_str(COMPONENTS).unwrap();
    for list in ["components", "dependencies"] {
        other[list].as_array_mut().unwrap().reverse();
    }
    other["metadata"]["timestamp"] = "2027-01-01T00:00:00Z".into();
    fixture.write("other.cdx.json", &other.to_string());
    let mut source = fixture.source();
    source.roles[0].components = Some(Components::read(&fixture.path("other.cdx.json")).unwrap());
    assert_eq!(bill(&fixture, &source, "second"), first);
    assert!(Components::read(Path::new("/nowhere")).is_err());
}

#[test]
fn cyclonedx_accepts_the_bill() {
    if !test_support::has_python_module("cyclonedx") {
        return;
    }
    let fixture = Fixture::echo();
    for (source, name) in [(fixture.source(), "untold"), (told(&fixture), "told")] {
        bill(&fixture, &source, name);
        let script = concat!(
            "import sys; from packageurl import PackageURL; import json\n",
            "from cyclonedx.schema import SchemaVersion\n",
            "from cyclonedx.validation.json import JsonStrictValidator\n",
            "text = open(sys.argv[1]).read()\n",
            "error = JsonStrictValidator(SchemaVersion.V1_5).validate_str(text)\n",
            "sys.exit(str(error)) if error else None\n",
            "urls = [part['purl'] for part in json.loads(text)['components'] if 'purl' in part]\n",
            "other = [url for url in urls if PackageURL.from_string(url).to_string() != url]\n",
            "sys.exit(str(other) if other else 0)\n",
        );
        let path = fixture.path(name).join("sbom.cdx.json");
        let mut python = Command::new("python3");
        let output = python.args(["-c", script]).arg(path).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {errors}");
    }
}
