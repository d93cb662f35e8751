//! Moves frames between the machine and the WebSocket, and connects again when it is lost.

use super::connect::ConnectError;
use super::dial::{Socket, dial};
use super::event::CloseReason;
use super::protocol::{Next, Protocol};
use crate::link::ServerAddress;
use core::time::Duration;
use futures_util::{SinkExt as _, StreamExt as _};
use peerage_base::rng::Rng;
use rustls::ClientConfig;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

/// How long a server may take to accept what is sent to it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
const BACKOFF_MIN: Duration = Duration::from_millis(250);
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// A connection that lasted this long was a good one: the next attempt comes at once.
const STABLE: Duration = Duration::from_secs(10);

/// What the owner and the driver share.
#[derive(Debug)]
pub(super) struct Shared<M> {
    machine: Mutex<M>,
    /// Something for the driver: frames to send, room for events, or the end.
    pub to_driver: Notify,
    /// Something for the owner.
    pub to_owner: Notify,
}

impl<M> Shared<M> {
    pub fn new(machine: M) -> Self {
        Self { machine: Mutex::new(machine), to_driver: Notify::new(), to_owner: Notify::new() }
    }

    pub fn lock(&self) -> MutexGuard<'_, M> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the server is, and how long it is waited for; the times are those of
/// [`RoomOptions`](super::options::RoomOptions).
#[derive(Clone, Debug)]
pub(super) struct Reach {
    pub server: ServerAddress,
    pub agent: String,
    pub connect_timeout: Duration,
    pub give_up_after: Duration,
    pub ping_interval: Duration,
    pub silence: Duration,
}

/// Why the first connection led nowhere.
#[derive(Debug)]
pub(super) enum EnterError {
    Connect(ConnectError),
    /// The machine ended: the server refused, or broke the protocol.
    Closed(CloseReason),
}

impl From<ConnectError> for EnterError {
    fn from(error: ConnectError) -> Self {
        Self::Connect(error)
    }
}

pub(super) struct Driver<M> {
    pub shared: Arc<Shared<M>>,
    pub reach: Reach,
    pub tls: Option<Arc<ClientConfig>>,
    pub rng: Rng,
}

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    Lost,
    Reenter,
    BackOff,
    Over,
}

impl<M: Protocol> Driver<M> {
    /// Connects and enters for the first time.
    pub async fn enter(&self) -> Result<Socket, EnterError> {
        let server = self.reach.server.to_string();
        let entering = async {
            let mut socket = dial(&self.reach.server, self.tls.clone(), &self.reach.agent).await?;
            self.shared.lock().handle_connected();
            loop {
                let lost = |why: String| ConnectError::NotPeerage { server: server.clone(), why };
                self.flush(&mut socket).await.map_err(|()| lost("the connection broke".into()))?;
                if self.shared.lock().is_in() {
                    return Ok(socket);
                }
                match socket.next().await {
                    Some(Ok(Message::Text(text))) => {
                        let mut machine = self.shared.lock();
                        if machine.handle_frame(&text) == Next::Close
                            && let Some(reason) = machine.refusal()
                        {
                            return Err(EnterError::Closed(reason));
                        }
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Ok(_)) | None => return Err(lost("it closed the connection".into()).into()),
                    Some(Err(e)) => return Err(lost(e.to_string()).into()),
                }
            }
        };
        let after = self.reach.connect_timeout;
        timeout(after, entering)
            .await
            .unwrap_or_else(|_| Err(ConnectError::Timeout { server: server.clone(), after }.into()))
    }

    /// Keeps the room going from the first connection on.
    pub async fn run(mut self, mut socket: Socket) {
        let mut attempt = 0;
        // Since when we are not in the room.
        let mut out_since = None;
        loop {
            let since = Instant::now();
            let ended = self.serve(&mut socket).await;
            let was_in = self.shared.lock().is_in();
            if ended == Ended::Over {
                break;
            }
            drop(socket);
            if since.elapsed() >= STABLE {
                (attempt, out_since) = (0, None);
            }
            if ended != Ended::Reenter {
                self.shared.lock().handle_lost();
                self.shared.to_owner.notify_one();
            }
            let began = out_since.take().filter(|_| !was_in).unwrap_or_else(Instant::now);
            out_since = Some(began);
            if ended == Ended::BackOff && began.elapsed() >= self.reach.give_up_after {
                self.give_up();
                return;
            }
            match self.reconnect(began, &mut attempt, ended == Ended::BackOff).await {
                Some(again) => socket = again,
                None => return,
            }
        }
        let goodbye = async {
            // The server closes in turn, or the time-out does.
            if self.flush(&mut socket).await.is_ok() && socket.close(None).await.is_ok() {
                while let Some(Ok(_)) = socket.next().await {}
            }
        };
        let _ = timeout(CLOSE_TIMEOUT, goodbye).await;
    }

    /// One connection, until it ends.
    async fn serve(&self, socket: &mut Socket) -> Ended {
        let mut ping = interval_at(Instant::now() + self.reach.ping_interval, self.reach.ping_interval);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        loop {
            if self.flush(socket).await.is_err() {
                return Ended::Lost;
            }
            let (over, reads) = {
                let machine = self.shared.lock();
                (machine.is_over(), machine.wants_frames())
            };
            if over {
                return Ended::Over;
            }
            tokio::select! {
                message = socket.next(), if reads => {
                    heard = Instant::now();
                    match message {
                        Some(Ok(Message::Text(text))) => match self.handle(&text) {
                            Next::Continue => {}
                            Next::Reenter => return Ended::Reenter,
                            Next::BackOff => return Ended::BackOff,
                            Next::Close => return Ended::Over,
                        },
                        Some(Ok(Message::Close(_)) | Err(_)) | None => return Ended::Lost,
                        Some(Ok(_)) => {}
                    }
                }
                () = self.shared.to_driver.notified() => {}
                _ = ping.tick() => {
                    // An owner that does not take its events keeps us from hearing the server.
                    if reads && heard.elapsed() >= self.reach.silence {
                        return Ended::Lost;
                    }
                    self.shared.lock().acknowledge();
                    if send(socket, Message::Ping(Default::default())).await.is_err() {
                        return Ended::Lost;
                    }
                }
            }
        }
    }

    fn handle(&self, text: &str) -> Next {
        let next = self.shared.lock().handle_frame(text);
        self.shared.to_owner.notify_one();
        next
    }

    async fn flush(&self, socket: &mut Socket) -> Result<(), ()> {
        loop {
            let Some(frame) = self.shared.lock().poll_frame() else { return Ok(()) };
            send(socket, Message::text(frame)).await?;
        }
    }

    /// Dials until a WebSocket stands; `None` if the room is over or the server stays out of reach.
    async fn reconnect(&mut self, began: Instant, attempt: &mut u32, back_off: bool) -> Option<Socket> {
        if back_off {
            *attempt = (*attempt).max(4);
        }
        loop {
            let delay = backoff(*attempt, &mut self.rng);
            *attempt = attempt.saturating_add(1);
            if self.over_within(delay).await {
                return None;
            }
            let dialled =
                timeout(self.reach.connect_timeout, dial(&self.reach.server, self.tls.clone(), &self.reach.agent));
            match dialled.await {
                Ok(Ok(socket)) => {
                    let mut machine = self.shared.lock();
                    machine.handle_connected();
                    return (!machine.is_over()).then_some(socket);
                }
                Ok(Err(e)) => tracing::debug!(error = %e, "cannot reconnect"),
                Err(_) => tracing::debug!("cannot reconnect in time"),
            }
            if began.elapsed() >= self.reach.give_up_after {
                self.give_up();
                return None;
            }
        }
    }

    fn give_up(&self) {
        self.shared.lock().give_up();
        self.shared.to_owner.notify_one();
    }

    /// Waits, and says whether the owner left meanwhile.
    async fn over_within(&self, delay: Duration) -> bool {
        let over = async {
            while !self.shared.lock().is_over() {
                self.shared.to_driver.notified().await;
            }
        };
        tokio::select! {
            () = over => true,
            () = sleep(delay) => false,
        }
    }
}

async fn send(socket: &mut Socket, message: Message) -> Result<(), ()> {
    match timeout(WRITE_TIMEOUT, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(()),
    }
}

/// Nothing before the first attempt, then exponential with jitter: a restarted server must not be met by all at once.
pub(super) fn backoff(attempt: u32, rng: &mut Rng) -> Duration {
    let Some(doublings) = attempt.checked_sub(1) else { return BACKOFF_MIN.mul_f64(rng.unit() / 2.0) };
    let ceiling = (BACKOFF_MIN * (1 << doublings.min(10))).min(BACKOFF_MAX);
    ceiling.mul_f64(0.5 + rng.unit() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_grows_to_its_ceiling_and_no_further() {
        let mut rng = Rng::from_u64(1);
        assert!(backoff(0, &mut rng) < Duration::from_millis(125));
        for attempt in 1..100 {
            let ceiling = (BACKOFF_MIN * 2u32.pow((attempt - 1).min(10))).min(BACKOFF_MAX);
            let delay = backoff(attempt, &mut rng);
            assert!(delay <= ceiling && delay >= ceiling / 2, "{attempt}: {delay:?}");
        }
        assert!(backoff(u32::MAX, &mut rng) <= BACKOFF_MAX);
    }
}
