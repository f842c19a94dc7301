//! Seeded histories of arrivals, refusals, ends and table changes, against a model that keeps only
//! the plain facts. A failure prints its seed; `history(seed)` replays it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use balancer_core::{
    Backend, Cause, Client, DEATH_REPORT_LIMIT, End, Endpoint, Pick, Pool, PoolEvent, Program,
    Rotation, TRIAL_INTERVAL, Table, Ticket,
};
use rand_pcg::Pcg32;
use rand_pcg::rand_core::Rng;

const SEEDS: u64 = 256;
const STEPS: u32 = 250;
const ENDPOINTS: [&str; 2] = ["A", "B"];
const INSTANCES: [&str; 4] = ["W", "X", "Y", "Z"];

/// Where a client stands.
enum Place {
    Waiting,
    Connecting(Ticket),
    Served(Ticket),
}

struct Guest {
    client: Client,
    tried: Vec<Program>,
    place: Place,
}

/// The plain facts, and the pool that must agree with them.
struct World {
    random: Pcg32,
    pool: Pool,
    now: Duration,
    table: Table,
    guests: BTreeMap<u64, Guest>,
    accepted: u64,
    finished: u64,
    /// At `A`, which every table lists.
    retried: u64,
    acknowledged: bool,
    /// Programs whose end is awaited, and those whose end was said, in their present draining.
    draining: BTreeSet<Program>,
    reported: BTreeSet<Program>,
    /// Since when a backend's connects fail, by endpoint.
    suspects: BTreeMap<(String, Program), Duration>,
    /// Who tries a suspect backend.
    trials: BTreeMap<(String, Program), u64>,
}

#[test]
fn every_history_agrees_with_the_plain_facts() {
    for seed in 0..SEEDS {
        let outcome = std::panic::catch_unwind(|| history(seed));
        assert!(outcome.is_ok(), "seed {seed}");
    }
}

fn history(seed: u64) {
    let mut world = World {
        random: Pcg32::new(seed, 0x0a02_bdbf_7bb3_c0a7),
        pool: Pool::new(),
        now: Duration::ZERO,
        table: Table::default(),
        guests: BTreeMap::new(),
        accepted: 0,
        finished: 0,
        retried: 0,
        acknowledged: true,
        draining: BTreeSet::new(),
        reported: BTreeSet::new(),
        suspects: BTreeMap::new(),
        trials: BTreeMap::new(),
    };
    world.change_table();
    world.agree();
    for _ in 0..STEPS {
        match world.below(20) {
            0..5 => world.arrive(),
            5..13 => world.go_on(),
            13 => world.change_table(),
            _ => {
                let ms = world.below(8);
                world.now += Duration::from_millis(ms.into());
            }
        }
        world.serve_the_line();
        world.agree();
    }
    world.end_all();
}

impl World {
    fn below(&mut self, bound: u32) -> u32 {
        self.random.next_u32() % bound
    }

    fn arrive(&mut self) {
        let endpoint = ENDPOINTS[self.below(2) as usize];
        if !self.pool.is_accepting(endpoint) {
            return;
        }
        let client = self.pool.accept(endpoint);
        self.accepted += 1;
        let number = client.number();
        let guest = Guest {
            client,
            tried: vec![],
            place: Place::Waiting,
        };
        self.guests.insert(number, guest);
        self.pick(number);
    }

    fn pick(&mut self, number: u64) {
        let older_waits = self.guests.iter().any(|(&other, guest)| {
            let same = guest.client.endpoint() == self.guests[&number].client.endpoint();
            other < number && same && matches!(guest.place, Place::Waiting)
        });
        let mut guest = self.guests.remove(&number).expect("present");
        match self.pool.pick(&mut guest.client, &guest.tried, self.now) {
            Pick::To(ticket) => {
                assert!(!older_waits, "{number} overtook");
                assert!(!guest.tried.contains(ticket.program()));
                self.check_pick(number, guest.client.endpoint(), &ticket);
                guest.place = Place::Connecting(ticket);
            }
            Pick::Park(_) => {
                let idle = !older_waits && self.has_sound(guest.client.endpoint(), &guest.tried);
                assert!(!idle, "{number} waits for nothing");
                guest.place = Place::Waiting;
            }
            Pick::Exhausted => {
                assert!(!guest.tried.is_empty());
                return self.leave(guest, Cause::InstanceReset);
            }
            Pick::Closed => return self.leave(guest, Cause::EndpointClosed),
        }
        self.guests.insert(number, guest);
    }

    fn check_pick(&mut self, number: u64, endpoint: &str, ticket: &Ticket) {
        let program = ticket.program();
        let rotation = rotation(&self.table, endpoint, program);
        assert_eq!(rotation, Some(Rotation::In), "{program:?} was picked");
        let key = (endpoint.to_owned(), program.clone());
        if let Some(next_trial) = self.suspects.get(&key) {
            assert!(*next_trial <= self.now, "{program:?} was tried too early");
            let second = self.trials.insert(key, number);
            assert_eq!(second, None, "a second trial of {program:?}");
        }
    }

    fn has_sound(&self, endpoint: &str, tried: &[Program]) -> bool {
        let row = self.table.endpoints.iter().find(|e| e.name == endpoint);
        row.into_iter()
            .flat_map(|row| &row.backends)
            .any(|backend| {
                let program = program(backend);
                let is_suspect = self
                    .suspects
                    .contains_key(&(endpoint.into(), program.clone()));
                backend.rotation == Rotation::In && !is_suspect && !tried.contains(&program)
            })
    }

    fn connecting(&self) -> impl Iterator<Item = (&str, &Program)> {
        self.guests.values().filter_map(|guest| match &guest.place {
            Place::Connecting(ticket) => Some((&**guest.client.endpoint(), ticket.program())),
            _ => None,
        })
    }

    /// Something happens to one client.
    fn go_on(&mut self) {
        if self.guests.is_empty() {
            return;
        }
        let nth = self.below(self.guests.len() as u32) as usize;
        let number = *self.guests.keys().nth(nth).expect("below their number");
        let guest = self.guests.remove(&number).expect("present");
        match guest.place {
            Place::Waiting if self.below(4) == 0 => self.leave(guest, Cause::ClientVanished),
            Place::Waiting => {
                self.guests.insert(number, guest);
            }
            Place::Connecting(_) => self.resolve(number, guest),
            Place::Served(_) => self.finish(number, guest),
        }
    }

    fn resolve(&mut self, number: u64, mut guest: Guest) {
        let Place::Connecting(ticket) = guest.place else {
            unreachable!()
        };
        let key = (
            guest.client.endpoint().to_string(),
            ticket.program().clone(),
        );
        guest.place = Place::Waiting;
        let outcome = self.below(8);
        if outcome < 5 {
            self.pool.connected(&ticket);
            self.suspects.remove(&key);
            self.trials.remove(&key);
            guest.place = Place::Served(ticket);
            self.guests.insert(number, guest);
            return;
        }
        if self.trials.get(&key) == Some(&number) {
            self.trials.remove(&key);
        }
        let delay = match outcome {
            5 => None,
            6 => Some(Duration::from_secs(1)),
            _ => Some(TRIAL_INTERVAL),
        };
        match outcome {
            5 => self.pool.abandoned(ticket),
            6 => self.pool.late(ticket, self.now),
            _ => self.pool.refused(ticket, self.now),
        }
        if let Some(delay) = delay {
            self.retried += u64::from(key.0 == "A");
            let next = self.suspects.entry(key).or_default();
            *next = (*next).max(self.now + delay);
        }
        self.guests.insert(number, guest);
        self.pick(number);
    }

    fn finish(&mut self, number: u64, mut guest: Guest) {
        let Place::Served(ticket) = guest.place else {
            unreachable!()
        };
        guest.place = Place::Waiting;
        if self.below(4) == 0 {
            guest.tried.push(ticket.program().clone());
            self.pool.moved(ticket);
            self.retried += u64::from(**guest.client.endpoint() == *"A");
            self.guests.insert(number, guest);
            return self.pick(number);
        }
        let end = match self.below(4) {
            0 => End::Ordinary,
            1 => End::Cut(Cause::ClientReset),
            kind => End::Instance {
                at: self
                    .now
                    .saturating_sub(Duration::from_millis(u64::from(self.below(30)))),
                reset: kind == 2,
            },
        };
        self.pool.closed(guest.client, ticket, end, self.now);
        self.finished += 1;
    }

    fn leave(&mut self, guest: Guest, cause: Cause) {
        self.pool.left(guest.client, cause);
        self.finished += 1;
    }

    fn serve_the_line(&mut self) {
        for endpoint in ENDPOINTS {
            while let Some(first) = self.pool.next_parked(endpoint) {
                self.pick(first);
                if self.pool.next_parked(endpoint) == Some(first) {
                    break;
                }
            }
        }
    }

    fn change_table(&mut self) {
        let mut next = Table {
            number: self.table.number + 1,
            endpoints: vec![],
        };
        let incarnations: Vec<u64> = INSTANCES
            .iter()
            .map(|id| self.incarnation(id) + u64::from(self.below(6) == 0))
            .collect();
        for (i, name) in ENDPOINTS.iter().enumerate() {
            if i > 0 && self.below(8) == 0 {
                continue;
            }
            let mut row = Endpoint {
                name: (*name).into(),
                listeners: vec![],
                backends: vec![],
            };
            for (id, &incarnation) in INSTANCES.iter().zip(&incarnations) {
                let rotation = match self.below(10) {
                    0 => continue,
                    1 => Rotation::Draining,
                    2 => Rotation::Out,
                    3 => Rotation::Dead,
                    _ => Rotation::In,
                };
                row.backends.push(Backend {
                    id: (*id).into(),
                    address: ([127, 17, 0, 1], 1234).into(),
                    incarnation,
                    rotation,
                });
            }
            next.endpoints.push(row);
        }
        self.pool.replace(&next, self.now).expect("a sound table");
        self.follow(next);
    }

    fn incarnation(&self, id: &str) -> u64 {
        let listed = self.table.endpoints.iter().flat_map(|e| &e.backends);
        listed
            .filter(|b| b.id == id)
            .map(|b| b.incarnation)
            .max()
            .unwrap_or(1)
    }

    /// The model takes the table.
    fn follow(&mut self, next: Table) {
        let known: BTreeSet<Program> = rows(&self.table)
            .chain(rows(&next))
            .map(|(_, backend)| program(backend))
            .chain(self.busy())
            .collect();
        for program in known {
            let rotations: Vec<Rotation> = ENDPOINTS
                .iter()
                .filter_map(|endpoint| rotation(&next, endpoint, &program))
                .collect();
            let stays = rotations
                .iter()
                .any(|r| matches!(r, Rotation::In | Rotation::Out));
            let leaves = rotations.is_empty() || rotations.contains(&Rotation::Draining);
            if stays {
                self.draining.remove(&program);
                self.reported.remove(&program);
            } else if leaves && !self.reported.contains(&program) {
                self.draining.insert(program);
            }
        }
        self.table = next;
        self.acknowledged = false;
    }

    fn busy(&self) -> impl Iterator<Item = Program> {
        self.guests.values().filter_map(|guest| match &guest.place {
            Place::Waiting => None,
            Place::Connecting(ticket) | Place::Served(ticket) => Some(ticket.program().clone()),
        })
    }

    /// The pool's news and counters are those of the model.
    fn agree(&mut self) {
        let forbidden = self.connecting().any(|(endpoint, program)| {
            rotation(&self.table, endpoint, program) != Some(Rotation::In)
        });
        while let Some(event) = self.pool.poll_event() {
            match event {
                PoolEvent::Acknowledged { number } => {
                    assert!(number <= self.table.number);
                    if number == self.table.number {
                        assert!(!forbidden && !self.acknowledged, "early, or twice");
                        self.acknowledged = true;
                    }
                }
                PoolEvent::Idle(program) => {
                    assert!(
                        self.draining.remove(&program),
                        "{program:?} twice, or not draining"
                    );
                    assert!(
                        self.busy().all(|busy| busy != program),
                        "{program:?} is busy"
                    );
                    self.reported.insert(program);
                }
            }
        }
        assert!(
            self.acknowledged || forbidden,
            "an acknowledgement is missing"
        );
        let busy: BTreeSet<Program> = self.busy().collect();
        assert!(
            self.draining.is_subset(&busy),
            "an idle program was not reported"
        );
        self.forget(&busy);

        let counters = self.pool.counters(self.now);
        for endpoint in ENDPOINTS {
            let here = self
                .guests
                .values()
                .filter(|g| **g.client.endpoint() == *endpoint);
            let waiting = here
                .clone()
                .filter(|g| matches!(g.place, Place::Waiting))
                .count();
            let row = counters
                .endpoints
                .get(endpoint)
                .cloned()
                .unwrap_or_default();
            assert_eq!(
                (row.open, row.parked),
                (here.count() as u64, waiting as u64)
            );
        }
    }

    /// The model forgets what the pool forgets: a later mention begins from nothing.
    fn forget(&mut self, busy: &BTreeSet<Program>) {
        let table = &self.table;
        let is_listed = |wanted: &Program| rows(table).any(|(_, b)| program(b) == *wanted);
        self.reported.retain(|p| is_listed(p) || busy.contains(p));
        let seats: BTreeSet<(String, Program)> = self
            .guests
            .values()
            .filter_map(|guest| match &guest.place {
                Place::Waiting => None,
                Place::Connecting(t) | Place::Served(t) => {
                    Some((guest.client.endpoint().to_string(), t.program().clone()))
                }
            })
            .collect();
        self.suspects
            .retain(|key, _| rotation(table, &key.0, &key.1).is_some() || seats.contains(key));
    }

    fn end_all(&mut self) {
        self.now += DEATH_REPORT_LIMIT * 2;
        while let Some((_, mut guest)) = self.guests.pop_first() {
            match std::mem::replace(&mut guest.place, Place::Waiting) {
                Place::Waiting => self.pool.left(guest.client, Cause::ParkTimeout),
                Place::Served(t) => self.pool.closed(guest.client, t, End::Ordinary, self.now),
                Place::Connecting(ticket) => {
                    self.pool.abandoned(ticket);
                    self.pool.left(guest.client, Cause::ClientVanished);
                }
            }
            self.finished += 1;
        }
        self.agree();
        assert_eq!(self.accepted, self.finished);
        let rows = self.pool.counters(self.now).endpoints;
        assert!(rows.values().all(|row| row.settling == 0 && row.open == 0));
        assert_eq!(rows["A"].retried, self.retried);
    }
}

fn rows(table: &Table) -> impl Iterator<Item = (&str, &Backend)> {
    let endpoints = table.endpoints.iter();
    endpoints.flat_map(|e| e.backends.iter().map(|backend| (&*e.name, backend)))
}

fn program(backend: &Backend) -> Program {
    Program {
        backend: backend.id.as_str().into(),
        incarnation: backend.incarnation,
    }
}

fn rotation(table: &Table, endpoint: &str, wanted: &Program) -> Option<Rotation> {
    rows(table)
        .find(|(name, backend)| *name == endpoint && program(backend) == *wanted)
        .map(|(_, backend)| backend.rotation)
}
