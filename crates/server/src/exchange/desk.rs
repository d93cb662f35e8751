//! Drives the exchange: the clock, the lock, and those who wait.

use crate::config::ServerConfig;
use core::net::IpAddr;
use peerage_base::rng::Rng;
use peerage_base::time::Instant;
use peerage_net::clock::Clock;
use peerage_signal::exchange::request::{Reply, Request};
use peerage_signal::exchange::{Exchange, RequestId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, oneshot};

#[derive(Debug)]
pub(crate) struct Desk {
    state: Mutex<State>,
    /// The next deadline may have come closer.
    rearm: Notify,
    clock: Clock,
}

#[derive(Debug)]
struct State {
    exchange: Exchange,
    waiting: HashMap<RequestId, oneshot::Sender<Reply>>,
    counts: Counts,
}

/// What there is, and what was given since the start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub offers: u64,
    pub waiting: u64,
    pub offered: u64,
    pub answered: u64,
    pub nothing: u64,
    pub done: u64,
    pub refused: u64,
}

impl Desk {
    pub fn new(config: &ServerConfig, rng: Rng) -> Self {
        let mut settings = config.exchange.clone();
        settings.access = config.rooms.access.clone();
        let exchange = Exchange::new(settings, rng);
        let state = State { exchange, waiting: HashMap::new(), counts: Counts::default() };
        Self { state: Mutex::new(state), rearm: Notify::new(), clock: Clock::new() }
    }

    /// The reply to a request, as long as that may take; a future that is dropped gives the request up.
    pub async fn ask(self: &Arc<Self>, source: IpAddr, request: Request) -> Option<Reply> {
        let (reply, answer) = oneshot::channel();
        let id = self.with(|state, now| {
            let id = state.exchange.handle_request(now, source, request);
            state.waiting.insert(id, reply);
            id
        });
        let mut asking = Asking { desk: self.clone(), id, answer };
        (&mut asking.answer).await.ok()
    }

    /// Keeps the deadlines; never returns.
    pub async fn keep_time(&self) {
        loop {
            let deadline = self.lock().exchange.poll_timeout();
            tokio::select! {
                () = self.clock.sleep_until(deadline) => self.with(|state, now| state.exchange.handle_timeout(now)),
                () = self.rearm.notified() => {}
            }
        }
    }

    pub fn counts(&self) -> Counts {
        let state = self.lock();
        let (offers, waiting) = (state.exchange.offer_count() as u64, state.exchange.wait_count() as u64);
        Counts { offers, waiting, ..state.counts }
    }

    /// Runs one input of the machine and delivers everything it answers.
    fn with<T>(&self, input: impl FnOnce(&mut State, Instant) -> T) -> T {
        let mut state = self.lock();
        let now = self.clock.now();
        let before = state.exchange.poll_timeout();
        let result = input(&mut state, now);
        while let Some((id, reply)) = state.exchange.poll_output() {
            state.deliver(now, id, reply);
        }
        if state.exchange.poll_timeout() != before {
            self.rearm.notify_one();
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn deliver(&mut self, now: Instant, id: RequestId, reply: Reply) {
        let count = match &reply {
            Reply::Offer(..) => &mut self.counts.offered,
            Reply::Answer(..) => &mut self.counts.answered,
            Reply::Kept(_) | Reply::Nobody => &mut self.counts.nothing,
            Reply::Answered | Reply::Withdrawn => &mut self.counts.done,
            Reply::Refused(_) => &mut self.counts.refused,
        };
        *count += 1;
        let undelivered = match self.waiting.remove(&id) {
            Some(waiting) => waiting.send(reply).err(),
            None => Some(reply),
        };
        if let Some(Reply::Offer(offer, _)) = undelivered {
            self.exchange.handle_undelivered(now, offer);
        }
    }
}

/// A request on its way; dropped before its reply was taken, it is given up.
struct Asking {
    desk: Arc<Desk>,
    id: RequestId,
    answer: oneshot::Receiver<Reply>,
}

impl Drop for Asking {
    fn drop(&mut self) {
        let untaken = self.answer.try_recv();
        self.desk.with(|state, now| match untaken {
            // It came in the same moment: somebody else must have it.
            Ok(Reply::Offer(offer, _)) => state.exchange.handle_undelivered(now, offer),
            Ok(_) => {}
            Err(_) => {
                if state.waiting.remove(&self.id).is_some() {
                    state.exchange.handle_cancel(self.id);
                }
            }
        });
    }
}
