//! Programs that promise to be heard of: the watchdog of sd_notify(3).
//!
//! The program is told of it by a variable and says `WATCHDOG=1` in time; being ready counts as well. The first word arms
//! it, so that a long start is no silence, unless the instance is Ready without one. Ending the program is the driver's.

use std::time::Duration;

use rustix::process::Signal;
use tokio::sync::watch;
use tokio::time::timeout;

/// Tells the program how often it is to be heard of, in microseconds. Source: sd_watchdog_enabled(3).
pub(crate) const VARIABLE: &str = "WATCHDOG_USEC";

/// How long a program may take to die of SIGABRT, which lets it leave a trace, before SIGKILL.
pub(crate) const ABORT_LIMIT: Duration = Duration::from_secs(5);

pub(crate) fn variable(limit: Duration) -> String {
    limit.as_micros().to_string()
}

/// Waits until there has been no sign of life for `limit`. Cancel safe.
pub(crate) async fn silence(limit: Duration, mut signs: watch::Receiver<u64>, is_armed: bool) {
    if !is_armed && signs.changed().await.is_err() {
        return;
    }
    while let Ok(Ok(())) = timeout(limit, signs.changed()).await {}
}

pub(crate) fn words(limit: Duration, signal: Signal) -> String {
    let signal = match signal {
        Signal::ABORT => "SIGABRT",
        _ => "SIGKILL",
    };
    format!(
        "the role's program has promised a sign of life every {} s and gave none: it gets {signal}",
        limit.as_secs()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_counts_from_the_last_sign() {
        let began = tokio::time::Instant::now();
        let second = Duration::from_secs(1);
        let signs = watch::Sender::new(0);
        let silent = silence(3 * second, signs.subscribe(), false);
        let speak = async {
            for _ in 0..3 {
                tokio::time::sleep(2 * second).await;
                signs.send_modify(|n| *n += 1);
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = silent => {}
            () = speak => {}
        }
        assert_eq!(began.elapsed(), 9 * second);
    }
}
