//! `approot configure` and `approot scale`: a new configuration for the deployment that runs.
//!
//! The file is checked here, with the definition that runs, so that every finding is shown at its place; the fabric
//! checks it again. The fabric commits it and carries it out whether anybody waits or not; waiting is done here.

use std::path::Path;
use std::time::Duration;

use anyhow::anyhow;
use control::{Client, ClientError};
use diagnostics::{FileId, Sources};
use fabric::{ConfigureRequest, Configured, InstanceStatus, Status};
use plan::InstanceId;
use schema::{LedgerEntry, LedgerInput, Verdict};
use tokio::time::{Instant, sleep};

use crate::cli::{ConfigureArguments, Format, OperateArguments, ScaleArguments, by_role};
use crate::exit::{self, Failure, Outcome};
use crate::operate::{POLL_PAUSE, block_on, client, failure, is_ready};
use crate::service::{Words, read, report};
use crate::show;

/// How long to wait for every instance to be Ready. What was committed is carried out all the same.
const LIMIT: Duration = Duration::from_secs(330);

/// After how many ends of an instance's program it is not waited for any longer: whoever waits wants to know.
const ENDS_MAX: u64 = 3;

/// `approot configure FILE`.
pub(crate) fn configure(arguments: &ConfigureArguments) -> Outcome {
    let instances = by_role("--instances", &arguments.instances)?;
    let client = client(&arguments.operate.fabric)?;
    let definition = block_on(async { client.definition().await.map_err(failure) })?;
    let request = ConfigureRequest {
        configuration: Some(check(&arguments.file, definition)?),
        instances,
    };
    carry_out(&client, &request, &arguments.operate)
}

/// `approot scale ROLE=N`.
pub(crate) fn scale(arguments: &ScaleArguments) -> Outcome {
    let request = ConfigureRequest {
        configuration: None,
        instances: by_role("scale", &arguments.instances)?,
    };
    let client = client(&arguments.operate.fabric)?;
    carry_out(&client, &request, &arguments.operate)
}

/// The text of a configuration that fits the definition; prints what there is to say about it.
fn check(file: &Path, definition: Vec<u8>) -> Result<String, Failure> {
    let mut sources = Sources::new();
    let mut findings = Vec::new();
    let name = "ServiceDefinition.csdef (of the deployment)";
    let definition = schema::load(&mut sources, name, Ok(definition));
    let definition = definition.map_err(|finding| findings.push(*finding)).ok();
    let configuration = read(&mut sources, file, &mut findings);
    let checked = match (definition, configuration) {
        (Some(definition), Some(configuration)) => {
            let checked = schema::check(&sources, definition, configuration);
            findings.extend(checked.findings);
            checked.service.map(|_| configuration)
        }
        _ => None,
    };
    let configuration = report(&sources, findings, Words::Warnings, checked)?;
    show::words(&not_used(&sources, configuration));
    Ok(sources.file(configuration).text().to_owned())
}

/// What the configuration says in vain, a line each.
fn not_used(sources: &Sources, configuration: FileId) -> String {
    let mut text = String::new();
    let input = LedgerInput {
        definition: None,
        configurations: &[configuration],
        find_program: None,
    };
    let mut visit = |entry: LedgerEntry<'_>| {
        let attribute = entry.path.rsplit_once("/@").map(|(_, name)| name);
        if let (Verdict::Refused, Some(attribute)) = (entry.verdict, attribute) {
            text.push_str(&format!("not used: {attribute}: {}\n", entry.how));
        }
    };
    // It was read before, so there is nothing in the way.
    let _ = schema::ledger(sources, &input, &mut visit);
    text
}

fn carry_out(client: &Client, request: &ConfigureRequest, arguments: &OperateArguments) -> Outcome {
    let (configured, waited) = block_on(async {
        let before = client.status().await.map_err(failure)?;
        let configured = client.configure(request).await.map_err(failure)?;
        if arguments.format == Format::Human {
            show::words(&words(&configured));
        }
        let waited = wait(client, &before, configured.incarnation).await?;
        Ok((configured, waited))
    })?;
    if arguments.format == Format::Json {
        show::json(&configured)?;
    }
    match waited {
        None => Ok(exit::DONE),
        Some(failure) => Err(failure),
    }
}

/// What the configuration asks of the instances, a line each.
fn words(configured: &Configured) -> String {
    let difference = &configured.difference;
    if difference.is_empty() {
        return "nothing changes\n".to_owned();
    }
    let mut text = format!("configuration {}\n", configured.incarnation);
    for (role, settings) in &difference.settings {
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        text.push_str(&format!("  {role}: {}\n", settings.join(", ")));
    }
    for (what, instances) in [
        ("told while they run", &difference.told),
        ("recycled", &difference.recycled),
        ("added", &difference.added),
        ("removed", &difference.removed),
    ] {
        if !instances.is_empty() {
            let instances: Vec<&str> = instances.iter().map(InstanceId::as_str).collect();
            text.push_str(&format!("  {what}: {}\n", instances.join(", ")));
        }
    }
    text
}

/// Waits until the configuration is carried out and every instance is Ready; says what stands in the way otherwise.
async fn wait(
    client: &Client,
    before: &Status,
    incarnation: u64,
) -> Result<Option<Failure>, Failure> {
    let deadline = Instant::now() + LIMIT;
    loop {
        match client.status().await {
            Ok(status) => {
                if let Some(end) = end(&status, before, incarnation) {
                    return Ok(end);
                }
                if Instant::now() >= deadline {
                    return Ok(Some(late(&status)));
                }
            }
            // It was committed, so the fabric that comes next carries it out.
            Err(ClientError::Broken { .. }) if Instant::now() < deadline => {}
            Err(error) => return Err(failure(error)),
        }
        sleep(POLL_PAUSE).await;
    }
}

/// How the wait has ended, if it has.
fn end(status: &Status, before: &Status, incarnation: u64) -> Option<Option<Failure>> {
    let deployment = status.deployments.first()?;
    if deployment.incarnation > incarnation {
        let error = anyhow!(
            "configuration {incarnation} was replaced by configuration {} before it was carried out",
            deployment.incarnation
        );
        return Some(Some(exit::with(exit::FAILED, error)));
    }
    if deployment.pending.is_empty() && status.instances().all(is_ready) {
        return Some(None);
    }
    let recycles = |instance: &InstanceStatus| {
        let mut earlier = before
            .instances()
            .filter(|earlier| earlier.id == instance.id);
        earlier.next().map_or(0, |earlier| earlier.recycles)
    };
    let fails = |instance: &&InstanceStatus| {
        !is_ready(instance)
            && instance.last_end.is_some()
            && instance.recycles >= recycles(instance) + ENDS_MAX
    };
    let failing = status.instances().find(fails)?;
    let error = anyhow!(
        "configuration {incarnation} is in force, but `{}` does not become Ready: {}",
        failing.id,
        failing.last_end.as_deref().unwrap_or_default()
    );
    Some(Some(exit::with(exit::NOT_READY, error)))
}

fn late(status: &Status) -> Failure {
    let pending = status
        .deployments
        .iter()
        .flat_map(|deployment| &deployment.pending)
        .map(InstanceId::as_str);
    let pending: Vec<&str> = pending.collect();
    let seconds = LIMIT.as_secs();
    if pending.is_empty() {
        let error = anyhow!("not every instance is Ready after {seconds} s");
        return exit::with(exit::NOT_READY, error);
    }
    let error = anyhow!(
        "not carried out after {seconds} s, which go on: {}",
        pending.join(", ")
    );
    exit::with(exit::TIMED_OUT, error)
}
