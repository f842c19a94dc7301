//! `approot why`: faults planted one by one, each named with its code from the evidence; healthy programs with nothing.
//!
//! One deployment: every instance becomes Ready first, as a start that fails is given up. Then its own copy of the
//! approot is changed and its program killed, so that the fault meets the next attempts.

use std::fs;
use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use e2e::deployment::{Deployment, PATIENCE, Place, instances};
use e2e::processes::kill;
use e2e::service::{Service, binary};
use rustix::process::Signal;
use serde_json::Value;
use test_support::{has_program, wait_within};

mod plants;

use plants::{ASKED, PLAIN, Plant, Then};

/// From the second death by a fault to its explanation.
const WHY_LIMIT: Duration = Duration::from_secs(1);

/// What takes longer is a cause.
const SLOW: Duration = Duration::from_secs(5);

/// Healthy instances; the cases of `WELL`.
const N_WELL: usize = 24;

/// The program of the healthy role: each instance does something that looks like trouble, and is well.
const WELL: &str = r#"#!/bin/sh
case ${RoleInstanceID##*_} in
0) echo 'Error: listen EADDRINUSE: address already in use 127.0.0.1:80' >&2 ;;
1) echo 'error while loading shared libraries: libq.so.6: cannot open shared object file' >&2 ;;
2) echo "Error: Cannot find module 'azure'" >&2 ;;
3) echo "ModuleNotFoundError: No module named 'azure'" >&2 ;;
4) echo 'No space left on device' >&2 ;;
5) echo 'cat: /r/certificates/LocalMachine/My/a.key: Permission denied' >&2 ;;
6) echo 'connect ECONNREFUSED 127.0.0.1:10000' >&2 ;;
7) echo "thread 'main' panicked at src/main.rs:1:1:" >&2 ;;
8) echo 'Segmentation fault (core dumped)' >&2 ;;
9) echo 'std::bad_alloc' >&2 ;;
10) no-such-program ;;
11) "$RoleRoot/approot/plain-file" ;;
12) sleep 3600 & ;;
13) (exit 3) & ;;
14) sh -c 'kill -SEGV $$' ;;
15) sh -c 'kill -KILL $$' ;;
16) head -c 200000 /dev/zero | tr '\0' x ;;
17) printf 'no line end' ;;
18) exec sh -c 'trap "" HUP; while :; do sleep 3600; done' ;;
19) exec tail -f /dev/null ;;
20) setsid sleep 3600 & ;;
21) cd / ;;
22) exec >&- 2>&- ;;
23) echo 'role: 2: tool: not found' >&2 ;;
esac
exec sleep 3600
"#;

/// The service: `Well` stays well; `Plain` is Ready as it runs; `Asked` when it says so, and listens at an endpoint.
fn service(folder: &Path, plants: &[Plant]) -> Service {
    let count = |role| plants.iter().filter(|plant| plant.role == role).count();
    let role =
        |name: &str, parts: &str| format!(r#"<WorkerRole name="{name}">{parts}</WorkerRole>"#);
    let entry = |line: &str, ready: bool| {
        format!(
            r#"<EntryPoint><ProgramEntryPoint commandLine="{line}" setReadyOnProcessStart="{ready}" /></EntryPoint>"#
        )
    };
    let plain = format!(
        r#"<ConfigurationSettings><Setting name="Storage" /></ConfigurationSettings>
        <LocalResources><LocalStorage name="Data" sizeInMB="1" cleanOnRoleRecycle="false" /></LocalResources>
        <Startup>
          <Task commandLine="setup" executionContext="elevated" taskType="simple" />
          <Task commandLine="hold" executionContext="elevated" taskType="foreground" />
        </Startup>
        <Runtime executionContext="elevated">
          <Environment><Variable name="DATA"><RoleInstanceValue xpath="/RoleEnvironment/CurrentInstance/LocalResources/LocalResource[@name='Data']/@path" /></Variable></Environment>
          {}
        </Runtime>"#,
        entry("role", true)
    );
    let asked = format!(
        r#"<Endpoints><InputEndpoint name="In" protocol="tcp" port="1234" localPort="20000" /></Endpoints>
        <Runtime executionContext="elevated">
          <Environment><Variable name="ADDRESS"><RoleInstanceValue xpath="/RoleEnvironment/CurrentInstance/Endpoints/Endpoint[@name='In']/@address" /></Variable></Environment>
          {}
        </Runtime>"#,
        entry("asked", false)
    );
    let well = format!(
        r#"<Runtime executionContext="elevated">{}</Runtime>"#,
        entry("role", true)
    );
    let space = "http://schemas.microsoft.com/ServiceHosting/2008/10";
    let definition = format!(
        r#"<ServiceDefinition name="FaultyCloud" xmlns="{space}/ServiceDefinition">{}{}{}</ServiceDefinition>"#,
        role("Well", &well),
        role(PLAIN, &plain),
        role(ASKED, &asked),
    );
    let configuration = format!(
        r#"<ServiceConfiguration serviceName="FaultyCloud" xmlns="{space}/ServiceConfiguration">
        <Role name="Well"><Instances count="{N_WELL}" /></Role>
        <Role name="{PLAIN}"><Instances count="{}" />
          <ConfigurationSettings><Setting name="Storage" value="UseDevelopmentStorage=true" /></ConfigurationSettings></Role>
        <Role name="{ASKED}"><Instances count="{}" /></Role>
        </ServiceConfiguration>"#,
        count(PLAIN),
        // One stays well.
        count(ASKED) + 1,
    );
    fs::write(folder.join("ServiceDefinition.csdef"), definition).unwrap();
    fs::write(
        folder.join("ServiceConfiguration.Local.cscfg"),
        configuration,
    )
    .unwrap();
    let scripts = [
        ("Well", "role", WELL),
        (PLAIN, "role", "#!/bin/sh\nexec sleep 3600\n"),
        (PLAIN, "setup", "#!/bin/sh\nexit 0\n"),
        (PLAIN, "hold", "#!/bin/sh\nexit 0\n"),
        (ASKED, "asked", "#!/bin/sh\nexec ./fixture-role\n"),
    ];
    for (role, name, text) in scripts {
        let content = folder.join(format!("{role}Content"));
        fs::create_dir_all(&content).unwrap();
        plants::write(&content, name, text.as_bytes());
    }
    Service {
        path: folder.to_owned(),
        configuration: "Local".to_owned(),
        binaries: vec![(ASKED.to_owned(), binary("fixture-role"))],
    }
}

/// An instance to plant in.
struct Planted<'a> {
    deployment: &'a Deployment,
    plant: &'a Plant,
    id: String,
    root: PathBuf,
    address: Option<SocketAddr>,
}

impl Planted<'_> {
    fn status(&self) -> Value {
        let mut all = self.deployment.instances().into_iter();
        all.find(|instance| instance["id"] == self.id.as_str())
            .unwrap()
    }

    /// Kills the program once it is Ready in an attempt after `attempt`; returns that attempt.
    fn kill_after(&self, attempt: u64) -> u64 {
        let (pid, attempt) = wait_within(PATIENCE, "the instance is Ready", || {
            let status = self.status();
            let found = status["attempt"].as_u64().unwrap();
            match status["pid"].as_i64() {
                Some(pid) if status["status"] == "Ready" && found > attempt => Ok((pid, found)),
                _ => Err(status),
            }
        });
        kill(i32::try_from(pid).unwrap());
        attempt
    }

    /// Plants the fault and has the instance meet it.
    fn meet(&self) -> Option<Holder> {
        let approot = self.root.join("approot");
        (self.plant.plant)(&approot);
        let attempt = self.kill_after(0);
        match self.plant.then {
            Then::Waits | Then::Crashes => None,
            Then::IsKilled => {
                self.kill_after(attempt);
                None
            }
            Then::PortIsTaken => {
                let address = self.address.unwrap();
                let held = wait_within(PATIENCE, "the port is free", || TcpListener::bind(address));
                fs::write(approot.join("held"), "").unwrap();
                Some(Holder::Port(held))
            }
            Then::IsRecycled => {
                wait_within(PATIENCE, "the fault has begun", || {
                    let begun = approot.join("begun");
                    if begun.exists() {
                        Ok(())
                    } else {
                        Err(self.status())
                    }
                });
                let mut command = Command::new(binary("approot"));
                command
                    .args(["recycle", &self.id, "--state"])
                    .arg(self.deployment.state())
                    .stdout(Stdio::null())
                    .stderr(Stdio::null());
                Some(Holder::Command(command.spawn().unwrap()))
            }
        }
    }

    fn why(&self) -> Value {
        why(self.deployment, &self.id)
    }

    /// Waits until the fault has killed twice, the death by this test aside, and asks at once.
    fn explained_after_two(&self) -> Value {
        let second = self.root.join("logs/death-000003.json");
        wait_within(PATIENCE, "the fault has killed twice", || {
            let death = fs::read(&second).map_err(|_| self.id.clone());
            death.map(|text| serde_json::from_slice::<Value>(&text).unwrap())
        });
        self.why()
    }

    fn check(&self) -> Result<Duration, String> {
        let holder = self.meet();
        let expected = self.plant.code;
        let explained = match self.plant.then {
            Then::Crashes | Then::PortIsTaken => self.explained_after_two(),
            Then::Waits | Then::IsKilled | Then::IsRecycled => {
                wait_within(PATIENCE, "there is a cause", || {
                    let explained = self.why();
                    let causes = explained["causes"].as_array().unwrap();
                    let found = causes.iter().any(|cause| cause["code"] == expected);
                    if found { Ok(explained) } else { Err(explained) }
                })
            }
        };
        drop(holder);
        let causes = explained["causes"].as_array().unwrap();
        let codes: Vec<&str> = causes
            .iter()
            .map(|cause| cause["code"].as_str().unwrap())
            .collect();
        let is_shown = causes.iter().all(|cause| {
            let evidence = cause["evidence"].as_array().unwrap();
            !evidence.is_empty() && !cause["cure"].as_str().unwrap().is_empty()
        });
        if codes.first() != Some(&expected) || !is_shown {
            return Err(format!(
                "{}: {expected} expected in {explained:#}",
                self.plant.name
            ));
        }
        let died = explained["death"]["time"].as_str().unwrap_or_default();
        Ok(age(died))
    }
}

/// What goes on until the fault has been looked at.
enum Holder {
    Port(TcpListener),
    Command(Child),
}

impl Drop for Holder {
    fn drop(&mut self) {
        match self {
            Holder::Port(listener) => assert!(listener.local_addr().is_ok()),
            Holder::Command(child) => {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}

fn why(deployment: &Deployment, id: &str) -> Value {
    let output = deployment.approot(&["why", id, "--format", "json"]);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// How long ago a time stamp of today was.
fn age(time: &str) -> Duration {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    let of_day = |n: usize| time.get(n..n + 2).and_then(|text| text.parse::<u64>().ok());
    let (Some(hours), Some(minutes), Some(seconds)) = (of_day(11), of_day(14), of_day(17)) else {
        return Duration::ZERO;
    };
    let millis: u64 = time[20..23].parse().unwrap();
    let then = ((hours * 60 + minutes) * 60 + seconds) * 1000 + millis;
    let day = 24 * 3600 * 1000;
    let now = u64::try_from(now.as_millis()).unwrap() % day;
    Duration::from_millis((now + day - then) % day)
}

fn check_health(deployment: &Deployment, ids: &[String]) {
    for id in ids {
        let explained = why(deployment, id);
        assert_eq!(explained["is_healthy"], true, "{explained:#}");
        assert_eq!(
            explained["causes"],
            Value::Array(Vec::new()),
            "{explained:#}"
        );
    }
}

/// Gives each fault an instance of its role; returns also the instances that stay well.
fn assign<'a>(
    deployment: &'a Deployment,
    place: &Place,
    plants: &'a [Plant],
) -> (Vec<Planted<'a>>, Vec<String>) {
    let mut free: Vec<Value> = deployment.instances();
    let mut planted = Vec::new();
    for plant in plants {
        let of_role = format!("{}_IN_", plant.role);
        let is_free = |instance: &Value| instance["id"].as_str().unwrap().starts_with(&of_role);
        let status = free.remove(free.iter().position(is_free).unwrap());
        let id = status["id"].as_str().unwrap().to_owned();
        planted.push(Planted {
            deployment,
            plant,
            root: place.state.join("instances").join(&id),
            id,
            address: address(&status),
        });
    }
    let well = free.iter().map(|instance| instance["id"].as_str().unwrap());
    (planted, well.map(str::to_owned).collect())
}

/// Where the instance's endpoint is, if it has one.
fn address(status: &Value) -> Option<SocketAddr> {
    let address = status["endpoints"][0]["address"].as_str()?;
    Some(address.parse().unwrap())
}

/// Checks all faults at the same time; returns how long each explanation came after the death that it explains.
fn check_all(planted: &[Planted<'_>]) -> Vec<Duration> {
    let results: Vec<Result<Duration, String>> = std::thread::scope(|scope| {
        let threads: Vec<_> = planted
            .iter()
            .map(|planted| scope.spawn(|| planted.check()))
            .collect();
        let joined = threads.into_iter().map(|thread| {
            thread.join().unwrap_or_else(|panic| {
                Err(panic.downcast_ref::<String>().cloned().unwrap_or_default())
            })
        });
        joined.collect()
    });
    let wrong: Vec<&str> = results
        .iter()
        .filter_map(|result| result.as_ref().err().map(String::as_str))
        .collect();
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    results.into_iter().flatten().collect()
}

#[test]
fn planted_faults_are_named_and_healthy_programs_are_not() {
    let has_node = has_program("node");
    let mut plants = plants::all();
    plants.retain(|plant| has_node || plant.code != "AW0207");
    assert!(plants.len() >= 24, "{}", plants.len());
    let folder = tempfile::tempdir().unwrap();
    let place = Place::new(folder.path());
    let service = service(folder.path(), &plants);
    let mut deployment = Deployment::spawn(&service, &place, &[]);
    deployment.await_ready();
    let began = Instant::now();

    let (planted, well) = assign(&deployment, &place, &plants);
    assert_eq!(well.len(), N_WELL + 1, "{well:?}");
    let took = check_all(&planted);
    for (planted, took) in planted.iter().zip(took) {
        let is_timed = planted.plant.then == Then::Crashes;
        let name = planted.plant.name;
        assert!(!is_timed || took < WHY_LIMIT, "{name}: {took:?}");
    }

    // By now everything that is only slow would be a cause.
    assert!(began.elapsed() > SLOW);
    check_health(&deployment, &well);
    check_busy(&deployment, well.last().unwrap());
    check_words(&deployment, &planted[0], &well[0]);

    // Some of them do not end when they are told to; the second signal does not wait for them.
    deployment.signal(Signal::TERM);
    deployment.signal(Signal::INT);
}

/// An instance that says that it is busy is explained by that, for as long as it says so.
fn check_busy(deployment: &Deployment, id: &str) {
    let instances = deployment.instances();
    let status = instances.iter().find(|instance| instance["id"] == id);
    let mut role = TcpStream::connect(address(status.unwrap()).unwrap()).unwrap();
    for (line, expected) in [("busy\n", Some("AW0003")), ("ready\n", None)] {
        role.write_all(line.as_bytes()).unwrap();
        wait_within(PATIENCE, "it is explained", || {
            let explained = why(deployment, id);
            let code = explained["causes"][0]["code"].as_str();
            if code == expected {
                Ok(())
            } else {
                Err(explained.to_string())
            }
        });
    }
}

/// What people read.
fn check_words(deployment: &Deployment, planted: &Planted<'_>, well: &str) {
    let says = |id: &str| {
        let output = deployment.approot(&["why", id]);
        let printed = String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), printed)
    };
    let (status, printed) = says(&planted.id);
    for text in [planted.plant.code, "cure: ", "evidence:"] {
        assert!(status == 0 && printed.contains(text), "{printed}");
    }
    let healthy = format!("{well} is Ready; nothing to explain\n");
    assert_eq!(says(well), (0, healthy));
    let (status, printed) = says("Nobody");
    assert!(
        status == 1 && printed.contains("there is no instance `Nobody`"),
        "{printed}"
    );
    let output = Command::new(binary("approot"))
        .args(["explain", planted.plant.code])
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stderr).unwrap();
    assert!(
        printed.starts_with(planted.plant.code) && printed.contains("cure: "),
        "{printed}"
    );
}

#[test]
fn evidence_and_logs_outlive_fabrics_and_runs() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::new(folder.path());
    e2e::service::write_script(
        folder.path(),
        "role.sh",
        "echo attempt of $$\nexec sleep 3600",
    );
    let parts = r#"<Runtime><EntryPoint><ProgramEntryPoint commandLine="role.sh" setReadyOnProcessStart="true" /></EntryPoint></Runtime>"#;
    let service = e2e::service::write(folder.path(), parts, 1, vec![]);
    let deaths = || -> Vec<Value> {
        let logs = place.state.join("instances/Fixture_IN_0/logs");
        let path = |n| logs.join(format!("death-{n:06}.json"));
        let read = (1..10).map_while(|n| match fs::read(path(n)) {
            Ok(text) => Some(serde_json::from_slice(&text).unwrap()),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::NotFound);
                None
            }
        });
        read.collect()
    };
    let mut deployment = Deployment::spawn(&service, &place, &[]);
    deployment.await_ready();
    let attempt = |deployment: &Deployment| deployment.instances()[0]["attempt"].as_u64().unwrap();
    let next = |deployment: &mut Deployment, before: u64| {
        wait_within(PATIENCE, "a later attempt is Ready", || {
            let status = deployment.status().ok_or("no fabric answers".to_owned())?;
            let instance = &instances(&status)[0];
            let is_it =
                instance["status"] == "Ready" && instance["attempt"].as_u64() > Some(before);
            if is_it {
                Ok(())
            } else {
                Err(instance.to_string())
            }
        });
    };
    assert_eq!(attempt(&deployment), 1);
    kill(deployment.programs()[0]);
    next(&mut deployment, 1);

    kill(deployment.holder("fabric.lock").unwrap());
    next(&mut deployment, 2);
    kill(deployment.programs()[0]);
    next(&mut deployment, 3);
    deployment.signal(Signal::TERM);
    deployment.await_end();
    let before = deaths();
    assert_eq!(before.len(), 2, "an orderly stop is no death: {before:?}");
    drop(deployment);

    let mut deployment = Deployment::spawn(&service, &place, &[]);
    deployment.await_ready();
    assert_eq!(attempt(&deployment), 5, "attempts are counted on");
    kill(deployment.programs()[0]);
    next(&mut deployment, 5);
    let after = wait_within(PATIENCE, "the third death is kept", || match deaths() {
        deaths if deaths.len() == 3 => Ok(deaths),
        deaths => Err(deaths),
    });
    assert_eq!(after[..2], before[..], "the first ones are as they were");
    let of_attempts: Vec<u64> = after
        .iter()
        .map(|death| death["attempt"].as_u64().unwrap())
        .collect();
    assert_eq!(of_attempts, [1, 3, 5]);
    for death in &after {
        assert_eq!(death["phase"], "running", "{death:#}");
        assert_eq!(death["end"]["killed"], 9, "{death:#}");
        assert!(
            death["lines"][0]
                .as_str()
                .unwrap()
                .starts_with("out: attempt of "),
            "{death:#}"
        );
        assert!(
            death["memory"]["peak_bytes"].as_u64().unwrap() > 100_000,
            "{death:#}"
        );
        assert!(
            death["executable"]["path"]
                .as_str()
                .unwrap()
                .ends_with("/approot/role.sh"),
            "{death:#}"
        );
    }
    let logs = String::from_utf8(deployment.approot(&["logs"]).stdout).unwrap();
    assert!(
        logs.lines().all(|line| line.starts_with("Fixture_IN_0 ")),
        "{logs}"
    );
    assert_eq!(logs.matches(" out: attempt of ").count(), 6, "{logs}");
    let explained = why(&deployment, "Fixture_IN_0");
    assert_eq!(explained["causes"][0]["code"], "AW0310", "{explained:#}");
}
