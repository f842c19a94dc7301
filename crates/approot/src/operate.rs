//! The commands that ask a running fabric.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow};
use control::{Client, ClientError};
use fabric::{InstanceStatus, Status};
use serde_json::json;
use tokio::time::{sleep, timeout};

use crate::cli::{FabricArguments, Format, LogsArguments, OperateArguments, RecycleArguments};
use crate::exit::{self, Failure, Outcome};
use crate::print::{self, Reader};
use crate::{locations, show};

/// How long `recycle` waits for the instance to be Ready again: the drain and an orderly stop take seconds, a
/// role that needs minutes to start is waited for with `status`.
const RECYCLE_LIMIT: Duration = Duration::from_secs(120);

/// How long `stop` waits: a role may take five minutes to stop, and its drain comes before that.
const STOP_LIMIT: Duration = Duration::from_secs(330);

/// How often the fabric is asked while a command waits.
const POLL_PAUSE: Duration = Duration::from_millis(20);

/// `approot status`.
pub(crate) fn status(arguments: &OperateArguments) -> Outcome {
    let socket = locations::control_socket(arguments.fabric.state.as_deref())?;
    status_of(&socket, arguments.format)?;
    Ok(exit::DONE)
}

/// Prints the status of the fabric at `socket`.
pub(crate) fn status_of(socket: &Path, format: Format) -> Result<(), Failure> {
    let client = Client::new(socket);
    let status = block_on(async { client.status().await.map_err(failure) })?;
    Ok(show::status(&status, format)?)
}

/// `approot logs`.
pub(crate) fn logs(arguments: &LogsArguments) -> Outcome {
    let client = client(&arguments.operate.fabric)?;
    let mut printer = LogPrinter {
        format: arguments.operate.format,
        rest: Vec::new(),
        failed: None,
    };
    block_on(async {
        let take = |bytes: &[u8]| printer.take(bytes);
        client
            .logs(arguments.instance.as_deref(), arguments.follow, take)
            .await
            .map_err(failure)
    })?;
    match printer.failed {
        Some(error) => Err(error.into()),
        None => Ok(exit::DONE),
    }
}

/// `approot recycle`: returns when the instance is Ready again.
pub(crate) fn recycle(arguments: &RecycleArguments) -> Outcome {
    let client = client(&arguments.operate.fabric)?;
    let instance = &arguments.instance;
    let again = block_on(async {
        let recycled = timeout(RECYCLE_LIMIT, recycled(&client, instance)).await;
        recycled.unwrap_or_else(|_| {
            let error = anyhow!(
                "`{instance}` is not Ready again after {} s",
                RECYCLE_LIMIT.as_secs()
            );
            Err(exit::with(exit::TIMED_OUT, error))
        })
    })?;
    match arguments.operate.format {
        Format::Human => show::line(&format!(
            "{} is Ready in attempt {}",
            again.id, again.attempt
        )),
        Format::Json => show::json(&again)?,
    }
    Ok(exit::DONE)
}

/// Orders the recycle and polls until the instance is Ready in a later attempt.
async fn recycled(client: &Client, instance: &str) -> Result<InstanceStatus, Failure> {
    let before = client.status().await.map_err(failure)?;
    let before = find(&before, instance).map_or(0, |found| found.attempt);
    client.recycle(instance).await.map_err(failure)?;
    loop {
        let status = client.status().await.map_err(failure)?;
        let found = find(&status, instance);
        if let Some(found) = found.filter(|found| found.attempt > before && is_ready(found)) {
            return Ok(found.clone());
        }
        sleep(POLL_PAUSE).await;
    }
}

/// `approot stop`: returns when everything has ended.
pub(crate) fn stop(arguments: &OperateArguments) -> Outcome {
    let client = client(&arguments.fabric)?;
    block_on(async {
        let stopped = timeout(STOP_LIMIT, stopped(&client)).await;
        stopped.unwrap_or_else(|_| {
            let error = anyhow!(
                "the deployment has not stopped after {} s",
                STOP_LIMIT.as_secs()
            );
            Err(exit::with(exit::TIMED_OUT, error))
        })
    })?;
    match arguments.format {
        Format::Human => show::line("stopped"),
        Format::Json => show::json(&json!({ "stopped": true }))?,
    }
    Ok(exit::DONE)
}

async fn stopped(client: &Client) -> Result<(), Failure> {
    let mut has_asked = false;
    while let Err(error) = client.stop().await {
        match error {
            // A fabric that dies before its answer has gone out is replaced; the order may be repeated.
            ClientError::Broken { .. } => has_asked = true,
            // It had heard all the same.
            ClientError::NoFabric { .. } if has_asked => break,
            error => return Err(failure(error)),
        }
        sleep(POLL_PAUSE).await;
    }
    // The keeper removes the socket as the last thing it does.
    while client.socket().exists() {
        sleep(POLL_PAUSE).await;
    }
    Ok(())
}

pub(crate) fn client(arguments: &FabricArguments) -> Result<Client, Failure> {
    Ok(Client::new(locations::control_socket(
        arguments.state.as_deref(),
    )?))
}

fn find<'a>(status: &'a Status, instance: &str) -> Option<&'a InstanceStatus> {
    status
        .instances()
        .find(|found| found.id.as_str() == instance)
}

fn is_ready(instance: &InstanceStatus) -> bool {
    instance.status.to_string() == "Ready"
}

pub(crate) fn failure(error: ClientError) -> Failure {
    let status = match error {
        ClientError::NoFabric { .. } | ClientError::Silent { .. } => exit::NO_FABRIC,
        _ => exit::FAILED,
    };
    exit::with(status, error)
}

pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the event loop")?;
    runtime.block_on(work)
}

/// Prints log lines as they are, or each as a JSON document.
struct LogPrinter {
    format: Format,
    /// The beginning of a line whose end has not arrived.
    rest: Vec<u8>,
    /// Why nothing more can be printed, where that is not the reader's departure.
    failed: Option<anyhow::Error>,
}

impl LogPrinter {
    /// Returns `false` when there is no use in more.
    fn take(&mut self, bytes: &[u8]) -> bool {
        let printed = match self.format {
            Format::Human => print::result(bytes),
            Format::Json => print::result(self.documents(bytes).as_bytes()),
        };
        let reader = printed.unwrap_or_else(|error| {
            self.failed = Some(error);
            Reader::Gone
        });
        reader == Reader::There
    }

    /// The lines that `bytes` complete, each as a document.
    fn documents(&mut self, bytes: &[u8]) -> String {
        self.rest.extend_from_slice(bytes);
        let end = self.rest.iter().rposition(|byte| *byte == b'\n');
        let rest = self.rest.split_off(end.map_or(0, |end| end + 1));
        let lines = std::mem::replace(&mut self.rest, rest);
        String::from_utf8_lossy(&lines)
            .lines()
            .map(|line| format!("{}\n", document(line)))
            .collect()
    }
}

/// A line of a log, `INSTANCE TIME SOURCE: TEXT`, as a document. An instance's name may hold spaces, so it is
/// found from the time stamp, which is the first word of its shape.
fn document(line: &str) -> serde_json::Value {
    let is_time =
        |word: &str| word.len() == 24 && word.ends_with('Z') && word.as_bytes()[10] == b'T';
    let time = line
        .split(' ')
        .find(|word| is_time(word))
        .unwrap_or_default();
    let (instance, rest) = line.split_once(time).unwrap_or(("", line));
    let (source, text) = rest.trim_start().split_once(": ").unwrap_or(("", rest));
    json!({ "instance": instance.trim_end(), "time": time, "source": source, "text": text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_no_fabric() {
        let silent = ClientError::Silent {
            socket: "/run/control.sock".into(),
        };
        assert_eq!(failure(silent).status, exit::NO_FABRIC);
        assert_eq!(failure(ClientError::TooLarge).status, exit::FAILED);
    }

    #[test]
    fn documents_are_whole_lines() {
        let mut printer = LogPrinter {
            format: Format::Json,
            rest: Vec::new(),
            failed: None,
        };
        assert_eq!(printer.documents(b"a\nb"), format!("{}\n", document("a")));
        assert_eq!(printer.documents(b"c"), "");
        assert_eq!(
            printer.documents(b"\nd\n"),
            format!("{}\n{}\n", document("bc"), document("d"))
        );
    }

    #[test]
    fn a_line_is_taken_apart() {
        let line = "My Role_IN_0 2026-11-20T08:30:01.123Z task a.sh out: made: it";
        let expected = json!({
            "instance": "My Role_IN_0", "time": "2026-11-20T08:30:01.123Z", "source": "task a.sh out", "text": "made: it",
        });
        assert_eq!(document(line), expected);
    }
}
