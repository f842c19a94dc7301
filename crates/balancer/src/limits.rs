//! How many clients this process can hold.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors kept back from clients, for listeners, the event queue, the control socket, the links, and
/// the fresh connect that finds out whether an instance is alive. A service with more listeners than
/// that still has its accepts paused, not failed, when descriptors run out.
pub const DESCRIPTORS_RESERVED: u64 = 128;

/// Clients at once where the system sets no limit; more would need more than one thread long before.
const CLIENTS_MAX: u64 = 1 << 20;

/// Raises this process's descriptor limit as far as it may, and says how many clients fit: each takes
/// two descriptors, its own and its instance's.
pub(crate) fn clients_max() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    fitting(current)
}

fn fitting(descriptors: Option<u64>) -> usize {
    let descriptors = descriptors.unwrap_or(u64::MAX);
    let free = descriptors.saturating_sub(DESCRIPTORS_RESERVED) / 2;
    // Even under an absurd limit somebody is served.
    free.clamp(1, CLIENTS_MAX) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_descriptors_a_client_and_some_kept_back() {
        assert_eq!(fitting(Some(1024)), 448);
        assert_eq!(fitting(Some(10)), 1);
        assert_eq!(fitting(None), 1 << 20);
        assert!(clients_max() >= 1);
    }
}
