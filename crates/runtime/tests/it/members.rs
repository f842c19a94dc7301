//! Every question that a role may ask, and the events that are not of its start and stop.

use runtime::{
    ListenError,
    Response::{Accept, Cancel},
    RoleEnvironment, SettingsError,
};
use runtime_protocol::ExpectedState::Started;
use serde::Deserialize;

use crate::{
    host::Host,
    role::{Order, Running, Start},
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Settings {
    greeting: String,
    limit: u32,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Wrong {
    #[allow(dead_code, reason = "it is never read: the setting is a word")]
    greeting: u32,
}

/// The ids of the role's own instances, as this one sees them.
pub(crate) fn instances(environment: &RoleEnvironment) -> String {
    let role = environment.role("Worker").expect("its own role");
    let ids: Vec<&str> = role
        .instances
        .iter()
        .map(|instance| &*instance.id)
        .collect();
    ids.join(" ")
}

/// Asks everything, and says what was answered.
pub(crate) fn all(environment: &RoleEnvironment) -> String {
    let is_emulated = environment.is_emulated();
    assert!(environment.is_available());
    assert_eq!(environment.deployment_id(), Some("d".repeat(32)));
    assert_eq!(environment.role_name().as_deref(), Some("Worker"));
    let current = environment.current_instance().expect("below a fabric");
    assert_eq!((current.fault_domain, current.update_domain), (0, 0));
    let endpoint = current.endpoint("Tcp").expect("it has one");
    assert_eq!(Some(endpoint), environment.endpoint("Tcp").as_ref());
    assert_eq!(endpoint.public_port, Some(80));
    assert_eq!(environment.endpoint("None"), None);
    let roles = environment.roles();
    let peer = roles[0].instance("Worker_IN_1").expect("a peer");
    assert_eq!(
        peer.endpoint("Udp").map(|endpoint| &*endpoint.protocol),
        Some("udp")
    );
    let store = environment.local_resource("Scratch").expect("declared");
    assert_eq!((&*store.path, store.size_mb), ("/scratch/", 10));
    assert_eq!(environment.local_resource("None"), None);
    assert_eq!(environment.setting("None"), None);
    let typed: Settings = environment.settings().expect("they fit");
    assert_eq!(environment.setting("Greeting"), Some(typed.greeting));
    assert_eq!(typed.limit, 8);
    let error = environment
        .settings::<Wrong>()
        .expect_err("a word is no number");
    assert!(matches!(error, SettingsError::Invalid { name, .. } if name == "Greeting"));

    let listener = environment.listen("Tcp").expect("its address is ours");
    let socket = environment.bind_udp("Udp").expect("its address is ours");
    let addresses = [listener.local_addr(), socket.local_addr()];
    for address in addresses.map(|address| address.expect("bound")) {
        assert!(address.ip().is_loopback());
    }
    let error = environment.listen("Udp").expect_err("no tcp");
    assert!(matches!(error, ListenError::NotTcp { .. }));
    let error = environment.bind_udp("Tcp").expect_err("no udp");
    assert!(matches!(error, ListenError::NotUdp { .. }));
    let error = environment.certificate("Tls").expect_err("none was placed");
    assert_eq!(error.name, "Tls");
    format!(
        "{} of {}, emulated: {is_emulated}",
        current.id,
        instances(environment)
    )
}

async fn running(response: runtime::Response) -> (Host, Running) {
    let mut host = Host::new(Started);
    let mut role = Running::new(Some(host.version_endpoint()), Start::True, response);
    assert_eq!(host.state().await, "1 Busy");
    assert_eq!(role.call().await, "on_start in Worker_IN_0");
    assert_eq!(host.state().await, "1 Started");
    assert_eq!(role.call().await, "run");
    (host, role)
}

#[tokio::test]
async fn every_member_answers() {
    let (_host, mut role) = running(Accept).await;
    role.order(Order::Members);
    assert_eq!(
        role.call().await,
        "Worker_IN_0 of Worker_IN_1 Worker_IN_0, emulated: true"
    );
}

#[tokio::test]
async fn a_status_check_says_busy_until_the_next_one_does_not() {
    let (mut host, role) = running(Accept).await;
    role.order(Order::Check(true));
    assert_eq!(host.state().await, "1 Busy");
    role.order(Order::Check(false));
    assert_eq!(host.state().await, "1 Started");
}

#[tokio::test]
async fn topology_changes_at_once_where_the_definition_says_so() {
    let (mut host, mut role) = running(Accept).await;
    host.publish_edited(2, |environment| {
        environment.roles[0].instances.clear();
    });
    assert_eq!(role.call().await, "changing topology of Worker from hello");
    assert_eq!(host.state().await, "2 Started");
    assert_eq!(role.call().await, "changed topology of Worker to hello");
    host.publish_edited(3, |environment| {
        environment.blast = true;
        environment.current.settings[0].value = "good day".into();
    });
    let before = "at once: changing topology of Worker from Worker_IN_0";
    assert_eq!(role.call().await, before);
    assert_eq!(role.call().await, "changing Greeting from hello");
    assert_eq!(host.state().await, "3 Started");
    let after = "at once: changed topology of Worker to Worker_IN_1 Worker_IN_0";
    assert_eq!(role.call().await, after);
    assert_eq!(role.call().await, "changed Greeting to good day");
}

#[tokio::test]
async fn what_changes_at_once_cannot_be_refused() {
    let (mut host, mut role) = running(Cancel).await;
    host.publish_edited(2, |environment| {
        environment.blast = true;
        environment.roles[0].instances.clear();
    });
    let before = "at once: changing topology of Worker from Worker_IN_1 Worker_IN_0";
    assert_eq!(role.call().await, before);
    assert_eq!(host.state().await, "2 Started");
    let after = "at once: changed topology of Worker to Worker_IN_0";
    assert_eq!(role.call().await, after);
}
