//! Loopback addresses: which block is ours, and which addresses in it are still listened on.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};

use keeper::protocol::Address;

use crate::FabricError;
use crate::keeper_link::Keeper;

/// The state of a listening socket in `/proc/net/tcp`. Source: include/net/tcp_states.h.
const LISTEN: &str = "0A";

/// The name under which the keeper holds the claim of block `n`.
pub(crate) fn claim_name(block: u8) -> String {
    format!("block/127.17.{block}")
}

/// Claims the first free block 127.17.n.0/24, by a name in the abstract name space that is free again when the
/// keeper and every host that inherited it are gone.
pub(crate) async fn claim_block(keeper: &Keeper) -> Result<u8, FabricError> {
    for block in 0..=u8::MAX {
        if claim(keeper, block).await? {
            return Ok(block);
        }
    }
    Err(FabricError::NoBlock)
}

/// Claims that very block, which a deployment that is taken over lives in.
pub(crate) async fn claim(keeper: &Keeper, block: u8) -> Result<bool, FabricError> {
    let name = format!("approot/127.17.{block}");
    Ok(keeper
        .open(claim_name(block), Address::Abstract(name))
        .await?
        .is_ok())
}

/// The last bytes of the block's addresses that a process listens on.
pub(crate) fn listened_on(block: u8) -> BTreeSet<u8> {
    listeners()
        .into_iter()
        .filter_map(|(address, _)| match address {
            SocketAddr::V4(address) => Some(address.ip().octets()),
            SocketAddr::V6(_) => None,
        })
        .filter(|octets| octets[..3] == [127, 17, block])
        .map(|octets| octets[3])
        .collect()
}

/// The process that listens where `address` would, as `name (pid 123)`, where this user may see it.
pub(crate) fn holder_of(address: SocketAddr) -> Option<String> {
    let collides = |listening: &SocketAddr| {
        listening.port() == address.port()
            && (listening.ip() == address.ip() || listening.ip().is_unspecified())
    };
    let (_, inode) = listeners()
        .into_iter()
        .find(|(listening, _)| collides(listening))?;
    let link = format!("socket:[{inode}]");
    let pids = fs::read_dir("/proc")
        .ok()?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    for pid in pids {
        let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else {
            continue;
        };
        let holds = descriptors.flatten().any(|entry| {
            fs::read_link(entry.path()).is_ok_and(|to| to.as_os_str() == link.as_str())
        });
        if holds {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            return Some(format!("{} (pid {pid})", name.trim_end()));
        }
    }
    None
}

/// Every listening TCP socket over IPv4 with its inode. Source: proc_net_tcp.rst of the kernel.
fn listeners() -> Vec<(SocketAddr, u64)> {
    let table = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    table.lines().skip(1).filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<(SocketAddr, u64)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    if *fields.get(3)? != LISTEN {
        return None;
    }
    let (address, port) = fields[1].split_once(':')?;
    // The address is printed as a number of the machine's own byte order, the port is not.
    let address = Ipv4Addr::from(u32::from_str_radix(address, 16).ok()?.to_ne_bytes());
    let port = u16::from_str_radix(port, 16).ok()?;
    Some((
        SocketAddr::from((address, port)),
        fields.get(9)?.parse().ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_listener_is_found_with_its_process() {
        let listener = TcpListener::bind("127.17.255.9:0").unwrap();
        assert!(listened_on(255).contains(&9));
        assert!(!listened_on(254).contains(&9));
        let holder = holder_of(listener.local_addr().unwrap()).unwrap();
        assert!(
            holder.ends_with(&format!("(pid {})", std::process::id())),
            "{holder}"
        );
        let address = listener.local_addr().unwrap();
        drop(listener);
        assert_eq!(holder_of(address), None);
    }
}
