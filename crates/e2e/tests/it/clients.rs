//! What holds for every client of the runtime protocol that we did not write: two roles, in other languages and over
//! other transports, answer the same lines and are asked the same.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use e2e::deployment::{Deployment, PATIENCE};
use serde_json::Value;
use test_support::wait_within;

/// How soon a client that says Busy is out of rotation.
const BUSY_LIMIT: Duration = Duration::from_millis(200);

/// For how long it says so.
const BUSY: Duration = Duration::from_secs(2);

/// A connection to one instance.
pub(crate) struct Lines {
    reader: BufReader<TcpStream>,
    pub(crate) id: String,
}

impl Lines {
    pub(crate) fn connect(address: SocketAddr) -> Lines {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut lines = Lines {
            reader: BufReader::new(stream),
            id: String::new(),
        };
        lines.id = lines.ask("id");
        lines
    }

    /// A connection to the instance `id`, as soon as the balancer gives one.
    pub(crate) fn to(address: SocketAddr, id: &str) -> Lines {
        // Several at once: an instance with a standing connection is not the first choice.
        wait_within(PATIENCE, "a connection to the instance", || {
            let all = [(); 4].map(|()| Lines::connect(address));
            let ids: Vec<String> = all.iter().map(|lines| lines.id.clone()).collect();
            let mut all = all.into_iter();
            all.find(|lines| lines.id == id).ok_or(ids)
        })
    }

    pub(crate) fn ask(&mut self, question: &str) -> String {
        let stream = self.reader.get_mut();
        stream
            .write_all(format!("{question}\n").as_bytes())
            .unwrap();
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

/// The rest of the life of a deployment with two instances that listen on `port` and have been recycled `recycles`
/// times.
pub(crate) fn live(deployment: &mut Deployment, port: u16, recycles: usize) {
    let address = deployment.public(port);
    let ids: Vec<String> = deployment.instances().iter().map(id_of).collect();
    assert_eq!(ids.len(), 2);
    for id in &ids {
        reads_its_environment(deployment, &mut Lines::to(address, id));
    }
    is_busy_for_a_time(address, &ids[0]);
    recycles_when_it_asks(deployment, &ids[1], port);
    let output = deployment.approot(&["stop"]);
    assert!(output.status.success(), "{output:?}");
    deployment.await_end();
    for id in &ids {
        let log = log_of(deployment, id);
        let expected = recycles + if *id == ids[1] { 2 } else { 1 };
        assert_eq!(log.matches("out: stopping\n").count(), expected, "{log}");
        assert!(!log.contains("the limit for stopping has passed"), "{log}");
    }
}

fn id_of(instance: &Value) -> String {
    instance["id"].as_str().unwrap().to_owned()
}

fn reads_its_environment(deployment: &Deployment, lines: &mut Lines) {
    let instances = deployment.instances();
    let own = instances.iter().find(|own| own["id"] == lines.id).unwrap();
    let endpoint = &own["endpoints"][0];
    let expected = format!("tcp {}", endpoint["address"].as_str().unwrap());
    assert_eq!(lines.ask("endpoint Lines"), expected);
    let store = deployment.state().join("instances").join(&lines.id);
    let store = store.join("directory/Scratch");
    let expected = format!("{}/ 10", store.display());
    assert_eq!(lines.ask("resource Scratch"), expected);
    assert!(store.join("visited.txt").is_file());
}

fn is_busy_for_a_time(address: SocketAddr, id: &str) {
    let mut lines = Lines::to(address, id);
    assert_eq!(lines.ask(&format!("busy {}", BUSY.as_millis())), "busy");
    let said = Instant::now();
    // Its own standing connection would make it the second choice in any case.
    drop(lines);
    let mut last_pick = Duration::ZERO;
    let mut others = BTreeSet::new();
    while said.elapsed() < BUSY / 2 {
        let begun = said.elapsed();
        let picked = Lines::connect(address).id;
        if picked == id {
            last_pick = begun;
        } else {
            others.insert(picked);
        }
    }
    assert!(last_pick < BUSY_LIMIT, "picked after {last_pick:?}");
    assert_eq!(others.len(), 1);
    drop(Lines::to(address, id));
    let back = said.elapsed();
    assert!(back > BUSY * 9 / 10, "back after {back:?}");
}

fn recycles_when_it_asks(deployment: &Deployment, id: &str, port: u16) {
    let state = |id: &str| {
        let instances = deployment.instances();
        let own = instances
            .iter()
            .find(|own| own["id"] == id)
            .unwrap()
            .clone();
        (
            own["pid"].as_i64(),
            own["recycles"].as_i64(),
            own["status"].clone(),
        )
    };
    let (before, recycles, _) = state(id);
    let mut lines = Lines::to(deployment.public(port), id);
    assert_eq!(lines.ask("recycle"), "recycling");
    drop(lines);
    wait_within(PATIENCE, "recycled and Ready", || {
        let (pid, n, status) = state(id);
        let is_back = n > recycles && status == "Ready" && pid.is_some() && pid != before;
        if is_back {
            Ok(())
        } else {
            Err((pid, n, status))
        }
    });
    let log = log_of(deployment, id);
    assert!(log.contains("host: the role asked for a recycle"), "{log}");
    assert!(log.contains("out: stopping\n"), "{log}");
}

/// All that is kept of an instance's output.
pub(crate) fn log_of(deployment: &Deployment, id: &str) -> String {
    let folder = deployment.state().join("instances").join(id).join("logs");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().flatten().collect();
    files.sort_by_key(fs::DirEntry::path);
    let read = |file: &fs::DirEntry| fs::read_to_string(file.path()).unwrap();
    files.iter().map(read).collect()
}
