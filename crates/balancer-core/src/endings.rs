//! The ledger of connections that their instances ended a moment ago.
//!
//! The kernel of a killed program mostly says FIN, sometimes RST, and both reach the balancer before
//! the news of the death does. So such an ending waits here for as long as that news may take, and is
//! put down as the program's own doing only then. The client does not wait: this is about counting.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::program::Program;

/// How long after a connection's end the death of its instance explains that end.
/// The report takes a millisecond or two on an idle machine; an answer held back for longer than
/// this would be felt, and a death later than this is hardly the reason.
pub const DEATH_REPORT_LIMIT: Duration = Duration::from_millis(20);

/// Endings that wait at once; the oldest is settled early when there are more.
/// At the highest rate of connections one thread reaches, 20 ms bring some hundreds.
pub const RECENT_ENDINGS_MAX: usize = 16 << 10;

/// A connection that its instance ended.
#[derive(Debug, Clone)]
pub(crate) struct Ending {
    pub(crate) endpoint: Arc<str>,
    pub(crate) program: Program,
    pub(crate) at: Duration,
    pub(crate) reset: bool,
}

impl Ending {
    /// Whether a death reported at `reported` explains this end.
    pub(crate) fn is_explained_by(&self, reported: Duration) -> bool {
        reported <= self.at + DEATH_REPORT_LIMIT
    }
}

/// Recent endings, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Endings(VecDeque<Ending>);

impl Endings {
    /// Adds one; gives back the oldest if there are too many now.
    pub(crate) fn push(&mut self, ending: Ending) -> Option<Ending> {
        self.0.push_back(ending);
        (self.0.len() > RECENT_ENDINGS_MAX)
            .then(|| self.0.pop_front())
            .flatten()
    }

    /// The oldest, once no report about it can come any more.
    pub(crate) fn pop_expired(&mut self, now: Duration) -> Option<Ending> {
        let oldest = self.0.front()?;
        if oldest.is_explained_by(now) {
            return None;
        }
        self.0.pop_front()
    }

    /// All that `explained` holds for.
    pub(crate) fn take(&mut self, mut explained: impl FnMut(&Ending) -> bool) -> Vec<Ending> {
        let (taken, kept) = self.0.drain(..).partition(|ending| explained(ending));
        self.0 = kept;
        Vec::from(taken)
    }
}
