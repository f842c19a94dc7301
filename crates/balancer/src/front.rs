//! What all tasks of the balancer share: the pool, and who is to be woken when it changes.
//!
//! Every change of the pool goes through here, so that its news reach the fabric and the first client
//! in line is woken. Single-threaded; no borrow is held across an `await`.

use std::cell::{Cell, Ref, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use balancer_core::{
    Bytes, Client, Counters, Pick, Pool, PoolEvent, Program, Table, TableError, Ticket,
};
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

use crate::buffers::Buffers;
use crate::protocol::Event;

/// The shared state.
pub(crate) struct Front {
    pub(crate) buffers: Buffers,
    /// Rung once to end the process.
    pub(crate) exit: Notify,
    pool: RefCell<Pool>,
    table: RefCell<Option<Table>>,
    start: Instant,
    clients: Cell<usize>,
    clients_max: usize,
    /// Rung when a client has left, or left the line.
    room: Notify,
    /// Clients that wait for an instance, by number.
    waiters: RefCell<HashMap<u64, Rc<Waiter>>>,
    signals: RefCell<HashMap<Program, Weak<Signal>>>,
    fabric: RefCell<Option<mpsc::Sender<Event>>>,
}

/// A client that waits for an instance.
pub(crate) struct Waiter {
    pub(crate) news: Notify,
    pub(crate) is_closed: Cell<bool>,
    listener: Rc<str>,
}

/// Rung for every connection of a program when the table changed for it or its time is up.
#[derive(Default)]
pub(crate) struct Signal {
    pub(crate) news: Notify,
    /// The drain deadline has passed.
    pub(crate) is_cut: Cell<bool>,
}

impl Front {
    pub(crate) fn new(clients_max: usize) -> Self {
        Front {
            buffers: Buffers::default(),
            exit: Notify::new(),
            pool: RefCell::default(),
            table: RefCell::default(),
            start: Instant::now(),
            clients: Cell::new(0),
            clients_max,
            room: Notify::new(),
            waiters: RefCell::default(),
            signals: RefCell::default(),
            fabric: RefCell::default(),
        }
    }

    /// Whether a fabric is there to tell this process what to do.
    pub(crate) fn has_fabric(&self) -> bool {
        let fabric = self.fabric.borrow();
        fabric.as_ref().is_some_and(|events| !events.is_closed())
    }

    /// The pool's time: since the start of this process.
    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Asks for an instance. A client that has to wait is not woken by this very question.
    pub(crate) fn pick(&self, client: &mut Client, tried: &[Program]) -> Pick {
        let pick = self.pool.borrow_mut().pick(client, tried, self.now());
        self.pass_on();
        if !matches!(pick, Pick::Park(_)) {
            self.wake_first(client.endpoint());
        }
        pick
    }

    /// Counts bytes, which nobody waits for.
    pub(crate) fn transferred(&self, ticket: &Ticket, bytes: Bytes) {
        self.pool.borrow_mut().transferred(ticket, bytes);
    }

    /// Calls into the pool on behalf of a client of `endpoint`.
    pub(crate) fn with<R>(&self, endpoint: &str, call: impl FnOnce(&mut Pool, Duration) -> R) -> R {
        let answer = call(&mut self.pool.borrow_mut(), self.now());
        self.pass_on();
        self.wake_first(endpoint);
        answer
    }

    /// Reads the pool.
    pub(crate) fn ask<R>(&self, question: impl FnOnce(&Pool) -> R) -> R {
        question(&self.pool.borrow())
    }

    /// The table in use.
    pub(crate) fn table(&self) -> Ref<'_, Option<Table>> {
        self.table.borrow()
    }

    /// Everything counted up to now.
    pub(crate) fn counters(&self) -> Counters {
        self.pool.borrow_mut().counters(self.now())
    }

    /// Puts a table in the place of the one before.
    pub(crate) fn replace(&self, table: Table) -> Result<(), TableError> {
        self.pool.borrow_mut().replace(&table, self.now())?;
        self.table.replace(Some(table));
        self.pass_on();
        let waiting: Vec<_> = self.waiters.borrow().values().cloned().collect();
        // All of them: those of an endpoint that left the table are not in a line any more.
        waiting.iter().for_each(|waiter| waiter.news.notify_one());
        self.ring_room();
        self.signals
            .borrow_mut()
            .retain(|_, signal| match signal.upgrade() {
                Some(signal) => {
                    signal.news.notify_waiters();
                    true
                }
                None => false,
            });
        Ok(())
    }

    /// Another fabric speaks from now on, and hears through `events`.
    pub(crate) fn begin_anew(&self, events: mpsc::Sender<Event>) {
        self.pool.borrow_mut().begin_anew();
        self.fabric.replace(Some(events));
    }

    /// Says something to the fabric. One that does not listen is let go: it hears everything again
    /// when it comes back.
    pub(crate) fn tell(&self, event: Event) {
        let mut fabric = self.fabric.borrow_mut();
        if fabric
            .as_ref()
            .is_some_and(|events| events.try_send(event).is_err())
        {
            *fabric = None;
        }
    }

    /// Whether one more client may be accepted at `endpoint`.
    pub(crate) fn has_room(&self, endpoint: &str) -> bool {
        self.clients.get() < self.clients_max && self.pool.borrow().is_accepting(endpoint)
    }

    /// Waits until one more client may be accepted there. Cancel safe.
    pub(crate) async fn room(&self, endpoint: &str) {
        loop {
            let changed = self.room.notified();
            if self.has_room(endpoint) {
                return;
            }
            changed.await;
        }
    }

    pub(crate) fn accept(&self, endpoint: &str) -> Client {
        self.clients.set(self.clients.get() + 1);
        self.pool.borrow_mut().accept(endpoint)
    }

    /// A client is gone, its descriptors too.
    pub(crate) fn release(&self) {
        self.clients.set(self.clients.get() - 1);
        self.ring_room();
    }

    /// Enters the client of this number among those who are woken.
    pub(crate) fn waiter(&self, number: u64, listener: &Rc<str>) -> Rc<Waiter> {
        let waiter = || Waiter {
            news: Notify::new(),
            is_closed: Cell::new(false),
            listener: listener.clone(),
        };
        let mut waiters = self.waiters.borrow_mut();
        waiters
            .entry(number)
            .or_insert_with(|| Rc::new(waiter()))
            .clone()
    }

    pub(crate) fn forget_waiter(&self, number: u64) {
        self.waiters.borrow_mut().remove(&number);
    }

    /// Sends away those who wait and came by `listener`.
    pub(crate) fn close_line(&self, listener: &str) {
        for waiter in self.waiters.borrow().values() {
            if *waiter.listener == *listener {
                waiter.is_closed.set(true);
                waiter.news.notify_one();
            }
        }
    }

    /// The signal of a program, which lasts as long as somebody holds it.
    pub(crate) fn signal(&self, program: &Program) -> Rc<Signal> {
        let mut signals = self.signals.borrow_mut();
        let known = signals.get(program).and_then(Weak::upgrade);
        // A program that is back in rotation does not cut its new connections with the old ones.
        if let Some(signal) = known.filter(|signal| !signal.is_cut.get()) {
            return signal;
        }
        let signal = Rc::<Signal>::default();
        signals.insert(program.clone(), Rc::downgrade(&signal));
        signal
    }

    /// Ends the connections of a program.
    pub(crate) fn cut(&self, program: &Program) {
        if let Some(signal) = self.signals.borrow().get(program).and_then(Weak::upgrade) {
            signal.is_cut.set(true);
            signal.news.notify_waiters();
        }
    }

    /// Waits until `holds`, asked again whenever the signal rings, or until `limit` has passed.
    /// Says whether it held. Cancel safe.
    pub(crate) async fn holds_within(
        &self,
        limit: Duration,
        signal: &Signal,
        holds: impl Fn(&Pool) -> bool,
    ) -> bool {
        let watch = async {
            loop {
                let changed = signal.news.notified();
                if self.ask(&holds) {
                    return;
                }
                changed.await;
            }
        };
        timeout(limit, watch).await.is_ok()
    }

    fn pass_on(&self) {
        loop {
            let event = self.pool.borrow_mut().poll_event();
            match event {
                None => return,
                Some(PoolEvent::Acknowledged { number }) => {
                    self.tell(Event::Acknowledged { number })
                }
                Some(PoolEvent::Idle(program)) => self.tell(Event::Idle {
                    backend: program.backend.to_string(),
                    incarnation: program.incarnation,
                }),
            }
        }
    }

    fn wake_first(&self, endpoint: &str) {
        let first = self.pool.borrow().next_parked(endpoint);
        if let Some(waiter) = first.and_then(|number| self.waiters.borrow().get(&number).cloned()) {
            waiter.news.notify_one();
        }
        self.ring_room();
    }

    fn ring_room(&self) {
        self.room.notify_waiters();
    }
}
