//! What the article shows: instances crashed on purpose, and the service still there.

use std::time::{Duration, Instant};

use e2e::deployment::Deployment;
use e2e::dialogue::Broken;
use e2e::load::{broken, by_instance, run};
use e2e::processes::kill;
use e2e::service::echo_cloud;
use test_support::{wait_until, wait_within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_of_four_programs_killed_at_once_cost_no_new_dialogue() {
    let deployment = Deployment::start(&echo_cloud());
    let before = deployment.instances();
    let load = tokio::spawn(run(deployment.public(1234), 200, 4));
    // The load is under way when the counters say so.
    wait_until("a hundred dialogues", || {
        let accepted = accepted(&deployment);
        if accepted >= 100 {
            Ok(())
        } else {
            Err(accepted)
        }
    });
    let programs = deployment.programs();
    let killed = Instant::now();
    kill(programs[0]);
    kill(programs[1]);
    wait_within(Duration::from_secs(2), "the two are Ready again", || {
        let instances = deployment.instances();
        let is_back = |n: usize| instances[n]["status"] == "Ready" && instances[n]["recycles"] == 1;
        if is_back(0) && is_back(1) {
            Ok(())
        } else {
            Err(instances)
        }
    });
    let held = load.await.unwrap();

    assert_eq!(held.len(), 800);
    let broken = broken(&held);
    assert!(
        broken
            .iter()
            .all(|held| held.outcome != Err(Broken::Refused)),
        "{broken:?}"
    );
    let started_after: Vec<_> = broken
        .iter()
        .filter(|held| held.started >= killed)
        .collect();
    assert!(started_after.is_empty(), "{started_after:?}");
    assert_eq!(by_instance(&held).len(), 4, "all instances served");

    let status = deployment.status().unwrap();
    let endpoint = &status["balancer"]["endpoints"]["EchoWorker/EchoEndpoint"];
    let cut: u64 = endpoint["cut"]
        .as_object()
        .unwrap()
        .values()
        .filter_map(serde_json::Value::as_u64)
        .sum();
    assert!(
        cut >= broken.len() as u64,
        "{} broken, counted: {endpoint}",
        broken.len()
    );

    let after = deployment.instances();
    for n in [0, 1] {
        assert_ne!(after[n]["pid"], before[n]["pid"]);
        assert_eq!(
            after[n]["last_end"],
            "the role's program was killed by signal 9 (SIGKILL)"
        );
    }
    assert_eq!(
        after[2]["pid"], before[2]["pid"],
        "the others were left alone"
    );
    let logs = deployment.approot(&["logs"]);
    let logs = String::from_utf8(logs.stdout).unwrap();
    for id in ["EchoWorker_IN_0", "EchoWorker_IN_1"] {
        let told = logs
            .lines()
            .any(|line| line.starts_with(id) && line.contains("killed by signal 9 (SIGKILL)"));
        assert!(told, "{logs}");
        assert!(
            logs.lines()
                .any(|line| line.starts_with(id) && line.contains("attempt 2 of")),
            "{logs}"
        );
    }
    assert!(
        deployment
            .printed()
            .contains("EchoWorker_IN_0: the role's program was killed by signal 9")
    );
}

fn accepted(deployment: &Deployment) -> u64 {
    let status = deployment.status().unwrap();
    status["balancer"]["endpoints"]["EchoWorker/EchoEndpoint"]["accepted"]
        .as_u64()
        .unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_balancer_is_replaced_behind_the_same_port() {
    let deployment = Deployment::start(&echo_cloud());
    let balancer = deployment.holder("balancer.lock").unwrap();
    kill(balancer);
    wait_until("another balancer", || {
        match deployment.holder("balancer.lock") {
            Some(pid) if pid != balancer => Ok(()),
            other => Err(other),
        }
    });
    let held = run(deployment.public(1234), 20, 1).await;
    assert!(broken(&held).is_empty(), "{held:?}");
}
