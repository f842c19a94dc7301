//! What a program missed, and said so in words that are well known: those of the C library, of Node and of Python.
//!
//! Words alone are not enough: healthy programs print them too. Each rule asks that the process failed as well.

use super::{Cause, DeathRule};
use crate::codes;
use crate::death::{Death, Store};

pub(super) const RULES: &[DeathRule] = &[
    port_taken,
    no_such_address,
    certificate_unreadable,
    development_storage,
    no_space,
    node_module,
    python_module,
    out_of_memory,
];

/// How programs say that an address is in use.
pub(crate) const IN_USE: &[&str] = &[
    "EADDRINUSE",
    "Address already in use",
    "address already in use",
];

/// How programs say that there is no space.
pub(crate) const SPACE: &[&str] = &["ENOSPC", "No space left on device"];

/// A store with less than this free, in bytes, is full: a file system keeps a little for itself.
const STORE_REST_BYTES: u64 = 64 << 10;

/// The ports of the storage emulator. Source: "Use the Azurite emulator", the services of blobs, queues and tables.
const STORAGE_PORTS: [&str; 3] = ["10000", "10001", "10002"];

fn port_taken(death: &Death) -> Option<Cause> {
    let said = death.line_with(IN_USE).filter(|_| death.failed());
    let line = said.or_else(|| death.reason_with(IN_USE))?;
    let mut evidence = vec![death.end(), line.clone()];
    let held = death.endpoints.iter().filter_map(|endpoint| {
        let listener = endpoint.listener.as_ref()?;
        let who = match listener.pid {
            Some(pid) => format!("{} (pid {pid})", listener.name),
            None => "a process of another user".to_owned(),
        };
        Some((endpoint, format!("{who} listens at {}", listener.address)))
    });
    let held: Vec<_> = held.collect();
    evidence.extend(held.iter().map(|(_, listens)| listens.clone()));
    let cause = match held.first() {
        Some((endpoint, listens)) => format!(
            "the address {} of endpoint `{}` is taken: {listens}",
            endpoint.address, endpoint.name
        ),
        None => "an address that the program wanted to listen at is taken".to_owned(),
    };
    Some(Cause::new(codes::PORT_TAKEN, cause, evidence))
}

fn no_such_address(death: &Death) -> Option<Cause> {
    let words = [
        "EADDRNOTAVAIL",
        "Cannot assign requested address",
        "cannot assign requested address",
    ];
    let line = death.line_with(&words).filter(|_| death.failed())?;
    let cause = "the program wanted to bind an address that this machine has not";
    let evidence = vec![death.end(), line.clone()];
    Some(Cause::new(codes::NO_SUCH_ADDRESS, cause, evidence))
}

fn certificate_unreadable(death: &Death) -> Option<Cause> {
    let is_denied = |line: &str| {
        [
            "EACCES",
            "Permission denied",
            "permission denied",
            "os error 13",
        ]
        .iter()
        .any(|word| line.contains(word))
    };
    let is_it = |line: &str| line.contains("/certificates/") && is_denied(line);
    let line = death.line(is_it).filter(|_| death.failed())?;
    let cause = format!("{} may not read a certificate or its key", death.subject());
    let evidence = vec![death.end(), line.clone()];
    Some(Cause::new(codes::CERTIFICATE_UNREADABLE, cause, evidence))
}

fn development_storage(death: &Death) -> Option<Cause> {
    let setting = death.development_storage.first()?;
    let is_refused = |line: &str| {
        let refused = ["ECONNREFUSED", "refused", "Failed to connect"];
        refused.iter().any(|word| line.contains(word)) && names_a_storage_port(line)
    };
    let line = death.line(is_refused).filter(|_| death.failed())?;
    let cause =
        format!("setting `{setting}` asks for the development storage, and nothing answers there");
    let evidence = vec![
        death.end(),
        line.clone(),
        format!("setting `{setting}` holds `UseDevelopmentStorage=true`"),
    ];
    Some(Cause::new(codes::DEVELOPMENT_STORAGE, cause, evidence))
}

fn names_a_storage_port(line: &str) -> bool {
    let numbers = line.split(|c: char| !c.is_ascii_digit());
    let mut numbers = numbers.filter(|number| !number.is_empty());
    numbers.any(|number| STORAGE_PORTS.contains(&number))
}

fn is_full(store: &Store) -> bool {
    let holds_all = store.used_bytes >= store.size_bytes;
    match store.free_bytes {
        // A file system of its own has a little more room than was declared; one with much more is not the store's.
        Some(free) => free < STORE_REST_BYTES || (holds_all && free < store.size_bytes),
        None => holds_all,
    }
}

fn no_space(death: &Death) -> Option<Cause> {
    let said = death.line_with(SPACE).filter(|_| death.failed());
    let line = said.or_else(|| death.reason_with(SPACE))?;
    let mut evidence = vec![death.end(), line.clone()];
    let Some(store) = death.stores.iter().find(|store| is_full(store)) else {
        let cause = format!("{} found no space left on a file system", death.subject());
        return Some(Cause::new(codes::NO_SPACE, cause, evidence));
    };
    let (used, size) = (store.used_bytes >> 10, store.size_bytes >> 10);
    evidence.push(format!("the files in it take {used} KiB of {size} KiB"));
    let cause = format!("local store `{}` is full", store.name);
    Some(Cause::new(codes::STORE_FULL, cause, evidence))
}

fn node_module(death: &Death) -> Option<Cause> {
    let words = ["Cannot find module ", "Cannot find package "];
    let is_it = |line: &str| words.iter().any(|word| line.contains(word)) && line.contains("Error");
    let line = death.line(is_it).filter(|_| death.failed())?;
    let after = words.iter().find_map(|word| line.split_once(word))?.1;
    let module = after.split('\'').nth(1).unwrap_or(after);
    let cause = format!("the module `{module}` of Node is not there");
    let evidence = vec![death.end(), line.clone()];
    Some(Cause::new(codes::NODE_MODULE, cause, evidence))
}

fn python_module(death: &Death) -> Option<Cause> {
    let word = "ModuleNotFoundError: No module named ";
    let line = death.line_with(&[word]).filter(|_| death.failed())?;
    let module = line.split('\'').nth(1).unwrap_or("?");
    let cause = format!("the module `{module}` of Python is not there");
    let evidence = vec![death.end(), line.clone()];
    Some(Cause::new(codes::PYTHON_MODULE, cause, evidence))
}

fn out_of_memory(death: &Death) -> Option<Cause> {
    let words = [
        "memory allocation of ",
        "std::bad_alloc",
        "JavaScript heap out of memory",
        "Cannot allocate memory",
        "java.lang.OutOfMemoryError",
    ];
    let is_it = |line: &str| {
        words.iter().any(|word| line.contains(word)) || line.trim_end().ends_with(": MemoryError")
    };
    let line = death.line(is_it).filter(|_| death.failed())?;
    let mut evidence = vec![death.end(), line.clone()];
    if let (Some(peak), Some(limit)) = (death.memory.peak_bytes, death.memory.limit_bytes) {
        evidence.push(format!(
            "its peak was {} MiB, the limit is {} MiB",
            peak >> 20,
            limit >> 20
        ));
    }
    let cause = format!("{} got no more memory", death.subject());
    Some(Cause::new(codes::OUT_OF_MEMORY, cause, evidence))
}
