//! The runtime protocol for a client that opens paths as plain files.

use std::fs;

use e2e::deployment::Deployment;
use e2e::service::write;

use crate::clients::live;

const CLIENT: &str = include_str!("../../test_data/fifo_client.py");

#[test]
fn a_client_that_opens_paths_lives_as_any_other() {
    if !test_support::has_program("python3") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let content = folder.path().join("FixtureContent");
    fs::create_dir(&content).unwrap();
    fs::write(content.join("client.py"), CLIENT).unwrap();
    // The command line is that of another system; the options say what it is on this one.
    let parts = r#"    <Endpoints><InputEndpoint name="Lines" protocol="tcp" port="1337" /></Endpoints>
    <LocalResources><LocalStorage name="Scratch" sizeInMB="10" /></LocalResources>
    <Runtime><EntryPoint>
      <ProgramEntryPoint commandLine="py.exe client.py" setReadyOnProcessStart="false" />
    </EntryPoint></Runtime>"#;
    let service = write(folder.path(), parts, 2, vec![]);
    let options = "[role.Fixture]\nfifo = true\ncommand = { \"py.exe\" = \"python3\" }\n";
    fs::write(folder.path().join("approot.toml"), options).unwrap();
    live(&mut Deployment::start(&service), 1337, 0);
}
