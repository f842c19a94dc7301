//! What the variables of a role say and what `xmllint` finds in the document that the host writes are the same.

use std::collections::BTreeMap;
use std::process::Command;

use diagnostics::Sources;
use plan::{Options, Package, Slot};
use test_support::has_program;
use tokio::task::LocalSet;

use super::*;

/// The documented forms; `'` is each style of quotation mark in turn.
const XPATHS: [&str; 12] = [
    "/RoleEnvironment/Deployment/@emulated",
    "/RoleEnvironment/Deployment/@id",
    "/RoleEnvironment/CurrentInstance/@id",
    "/RoleEnvironment/CurrentInstance/@updateDomain",
    "/RoleEnvironment/CurrentInstance/@faultDomain",
    "/RoleEnvironment/CurrentInstance/@roleName",
    "/RoleEnvironment/CurrentInstance/ConfigurationSettings/ConfigurationSetting[@name='S']/@value",
    "/RoleEnvironment/CurrentInstance/LocalResources/LocalResource[@name='L']/@path",
    "/RoleEnvironment/CurrentInstance/LocalResources/LocalResource[@name='L']/@sizeInMB",
    "/RoleEnvironment/CurrentInstance/Endpoints/Endpoint[@name='E']/@protocol",
    "/RoleEnvironment/CurrentInstance/Endpoints/Endpoint[@name='E']/@address",
    "/RoleEnvironment/CurrentInstance/Endpoints/Endpoint[@name='E']/@port",
];

/// A setting with all that has to be escaped in a document, and white space that a reader would fold.
const SETTING: &str = "a&lt;b &amp; &quot;c&quot; 'd' &#9;&#10;end &#xe4;";

/// Each variable's name, xpath and nothing else.
fn xpaths() -> Vec<(String, String)> {
    let styles = [("SINGLE", "'"), ("DOUBLE", "\"")];
    let all = styles.iter().flat_map(|(style, mark)| {
        XPATHS
            .iter()
            .enumerate()
            .map(move |(n, xpath)| (format!("{style}_{n}"), xpath.replace('\'', mark)))
    });
    all.collect()
}

fn plan(folder: &Path) -> InstancePlan {
    let variables: String = xpaths()
        .iter()
        .map(|(name, xpath)| {
            let xpath = xpath.replace('"', "&quot;");
            format!("<Variable name=\"{name}\"><RoleInstanceValue xpath=\"{xpath}\" /></Variable>")
        })
        .collect();
    let namespace =
        |of: &str| format!("xmlns=\"http://schemas.microsoft.com/ServiceHosting/2008/10/{of}\"");
    let definition = format!(
        "<ServiceDefinition name=\"C\" {}><WorkerRole name=\"W\">
           <ConfigurationSettings><Setting name=\"S\" /></ConfigurationSettings>
           <LocalResources><LocalStorage name=\"L\" sizeInMB=\"12\" /></LocalResources>
           <Endpoints><InputEndpoint name=\"E\" protocol=\"tcp\" port=\"80\" localPort=\"8080\" /></Endpoints>
           <Runtime><Environment>{variables}</Environment>
             <EntryPoint><ProgramEntryPoint commandLine=\"w\" setReadyOnProcessStart=\"true\" /></EntryPoint>
           </Runtime></WorkerRole></ServiceDefinition>",
        namespace("ServiceDefinition")
    );
    let configuration = format!(
        "<ServiceConfiguration serviceName=\"C\" {}><Role name=\"W\"><Instances count=\"2\" />
           <ConfigurationSettings><Setting name=\"S\" value=\"{SETTING}\" /></ConfigurationSettings>
         </Role></ServiceConfiguration>",
        namespace("ServiceConfiguration")
    );
    let mut sources = Sources::new();
    let files = [definition, configuration].map(|text| sources.add("file", text));
    let checked = schema::check(&sources, files[0], files[1]);
    let service = checked
        .service
        .unwrap_or_else(|| panic!("{:?}", checked.findings));
    let options = Options {
        deployment_id: "d".repeat(32),
        incarnation: 1,
        slot: Slot::Production,
        emulated: true,
        instances: BTreeMap::new(),
        listen: vec!["127.0.0.1".parse().unwrap()],
        block: 1,
        taken: Default::default(),
        instances_directory: folder.join("instances"),
        sockets_directory: folder.join("sockets"),
        package: Package {
            digest: String::new(),
            root: folder.join("package"),
            takes_sockets: Default::default(),
        },
        has_identities: false,
        group: String::new(),
        roles: BTreeMap::new(),
        kept: BTreeMap::new(),
        certificates_directory: folder.join("certificates"),
    };
    let plan = plan::plan(&service, &options).unwrap();
    // The second one, whose domains and address differ from the first's.
    plan.roles[0].instances[1].clone()
}

#[tokio::test]
async fn variables_say_what_xmllint_finds_in_the_document() {
    if !has_program("xmllint") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(folder.path());
    let tasks = LocalSet::new();
    let document = tasks.run_until(async {
        let (news, _events) = mpsc::channel(64);
        let mut server =
            RuntimeServer::open(&plan.paths.sockets, None, Offer::Sockets, news).unwrap();
        server.publish(&plan).unwrap();
        server.environment_path()
    });
    let document = document.await;
    let environment: BTreeMap<_, _> = plan.entry_point.environment.iter().cloned().collect();
    for (name, xpath) in xpaths() {
        let found = Command::new("xmllint")
            .arg("--xpath")
            .arg(format!("string({xpath})"))
            .arg(&document)
            .output()
            .unwrap();
        let found = String::from_utf8(found.stdout).unwrap();
        let found = found.strip_suffix('\n').unwrap_or(&found);
        assert!(!found.is_empty(), "{xpath}");
        assert_eq!(environment[&name], found, "{xpath}");
    }
}
