//! The notification socket, spoken to as sd_notify(3) does.

use super::*;

#[tokio::test]
async fn notifications_are_understood() {
    with_server(async |mut it| {
        let socket = UnixDatagram::unbound().unwrap();
        socket
            .send_to(
                b"STATUS=warming\x1b[2J up\nREADY=1\nSTOPPING=1\n",
                it.server.notify_path(),
            )
            .await
            .unwrap();
        let News::Event(detail) = it.hear().await else {
            panic!("no event")
        };
        assert_eq!(detail, Event::Detail("warming\u{fffd}[2J up".into()));
        let News::Event(Event::Released { .. }) = it.hear().await else {
            panic!("what it held as long as it was not ready")
        };
        let News::Event(ready) = it.hear().await else {
            panic!("no event")
        };
        assert_eq!(ready, Event::Notified);
    })
    .await;
}

#[tokio::test]
async fn a_program_that_reloads_or_stops_is_busy() {
    with_server(async |mut it| {
        let socket = UnixDatagram::unbound().unwrap();
        let mut signs = it.server.signs_of_life();
        let words =
            b"MAINPID=1\nFDSTORE=1\nRELOADING=1\nMONOTONIC_USEC=1\nREADY=1\nSTOPPING=1\nWATCHDOG=1";
        socket
            .send_to(words, it.server.notify_path())
            .await
            .unwrap();
        let mut events = Vec::new();
        for _ in 0..4 {
            let News::Event(event) = it.hear().await else {
                panic!("no event")
            };
            events.push(match event {
                Event::Leased { lease, .. } => lease.detail.unwrap(),
                Event::Released { .. } => "released".to_owned(),
                Event::Notified => "ready".to_owned(),
                other => panic!("{other:?}"),
            });
        }
        assert_eq!(events, ["reloading", "released", "ready", "stopping"]);
        signs.changed().await.unwrap();
    })
    .await;
}
