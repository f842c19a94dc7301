//! What a package of a small service holds.

use std::fs;

use expect_test::expect;
use packager::{is_package, open, verify, write_sums};

use crate::support::{DEFINITION, Fixture};

#[test]
fn manifest_lists_everything_in_order() {
    let fixture = Fixture::echo();
    let package = fixture.build();
    let opened = open(&package.path).unwrap();
    assert_eq!(opened.manifest(), &package.manifest);
    assert_eq!(opened.definition(), DEFINITION);
    let mut manifest = package.manifest;
    // The tool's name and version are in the bill, whose digest changes with them.
    manifest.files.pop();
    manifest.packager_version = "<version>".to_owned();
    let json = String::from_utf8(manifest.to_json()).unwrap();
    expect![[r#"
        {
          "format_version": 1,
          "service": "EchoCloud",
          "packager_version": "<version>",
          "roles": [
            "EchoWorker"
          ],
          "tar_bytes": 11264,
          "files": [
            {
              "path": "ServiceDefinition.csdef",
              "bytes": 40,
              "mode": "0644",
              "sha256": "ffe01ca299470af83a44b586707621083997bdbf23fb7da57fe3e1f5d17d40a7"
            },
            {
              "path": "roles/EchoWorker/approot/data.txt",
              "bytes": 35,
              "mode": "0644",
              "sha256": "4cd818fa7d528a4b839ba1b1530a59dee17bdab2f04a8cb688b3bb567ce36dde"
            },
            {
              "path": "roles/EchoWorker/approot/data/a.txt",
              "bytes": 0,
              "mode": "0644",
              "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
            },
            {
              "path": "roles/EchoWorker/approot/data/b.txt",
              "bytes": 2,
              "mode": "0644",
              "sha256": "3b64db95cb55c763391c707108489ae18b4112d783300de38e033b4c98c3deaf"
            },
            {
              "path": "roles/EchoWorker/approot/data/latest",
              "target": "../readme.txt"
            },
            {
              "path": "roles/EchoWorker/approot/echo-worker",
              "bytes": 15,
              "mode": "0755",
              "sha256": "c4e7139bd31ca16a1f860625e8be1f560a2e0b0459f3610975a73a61ce60ade1"
            },
            {
              "path": "roles/EchoWorker/approot/readme.txt",
              "bytes": 7,
              "mode": "0644",
              "sha256": "3f22095641508576e91dc7c6c7f7e08a093985d53ea998043c6619ad240dc92c"
            },
            {
              "path": "roles/EchoWorker/approot/tools/scripts/deep/start.sh",
              "bytes": 10,
              "mode": "0755",
              "sha256": "a8076d3d28d21e02012b20eaf7dbf75409a6277134439025f282e368e3305abf"
            }
          ]
        }
    "#]]
    .assert_eq(&json);
}

#[test]
fn bill_of_materials_lists_files() {
    let fixture = Fixture::echo();
    let staged = packager::stage(&fixture.source(), &fixture.path("staged")).unwrap();
    let bill = fs::read_to_string(staged.root.join("sbom.cdx.json")).unwrap();
    let version = format!("\"version\": \"{}\"", env!("CARGO_PKG_VERSION"));
    let head: String = bill
        .replace(&version, "\"version\": \"…\"")
        .split_inclusive('\n')
        .take(36)
        .collect();
    expect![[r#"
        {
          "bomFormat": "CycloneDX",
          "specVersion": "1.5",
          "version": 1,
          "metadata": {
            "tools": {
              "components": [
                {
                  "type": "application",
                  "name": "packager",
                  "version": "…"
                }
              ]
            },
            "component": {
              "type": "application",
              "bom-ref": "service",
              "name": "EchoCloud"
            }
          },
          "components": [
            {
              "type": "file",
              "name": "ServiceDefinition.csdef",
              "hashes": [
                {
                  "alg": "SHA-256",
                  "content": "ffe01ca299470af83a44b586707621083997bdbf23fb7da57fe3e1f5d17d40a7"
                }
              ]
            },
            {
              "type": "file",
              "name": "roles/EchoWorker/approot/data.txt",
              "hashes": [
                {
    "#]]
    .assert_eq(&head);
}

#[test]
fn report_counts() {
    let fixture = Fixture::echo();
    let package = fixture.build();
    let report = verify(&package.path).unwrap();
    assert_eq!(
        (report.bytes, report.sha256),
        (package.bytes, package.sha256)
    );
    assert_eq!(report.bytes, package.path.metadata().unwrap().len());
    assert_eq!(
        report.sha256,
        packager::Digest::of(&fs::read(&package.path).unwrap())
    );
    assert_eq!(
        (report.service.as_str(), report.roles),
        ("EchoCloud", vec!["EchoWorker".to_owned()])
    );
    assert_eq!(report.n_files, package.manifest.files.len());
}

#[test]
fn building_replaces_the_old_file_and_leaves_nothing_else() {
    let fixture = Fixture::echo();
    fs::create_dir(fixture.path("out")).unwrap();
    let out = fixture.path("out/EchoCloud.cspkg.tar.gz");
    fs::write(&out, "old").unwrap();
    let first = packager::build(&fixture.source(), &out).unwrap();
    let second = packager::build(&fixture.source(), &out).unwrap();
    assert_eq!(first.sha256, second.sha256);
    assert_eq!(fixture.path("out").read_dir().unwrap().count(), 1);

    fs::remove_dir_all(fixture.path("scripts")).unwrap();
    packager::build(&fixture.source(), &out).unwrap_err();
    assert_eq!(verify(&out).unwrap().sha256, first.sha256);
    assert_eq!(fixture.path("out").read_dir().unwrap().count(), 1);

    let error = packager::build(&Fixture::echo().source(), &fixture.path("gone/x")).unwrap_err();
    assert!(!error.is_invalid());
}

#[test]
fn a_package_is_known_by_name_or_magic() {
    let fixture = Fixture::echo();
    let package = fixture.build();
    fs::copy(&package.path, fixture.path("package")).unwrap();
    fixture.write("empty.tar.gz", "");
    fixture.write("text", "text");
    fs::create_dir(fixture.path("folder.tar.gz")).unwrap();
    for (name, expected) in [
        ("EchoCloud.cspkg.tar.gz", true),
        ("package", true),
        ("empty.tar.gz", true),
        ("text", false),
        ("folder.tar.gz", false),
        ("gone.tar.gz", false),
    ] {
        assert_eq!(is_package(&fixture.path(name)), expected, "{name}");
    }
}

#[test]
fn sums_are_sorted_and_plain() {
    let fixture = Fixture::empty();
    fixture.write("b", "b");
    fixture.write("a", "a");
    write_sums(&fixture.path(""), &["b", "a"]).unwrap();
    expect![[r#"
        ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb  a
        3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d  b
    "#]]
    .assert_eq(&fs::read_to_string(fixture.path("SHA256SUMS")).unwrap());
    for bad in ["", "d/a", "a\\b", "a\nb", "gone"] {
        write_sums(&fixture.path(""), &["a", bad]).unwrap_err();
    }
    assert_eq!(fixture.path("").read_dir().unwrap().count(), 3);
}
