//! A deployment that is changed while it runs: configurations, counts, and instances that are started anew.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use e2e::deployment::{Deployment, PATIENCE};
use e2e::load::{broken, run};
use e2e::processes::{kill, lock_holder};
use e2e::service::{Service, binary, echo_cloud, workspace, write, write_script};
use serde_json::Value;
use test_support::{wait_until, wait_within};
use tokio::io::{AsyncBufReadExt, BufReader as AsyncReader};
use tokio::net::TcpStream;

/// A configuration of the sample service: `(old, new)` are replaced in the one for this machine.
fn configuration(folder: &Path, replaced: &[(&str, &str)]) -> PathBuf {
    let path = workspace().join("services/echo-cloud/ServiceConfiguration.Local.cscfg");
    let mut text = fs::read_to_string(path).unwrap();
    for (old, new) in replaced {
        assert!(text.contains(old), "{old}");
        text = text.replace(old, new);
    }
    let path = folder.join("changed.cscfg");
    fs::write(&path, text).unwrap();
    path
}

fn configure(deployment: &Deployment, file: &Path) -> Output {
    deployment.approot(&["configure", file.to_str().unwrap()])
}

fn succeeded(output: &Output) -> String {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(output.status.success(), "{:?}: {said}", output.status);
    said
}

/// The pid and the recycles of each instance.
fn lives(deployment: &Deployment) -> Vec<(Value, Value)> {
    let life = |instance: &Value| (instance["pid"].clone(), instance["recycles"].clone());
    deployment.instances().iter().map(life).collect()
}

async fn greeting(deployment: &Deployment) -> String {
    let stream = TcpStream::connect(deployment.public(1234)).await.unwrap();
    let mut line = String::new();
    AsyncReader::new(stream).read_line(&mut line).await.unwrap();
    line.trim_end().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_is_told_refused_scaled_and_survives_a_killed_fabric() {
    let folder = tempfile::tempdir().unwrap();
    let deployment = Deployment::start(&echo_cloud());
    let two = ("count=\"4\"", "count=\"2\"");
    succeeded(&configure(
        &deployment,
        &configuration(folder.path(), &[two]),
    ));

    // A setting that the worker takes: changing and changed, without a restart, within a second.
    let before = lives(&deployment);
    assert_eq!(before.len(), 2);
    let hello = ("Welcome to EchoCloud on this machine.", "Hello again.");
    let file = configuration(folder.path(), &[two, hello]);
    let began = Instant::now();
    let said = succeeded(&configure(&deployment, &file));
    assert!(said.contains("EchoWorker: Greeting"), "{said}");
    while greeting(&deployment).await != "Hello again." {
        assert!(began.elapsed() < Duration::from_secs(1), "{said}");
    }
    assert_eq!(lives(&deployment), before);
    assert_eq!(
        succeeded(&configure(&deployment, &file)),
        "nothing changes\n"
    );

    // One that it refuses: a recycle, by the role's own wish.
    let limit = ("value=\"200\"", "value=\"201\"");
    let family = ("serviceName", "osFamily=\"4\" serviceName");
    let file = configuration(folder.path(), &[two, hello, limit, family]);
    let said = succeeded(&configure(&deployment, &file));
    assert!(said.contains("not used: osFamily"), "{said}");
    wait_until("both recycled and Ready", || {
        let instances = deployment.instances();
        let is_back = |instance: &Value| instance["recycles"] == 1 && instance["status"] == "Ready";
        if instances.iter().all(is_back) {
            Ok(())
        } else {
            Err(instances)
        }
    });

    assert!(
        deployment
            .printed()
            .contains("configuration 4 is being carried out")
    );

    // What does not fit changes nothing.
    let other = configuration(folder.path(), &[("\"EchoCloud\"", "\"Other\"")]);
    let refused = configure(&deployment, &other);
    assert_eq!(refused.status.code(), Some(3));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("changed.cscfg:2:"), "{said}");
    let unknown = deployment.approot(&["scale", "Nobody=2"]);
    assert_eq!(unknown.status.code(), Some(3));

    // Counts, under load.
    let load = tokio::spawn(run(deployment.public(1234), 100, 3));
    let leavers = deployment.state().join("instances/EchoWorker_IN_3");
    succeeded(&deployment.approot(&["scale", "EchoWorker=4"]));
    assert!(leavers.join("approot").is_dir());
    succeeded(&deployment.approot(&["scale", "EchoWorker=1"]));
    assert_eq!(deployment.instances().len(), 1);
    let held = load.await.unwrap();
    assert!(broken(&held).is_empty(), "{:?}", broken(&held));
    wait_until("the folder is gone", || {
        if leavers.exists() { Err(()) } else { Ok(()) }
    });

    // The fabric dies when it has acknowledged, both on the way up and on the way down.
    for count in [3, 1] {
        let mut command = Command::new(binary("approot"));
        command
            .args(["scale", &format!("EchoWorker={count}"), "--state"])
            .arg(deployment.state())
            .stderr(Stdio::piped());
        let mut scale = command.spawn().unwrap();
        let mut said = String::new();
        let stderr = scale.stderr.take().unwrap();
        BufReader::new(stderr).read_line(&mut said).unwrap();
        assert!(said.starts_with("configuration "), "{said}");
        kill(deployment.holder("fabric.lock").unwrap());
        let status = scale.wait().unwrap();
        assert!(status.success(), "{status:?}");
        assert_eq!(deployment.instances().len(), count);
        assert_eq!(greeting(&deployment).await, "Hello again.");
    }
    wait_until("the folders of those who left are gone", || {
        let left = fs::read_dir(deployment.state().join("instances")).unwrap();
        match left.count() {
            1 => Ok(()),
            n => Err(n),
        }
    });
}

/// A role that says what it finds of its own from earlier, leaves a note everywhere, and runs as long as the setting
/// `Mode` was `good` when it started.
fn noter(folder: &Path) -> Service {
    let path = |store: &str| {
        format!(
            r#"<RoleInstanceValue xpath="/RoleEnvironment/CurrentInstance/LocalResources/LocalResource[@name='{store}']/@path" />"#
        )
    };
    let (kept, cleaned) = (path("Kept"), path("Cleaned"));
    let mode = "/RoleEnvironment/CurrentInstance/ConfigurationSettings/ConfigurationSetting[@name='Mode']/@value";
    let parts = format!(
        r#"    <Runtime>
      <Environment>
        <Variable name="KEPT">{kept}</Variable>
        <Variable name="CLEANED">{cleaned}</Variable>
        <Variable name="MODE"><RoleInstanceValue xpath="{mode}" /></Variable>
      </Environment>
      <EntryPoint><ProgramEntryPoint commandLine="note.sh" setReadyOnProcessStart="true" /></EntryPoint>
    </Runtime>
    <ConfigurationSettings><Setting name="Mode" /></ConfigurationSettings>
    <LocalResources>
      <LocalStorage name="Kept" sizeInMB="1" cleanOnRoleRecycle="false" />
      <LocalStorage name="Cleaned" sizeInMB="1" cleanOnRoleRecycle="true" />
    </LocalResources>"#
    );
    let script = r#"found=
note() { [ -e "$2/note" ] && found="$found $1"; : > "$2/note"; }
note approot .
note kept "$KEPT"
note cleaned "$CLEANED"
note temp "$TEMP"
echo "found:$found."
[ "$MODE" = good ] || exit 3
exec sleep 1000"#;
    write_script(folder, "note.sh", script);
    let service = write(folder, &parts, 1, vec![]);
    fs::copy(
        set_mode(folder, "good"),
        folder.join("ServiceConfiguration.Local.cscfg"),
    )
    .unwrap();
    service
}

fn set_mode(folder: &Path, mode: &str) -> PathBuf {
    let text = format!(
        r#"<ServiceConfiguration serviceName="FixtureCloud" xmlns="http://schemas.microsoft.com/ServiceHosting/2008/10/ServiceConfiguration">
  <Role name="Fixture">
    <Instances count="1" />
    <ConfigurationSettings><Setting name="Mode" value="{mode}" /></ConfigurationSettings>
  </Role>
</ServiceConfiguration>
"#
    );
    let path = folder.join(format!("{mode}.mode"));
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn what_survives_each_new_start_and_a_pause_ends_with_a_new_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let deployment = Deployment::start(&noter(folder.path()));
    let id = "Fixture_IN_0";
    let host = || lock_holder(&deployment.state().join("instances").join(id).join("lock"));

    // Each new start, whether the host is another one then, and what the role finds.
    for (command, is_new_host) in [("recycle", false), ("reboot", true), ("reimage", true)] {
        let before = host();
        succeeded(&deployment.approot(&[command, id]));
        assert_eq!(host() != before, is_new_host, "{command}");
    }
    let unknown = deployment.approot(&["reimage", "Fixture_IN_9"]);
    assert_eq!(unknown.status.code(), Some(1));
    let logs = String::from_utf8(deployment.approot(&["logs"]).stdout).unwrap();
    let found: Vec<&str> = logs
        .lines()
        .filter_map(|line| Some(line.split_once("out: found:")?.1))
        .collect();
    // The first start, the recycle, the reboot, the reimage; their logs are all there.
    assert_eq!(found, [".", " approot kept.", " kept.", " kept."], "{logs}");

    // Variables are captured when a process starts: a running one does not hear of it.
    let before = lives(&deployment);
    succeeded(&configure(&deployment, &set_mode(folder.path(), "bad")));
    assert_eq!(lives(&deployment), before);
    kill(deployment.programs()[0]);
    // After three deaths in a row the next attempt follows in four seconds at the earliest.
    wait_within(PATIENCE, "a long pause", || {
        let instance = deployment.instances().remove(0);
        if instance["recycles"].as_u64() >= Some(6) && instance["status"] == "Recycling" {
            Ok(())
        } else {
            Err(instance)
        }
    });
    let began = Instant::now();
    succeeded(&configure(&deployment, &set_mode(folder.path(), "good")));
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
}
