//! What a role process says of itself: a status, held as a lease.
//!
//! A lease is kept by its client's id; how long it counts and what several of them mean together is
//! the host's to decide. A document comes from a role's own process, any process, so its parser is
//! the one in this crate that meets hostile input.

use xml_tree::Element;

use crate::{
    document::{self, DocumentError},
    moment::Expiration,
    writer::Writer,
};

/// One document of the current-state endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentState {
    /// Who speaks: a UUID, one for each process of the role. Not empty, otherwise free text.
    pub client_id: String,
    /// What it takes or gives back.
    pub lease: Lease,
}

/// What a client does with its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lease {
    /// Takes a status, in place of what it held.
    Acquire {
        /// The incarnation of the goal state that it answers.
        incarnation: u64,
        /// The status.
        status: LeaseStatus,
        /// Free text for people.
        detail: Option<String>,
        /// When the lease ends by itself.
        expiration: Expiration,
    },
    /// Gives its status back.
    Release,
}

/// The status that a lease holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseStatus {
    /// Ready for traffic.
    Started,
    /// Alive, but wants no traffic.
    Busy,
    /// Asks to be stopped and started again.
    Recycle,
    /// Has finished stopping.
    Stopped,
}

impl CurrentState {
    /// Renders the document.
    pub fn render(&self) -> String {
        let mut writer = Writer::new();
        writer.open(ROOT, &[]);
        writer.open("StatusLease", &[("ClientId", &self.client_id)]);
        match &self.lease {
            Lease::Release => writer.empty("Release", &[]),
            Lease::Acquire {
                incarnation,
                status,
                detail,
                expiration,
            } => {
                writer.open("Acquire", &[]);
                writer.leaf("Incarnation", &incarnation.to_string());
                writer.leaf("Status", status.as_str());
                if let Some(detail) = detail {
                    writer.leaf("StatusDetail", detail);
                }
                writer.leaf("Expiration", &expiration.render());
                writer.close("Acquire");
            }
        }
        writer.close("StatusLease");
        writer.close(ROOT);
        writer.finish()
    }

    /// Reads the document.
    ///
    /// # Errors
    ///
    /// When it is larger than [`MAX_CURRENT_STATE_BYTES`], not well-formed or another document, or
    /// lacks a part, or has an unknown status or another value outside its type.
    pub fn parse(document: impl AsRef<[u8]>) -> Result<Self, DocumentError> {
        document::parse(document.as_ref(), MAX_CURRENT_STATE_BYTES, ROOT, |root| {
            let status_lease = document::child(root, "StatusLease")?;
            let client_id = document::attribute(status_lease, "@ClientId")?.to_owned();
            if client_id.is_empty() {
                return Err(DocumentError::invalid("@ClientId", &client_id));
            }
            let lease = match status_lease.child("Acquire") {
                Some(acquire) => parse_acquire(acquire)?,
                None => document::child(status_lease, "Release").map(|_| Lease::Release)?,
            };
            Ok(Self { client_id, lease })
        })
    }
}

fn parse_acquire(acquire: Element<'_>) -> Result<Lease, DocumentError> {
    Ok(Lease::Acquire {
        incarnation: document::value_of(acquire, "Incarnation", |text| text.parse().ok())?,
        status: document::value_of(acquire, "Status", LeaseStatus::parse)?,
        detail: acquire
            .child("StatusDetail")
            .map(|detail| detail.text().to_owned()),
        expiration: document::value_of(acquire, "Expiration", Expiration::parse)?,
    })
}

impl LeaseStatus {
    /// The status as the protocol spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "Started",
            Self::Busy => "Busy",
            Self::Recycle => "Recycle",
            Self::Stopped => "Stopped",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text {
            "Started" => Some(Self::Started),
            "Busy" => Some(Self::Busy),
            "Recycle" => Some(Self::Recycle),
            "Stopped" => Some(Self::Stopped),
            _ => None,
        }
    }
}

/// A status and a sentence fit many times over; what a host must be ready to hold for each writer.
pub const MAX_CURRENT_STATE_BYTES: usize = 64 * 1024;

const ROOT: &str = "CurrentState";

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use expect_test::expect;

    use super::*;

    fn acquire(status: LeaseStatus, detail: Option<&str>, expiration: Expiration) -> CurrentState {
        let detail = detail.map(str::to_owned);
        CurrentState {
            client_id: "6ad2b2d4-8e5f-4d14-b6a4-0d2c1a3e5f70".to_owned(),
            lease: Lease::Acquire {
                incarnation: 7,
                status,
                detail,
                expiration,
            },
        }
    }

    #[test]
    fn renders_an_acquired_lease() {
        expect![[r#"
            <?xml version="1.0" encoding="utf-8"?>
            <CurrentState>
              <StatusLease ClientId="6ad2b2d4-8e5f-4d14-b6a4-0d2c1a3e5f70">
                <Acquire>
                  <Incarnation>7</Incarnation>
                  <Status>Busy</Status>
                  <StatusDetail>warming &amp; waiting</StatusDetail>
                  <Expiration>2026-11-20T08:19:00.0000000Z</Expiration>
                </Acquire>
              </StatusLease>
            </CurrentState>
        "#]]
        .assert_eq(
            &acquire(
                LeaseStatus::Busy,
                Some("warming & waiting"),
                Expiration::At(UNIX_EPOCH + Duration::from_secs(1_795_162_740)),
            )
            .render(),
        );
    }

    #[test]
    fn renders_a_released_lease() {
        expect![[r#"
            <?xml version="1.0" encoding="utf-8"?>
            <CurrentState>
              <StatusLease ClientId="me">
                <Release />
              </StatusLease>
            </CurrentState>
        "#]]
        .assert_eq(
            &CurrentState {
                client_id: "me".to_owned(),
                lease: Lease::Release,
            }
            .render(),
        );
    }

    #[test]
    fn reads_back_what_it_renders() {
        let statuses = [
            LeaseStatus::Started,
            LeaseStatus::Busy,
            LeaseStatus::Recycle,
            LeaseStatus::Stopped,
        ];
        for status in statuses {
            for detail in [None, Some(""), Some(" a\r\n<b> \"c\" é ")] {
                let state = acquire(status, detail, Expiration::Never);
                assert_eq!(CurrentState::parse(state.render()), Ok(state));
            }
        }
        let release = CurrentState {
            client_id: "me".to_owned(),
            lease: Lease::Release,
        };
        assert_eq!(CurrentState::parse(release.render()), Ok(release));
    }

    #[test]
    fn reads_what_the_published_node_client_writes() {
        let document = "<?xml version=\"1.0\" encoding=\"utf-8\" ?><CurrentState><StatusLease \
            ClientId=\"me\"><Acquire><Incarnation>7</Incarnation><Status>Started</Status>\
            <StatusDetail>Started</StatusDetail><Expiration>9999-12-31T23:59:59.000Z</Expiration>\
            </Acquire></StatusLease></CurrentState>";
        let mut expected = acquire(LeaseStatus::Started, Some("Started"), Expiration::Never);
        expected.client_id = "me".to_owned();
        assert_eq!(CurrentState::parse(document), Ok(expected));
    }

    #[track_caller]
    fn check_refused(from: &str, to: &str, expected: &str) {
        let document = acquire(LeaseStatus::Started, None, Expiration::Never).render();
        let error = CurrentState::parse(document.replace(from, to)).expect_err("refused");
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn refuses_a_broken_document() {
        check_refused(
            ">Started<",
            ">Sleeping<",
            "`Status` has a value that means nothing: `Sleeping`",
        );
        check_refused(
            ">7<",
            ">-7<",
            "`Incarnation` has a value that means nothing: `-7`",
        );
        check_refused(
            "9999-12-31T23:59:59.9999999Z",
            "tomorrow",
            "`Expiration` has a value that means nothing: `tomorrow`",
        );
        check_refused("StatusLease", "Lease", "`StatusLease` is missing");
        check_refused("ClientId", "Client", "`@ClientId` is missing");
        check_refused(
            "6ad2b2d4-8e5f-4d14-b6a4-0d2c1a3e5f70",
            "",
            "`@ClientId` has a value that means nothing: ``",
        );
        check_refused("Acquire", "Take", "`Release` is missing");
        check_refused(
            "CurrentState",
            "GoalState",
            "the document is not a `CurrentState`: `GoalState`",
        );
    }

    #[test]
    fn refuses_by_size_before_reading() {
        let state = |detail: usize| {
            let detail = "x".repeat(detail);
            acquire(LeaseStatus::Busy, Some(&detail), Expiration::Never)
        };
        let frame_bytes = state(1).render().len() - 1;
        let largest = state(MAX_CURRENT_STATE_BYTES - frame_bytes);
        assert_eq!(largest.render().len(), MAX_CURRENT_STATE_BYTES);
        assert_eq!(CurrentState::parse(largest.render()), Ok(largest));
        assert_eq!(
            CurrentState::parse(state(MAX_CURRENT_STATE_BYTES - frame_bytes + 1).render()),
            Err(DocumentError::TooLarge {
                limit_bytes: MAX_CURRENT_STATE_BYTES
            }),
        );
    }

    #[test]
    fn refuses_every_cut_of_a_document() {
        let document = acquire(LeaseStatus::Busy, Some("é"), Expiration::Never).render();
        let whole = document.trim_end().len();
        for end in 0..whole {
            assert!(
                CurrentState::parse(&document.as_bytes()[..end]).is_err(),
                "cut at {end}"
            );
        }
        assert!(CurrentState::parse(&document.as_bytes()[..whole]).is_ok());
    }
}
