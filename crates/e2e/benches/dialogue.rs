//! Whole dialogues through approot, side by side with the instances themselves and with HAProxy.
//!
//! All proxies stand before the same four instances of the sample service and are measured in turns, in the same
//! run; figures are ratios to HAProxy, paired by round, and their medians. Absolute rates of such a machine
//! drift, ratios hold. The load and everything under load share the machine, so this is no measure of a proxy
//! alone: see `bench lb` for that, once there is one.
//!
//! Also: how long four instances take to be Ready, and what a host holds in memory.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use e2e::deployment::{Deployment, Place};
use e2e::dialogue::hold;
use e2e::processes::resident_kib;
use e2e::service::echo_cloud;
use tokio::task::JoinSet;

/// Clients that each hold one dialogue after another.
const CLIENTS: usize = 16;

/// How long one turn takes.
const TURN: Duration = Duration::from_millis(1500);

const ROUNDS: usize = 5;

fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    // Building is no part of what is measured.
    let service = echo_cloud();
    let began = Instant::now();
    let mut deployment = Deployment::spawn(&service, &Place::new(folder.path()), &[]);
    deployment.await_ready();
    println!(
        "four instances Ready after {} ms, the staging of the approot included",
        began.elapsed().as_millis()
    );
    println!(
        "a host holds {} KiB resident, the largest of four",
        largest_host_kib(&deployment)?
    );

    let instances = instance_addresses(&deployment)?;
    let haproxy = Haproxy::start(folder.path(), &instances)?;
    let targets = [
        ("haproxy", vec![haproxy.address]),
        ("approot", vec![deployment.public(1234)]),
        ("direct", instances),
    ];
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut rates = vec![Vec::new(); targets.len()];
    for round in 0..ROUNDS {
        // Every other round runs backwards, so that none is always the first.
        let order: Vec<usize> = if round % 2 == 0 {
            (0..targets.len()).collect()
        } else {
            (0..targets.len()).rev().collect()
        };
        for target in order {
            rates[target].push(runtime.block_on(turn(&targets[target].1))?);
        }
    }
    println!("\n{:10} {:>14} {:>10}", "", "dialogues / s", "ratio");
    for ((name, _), own) in targets.iter().zip(&rates) {
        let ratios = own
            .iter()
            .zip(&rates[0])
            .map(|(own, base)| own / base)
            .collect();
        println!(
            "{name:10} {:>14.0} {:>10.2}",
            median(own.clone()),
            median(ratios)
        );
    }
    Ok(())
}

/// Dialogues a second of [`CLIENTS`] clients.
async fn turn(targets: &[SocketAddr]) -> Result<f64> {
    let began = Instant::now();
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let target = targets[client % targets.len()];
        clients.spawn(async move {
            let mut held = 0u32;
            while began.elapsed() < TURN {
                match hold(target).await {
                    Ok(_) => held += 1,
                    Err(broken) => return Err(broken),
                }
            }
            Ok(held)
        });
    }
    let mut total = 0;
    for outcome in clients.join_all().await {
        match outcome {
            Ok(held) => total += held,
            Err(broken) => bail!("a dialogue broke: {broken:?}"),
        }
    }
    Ok(f64::from(total) / began.elapsed().as_secs_f64())
}

fn instance_addresses(deployment: &Deployment) -> Result<Vec<SocketAddr>> {
    let address = |instance: &serde_json::Value| {
        let text = instance["endpoints"][0]["address"]
            .as_str()
            .context("an instance has an endpoint")?;
        text.parse().context("an endpoint has an address")
    };
    deployment.instances().iter().map(address).collect()
}

fn largest_host_kib(deployment: &Deployment) -> Result<u64> {
    let hosts = deployment.programs().into_iter().map(|program| {
        let stat = fs::read_to_string(format!("/proc/{program}/stat"))?;
        let parent = stat
            .rsplit(')')
            .next()
            .and_then(|fields| fields.split_whitespace().nth(1)?.parse().ok());
        Ok(resident_kib(parent.context("a program has a host")?))
    });
    hosts
        .collect::<Result<Vec<_>>>()?
        .into_iter()
        .max()
        .context("there is a host")
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The peer, on one thread as approot's balancer is.
struct Haproxy {
    child: Child,
    address: SocketAddr,
}

impl Haproxy {
    fn start(folder: &Path, instances: &[SocketAddr]) -> Result<Haproxy> {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let servers: String = instances
            .iter()
            .enumerate()
            .map(|(n, instance)| format!("  server i{n} {instance}\n"))
            .collect();
        let configuration = format!(
            "global\n  nbthread 1\n  maxconn 4000\ndefaults\n  mode tcp\n  timeout connect 1s\n  timeout client 60s\n  \
             timeout server 60s\n  retries 3\n  option redispatch 1\n  option splice-auto\nlisten echo\n  bind {address}\n  \
             balance leastconn\n{servers}"
        );
        let path = folder.join("haproxy.cfg");
        fs::write(&path, configuration)?;
        let mut command = Command::new("haproxy");
        let child = command
            .arg("-db")
            .arg("-f")
            .arg(&path)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child = child.context("cannot start the peer; install Debian's `haproxy`")?;
        let haproxy = Haproxy { child, address };
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(address).is_err() {
            ensure!(Instant::now() < deadline, "haproxy does not listen");
        }
        Ok(haproxy)
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port())
}
