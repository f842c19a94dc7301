//! What a running deployment has to say, on its terminal.
//!
//! This runs inside the fabric, so it never fails: see [`mod@print`].

use std::cell::RefCell;

use fabric::{Notice, Status};

use crate::cli::Format;
use crate::{print, show};

/// Tells notices as they come. Limitations wait for the first status, which lists them too, so that each is
/// said once.
pub(crate) struct Notices {
    format: Format,
    /// Until the start is over.
    held: RefCell<Option<Vec<String>>>,
}

impl Notices {
    pub(crate) fn new(format: Format) -> Self {
        Notices {
            format,
            held: RefCell::new(Some(Vec::new())),
        }
    }

    pub(crate) fn tell(&self, notice: Notice) {
        print::words(&self.text(&notice));
        if let Notice::Started(status) = &notice
            && self.format == Format::Json
        {
            // A status that cannot be printed does not end the deployment.
            let _ = show::json(status);
        }
    }

    /// What to say of `notice`, whole lines or nothing.
    fn text(&self, notice: &Notice) -> String {
        let over = match notice {
            Notice::Limitation(text) => return self.hold(text),
            Notice::AttemptEnded { instance, cause } => return format!("{instance}: {cause}\n"),
            Notice::Configured(configured) => {
                let number = configured.incarnation;
                return format!("configuration {number} is being carried out\n");
            }
            Notice::Started(status) => self.started(status),
            Notice::StartFailed { instance, cause } => {
                format!("error: {instance} does not start: {cause}\n")
            }
            Notice::Stopping(why) => format!("stopping: {why}\n"),
            Notice::Stopped => "stopped\n".to_owned(),
            Notice::Resumed => "the fabric was lost: a new one takes over\n".to_owned(),
            Notice::Failed(failed) => show::failed(failed),
        };
        // Each of these ends the start, if it was not over already.
        self.release(&[]) + &over
    }

    fn hold(&self, limitation: &str) -> String {
        match &mut *self.held.borrow_mut() {
            Some(held) => {
                held.push(limitation.to_owned());
                String::new()
            }
            None => note(limitation),
        }
    }

    /// The limitations that were held and are not among those `told` otherwise. From now on none is held.
    fn release(&self, told: &[String]) -> String {
        let held = self.held.take().unwrap_or_default();
        let untold = held.iter().filter(|limitation| !told.contains(limitation));
        untold.map(|limitation| note(limitation)).collect()
    }

    fn started(&self, status: &Status) -> String {
        match self.format {
            Format::Json => String::new(),
            Format::Human => format!(
                "{}{}\nevery instance is Ready; Ctrl-C stops them, `approot status` and `approot logs` tell more\n",
                crate::table::table(status),
                self.release(&status.limitations),
            ),
        }
    }
}

fn note(limitation: &str) -> String {
    format!("note: {limitation}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(format: Format, notices: Vec<Notice>) -> String {
        let teller = Notices::new(format);
        notices.iter().map(|notice| teller.text(notice)).collect()
    }

    fn limitation(text: &str) -> Notice {
        Notice::Limitation(text.to_owned())
    }

    fn started() -> Notice {
        Notice::Started(Box::new(Status {
            service: "S".to_owned(),
            deployments: Vec::new(),
            dashboard: None,
            control: "/run/control.sock".into(),
            limitations: vec!["no moon".to_owned()],
            balancer: None,
        }))
    }

    #[test]
    fn a_limitation_of_the_status_is_said_once_and_others_too() {
        let text = told(
            Format::Human,
            vec![limitation("no moon"), limitation("no sun"), started()],
        );
        assert_eq!(text.matches("note: no moon\n").count(), 1, "{text}");
        assert_eq!(text.matches("note: no sun\n").count(), 1, "{text}");
        assert!(text.starts_with("service S"), "{text}");
    }

    #[test]
    fn without_a_table_limitations_are_said_when_the_start_is_over() {
        assert_eq!(
            told(Format::Json, vec![limitation("no moon"), started()]),
            "note: no moon\n"
        );
        let failed = Notice::StartFailed {
            instance: "A_IN_0".into(),
            cause: "no".to_owned(),
        };
        assert_eq!(
            told(
                Format::Human,
                vec![limitation("no moon"), failed, limitation("late")]
            ),
            "note: no moon\nerror: A_IN_0 does not start: no\nnote: late\n"
        );
    }

    #[test]
    fn an_attempt_that_ends_before_the_start_is_over_is_told_at_once() {
        let ended = Notice::AttemptEnded {
            instance: "A_IN_0".into(),
            cause: "the role's program exited with status 1".to_owned(),
        };
        assert_eq!(
            told(Format::Human, vec![limitation("no moon"), ended]),
            "A_IN_0: the role's program exited with status 1\n"
        );
    }
}
