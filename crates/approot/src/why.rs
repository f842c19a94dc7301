//! `approot why`: what an instance's state comes from, and `approot explain`: what a code means.
//!
//! The fabric explains; here it becomes words.

use std::time::Duration;

use anyhow::anyhow;
use causes::{Cause, Explanation};
use diagnostics::CodeEntry;
use serde_json::json;

use crate::cli::{ExplainArguments, Format, WhyArguments};
use crate::exit::{self, Outcome};
use crate::{operate, show};

/// The lines of the log that people are shown where no cause is known.
const LAST_LINES: usize = 10;

/// `approot why`.
pub(crate) fn why(arguments: &WhyArguments) -> Outcome {
    let client = operate::client(&arguments.operate.fabric)?;
    let explanation = operate::block_on(async {
        let answer = client.why(&arguments.instance).await;
        answer.map_err(operate::failure)
    })?;
    match arguments.operate.format {
        Format::Human => show::words(&text(&explanation)),
        Format::Json => show::json(&explanation)?,
    }
    Ok(exit::DONE)
}

/// An explanation for people.
fn text(explanation: &Explanation) -> String {
    let Explanation {
        instance, status, ..
    } = explanation;
    if explanation.is_healthy {
        return format!("{instance} is Ready; nothing to explain\n");
    }
    let since = explanation
        .since
        .as_ref()
        .map_or_else(String::new, |since| {
            let seconds = Duration::from_millis(explanation.since_ms).as_secs_f64();
            format!(" for {seconds:.1} s, since {since},")
        });
    let attempt = explanation.attempt;
    let mut text = format!("{instance} is {status}{since} in attempt {attempt}\n");
    if let Some(detail) = &explanation.detail {
        text.push_str(&format!("  {}\n", show::plain(detail)));
    }
    for cause in &explanation.causes {
        text.push_str(&paragraph(cause));
    }
    if explanation.causes.is_empty() {
        text.push_str("\nno known cause");
        let lines = &explanation.last_lines;
        let lines = &lines[lines.len().saturating_sub(LAST_LINES)..];
        if !lines.is_empty() {
            text.push_str("; the last lines of its log:");
        }
        text.push('\n');
        for line in lines {
            text.push_str(&format!("    {}\n", show::plain(line)));
        }
    }
    text
}

fn paragraph(cause: &Cause) -> String {
    let mut text = format!("\n{}: {}\n", cause.code, show::plain(&cause.cause));
    text.push_str(&format!("  cure: {}\n  evidence:\n", cause.cure));
    for line in &cause.evidence {
        text.push_str(&format!("    {}\n", show::plain(line)));
    }
    text
}

/// `approot explain`.
pub(crate) fn explain(arguments: &ExplainArguments) -> Outcome {
    let wanted = arguments.code.to_ascii_uppercase();
    let mut entries = schema::codes::all().chain(causes::codes::ALL);
    let Some(CodeEntry { code, cause, cure }) = entries.find(|entry| entry.code.as_str() == wanted)
    else {
        let error = anyhow!("there is no code `{}`", arguments.code);
        return Err(exit::with(exit::USAGE, error));
    };
    match arguments.format {
        Format::Human => show::words(&format!("{code}: {cause}\n  cure: {cure}\n")),
        Format::Json => {
            show::json(&json!({ "code": code.as_str(), "cause": cause, "cure": cure }))?;
        }
    }
    Ok(exit::DONE)
}

#[cfg(test)]
mod tests {
    use host_core::Status;

    use super::*;

    fn explanation() -> Explanation {
        Explanation {
            instance: "A_IN_0".to_owned(),
            status: Status::Recycling,
            since: Some("2026-11-20T08:30:01.123Z".to_owned()),
            since_ms: 400,
            detail: Some("the role's program exited with status 3".to_owned()),
            attempt: 2,
            is_healthy: false,
            causes: Vec::new(),
            death: None,
            last_lines: vec!["a line".to_owned()],
        }
    }

    #[test]
    fn a_healthy_instance_has_nothing_to_explain() {
        let healthy = Explanation {
            is_healthy: true,
            ..explanation()
        };
        assert_eq!(text(&healthy), "A_IN_0 is Ready; nothing to explain\n");
    }

    #[test]
    fn a_cause_has_its_cure_and_its_evidence() {
        let cause = Cause {
            code: "AW0301".to_owned(),
            cause: "it failed".to_owned(),
            cure: "mend it".to_owned(),
            evidence: vec!["err: no".to_owned()],
        };
        let explained = Explanation {
            causes: vec![cause],
            ..explanation()
        };
        let expected = "\
A_IN_0 is Recycling for 0.4 s, since 2026-11-20T08:30:01.123Z, in attempt 2
  the role's program exited with status 3

AW0301: it failed
  cure: mend it
  evidence:
    err: no
";
        assert_eq!(text(&explained), expected);
    }

    #[test]
    fn what_a_role_says_does_not_reach_the_terminal_as_it_is() {
        let said = "a\u{1b}[2J\r\u{202e}\tb 'c'".to_owned();
        let shown = "a\\u{1b}[2J\\r\\u{202e}\tb 'c'";
        let cause = Cause {
            code: "AW0301".to_owned(),
            cause: said.clone(),
            cure: String::new(),
            evidence: vec![said.clone()],
        };
        for (causes, n_times) in [(vec![cause], 3), (vec![], 2)] {
            let text = text(&Explanation {
                detail: Some(said.clone()),
                last_lines: vec![said.clone()],
                causes,
                ..explanation()
            });
            assert_eq!(text.matches(shown).count(), n_times, "{text}");
            assert!(!text.contains(['\u{1b}', '\r', '\u{202e}']), "{text:?}");
        }
    }

    #[test]
    fn without_a_cause_the_last_lines_are_all_that_is_said() {
        let text = text(&explanation());
        assert!(
            text.ends_with("\nno known cause; the last lines of its log:\n    a line\n"),
            "{text}"
        );
    }
}
