//! One WebSocket of a room.

use crate::client::Client;
use crate::hub::{Found, Hub};
use crate::stop;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use core::net::IpAddr;
use core::time::Duration;
use peerage_signal::message::FRAME_MAX;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

/// Frames between this and [`FRAME_MAX`] still get an answer that says what is wrong; longer ones are cut off.
const READ_MAX: usize = 2 * FRAME_MAX;
/// How long a client may take to accept what is sent to it, and to answer a close.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// What the socket's task needs.
pub(crate) struct Session {
    pub hub: Arc<Hub>,
    pub source: IpAddr,
    pub found: Found,
    pub ping_interval: Duration,
    pub silence: Duration,
    pub shutdown: watch::Receiver<bool>,
    /// Held as long as the socket lives.
    pub admitted: (Client, Option<crate::admission::SourcePermit>),
}

pub(crate) fn upgrade(request: WebSocketUpgrade, session: Session) -> Response {
    request
        .max_message_size(READ_MAX)
        .max_frame_size(READ_MAX)
        .read_buffer_size(4096)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * READ_MAX)
        .on_upgrade(|socket| session.run(socket))
}

impl Session {
    async fn run(mut self, mut socket: WebSocket) {
        let (conn, mut frames) = self.hub.connect(self.source, self.found);
        let mut ping = interval_at(Instant::now() + self.ping_interval, self.ping_interval);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        let farewell = loop {
            tokio::select! {
                frame = frames.recv() => match frame {
                    Some(frame) => {
                        if !send(&mut socket, Message::Text((&*frame).into())).await {
                            break None;
                        }
                    }
                    None => break Some((close_code::NORMAL, "")),
                },
                message = socket.recv() => {
                    heard = Instant::now();
                    match message {
                        Some(Ok(Message::Text(text))) => self.hub.handle_frame(conn, &text),
                        Some(Ok(Message::Binary(_))) => break Some((close_code::UNSUPPORTED, "text frames only")),
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                        Some(Ok(Message::Close(_))) | None => break None,
                        Some(Err(e)) => {
                            tracing::debug!(error = %e, "a socket failed");
                            break Some((close_code::PROTOCOL, ""));
                        }
                    }
                }
                _ = ping.tick() => {
                    if heard.elapsed() >= self.silence || !send(&mut socket, Message::Ping(Default::default())).await {
                        break None;
                    }
                }
                () = stop::requested(&mut self.shutdown) => break Some((close_code::AWAY, "the server is stopping")),
            }
        };
        self.hub.handle_disconnect(conn);
        if let Some((code, reason)) = farewell {
            close(&mut socket, code, reason).await;
        }
        drop(self.admitted);
    }
}

async fn send(socket: &mut WebSocket, message: Message) -> bool {
    matches!(timeout(WRITE_TIMEOUT, socket.send(message)).await, Ok(Ok(())))
}

/// Says why and waits for the answer: closing with unread input would reset the connection, and an error sent just
/// before would be lost.
async fn close(socket: &mut WebSocket, code: u16, reason: &'static str) {
    let goodbye = async {
        if socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await.is_ok() {
            while let Some(Ok(_)) = socket.recv().await {}
        }
    };
    // However it ends, the socket is dropped next.
    let _ = timeout(CLOSE_TIMEOUT, goodbye).await;
}
