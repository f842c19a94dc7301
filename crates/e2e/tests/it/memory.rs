//! What hostile files of 1 MiB cost `approot check`: memory at its peak, and time.
//!
//! The operating system measures the real program. What the findings say is not looked at here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::service::binary;
use test_support::has_program;

/// Of the files that one check reads, together.
const INPUT_BYTES: usize = 1 << 20;

/// The bound on all that the program holds: code, stack and heap.
const MAX_PEAK_KIB: f64 = 64.0 * 1024.0;

/// Seconds of processor time that a check may take, in a debug build too. Most take half of one.
/// The clock on the wall would measure what else the machine does.
const MAX_SECONDS: f64 = 10.0;

/// Seconds by that clock, after which a check is taken to hang.
pub(crate) const DEADLINE: &str = "120";

/// Runs a program within a deadline, then prints its status, its peak in KiB and its processor time.
/// It is not in Rust because only `unsafe` code gets at the resource usage of a child there.
pub(crate) const MEASURE: &str = "
import resource, subprocess, sys
deadline, *arguments = sys.argv[1:]
child = subprocess.run(arguments, stdout=subprocess.DEVNULL, timeout=float(deadline))
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(child.returncode, usage.ru_maxrss, usage.ru_utime + usage.ru_stime)
";

/// A file that can be had in any size: its middle is repeated.
struct Growing {
    before: String,
    piece: Box<dyn Fn(usize) -> String>,
    after: String,
}

impl Growing {
    /// A definition that holds `piece(0)`, `piece(1)` and so on.
    fn definition(piece: impl Fn(usize) -> String + 'static) -> Growing {
        let piece = Box::new(piece);
        let namespace = "http://schemas.microsoft.com/ServiceHosting/2008/10/ServiceDefinition";
        Growing {
            before: format!("<ServiceDefinition name=\"S\" xmlns=\"{namespace}\">"),
            piece,
            after: "</ServiceDefinition>".to_owned(),
        }
    }

    /// A configuration that holds them.
    fn configuration(piece: impl Fn(usize) -> String + 'static) -> Growing {
        let piece = Box::new(piece);
        let namespace = "http://schemas.microsoft.com/ServiceHosting/2008/10/ServiceConfiguration";
        Growing {
            before: format!("<ServiceConfiguration serviceName=\"S\" xmlns=\"{namespace}\">"),
            piece,
            after: "</ServiceConfiguration>".to_owned(),
        }
    }

    /// The same, with something of the root's around what grows.
    fn inside(mut self, begin: &str, end: &str) -> Growing {
        self.before.push_str(begin);
        self.after.insert_str(0, end);
        self
    }

    fn text(&self, bytes: usize, separator: &str) -> String {
        let mut text = self.before.clone();
        for i in 0.. {
            let piece = (self.piece)(i);
            if text.len() + piece.len() + separator.len() + self.after.len() > bytes {
                break;
            }
            text.push_str(&piece);
            text.push_str(separator);
        }
        text + &self.after
    }
}

/// The settings of a role.
fn declared(setting: impl Fn(usize) -> String + 'static) -> Growing {
    Growing::definition(setting).inside(
        "<WorkerRole name=\"W\"><ConfigurationSettings>",
        "</ConfigurationSettings></WorkerRole>",
    )
}

/// The values of that role's settings.
fn configured(setting: impl Fn(usize) -> String + 'static) -> Growing {
    Growing::configuration(setting).inside(
        "<Role name=\"W\"><Instances count=\"1\"/><ConfigurationSettings>",
        "</ConfigurationSettings></Role>",
    )
}

fn utf8(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

/// With the mark that says which end comes first.
fn utf16(text: &str) -> Vec<u8> {
    let units = std::iter::once(0xfeff).chain(text.encode_utf16());
    units.flat_map(u16::to_le_bytes).collect()
}

#[track_caller]
fn cost_little(definition: &Growing, configuration: &Growing) {
    cost_little_as(utf8, INPUT_BYTES, definition, configuration);
}

/// Each file alone, and both together: in one line, which every finding quotes, and in many.
#[track_caller]
fn cost_little_as(
    encode: fn(&str) -> Vec<u8>,
    bytes: usize,
    definition: &Growing,
    configuration: &Growing,
) {
    if !has_program("python3") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let files = [("a.csdef", definition), ("a.cscfg", configuration)];
    let files = files.map(|(name, file)| (folder.path().join(name), file));
    let write = |(path, file): &(PathBuf, &Growing), bytes, separator| {
        fs::write(path, encode(&file.text(bytes, separator))).unwrap();
    };
    for file in &files {
        write(file, bytes, "");
        check(&file.0, "human");
    }
    for (separator, format) in [("", "human"), ("\n", "json")] {
        for file in &files {
            write(file, bytes / 2, separator);
        }
        check(folder.path(), format);
    }
}

#[track_caller]
fn check(path: &Path, format: &str) {
    let output = Command::new("python3")
        .args(["-c", MEASURE, DEADLINE])
        .arg(binary("approot"))
        .args(["check", "--format", format])
        .arg(path)
        .output()
        .unwrap();
    let what = format!("check --format {format} {}", path.display());
    // Thousands of findings are too many to look at.
    let words = String::from_utf8_lossy(&output.stderr);
    let last = &words[words.ceil_char_boundary(words.len().saturating_sub(2000))..];
    assert!(output.status.success(), "{what}: {last}");
    assert!(!words.contains("panicked at"), "{what}: {last}");
    let measured = String::from_utf8(output.stdout).unwrap();
    let measured: Vec<f64> = measured
        .split(' ')
        .map(|n| n.trim().parse().unwrap())
        .collect();
    let [status, peak_kib, seconds] = measured[..] else {
        panic!("{what}: measured {measured:?}");
    };
    assert!(status == 0.0 || status == 3.0, "{what}: {status}: {last}");
    assert!(
        peak_kib <= MAX_PEAK_KIB,
        "{what}: {peak_kib} KiB at the peak"
    );
    assert!(seconds <= MAX_SECONDS, "{what}: {seconds} s");
}

#[test]
fn tiny_elements() {
    let piece = |_| "<a/>".to_owned();
    cost_little(&Growing::definition(piece), &Growing::configuration(piece));
}

#[test]
fn roles_that_lack_everything() {
    cost_little(
        &Growing::definition(|_| "<WorkerRole/>".to_owned()),
        &Growing::configuration(|_| "<Role/>".to_owned()),
    );
}

#[test]
fn an_attribute_in_each_element() {
    let piece = |_| "<a b=''/>".to_owned();
    cost_little(&Growing::definition(piece), &Growing::configuration(piece));
}

#[test]
fn as_many_attributes_as_an_element_may_have() {
    let attributes: String = (0..250).map(|i| format!(" a{i}=''")).collect();
    let piece = move |_| format!("<a{attributes}/>");
    cost_little(
        &Growing::definition(piece.clone()),
        &Growing::configuration(piece),
    );
}

#[test]
fn attributes_without_end() {
    let piece = |i| format!(" a{i}=''");
    cost_little(
        &Growing::definition(piece).inside("<WorkerRole", "/>"),
        &Growing::configuration(piece).inside("<Role", "/>"),
    );
}

#[test]
fn namespaces() {
    let declarations: String = (0..250).map(|i| format!(" xmlns:a{i}='u{i}'")).collect();
    let piece = move |i| format!("<a xmlns='u{i}'{declarations}/>");
    cost_little(
        &Growing::definition(piece.clone()),
        &Growing::configuration(piece),
    );
}

#[test]
fn misspelt_elements_and_attributes() {
    cost_little(
        &Growing::definition(|i| format!("<WorkrRole{i} nam='a'/>")),
        &Growing::configuration(|i| format!("<Rol{i} nam='a'/>")),
    );
}

#[test]
fn settings_that_match() {
    cost_little(
        &declared(|i| format!("<Setting name='s{i}'/>")),
        &configured(|i| format!("<Setting name='s{i}' value=''/>")),
    );
}

#[test]
fn settings_that_almost_match() {
    cost_little(
        &declared(|i| format!("<Setting name='Greeting{i}'/>")),
        &configured(|i| format!("<Setting name='Greting{i}' value=''/>")),
    );
}

#[test]
fn long_settings_that_almost_match() {
    let long = "a".repeat(1000);
    let other = long.clone();
    cost_little(
        &declared(move |i| format!("<Setting name='b{long}{i}'/>")),
        &configured(move |i| format!("<Setting name='c{other}{i}' value=''/>")),
    );
}

#[test]
fn settings_of_one_name() {
    cost_little(
        &declared(|_| "<Setting name='s'/>".to_owned()),
        &configured(|_| "<Setting name='s' value=''/>".to_owned()),
    );
}

#[test]
fn references_in_every_value() {
    let setting = |i| format!("<Setting name='&#115;{i}' value='&amp;'/>");
    cost_little(&declared(setting), &configured(setting));
}

#[test]
fn roles_that_match() {
    let role = |i| format!("<Role name='r{i}'><Instances count='1'/></Role>");
    cost_little(
        &Growing::definition(|i| format!("<WorkerRole name='r{i}'/>")),
        &Growing::configuration(role),
    );
}

#[test]
fn roles_that_almost_match() {
    let role = |i| format!("<Role name='Frnt{i}'><Instances count='0'/></Role>");
    cost_little(
        &Growing::definition(|i| format!("<WorkerRole name='Front{i}'/>")),
        &Growing::configuration(role),
    );
}

#[test]
fn one_giant_value() {
    let piece = |_| "a".repeat(16);
    cost_little(
        &Growing::definition(piece).inside("<WorkerRole name='", "'/>"),
        &Growing::configuration(piece).inside("<Role name='", "'/>"),
    );
}

#[test]
fn nesting_as_deep_as_may_be() {
    let piece = |_| "<a>".repeat(250) + &"</a>".repeat(250);
    cost_little(&Growing::definition(piece), &Growing::configuration(piece));
}

#[test]
fn nesting_without_end() {
    let piece = |_| "<a>".to_owned();
    cost_little(&Growing::definition(piece), &Growing::configuration(piece));
}

#[test]
fn certificates_that_almost_match() {
    let certificate = "storeLocation='LocalMachine' storeName='My'";
    let thumbprint = "thumbprint='00' thumbprintAlgorithm='sha1'";
    cost_little(
        &Growing::definition(move |i| format!("<Certificate name='Server{i}' {certificate}/>"))
            .inside(
                "<WorkerRole name='W'><Certificates>",
                "</Certificates></WorkerRole>",
            ),
        &Growing::configuration(move |i| format!("<Certificate name='Servr{i}' {thumbprint}/>"))
            .inside("<Role name='W'><Certificates>", "</Certificates></Role>"),
    );
}

#[test]
fn network_rules_about_what_is_not_there() {
    let to = |i| format!("<RoleEndpoint roleName='r{i}' endpointName='e{i}'/>");
    let acl = |i| format!("<EndpointAcl role='r{i}' endPoint='e{i}' accessControl='a{i}'/>");
    cost_little(
        &Growing::definition(to).inside(
            "<NetworkTrafficRules><OnlyAllowTrafficTo><Destinations>",
            "</Destinations><AllowAllTraffic/></OnlyAllowTrafficTo></NetworkTrafficRules>",
        ),
        &Growing::configuration(acl).inside(
            "<NetworkConfiguration><EndpointAcls>",
            "</EndpointAcls></NetworkConfiguration>",
        ),
    );
}

/// A role whose variables have these values, and a configuration with settings.
#[track_caller]
fn xpaths_cost_little(xpath: impl Fn(usize) -> String + 'static) {
    let variable = move |i| {
        let value = format!("<RoleInstanceValue xpath=\"{}\"/>", xpath(i));
        format!("<Variable name='v{i}'>{value}</Variable>")
    };
    cost_little(
        &Growing::definition(variable).inside(
            "<WorkerRole name='W'><Runtime><Environment>",
            "</Environment></Runtime></WorkerRole>",
        ),
        &configured(|i| format!("<Setting name='s{i}' value=''/>")),
    );
}

#[test]
fn xpaths_to_what_is_not_there() {
    let endpoint = "/RoleEnvironment/CurrentInstance/Endpoints/Endpoint";
    xpaths_cost_little(move |i| format!("{endpoint}[@name='e{i}']/@port"));
}

#[test]
fn xpaths_that_mean_nothing() {
    xpaths_cost_little(|i| format!("/RoleEnvironmnt/{i}{}", "/a".repeat(50)));
}

/// Names of which any two are near each other, and none is equal to one of another kind.
fn near(kind: char, i: usize) -> String {
    format!("{}{kind}{:04}", "n".repeat(50), i % 10_000)
}

#[test]
fn probes_that_are_almost_there() {
    let probe = |i| {
        format!(
            "<LoadBalancerProbe name='{}' protocol='tcp'/>",
            near('a', i)
        )
    };
    let probes: String = (0..1000).map(probe).collect();
    let endpoint = |i| {
        let probe = near('b', i);
        format!("<InputEndpoint name='e{i}' protocol='tcp' port='1' loadBalancerProbe='{probe}'/>")
    };
    cost_little(
        &Growing::definition(endpoint).inside(
            &format!(
                "<LoadBalancerProbes>{probes}</LoadBalancerProbes><WorkerRole name='W'><Endpoints>"
            ),
            "</Endpoints></WorkerRole>",
        ),
        &configured(|i| format!("<Setting name='s{i}' value=''/>")),
    );
}

#[test]
fn xpaths_to_what_is_almost_there() {
    let endpoint = |i| format!("<InternalEndpoint name='{}' protocol='tcp'/>", near('a', i));
    let endpoints: String = (0..1000).map(endpoint).collect();
    let variable = |i| {
        let path = "/RoleEnvironment/CurrentInstance/Endpoints/Endpoint";
        let xpath = format!("{path}[@name='{}']/@port", near('b', i));
        format!("<Variable name='v{i}'><RoleInstanceValue xpath=\"{xpath}\"/></Variable>")
    };
    cost_little(
        &Growing::definition(variable).inside(
            &format!(
                "<WorkerRole name='W'><Endpoints>{endpoints}</Endpoints><Runtime><Environment>"
            ),
            "</Environment></Runtime></WorkerRole>",
        ),
        &configured(|i| format!("<Setting name='s{i}' value=''/>")),
    );
}

#[test]
fn endpoints_whose_ports_clash() {
    let endpoint = |i| format!("<InputEndpoint name='e{i}' protocol='tcp' port='80'/>");
    cost_little(
        &Growing::definition(endpoint).inside(
            "<WorkerRole name='W'><Endpoints>",
            "</Endpoints></WorkerRole>",
        ),
        &configured(|i| format!("<Setting name='s{i}' value=''/>")),
    );
}

/// The sizes are those of the text as UTF-8, so that the files have about 1 MiB.
#[test]
fn utf16_text() {
    let piece = |_| "<a/>".to_owned();
    let (definition, configuration) = (Growing::definition(piece), Growing::configuration(piece));
    cost_little_as(utf16, INPUT_BYTES / 2, &definition, &configuration);
    // Characters of two bytes that have three in UTF-8.
    let setting = |i| format!("<Setting name='{}{i}'/>", "\u{4e00}".repeat(100));
    let bytes = INPUT_BYTES / 4 * 5;
    cost_little_as(utf16, bytes, &declared(setting), &configured(setting));
}
