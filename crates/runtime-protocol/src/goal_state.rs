//! What the host wants of the role process, and where the rest is to be found.
//!
//! It says what is wanted, never what is: that is [`CurrentState`](crate::CurrentState)'s.

use crate::{
    document::{self, DocumentError},
    moment::Deadline,
    writer::Writer,
};

/// One document of the goal-state stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoalState {
    /// Grows by one with every change; an older one than the last seen means nothing any more.
    pub incarnation: u64,
    /// What the process should be.
    pub expected_state: ExpectedState,
    /// Path of the file that holds this incarnation's [`RoleEnvironment`](crate::RoleEnvironment).
    pub role_environment_path: String,
    /// Path of the socket that takes [`CurrentState`](crate::CurrentState) documents.
    pub current_state_endpoint: String,
    /// When the expected state must hold: for `Stopped`, the end of the stop limit.
    pub deadline: Deadline,
}

/// What the process should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpectedState {
    /// Running, or about to.
    Started,
    /// Finished stopping.
    Stopped,
}

impl GoalState {
    /// Renders the document, without its frame.
    pub fn render(&self) -> String {
        let mut writer = Writer::new();
        writer.open(ROOT, &[]);
        writer.leaf("Incarnation", &self.incarnation.to_string());
        writer.leaf("ExpectedState", self.expected_state.as_str());
        writer.leaf("RoleEnvironmentPath", &self.role_environment_path);
        writer.leaf("CurrentStateEndpoint", &self.current_state_endpoint);
        writer.leaf("Deadline", &self.deadline.render());
        writer.close(ROOT);
        writer.finish()
    }

    /// Reads the document.
    ///
    /// # Errors
    ///
    /// When it is too large, not well-formed or another document, or lacks an element, or one has a
    /// value outside its type.
    pub fn parse(document: impl AsRef<[u8]>) -> Result<Self, DocumentError> {
        document::parse(document.as_ref(), MAX_GOAL_STATE_BYTES, ROOT, |root| {
            Ok(Self {
                incarnation: document::value_of(root, "Incarnation", |text| text.parse().ok())?,
                expected_state: document::value_of(root, "ExpectedState", ExpectedState::parse)?,
                role_environment_path: document::text_of(root, "RoleEnvironmentPath")?,
                current_state_endpoint: document::text_of(root, "CurrentStateEndpoint")?,
                deadline: document::value_of(root, "Deadline", Deadline::parse)?,
            })
        })
    }
}

impl ExpectedState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Started => "Started",
            Self::Stopped => "Stopped",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text {
            "Started" => Some(Self::Started),
            "Stopped" => Some(Self::Stopped),
            _ => None,
        }
    }
}

/// Two paths of at most 4 KiB each, escaped, and little else: more than this is no goal state.
pub const MAX_GOAL_STATE_BYTES: usize = 64 * 1024;

const ROOT: &str = "GoalState";

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn goal_state(expected_state: ExpectedState) -> GoalState {
        GoalState {
            incarnation: u64::MAX,
            expected_state,
            role_environment_path: "/i/<0>/RoleEnvironment.1.xml".to_owned(),
            current_state_endpoint: "/i/a\r\nb/current-state.sock".to_owned(),
            deadline: Deadline::Never,
        }
    }

    #[test]
    fn renders_and_reads_back() {
        let started = goal_state(ExpectedState::Started);
        expect![[r#"
            <?xml version="1.0" encoding="utf-8"?>
            <GoalState>
              <Incarnation>18446744073709551615</Incarnation>
              <ExpectedState>Started</ExpectedState>
              <RoleEnvironmentPath>/i/&lt;0&gt;/RoleEnvironment.1.xml</RoleEnvironmentPath>
              <CurrentStateEndpoint>/i/a&#13;&#10;b/current-state.sock</CurrentStateEndpoint>
              <Deadline>9999-12-31T23:59:59.9999999Z</Deadline>
            </GoalState>
        "#]]
        .assert_eq(&started.render());
        assert_eq!(GoalState::parse(started.render()), Ok(started));
        let stopped = goal_state(ExpectedState::Stopped);
        assert_eq!(GoalState::parse(stopped.render()), Ok(stopped));
    }

    #[track_caller]
    fn check_refused(from: &str, to: &str, expected: &str) {
        let document = goal_state(ExpectedState::Started)
            .render()
            .replace(from, to);
        let error = GoalState::parse(document).expect_err("refused");
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn refuses_a_broken_goal_state() {
        check_refused("Incarnation>", "Generation>", "`Incarnation` is missing");
        check_refused(
            "18446744073709551615",
            "18446744073709551616",
            "`Incarnation` has a value that means nothing: `18446744073709551616`",
        );
        check_refused(
            ">Started<",
            ">started<",
            "`ExpectedState` has a value that means nothing: `started`",
        );
        check_refused(
            "9999-12-31T",
            "9999-12-32T",
            "`Deadline` has a value that means nothing: `9999-12-32T23:59:59.9999999Z`",
        );
        check_refused(
            "</GoalState>",
            &" ".repeat(70_000),
            "the document is larger than 65536 bytes",
        );
    }
}
