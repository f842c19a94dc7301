//! The first document that a client reads: where the goal state is to be had.
//!
//! Only the endpoint of [`VERSION`] counts; others that a host may list are passed over.

use crate::{
    VERSION,
    document::{self, DocumentError},
    writer::Writer,
};

/// The document of the version endpoint, `RuntimeServerDiscovery`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery {
    /// Path of the socket that streams goal states.
    pub goal_state_path: String,
}

impl Discovery {
    /// Renders the document.
    pub fn render(&self) -> String {
        let mut writer = Writer::new();
        writer.open(ROOT, &[]);
        writer.open("RuntimeServerEndpoints", &[]);
        writer.empty(
            "RuntimeServerEndpoint",
            &[("version", VERSION), ("path", &self.goal_state_path)],
        );
        writer.close("RuntimeServerEndpoints");
        writer.close(ROOT);
        writer.finish()
    }

    /// Reads the document.
    ///
    /// # Errors
    ///
    /// When it is too large, not well-formed, another document, or offers no endpoint of [`VERSION`].
    pub fn parse(document: impl AsRef<[u8]>) -> Result<Self, DocumentError> {
        document::parse(document.as_ref(), MAX_DISCOVERY_BYTES, ROOT, |root| {
            let endpoint = document::items(root, "RuntimeServerEndpoints", "RuntimeServerEndpoint")
                .find(|endpoint| endpoint.attribute("version") == Some(VERSION))
                .ok_or(DocumentError::Missing {
                    what: "RuntimeServerEndpoint",
                })?;
            let goal_state_path = document::attribute(endpoint, "@path")?.to_owned();
            Ok(Self { goal_state_path })
        })
    }
}

/// A discovery is one line for each version ever spoken; more than this is not one.
pub const MAX_DISCOVERY_BYTES: usize = 64 * 1024;

const ROOT: &str = "RuntimeServerDiscovery";

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn renders_and_reads_back() {
        let discovery = Discovery {
            goal_state_path: "/run/a & b/goal-state.sock".to_owned(),
        };
        expect![[r#"
            <?xml version="1.0" encoding="utf-8"?>
            <RuntimeServerDiscovery>
              <RuntimeServerEndpoints>
                <RuntimeServerEndpoint version="2011-03-08" path="/run/a &amp; b/goal-state.sock" />
              </RuntimeServerEndpoints>
            </RuntimeServerDiscovery>
        "#]]
        .assert_eq(&discovery.render());
        assert_eq!(Discovery::parse(discovery.render()), Ok(discovery));
    }

    #[track_caller]
    fn check_refused(document: impl AsRef<[u8]>, expected: &str) {
        let error = Discovery::parse(document).expect_err("refused");
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn refuses_what_is_no_discovery() {
        check_refused(
            "<GoalState/>",
            "the document is not a `RuntimeServerDiscovery`: `GoalState`",
        );
        check_refused(b"\xff\xfe", "the document is not UTF-8");
        check_refused(
            " ".repeat(MAX_DISCOVERY_BYTES + 1),
            "the document is larger than 65536 bytes",
        );
        check_refused(
            "<RuntimeServerDiscovery/>",
            "`RuntimeServerEndpoint` is missing",
        );
        check_refused(
            r#"<RuntimeServerDiscovery><RuntimeServerEndpoints>
               <RuntimeServerEndpoint version="2012-01-01" path="/x"/>
               </RuntimeServerEndpoints></RuntimeServerDiscovery>"#,
            "`RuntimeServerEndpoint` is missing",
        );
        check_refused(
            r#"<RuntimeServerDiscovery><RuntimeServerEndpoints>
               <RuntimeServerEndpoint version="2011-03-08"/>
               </RuntimeServerEndpoints></RuntimeServerDiscovery>"#,
            "`@path` is missing",
        );
        for broken in ["", "<RuntimeServerDiscovery>", "<a></b>"] {
            assert!(
                Discovery::parse(broken).is_err(),
                "{broken:?} must be refused"
            );
        }
    }
}
