//! Sockets that the host holds for a role that takes them: at the instance's own address nobody is refused,
//! whatever happens to the program.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use e2e::deployment::{Deployment, PATIENCE};
use e2e::processes::kill;
use e2e::service::echo_cloud;
use test_support::{wait_until, wait_within};

/// How often the program is killed: the second restart waits one second and the third two, and clients wait with it.
const KILLS: usize = 3;

#[test]
fn nobody_is_refused_at_an_instance_whose_program_is_killed_again_and_again() {
    let deployment = Deployment::start(&echo_cloud());
    let address = own_address(&deployment);
    let is_over = AtomicBool::new(false);
    let (answered, failures) = thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| load(address, &is_over)))
            .collect();
        for _ in 0..KILLS {
            let program = deployment.programs()[0];
            kill(program);
            wait_within(PATIENCE, "another program runs", || {
                let instance = &deployment.instances()[0];
                let is_back = instance["status"] == "Ready" && instance["pid"] != program;
                if is_back {
                    Ok(())
                } else {
                    Err(instance.clone())
                }
            });
            // Its successor has taken the socket: it answers there.
            wait_until("it answers", || {
                ask(address).map_err(|error| error.to_string())
            });
        }
        is_over.store(true, Ordering::Relaxed);
        let ended = clients.into_iter().map(|client| client.join().unwrap());
        ended.fold(
            (0, Vec::new()),
            |(answered, mut failures), (more, failed)| {
                failures.extend(failed);
                (answered + more, failures)
            },
        )
    });
    assert!(answered > 0);
    let refused = |error: &&io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    assert_eq!(failures.iter().filter(refused).count(), 0, "{failures:?}");
    // Whom the killed programs had accepted, they took along: at most as many as there were clients.
    assert!(failures.len() <= KILLS * 4, "{failures:?}");
}

fn own_address(deployment: &Deployment) -> SocketAddr {
    let instance = &deployment.instances()[0];
    let address = instance["endpoints"][0]["address"].as_str().unwrap();
    address.parse().unwrap()
}

/// Asks until it is over; how many answers came, and what went wrong.
fn load(address: SocketAddr, is_over: &AtomicBool) -> (usize, Vec<io::Error>) {
    let (mut answered, mut failures) = (0, Vec::new());
    while !is_over.load(Ordering::Relaxed) {
        match ask(address) {
            Ok(()) => answered += 1,
            Err(error) => failures.push(error),
        }
    }
    (answered, failures)
}

/// Opens a dialogue and ends it.
fn ask(address: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE.max(Duration::from_secs(1))))?;
    stream.write_all(b"9\r\n")?;
    let mut line = String::new();
    let read = BufReader::new(stream).read_line(&mut line)?;
    if read == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}
