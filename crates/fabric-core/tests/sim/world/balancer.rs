//! The balancer of the world: it acknowledges late or never, and loses everything when it goes.

use std::collections::BTreeSet;

use fabric_core::{Event, Rotation, Routing};
use plan::InstanceId;

use super::{Coming, MS, World, seconds};
use crate::laws::Broken;

/// Who routes connections at the moment.
pub(super) struct Balancer {
    pub(super) number: u64,
    table: Option<Routing>,
    /// Of which programs that drain the end is on its way, or was said.
    awaited: BTreeSet<(InstanceId, u64)>,
    idle: BTreeSet<(InstanceId, u64)>,
}

impl World {
    pub(super) fn balancer_comes(&mut self) -> Result<(), Broken> {
        self.serial += 1;
        let number = self.serial;
        self.balancer = Some(Balancer {
            number,
            table: None,
            awaited: BTreeSet::new(),
            idle: BTreeSet::new(),
        });
        if self.random.one_in(4) {
            // It was an earlier fabric's, and is through with the table of that one.
            self.within(5 * MS, Coming::Event(Event::Acknowledged(1_000_000)));
        }
        self.tell(Event::BalancerConnected)
    }

    pub(super) fn route(&mut self, routing: Routing) {
        let Some(balancer) = &mut self.balancer else {
            return;
        };
        let draining: BTreeSet<(InstanceId, u64)> = routing
            .endpoints
            .iter()
            .flat_map(|endpoint| &endpoint.routes)
            .filter(|route| route.rotation == Rotation::Draining)
            .map(|route| (route.instance.clone(), route.incarnation))
            .collect();
        let fresh: Vec<_> = draining.difference(&balancer.awaited).cloned().collect();
        balancer.idle.retain(|program| draining.contains(program));
        balancer.awaited = draining;
        let number = routing.number;
        balancer.table = Some(routing);
        let balancer = balancer.number;
        let limit = seconds(self.random.pick(&[0, 0, 1, 8]));
        self.within(limit, Coming::Acknowledges { balancer, number });
        for (id, incarnation) in fresh {
            if !self.random.one_in(6) {
                let limit = seconds(self.random.pick(&[0, 1, 8]));
                self.within(
                    limit,
                    Coming::Idles {
                        balancer,
                        id,
                        incarnation,
                    },
                );
            }
        }
    }

    /// An older table than the newest is not acknowledged any more.
    pub(super) fn acknowledge(&mut self, number: u64) -> Result<(), Broken> {
        let table = self
            .balancer
            .as_ref()
            .and_then(|balancer| balancer.table.as_ref());
        if table.is_some_and(|table| table.number == number) {
            return self.tell(Event::Acknowledged(number));
        }
        Ok(())
    }

    /// Said once for each draining.
    pub(super) fn idle(&mut self, instance: InstanceId, incarnation: u64) -> Result<(), Broken> {
        let program = (instance.clone(), incarnation);
        let balancer = self
            .balancer
            .as_mut()
            .filter(|balancer| balancer.awaited.contains(&program));
        if balancer.is_some_and(|balancer| balancer.idle.insert(program)) {
            return self.tell(Event::Idle {
                instance,
                incarnation,
            });
        }
        Ok(())
    }

    pub(super) fn cut(&mut self, id: InstanceId, incarnation: u64) {
        if let Some(balancer) = &self.balancer {
            let balancer = balancer.number;
            self.within(
                5 * MS,
                Coming::Idles {
                    balancer,
                    id,
                    incarnation,
                },
            );
        }
    }
}
