//! A UDP socket as all who send through it see it: its shard, and callers that flush a session of theirs.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};

use peerage_base::datagram::Transmit;
use peerage_net::udp::{Outgoing, SendError, Socket};

use super::ready::Bell;

/// A socket, and whether it takes anything now.
#[derive(Debug)]
pub(crate) struct Outlet {
    pub(crate) socket: Socket,
    /// Set by whoever is refused, cleared by the shard once there is room: in between nothing is written for the socket.
    full: AtomicBool,
    bell: Arc<Bell>,
    waker: Waker,
}

/// What became of a transmit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It left, or is lost as packets are.
    Done,
    /// It is too large for the path.
    TooBig,
    /// The destination cannot be reached.
    Unreachable,
    /// The socket is full: this many bytes left, the rest must be kept. The bell rings when there is room.
    Refused(usize),
}

impl Outlet {
    pub(crate) fn new(socket: Socket, bell: Arc<Bell>) -> Self {
        Self { socket, full: AtomicBool::new(false), waker: bell.waker(), bell }
    }

    /// Sends a transmit whose bytes are `contents`.
    pub(crate) fn send(&self, source: Option<IpAddr>, transmit: &Transmit, contents: &[u8]) -> Sent {
        let mut sent = 0;
        while let Some(rest) = contents.get(sent..).filter(|rest| !rest.is_empty()) {
            let outgoing = Outgoing {
                destination: transmit.path.remote,
                source,
                ecn: transmit.ecn,
                segment: transmit.segment,
                contents: rest,
            };
            match self.socket.try_send(&outgoing) {
                Ok(len) => sent += len,
                Err(SendError::WouldBlock) => {
                    self.full.store(true, Ordering::Release);
                    if self.socket.poll_writable(&mut Context::from_waker(&self.waker)).is_ready() {
                        self.bell.ring();
                    }
                    return Sent::Refused(sent);
                }
                Err(SendError::TooBig) => return Sent::TooBig,
                Err(error) => {
                    tracing::debug!(%error, "not sent");
                    return Sent::Unreachable;
                }
            }
        }
        Sent::Done
    }

    /// Whether it has refused something and was not found to have room since.
    pub(crate) fn is_full(&self) -> bool {
        self.full.load(Ordering::Acquire)
    }

    /// There may be room again. `true`: it was full.
    pub(crate) fn renew(&self) -> bool {
        self.is_full() && self.full.swap(false, Ordering::AcqRel)
    }

    /// Begins to look at the socket; what happens from now on rings again.
    pub(crate) fn still(&self) {
        self.bell.still();
    }

    /// Has the shard look again when there is something to receive.
    pub(crate) fn listen(&self) {
        if self.socket.poll_readable(&mut Context::from_waker(&self.waker)).is_ready() {
            self.bell.ring();
        }
    }
}
