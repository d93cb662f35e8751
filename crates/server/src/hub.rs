//! Drives the rooms: the clock, the lock, and a bounded outbox per WebSocket.

use core::net::IpAddr;
use peerage_base::rng::Rng;
use peerage_base::time::Instant;
use peerage_net::clock::Clock;
use peerage_signal::message::IceServer;
use peerage_signal::room::{ConnId, Output, Rooms, Settings};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, mpsc};

/// Frames that may wait for one socket: a full queue of the rooms, and acknowledgements besides.
const OUTBOX: usize = 512;

#[derive(Debug)]
pub(crate) struct Hub {
    state: Mutex<State>,
    /// The next deadline may have come closer.
    rearm: Notify,
    clock: Clock,
}

#[derive(Debug)]
struct State {
    rooms: Rooms,
    /// Dropping the sender closes the socket once the outbox has been sent.
    outboxes: HashMap<ConnId, mpsc::Sender<Arc<str>>>,
}

impl Hub {
    pub fn new(settings: Settings, rng: Rng) -> Self {
        let state = State { rooms: Rooms::new(settings, rng), outboxes: HashMap::new() };
        Self { state: Mutex::new(state), rearm: Notify::new(), clock: Clock::new() }
    }

    /// A new WebSocket; the receiver yields what to send and ends when the socket is to be closed.
    pub fn connect(&self, source: IpAddr, ice_servers: Vec<IceServer>) -> (ConnId, mpsc::Receiver<Arc<str>>) {
        let (outbox, frames) = mpsc::channel(OUTBOX);
        let id = self.with(|state, now| {
            let id = state.rooms.connect(now, source, ice_servers);
            state.outboxes.insert(id, outbox);
            id
        });
        (id, frames)
    }

    pub fn handle_frame(&self, conn: ConnId, text: &str) {
        self.with(|state, now| state.rooms.handle_frame(now, conn, text));
    }

    pub fn handle_disconnect(&self, conn: ConnId) {
        self.with(|state, now| {
            state.outboxes.remove(&conn);
            state.rooms.handle_disconnect(now, conn);
        });
    }

    /// Keeps the deadlines of the rooms; never returns.
    pub async fn keep_time(&self) {
        loop {
            let deadline = self.lock().rooms.poll_timeout();
            tokio::select! {
                () = self.clock.sleep_until(deadline) => self.with(|state, now| state.rooms.handle_timeout(now)),
                () = self.rearm.notified() => {}
            }
        }
    }

    /// Runs one input of the machine and delivers everything it answers.
    fn with<T>(&self, input: impl FnOnce(&mut State, Instant) -> T) -> T {
        let mut state = self.lock();
        let now = self.clock.now();
        let before = state.rooms.poll_timeout();
        let result = input(&mut state, now);
        while let Some(output) = state.rooms.poll_output() {
            match output {
                Output::Frame(conn, frame) => {
                    // A socket that lets this much pile up is as good as lost; its client may resume.
                    if state.outboxes.get(&conn).is_some_and(|outbox| outbox.try_send(frame).is_err()) {
                        state.outboxes.remove(&conn);
                        state.rooms.handle_disconnect(now, conn);
                    }
                }
                Output::Close(conn) => {
                    state.outboxes.remove(&conn);
                }
            }
        }
        if state.rooms.poll_timeout() != before {
            self.rearm.notify_one();
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
