//! A room, as its owner sees it.

pub use super::machine::SendError;

use super::connect::ConnectError;
use super::drive::{Driver, EnterError, Reach, Shared};
use super::event::RoomEvent;
use super::machine::Machine;
use super::options::RoomOptions;
use crate::id::PeerId;
use crate::plain::Plain;
use core::time::Duration;
use std::sync::Arc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long leaving may take.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

/// A place in a room. Dropping it leaves the room, as far as the runtime still runs; [`leave`](Self::leave) waits.
#[derive(Debug)]
pub struct Room {
    shared: Arc<Shared<Machine>>,
    driver: JoinHandle<()>,
    closed: bool,
}

impl Room {
    /// Connects to the server and enters the room. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`ConnectError`], worded for the person who entered code and server. Nothing is tried again: whoever is at the
    /// keyboard should hear of it.
    pub async fn connect(options: RoomOptions) -> Result<Self, ConnectError> {
        let tls = if options.server.is_tls() { Some(options.tls.client_config()?) } else { None };
        let shared = Arc::new(Shared::new(Machine::new(&options)));
        let rng = options.rng.split("backoff");
        let driver = Driver { shared: shared.clone(), reach: reach(&options), tls, rng };
        let socket = driver.enter().await.map_err(|error| match error {
            EnterError::Connect(error) => error,
            EnterError::Closed(reason) => ConnectError::from_close(options.server.to_string(), reason),
        })?;
        let driver = tokio::spawn(driver.run(socket));
        Ok(Self { shared, driver, closed: false })
    }

    /// Says something to a peer, sealed. Kept and said again if the connection breaks before the server has it.
    ///
    /// # Errors
    /// [`SendError`].
    pub fn send(&self, to: PeerId, plain: &Plain) -> Result<(), SendError> {
        self.shared.lock().send(to, plain)?;
        self.shared.to_driver.notify_one();
        Ok(())
    }

    /// What happens next; `None` after [`RoomEvent::Closed`]. Nothing is lost if the future is dropped.
    pub async fn next_event(&mut self) -> Option<RoomEvent> {
        while !self.closed {
            let event = self.shared.lock().poll_event();
            if let Some(event) = event {
                self.closed = matches!(event, RoomEvent::Closed(_));
                // The driver may have stopped reading until there is room again.
                self.shared.to_driver.notify_one();
                return Some(event);
            }
            self.shared.to_owner.notified().await;
        }
        None
    }

    /// Leaves the room and waits until the server knows, for a few seconds at most.
    pub async fn leave(mut self) {
        self.shared.lock().leave();
        self.shared.to_driver.notify_one();
        if timeout(LEAVE_TIMEOUT, &mut self.driver).await.is_err() {
            self.driver.abort();
        }
    }
}

fn reach(options: &RoomOptions) -> Reach {
    Reach {
        server: options.server.clone(),
        agent: options.agent.clone(),
        connect_timeout: options.connect_timeout,
        give_up_after: options.give_up_after,
        ping_interval: options.ping_interval,
        silence: options.silence,
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.shared.lock().leave();
        self.shared.to_driver.notify_one();
    }
}
