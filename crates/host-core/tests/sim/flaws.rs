//! A machine with a bug: the real one, with something wrong on the way in or out.

use std::collections::VecDeque;
use std::time::Duration;

use host_core::{Action, Event, Exit, Instance, LeaseStatus, Order, Status};

use crate::laws::Law;

/// What the machine does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    DoesNotWaitForThePreparation,
    StartsBeforeTheTaskEnded,
    TakesFailedTasksForDone,
    StartsTwoPrograms,
    KeepsOldProcesses,
    LosesTheKill,
    IgnoresStops,
    HidesDraining,
    SaysReadyTooSoon,
    LosesBusy,
    KeepsReleasedLeases,
    MissesTimeouts,
    NeverRests,
    ActsTooEarly,
    StartsAgainTooEarly,
    CountsBack,
    SpeaksAfterTheEnd,
    LosesChanges,
    TellsThoseWhoLeave,
    TellsInsteadOfRecycling,
    AsksAtAReboot,
}

impl Flaw {
    /// Every flaw, with the law that is there against it.
    pub(crate) const ALL: [(Flaw, Law); 21] = [
        (Flaw::DoesNotWaitForThePreparation, Law::PreparedFirst),
        (Flaw::StartsBeforeTheTaskEnded, Law::TasksFirst),
        (Flaw::TakesFailedTasksForDone, Law::TasksFirst),
        (Flaw::StartsTwoPrograms, Law::OneProgram),
        (Flaw::KeepsOldProcesses, Law::NothingOfBefore),
        (Flaw::LosesTheKill, Law::NextAttempt),
        (Flaw::IgnoresStops, Law::StopEnds),
        (Flaw::HidesDraining, Law::DrainingBeforeAsking),
        (Flaw::SaysReadyTooSoon, Law::StatusIsTrue),
        (Flaw::LosesBusy, Law::StatusIsTrue),
        (Flaw::KeepsReleasedLeases, Law::StatusIsTrue),
        (Flaw::MissesTimeouts, Law::StopEnds),
        (Flaw::NeverRests, Law::NoBusyLoop),
        (Flaw::ActsTooEarly, Law::TimeToStop),
        (Flaw::StartsAgainTooEarly, Law::Paced),
        (Flaw::CountsBack, Law::AttemptsGrow),
        (Flaw::SpeaksAfterTheEnd, Law::NothingAfterExit),
        (Flaw::LosesChanges, Law::ChangesAreTold),
        (Flaw::TellsThoseWhoLeave, Law::ChangesAreTold),
        (Flaw::TellsInsteadOfRecycling, Law::ChangesAreTold),
        (Flaw::AsksAtAReboot, Law::RebootAsksNobody),
    ];
}

/// How much too early [`Flaw::ActsTooEarly`] is.
const EARLY: Duration = Duration::from_secs(2);

/// What the world drives: an [`Instance`], spoilt or not.
pub(crate) struct Machine {
    instance: Instance,
    flaw: Option<Flaw>,
    now: Duration,
    more: VecDeque<Action>,
}

impl Machine {
    pub(crate) fn new(instance: Instance, flaw: Option<Flaw>) -> Self {
        Machine {
            instance,
            flaw,
            now: Duration::ZERO,
            more: VecDeque::new(),
        }
    }

    pub(crate) fn handle_event(&mut self, now: Duration, event: Event) {
        self.now = now;
        if let Some(event) = self.spoil_event(event) {
            self.instance.handle_event(now, event);
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Duration) {
        self.now = now;
        let believed = match self.flaw {
            Some(Flaw::ActsTooEarly | Flaw::StartsAgainTooEarly) => now + EARLY,
            _ => now,
        };
        self.instance.handle_timeout(believed);
    }

    pub(crate) fn poll_timeout(&self) -> Option<Duration> {
        let timeout = self.instance.poll_timeout();
        match self.flaw {
            Some(Flaw::MissesTimeouts) => None,
            Some(Flaw::NeverRests) => timeout.map(|_| self.now),
            Some(Flaw::ActsTooEarly | Flaw::StartsAgainTooEarly) => {
                timeout.map(|timeout| timeout.saturating_sub(EARLY))
            }
            _ => timeout,
        }
    }

    pub(crate) fn poll_action(&mut self) -> Option<Action> {
        self.more.pop_front().or_else(|| {
            let action = self.instance.poll_action()?;
            self.spoil_action(action)
        })
    }

    fn spoil_event(&mut self, event: Event) -> Option<Event> {
        match (self.flaw, event) {
            (Some(Flaw::TakesFailedTasksForDone), Event::TaskEnded { index, .. }) => {
                let exit = Exit::Code(0);
                Some(Event::TaskEnded { index, exit })
            }
            (Some(Flaw::IgnoresStops), Event::FabricGone | Event::Order(Order::Stop)) => None,
            (Some(Flaw::LosesBusy), Event::Leased { lease, .. })
                if lease.status == LeaseStatus::Busy =>
            {
                None
            }
            (Some(Flaw::KeepsReleasedLeases), Event::Released { .. }) => None,
            (Some(Flaw::TellsInsteadOfRecycling), Event::Order(Order::Replace)) => {
                Some(Event::Order(Order::Change))
            }
            (Some(Flaw::AsksAtAReboot), Event::Order(Order::Reboot)) => {
                Some(Event::Order(Order::Stop))
            }
            (_, event) => Some(event),
        }
    }

    fn spoil_action(&mut self, action: Action) -> Option<Action> {
        match (self.flaw, action) {
            (Some(Flaw::DoesNotWaitForThePreparation), Action::Prepare { attempt }) => {
                self.instance
                    .handle_event(self.now, Event::Prepared(Ok(())));
                Some(Action::Prepare { attempt })
            }
            (Some(Flaw::StartsBeforeTheTaskEnded), Action::StartTask { index }) => {
                self.more.push_back(Action::StartProgram);
                Some(Action::StartTask { index })
            }
            (Some(Flaw::StartsTwoPrograms), Action::StartProgram) => {
                self.more.push_back(Action::StartProgram);
                Some(Action::StartProgram)
            }
            (Some(Flaw::KeepsOldProcesses), Action::Empty) => {
                self.instance.handle_event(self.now, Event::Emptied);
                self.poll_action()
            }
            (Some(Flaw::LosesTheKill), Action::Empty)
            | (Some(Flaw::LosesChanges), Action::Publish) => self.poll_action(),
            (Some(Flaw::TellsThoseWhoLeave), Action::AskToStop { within }) => {
                self.more.push_back(Action::Publish);
                Some(Action::AskToStop { within })
            }
            (Some(Flaw::SpeaksAfterTheEnd), Action::Exit) => {
                self.more.push_back(Action::Log("one more thing".into()));
                Some(Action::Exit)
            }
            (flaw, Action::Report(mut report)) => {
                match flaw {
                    Some(Flaw::HidesDraining) => report.draining = false,
                    Some(Flaw::CountsBack) => report.attempt = report.attempt.min(1),
                    Some(Flaw::SaysReadyTooSoon) if report.status == Status::Busy => {
                        report.status = Status::Ready;
                    }
                    _ => {}
                }
                Some(Action::Report(report))
            }
            (_, action) => Some(action),
        }
    }
}
