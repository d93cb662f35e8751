//! One peer in one room.

use super::ConnId;
use super::queue::Queue;
use crate::id::{PeerId, Token};
use peerage_base::limit::Bucket;
use peerage_base::time::Instant;

#[derive(Clone, Copy, Debug)]
pub(super) enum Presence {
    Here(ConnId),
    Away { until: Instant },
}

#[derive(Debug)]
pub(super) struct Member {
    pub id: PeerId,
    pub token: Token,
    pub presence: Presence,
    /// What the member was told.
    pub queue: Queue,
    /// The number of the last signal that the member sent.
    pub received: u64,
    /// The last number acknowledged to the member.
    pub acked: u64,
    pub signals: Bucket,
    pub bytes: Bucket,
    /// It knows what to do with [`ServerMessage::IceServers`](crate::message::ServerMessage::IceServers).
    pub accepts_grants: bool,
}

impl Member {
    pub fn new(id: PeerId, token: Token, conn: ConnId, accepts_grants: bool) -> Self {
        Self {
            id,
            token,
            presence: Presence::Here(conn),
            queue: Queue::default(),
            received: 0,
            acked: 0,
            signals: Bucket::default(),
            bytes: Bucket::default(),
            accepts_grants,
        }
    }

    pub fn conn(&self) -> Option<ConnId> {
        match self.presence {
            Presence::Here(conn) => Some(conn),
            Presence::Away { .. } => None,
        }
    }
}
