//! Who listens at an instance's endpoints, and where its own processes do.
//!
//! Source: proc(5), `/proc/PID/net/tcp` and `/proc/PID/fd`.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use causes::{Endpoint, Listener};
use plan::{EndpointPlan, InstancePlan};
use sandbox::descendants;

/// The state `TCP_LISTEN` in a table. Source: `include/net/tcp_states.h` of the kernel.
const LISTEN: &str = "0A";

/// The endpoints of an instance that something else than the instance listens at.
pub(super) fn held_by_others(plan: &InstancePlan) -> Vec<Endpoint> {
    let own = pids(plan);
    let listening = listening("self");
    let holders = holders(all_pids());
    endpoints(plan, |endpoint| {
        let (address, inode) = listening
            .iter()
            .find(|(address, _)| covers(*address, endpoint.address))?;
        let pid = holders.get(inode).copied();
        let is_other = pid.is_none_or(|pid| !own.contains(&pid));
        is_other.then(|| listener(*address, pid))
    })
}

/// Where the instance's processes listen, and who listens at its endpoints.
pub(super) fn of_instance(plan: &InstancePlan) -> (Vec<Listener>, Vec<Endpoint>) {
    let own = pids(plan);
    // It may have a network of its own.
    let network = own.first().map_or("self".to_owned(), i32::to_string);
    let listening = listening(&network);
    let holders = holders(own.iter().copied());
    let listens = listening.iter().filter_map(|(address, inode)| {
        let pid = holders.get(inode)?;
        Some(listener(*address, Some(*pid)))
    });
    let endpoints = endpoints(plan, |endpoint| {
        let found = listening.iter().find(|(address, inode)| {
            // Somebody may hold exactly this socket for the instance; a wildcard of others is not for it.
            let is_exact = *address == endpoint.address;
            is_exact || (holders.contains_key(inode) && covers(*address, endpoint.address))
        });
        let (address, inode) = found?;
        Some(listener(*address, holders.get(inode).copied()))
    });
    (listens.collect(), endpoints)
}

/// The processes of an instance.
fn pids(plan: &InstancePlan) -> Vec<i32> {
    let root = plan.paths.root.to_string_lossy();
    let marked = descendants::marked("RoleRoot", &root).into_iter();
    marked.map(|pid| pid.as_raw_nonzero().get()).collect()
}

fn endpoints(
    plan: &InstancePlan,
    find: impl Fn(&EndpointPlan) -> Option<Listener>,
) -> Vec<Endpoint> {
    let endpoints = plan.endpoints.iter();
    endpoints
        .filter(|endpoint| endpoint.protocol != "udp")
        .map(|endpoint| Endpoint {
            name: endpoint.name.clone(),
            address: endpoint.address,
            listener: find(endpoint),
        })
        .collect()
}

/// Whether a socket bound to `bound` takes the connections for `address`.
fn covers(bound: SocketAddr, address: SocketAddr) -> bool {
    let is_for = bound.ip().is_unspecified() || bound.ip() == address.ip();
    is_for && bound.port() == address.port()
}

fn listener(address: SocketAddr, pid: Option<i32>) -> Listener {
    let name = pid.map(|pid| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default());
    Listener {
        address,
        pid,
        name: name.unwrap_or_default().trim_end().to_owned(),
    }
}

fn all_pids() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Of each socket's inode one process that has it open, of those that may be looked into.
fn holders(pids: impl Iterator<Item = i32>) -> BTreeMap<u64, i32> {
    let mut holders = BTreeMap::new();
    for pid in pids {
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd"));
        for entry in descriptors.into_iter().flatten().flatten() {
            let link = fs::read_link(entry.path()).unwrap_or_default();
            let inode = link.to_str().and_then(|link| {
                link.strip_prefix("socket:[")?
                    .strip_suffix(']')?
                    .parse()
                    .ok()
            });
            if let Some(inode) = inode {
                holders.entry(inode).or_insert(pid);
            }
        }
    }
    holders
}

/// Every listening TCP socket of a process's network, with its inode.
fn listening(process: &str) -> Vec<(SocketAddr, u64)> {
    let tables = ["tcp", "tcp6"].map(|table| {
        let path = format!("/proc/{process}/net/{table}");
        fs::read_to_string(path).unwrap_or_default()
    });
    let lines = tables.iter().flat_map(|table| table.lines().skip(1));
    lines.filter_map(parse).collect()
}

fn parse(line: &str) -> Option<(SocketAddr, u64)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    if *fields.get(3)? != LISTEN {
        return None;
    }
    let (address, port) = fields[1].split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let inode = fields.get(9)?.parse().ok()?;
    Some((SocketAddr::new(parse_address(address)?, port), inode))
}

/// Words of 32 bits, each printed as a number of the machine's own byte order.
fn parse_address(text: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let word = u32::from_str_radix(text.get(at..at + 8)?, 16).ok()?;
        Some(word.to_ne_bytes())
    };
    match text.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let mut bytes = [0; 16];
            for (n, part) in bytes.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(n * 8)?);
            }
            // A socket for both families that is bound to an address of the older one.
            Some(Ipv6Addr::from(bytes).to_canonical())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn listeners_are_found_with_their_process() {
        let bound = [
            TcpListener::bind("127.17.255.8:0"),
            TcpListener::bind("[::1]:0"),
        ];
        let own = std::process::id().cast_signed();
        let holders = holders([own].into_iter());
        for listener in bound.into_iter().flatten() {
            let address = listener.local_addr().unwrap();
            let listening = listening("self");
            let (_, inode) = listening
                .iter()
                .find(|(found, _)| *found == address)
                .unwrap();
            assert_eq!(holders.get(inode), Some(&own));
        }
    }

    #[test]
    fn a_wildcard_covers_every_address_of_its_port() {
        let covers =
            |bound: &str, address: &str| covers(bound.parse().unwrap(), address.parse().unwrap());
        assert!(covers("0.0.0.0:80", "127.17.0.1:80") && covers("[::]:80", "127.17.0.1:80"));
        assert!(covers("127.17.0.1:80", "127.17.0.1:80"));
        assert!(!covers("127.0.0.1:80", "127.17.0.1:80") && !covers("0.0.0.0:81", "127.17.0.1:80"));
    }
}
