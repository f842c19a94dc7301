//! A controller with a bug: the real one, with something wrong on the way in or out.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use fabric_core::{Action, Controller, Event, Outcome, Rotation, Route, Routing};
use host_core::{Order, Status};
use plan::InstanceId;

use crate::laws::Law;

/// What the controller does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    DrainsUnasked,
    DrainsAtOnce,
    DoesNotWaitForTheBarrier,
    DoesNotWaitForConnections,
    ForgetsTheCut,
    KeepsBusyInRotation,
    KeepsDrainingInRotation,
    LosesRoutings,
    RepeatsNumbers,
    SpawnsTwice,
    SpawnsTooSoon,
    SpawnsAfterTheStop,
    IgnoresTheStop,
    NeverSaysStopped,
    ForgetsAHost,
    StopsTooEarly,
    SaysStartedTwice,
    SaysStartedTooSoon,
    NeverSaysStarted,
    HidesEnds,
    MissesTimeouts,
    NeverRests,
    LosesChanges,
    ReplacesEverywhere,
    LetsNobodyLeave,
    DiscardsTheLiving,
    KeepsLeaversInRotation,
}

impl Flaw {
    /// Every flaw, with the law that is there against it.
    pub(crate) const ALL: [(Flaw, Law); 27] = [
        (Flaw::DrainsUnasked, Law::DrainedOnRequest),
        (Flaw::DrainsAtOnce, Law::DrainedWhenQuiet),
        (Flaw::DoesNotWaitForTheBarrier, Law::DrainedWhenQuiet),
        (Flaw::DoesNotWaitForConnections, Law::DrainedWhenQuiet),
        (Flaw::ForgetsTheCut, Law::DrainedWhenQuiet),
        (Flaw::KeepsBusyInRotation, Law::RoutingIsTrue),
        (Flaw::KeepsDrainingInRotation, Law::RoutingIsTrue),
        (Flaw::LosesRoutings, Law::RoutingIsTrue),
        (Flaw::RepeatsNumbers, Law::RoutingsGrow),
        (Flaw::SpawnsTwice, Law::OneHost),
        (Flaw::SpawnsTooSoon, Law::Paced),
        (Flaw::SpawnsAfterTheStop, Law::NoSpawnAfterStop),
        (Flaw::IgnoresTheStop, Law::StopReachesAll),
        (Flaw::NeverSaysStopped, Law::StopEnds),
        (Flaw::ForgetsAHost, Law::StopReachesAll),
        (Flaw::StopsTooEarly, Law::StoppedIsTrue),
        (Flaw::SaysStartedTwice, Law::StartedOnce),
        (Flaw::SaysStartedTooSoon, Law::StartedIsTrue),
        (Flaw::NeverSaysStarted, Law::StartEnds),
        (Flaw::HidesEnds, Law::EndsAreTold),
        (Flaw::MissesTimeouts, Law::DrainEnds),
        (Flaw::NeverRests, Law::NoBusyLoop),
        (Flaw::LosesChanges, Law::ChangesReachAll),
        (Flaw::ReplacesEverywhere, Law::OneDomain),
        (Flaw::LetsNobodyLeave, Law::StopReachesAll),
        (Flaw::DiscardsTheLiving, Law::DiscardsTheLeft),
        (Flaw::KeepsLeaversInRotation, Law::RoutingIsTrue),
    ];
}

/// How much too early [`Flaw::SpawnsTooSoon`] is.
const EARLY: Duration = Duration::from_secs(1);

/// What the world drives: a [`Controller`], spoilt or not.
pub(crate) struct Machine {
    controller: Controller,
    flaw: Option<Flaw>,
    now: Duration,
    newest: Option<Routing>,
    is_stopping: bool,
    /// Routes of instances that have left.
    left: Vec<Route>,
    more: VecDeque<Action>,
}

impl Machine {
    pub(crate) fn new(controller: Controller, flaw: Option<Flaw>) -> Self {
        Machine {
            controller,
            flaw,
            now: Duration::ZERO,
            newest: None,
            is_stopping: false,
            left: Vec::new(),
            more: VecDeque::new(),
        }
    }

    pub(crate) fn handle_event(&mut self, now: Duration, event: Event) {
        self.now = now;
        self.spoil_event(&event);
        self.is_stopping |= event == Event::Stop;
        if self.flaw != Some(Flaw::IgnoresTheStop) || event != Event::Stop {
            self.controller.handle_event(now, event);
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Duration) {
        self.now = now;
        let is_early = self.flaw == Some(Flaw::SpawnsTooSoon);
        let believed = if is_early { now + EARLY } else { now };
        self.controller.handle_timeout(believed);
    }

    pub(crate) fn poll_timeout(&self) -> Option<Duration> {
        let timeout = self.controller.poll_timeout();
        match self.flaw {
            Some(Flaw::MissesTimeouts) => None,
            Some(Flaw::NeverRests) => timeout.map(|_| self.now),
            Some(Flaw::SpawnsTooSoon) => timeout.map(|timeout| timeout.saturating_sub(EARLY)),
            _ => timeout,
        }
    }

    pub(crate) fn poll_action(&mut self) -> Option<Action> {
        self.more.pop_front().or_else(|| {
            let action = self.controller.poll_action()?;
            self.spoil_action(action)
        })
    }

    /// What the controller believes on top of what happened.
    fn spoil_event(&mut self, event: &Event) {
        let now = self.now;
        match (self.flaw, event) {
            (Some(Flaw::DoesNotWaitForTheBarrier), Event::Idle { .. }) => {
                if let Some(number) = self.newest.as_ref().map(|newest| newest.number) {
                    self.controller
                        .handle_event(now, Event::Acknowledged(number));
                }
            }
            (Some(Flaw::DoesNotWaitForConnections), Event::Acknowledged(_)) => {
                for (instance, incarnation) in self.draining() {
                    let idle = Event::Idle {
                        instance,
                        incarnation,
                    };
                    self.controller.handle_event(now, idle);
                }
            }
            (Some(Flaw::SpawnsAfterTheStop), Event::HostEnded(id)) if self.is_stopping => {
                self.more.push_back(Action::SpawnHost(id.clone()));
            }
            (Some(Flaw::StopsTooEarly), Event::HostEnded(_)) if self.is_stopping => {
                self.more.push_back(Action::Stopped);
            }
            (Some(Flaw::SaysStartedTooSoon), Event::Reported(_, report))
                if report.status == Status::Ready =>
            {
                self.flaw = None;
                self.more.push_back(Action::Started(Outcome::AllReady));
            }
            _ => {}
        }
    }

    /// The instances that are on their way out.
    pub(crate) fn leaving(&self) -> BTreeSet<InstanceId> {
        let leaving = self.controller.leaving();
        leaving.map(|instance| instance.id.clone()).collect()
    }

    fn draining(&self) -> Vec<(InstanceId, u64)> {
        let endpoints = self.newest.iter().flat_map(|newest| &newest.endpoints);
        endpoints
            .flat_map(|endpoint| &endpoint.routes)
            .filter(|route| route.rotation == Rotation::Draining)
            .map(|route| (route.instance.clone(), route.incarnation))
            .collect()
    }

    fn spoil_action(&mut self, action: Action) -> Option<Action> {
        match (self.flaw, action) {
            (_, Action::Route(routing)) => self.spoil_routing(routing),
            (Some(Flaw::DrainsUnasked), Action::Order(id, Order::Recycle)) => {
                self.more
                    .push_back(Action::Order(id.clone(), Order::Drained));
                Some(Action::Order(id, Order::Recycle))
            }
            (Some(Flaw::ForgetsAHost), Action::Order(id, Order::Stop))
                if id.as_str().ends_with("_0") =>
            {
                self.poll_action()
            }
            (Some(Flaw::ForgetsTheCut), Action::Cut { .. })
            | (Some(Flaw::NeverSaysStarted), Action::Started(_))
            | (Some(Flaw::NeverSaysStopped), Action::Stopped)
            | (Some(Flaw::LosesChanges), Action::Change(..))
            | (Some(Flaw::HidesEnds), Action::AttemptEnded { .. }) => self.poll_action(),
            (Some(Flaw::LetsNobodyLeave), Action::Order(id, Order::Stop))
                if self.leaving().contains(&id) =>
            {
                self.poll_action()
            }
            (Some(Flaw::ReplacesEverywhere), Action::Change(id, Order::Replace)) => {
                let others = self.controller.pending().filter(|other| **other != id);
                let others = others.map(|other| Action::Change(other.clone(), Order::Replace));
                self.more.extend(others.collect::<Vec<_>>());
                Some(Action::Change(id, Order::Replace))
            }
            (Some(Flaw::KeepsLeaversInRotation), Action::Discard(id)) => {
                let endpoints = self.newest.iter().flat_map(|newest| &newest.endpoints);
                let mut routes = endpoints.flat_map(|endpoint| &endpoint.routes);
                self.left
                    .extend(routes.find(|route| route.instance == id).cloned());
                Some(Action::Discard(id))
            }
            (Some(Flaw::DiscardsTheLiving), Action::Order(id, Order::Stop))
                if self.leaving().contains(&id) =>
            {
                self.more.push_back(Action::Discard(id.clone()));
                Some(Action::Order(id, Order::Stop))
            }
            (Some(Flaw::SpawnsTwice), Action::SpawnHost(id)) => {
                self.more.push_back(Action::SpawnHost(id.clone()));
                Some(Action::SpawnHost(id))
            }
            (Some(Flaw::SaysStartedTwice), Action::Started(outcome)) => {
                self.more.push_back(Action::Started(outcome.clone()));
                Some(Action::Started(outcome))
            }
            (_, action) => Some(action),
        }
    }

    fn spoil_routing(&mut self, mut routing: Routing) -> Option<Action> {
        self.newest = Some(routing.clone());
        let into_rotation = |routing: &mut Routing, from| {
            let endpoints = routing.endpoints.iter_mut();
            let routes = endpoints.flat_map(|endpoint| &mut endpoint.routes);
            let is_meant = |route: &&mut Route| route.rotation == from;
            routes
                .filter(is_meant)
                .for_each(|route| route.rotation = Rotation::In);
        };
        match self.flaw {
            Some(Flaw::KeepsBusyInRotation) => into_rotation(&mut routing, Rotation::Out),
            Some(Flaw::KeepsDrainingInRotation) => into_rotation(&mut routing, Rotation::Draining),
            Some(Flaw::LosesRoutings) if routing.number.is_multiple_of(3) => {
                return self.poll_action();
            }
            Some(Flaw::KeepsLeaversInRotation) => {
                for endpoint in &mut routing.endpoints {
                    endpoint.routes.extend(self.left.clone());
                }
            }
            Some(Flaw::RepeatsNumbers) => routing.number = routing.number.min(2),
            Some(Flaw::DrainsAtOnce) => {
                let orders = self.draining().into_iter();
                let orders = orders.map(|(id, _)| Action::Order(id, Order::Drained));
                self.more.extend(orders);
            }
            _ => {}
        }
        Some(Action::Route(routing))
    }
}
