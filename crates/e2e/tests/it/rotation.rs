//! Who gets connections.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use e2e::deployment::Deployment;
use e2e::load::{broken, by_instance, run};
use e2e::service::{Service, binary, echo_cloud, write};
use test_support::wait_until;

/// A service whose role takes orders over its connections.
pub(crate) fn fixture(folder: &std::path::Path, n_instances: u32) -> Service {
    let parts = r#"    <Endpoints><InputEndpoint name="In" protocol="tcp" port="1234" /></Endpoints>
    <Runtime><EntryPoint>
      <ProgramEntryPoint commandLine="fixture-role" setReadyOnProcessStart="false" />
    </EntryPoint></Runtime>"#;
    write(
        folder,
        parts,
        n_instances,
        vec![("Fixture".to_owned(), binary("fixture-role"))],
    )
}

/// A connection to one instance of the fixture role.
pub(crate) struct Client {
    reader: BufReader<TcpStream>,
    pub(crate) id: String,
}

impl Client {
    pub(crate) fn connect(deployment: &Deployment) -> Client {
        let stream = TcpStream::connect(deployment.public(1234)).unwrap();
        let mut client = Client {
            reader: BufReader::new(stream),
            id: String::new(),
        };
        client.id = client.read();
        client
    }

    pub(crate) fn order(&mut self, order: &str) -> String {
        self.reader
            .get_mut()
            .write_all(format!("{order}\n").as_bytes())
            .unwrap();
        self.read()
    }

    pub(crate) fn read(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

fn status_of(deployment: &Deployment, id: &str) -> String {
    let instances = deployment.instances();
    let found = instances
        .iter()
        .find(|instance| instance["id"] == id)
        .unwrap();
    found["status"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_spread_over_all_instances() {
    let deployment = Deployment::start(&echo_cloud());
    let held = run(deployment.public(1234), 100, 2).await;
    assert!(broken(&held).is_empty(), "{:?}", broken(&held));
    let counts = by_instance(&held);
    assert_eq!(counts.len(), 4, "{counts:?}");
    assert!(
        counts.values().all(|count| (25..=100).contains(count)),
        "uneven: {counts:?}"
    );
}

#[test]
fn a_busy_instance_gets_no_connection_until_it_is_ready_again() {
    let folder = tempfile::tempdir().unwrap();
    let deployment = Deployment::start(&fixture(folder.path(), 2));
    let mut busy = Client::connect(&deployment);
    busy.order("busy");
    let id = busy.id.clone();
    wait_until("Busy", || match status_of(&deployment, &id) {
        status if status == "Busy" => Ok(()),
        other => Err(other),
    });
    for _ in 0..20 {
        assert_ne!(Client::connect(&deployment).id, id);
    }
    assert_eq!(busy.order("hello"), id, "its standing connections go on");
    busy.order("ready");
    // The one of several at once: an instance with a standing connection is not the first choice.
    wait_until("a connection again", || {
        let clients = [(); 4].map(|()| Client::connect(&deployment));
        if clients.iter().any(|client| client.id == id) {
            Ok(())
        } else {
            Err(clients.map(|client| client.id))
        }
    });
}

#[test]
fn clients_wait_while_no_instance_is_ready() {
    let folder = tempfile::tempdir().unwrap();
    let deployment = Deployment::start(&fixture(folder.path(), 1));
    let mut busy = Client::connect(&deployment);
    busy.order("busy");
    // Once the status says so the balancer has been told, and soon has its table.
    wait_until("Busy", || match status_of(&deployment, &busy.id) {
        status if status == "Busy" => Ok(()),
        other => Err(other),
    });
    let stream = TcpStream::connect(deployment.public(1234)).unwrap();
    wait_until("a client that waits", || {
        let status = deployment.status().unwrap();
        match status["balancer"]["endpoints"]["Fixture/In"]["parked"].as_u64() {
            Some(1) => Ok(()),
            other => Err(other),
        }
    });
    busy.order("ready");
    let mut client = Client {
        reader: BufReader::new(stream),
        id: String::new(),
    };
    assert_eq!(client.read(), busy.id);
}

#[test]
fn a_program_that_ends_with_zero_and_one_that_asks_are_recycled() {
    let folder = tempfile::tempdir().unwrap();
    let deployment = Deployment::start(&fixture(folder.path(), 2));
    let mut first = Client::connect(&deployment);
    let first_id = first.id.clone();
    assert_eq!(
        first.order("exit 0"),
        "",
        "the connection ends with its program"
    );
    let mut second = wait_until("the other instance", || {
        let client = Client::connect(&deployment);
        if client.id == first_id {
            Err(client.id)
        } else {
            Ok(client)
        }
    });
    second.order("recycle");
    drop(second);
    wait_until("both recycled and Ready", || {
        let instances = deployment.instances();
        let is_back = instances
            .iter()
            .all(|instance| instance["recycles"] == 1 && instance["status"] == "Ready");
        if is_back { Ok(()) } else { Err(instances) }
    });
}
