//! The client's half of the protocol, without sockets.

use super::event::{CloseReason, DescriptionKind, RoomEvent};
use super::ledger::Ledger;
use super::options::{Intent, RoomOptions};
use super::protocol::{Next, Protocol};
use super::remote::{Opened, Remote, Standing};
use crate::access::AccessToken;
use crate::code::Code;
use crate::id::{PeerId, Token};
use crate::message::{Accepts, ClientMessage, Data, ErrorCode, IceServer, ServerMessage};
use crate::plain::{Plain, Role};
use crate::seal::PLAIN_MAX;
use core::time::Duration;
use peerage_base::rng::Rng;
use std::collections::{BTreeMap, VecDeque};

/// Events that wait for the owner before reading from the server stops.
const EVENTS_MAX: usize = 256;
/// More than any server names.
const ICE_SERVERS_MAX: usize = 32;
/// More than any server seats.
const PEERS_MAX: usize = 64;

/// Why something cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The peer is not in the room, or not any more.
    #[error("this peer is not in the room")]
    NoSuchPeer,
    /// The message is longer than a sealed message can be.
    #[error("the message is too long")]
    TooLong,
    /// Too much is waiting for the server.
    #[error("too many messages are waiting for the server")]
    Full,
    /// The room is closed.
    #[error("the room is closed")]
    Closed,
    /// A session text says one description, and nothing after it.
    #[error("a session text carries one whole description, and nothing else")]
    NotCarried,
}

/// Where the stay in the room stands.
#[derive(Debug)]
enum Stay {
    /// The server has not let us in yet.
    Entering {
        intent: Intent,
        /// We were in before, and the server forgot.
        again: bool,
    },
    /// In, with what resumes the stay.
    In {
        token: Token,
    },
    /// The connection was lost, and the stay not yet resumed: nothing may overtake what must be said again.
    Away {
        token: Token,
    },
    Over,
}

#[derive(Debug)]
pub(super) struct Machine {
    code: Code,
    role: Role,
    agent: String,
    access_token: Option<AccessToken>,
    /// Why the server did not let us in again, as long as it does not.
    turned_away: Option<CloseReason>,
    rng: Rng,
    me: PeerId,
    stay: Stay,
    remotes: BTreeMap<PeerId, Remote>,
    ledger: Ledger,
    events: VecDeque<RoomEvent>,
}

impl Machine {
    pub fn new(options: &RoomOptions) -> Self {
        let mut rng = options.rng.split("room");
        Self {
            code: options.code.clone(),
            role: options.role,
            agent: options.agent.clone(),
            // Whoever only joins may be at a server that somebody else chose.
            turned_away: None,
            access_token: options.access_token.clone().filter(|_| options.intent == Intent::Open),
            me: PeerId::generate(&mut rng),
            rng,
            stay: Stay::Entering { intent: options.intent, again: false },
            remotes: BTreeMap::new(),
            ledger: Ledger::default(),
            events: VecDeque::new(),
        }
    }

    /// Seals and queues a message.
    pub fn send(&mut self, to: PeerId, plain: &Plain) -> Result<(), SendError> {
        if matches!(self.stay, Stay::Over) {
            return Err(SendError::Closed);
        }
        let remote = self.remotes.get_mut(&to).ok_or(SendError::NoSuchPeer)?;
        let json = plain.to_json();
        if json.len() > PLAIN_MAX {
            return Err(SendError::TooLong);
        }
        if self.ledger.is_full(2 * json.len()) {
            return Err(SendError::Full);
        }
        let data = remote.sealer.seal(&json).ok().and_then(Data::new).ok_or(SendError::TooLong)?;
        self.ledger.signal(to, data, matches!(self.stay, Stay::In { .. }));
        Ok(())
    }

    /// Ends the stay for a reason.
    pub fn close(&mut self, reason: CloseReason) {
        if !matches!(self.stay, Stay::Over) {
            self.stay = Stay::Over;
            self.ledger.clear();
            self.ledger.say(&ClientMessage::Leave);
            self.events.push_back(RoomEvent::Closed(reason));
        }
    }

    /// Ends the stay because the owner wants to.
    pub fn leave(&mut self) {
        if !matches!(self.stay, Stay::Over) {
            self.stay = Stay::Over;
            self.ledger.say(&ClientMessage::Leave);
        }
    }

    pub fn poll_event(&mut self) -> Option<RoomEvent> {
        self.events.pop_front()
    }

    fn step_out(&mut self) {
        if let Stay::In { token } = self.stay {
            self.stay = Stay::Away { token };
        }
    }

    fn joined(&mut self, token: Token, peers: Vec<PeerId>, ice_servers: Vec<IceServer>) -> Result<(), String> {
        if !matches!(self.stay, Stay::Entering { .. }) {
            return Err("joined twice".into());
        }
        self.stay = Stay::In { token };
        self.turned_away = None;
        self.events.push_back(RoomEvent::Joined { me: self.me, peers: peers.clone(), ice_servers });
        peers.into_iter().try_for_each(|peer| self.greet(peer, false))
    }

    /// Not numbered, so only what the owner has not taken yet is outdated by it.
    fn ice_servers(&mut self, ice_servers: Vec<IceServer>, expires_ms: u64) -> Result<(), String> {
        if !self.is_in() {
            return Err("servers for ICE before the room was entered".into());
        }
        if ice_servers.len() > ICE_SERVERS_MAX {
            return Err("too many servers for ICE".into());
        }
        self.events.retain(|event| !matches!(event, RoomEvent::IceServers { .. }));
        self.events.push_back(RoomEvent::IceServers { ice_servers, expires_in: Duration::from_millis(expires_ms) });
        Ok(())
    }

    fn resumed(&mut self, received: u64) -> Result<(), String> {
        let Stay::Away { token } = self.stay else { return Err("resumed without being asked to".into()) };
        self.stay = Stay::In { token };
        self.ledger.acknowledged(received)?;
        self.ledger.repeat();
        self.events.push_back(RoomEvent::Resumed);
        Ok(())
    }

    /// Lets a numbered message in once and in order.
    fn numbered(&mut self, seq: u64, handle: impl FnOnce(&mut Self) -> Result<(), String>) -> Result<(), String> {
        if !self.ledger.accept(seq)? {
            return Ok(());
        }
        handle(self)?;
        if self.ledger.is_due() {
            self.acknowledge();
        }
        Ok(())
    }

    fn peer_joined(&mut self, peer: PeerId) -> Result<(), String> {
        self.greet(peer, true)
    }

    /// Says hello to a peer we learnt of.
    fn greet(&mut self, peer: PeerId, first: bool) -> Result<(), String> {
        if peer == self.me || self.remotes.contains_key(&peer) || self.remotes.len() >= PEERS_MAX {
            return Err("a peer that cannot be".into());
        }
        self.remotes.insert(peer, Remote::new(&self.code, self.me, peer, first));
        let hello = Plain::Hello { agent: self.agent.clone(), role: self.role };
        // With a full queue there is no connection to speak of; the owner hears of that otherwise.
        self.send(peer, &hello).or_else(|e| if e == SendError::Full { Ok(()) } else { Err(e.to_string()) })
    }

    fn forget(&mut self, peer: PeerId) -> Result<(), String> {
        if self.remotes.remove(&peer).is_some() {
            self.events.push_back(RoomEvent::PeerLeft { peer });
        }
        Ok(())
    }

    fn signal(&mut self, peer: PeerId, data: &str) -> Result<(), String> {
        let Some(remote) = self.remotes.get_mut(&peer) else { return Ok(()) };
        let first = remote.first;
        let event = match remote.open(data) {
            Opened::Dropped => return Ok(()),
            Opened::Stranger => {
                self.events.push_back(RoomEvent::WrongCode { peer });
                if self.among_strangers() {
                    self.close(CloseReason::WrongCode);
                }
                return Ok(());
            }
            Opened::Plain(Plain::Hello { agent, role }) => RoomEvent::PeerHello { peer, role, agent, first },
            Opened::Plain(Plain::Offer { sdp }) => RoomEvent::Description { peer, kind: DescriptionKind::Offer, sdp },
            Opened::Plain(Plain::Answer { sdp }) => RoomEvent::Description { peer, kind: DescriptionKind::Answer, sdp },
            Opened::Plain(Plain::Candidate(candidate)) => RoomEvent::Candidate { peer, candidate },
            Opened::Plain(Plain::Verify { commit, nonce }) => RoomEvent::Verify { peer, commit, nonce },
            Opened::Plain(Plain::Bye { reason }) => RoomEvent::Bye { peer, reason },
        };
        self.events.push_back(event);
        Ok(())
    }

    /// Whether we are the newcomer with the wrong code: somebody was here before us, and none of them knows our secret.
    fn among_strangers(&self) -> bool {
        let mut before = self.remotes.values().filter(|r| !r.first).peekable();
        before.peek().is_some()
            && before.all(|r| r.standing == Standing::Stranger)
            && self.remotes.values().all(|r| matches!(r.standing, Standing::Stranger | Standing::Unknown))
    }

    fn refused(&mut self, code: ErrorCode, message: &str) -> Next {
        let reason = CloseReason::refused(code, message);
        match (&self.stay, code) {
            (Stay::In { .. } | Stay::Away { .. }, ErrorCode::Gone) => {
                self.begin_anew();
                Next::Reenter
            }
            (Stay::In { .. } | Stay::Away { .. }, ErrorCode::RateLimited) => Next::BackOff,
            // Forbidden: whoever may open rooms has not come back yet, after a restart of the server.
            (Stay::Entering { again: true, .. }, ErrorCode::RateLimited | ErrorCode::Forbidden) => {
                self.turned_away = Some(reason);
                Next::BackOff
            }
            _ => {
                self.close(reason);
                Next::Close
            }
        }
    }

    /// The server knows nothing of us any more, perhaps because it was started anew. Under a new identity, as the old
    /// one's counters are spent; and whoever was let in once may open the room again.
    fn begin_anew(&mut self) {
        let left: Vec<PeerId> = core::mem::take(&mut self.remotes).into_keys().collect();
        self.events.extend(left.into_iter().map(|peer| RoomEvent::PeerLeft { peer }));
        self.me = PeerId::generate(&mut self.rng);
        self.stay = Stay::Entering { intent: Intent::Open, again: true };
        self.ledger = Ledger::default();
    }
}

impl Protocol for Machine {
    fn handle_connected(&mut self) {
        self.step_out();
        let (room, peer) = (self.code.room().clone(), self.me);
        let accepts = vec![Accepts::IceServers];
        let first = match &self.stay {
            Stay::Entering { intent: Intent::Open, .. } => {
                ClientMessage::Open { room, peer, accepts, access_token: self.access_token.clone() }
            }
            Stay::Entering { intent: Intent::Join, .. } => ClientMessage::Join { room, peer, accepts },
            Stay::In { token } | Stay::Away { token } => {
                ClientMessage::Resume { room, peer, token: *token, received: self.ledger.received() }
            }
            Stay::Over => return self.ledger.clear(),
        };
        self.ledger.begin(&first);
    }

    fn handle_lost(&mut self) {
        self.ledger.clear();
        self.step_out();
        self.events.push_back(RoomEvent::Reconnecting);
    }

    fn handle_frame(&mut self, text: &str) -> Next {
        let done = match ServerMessage::parse(text) {
            Ok(ServerMessage::Joined { token, peers, ice_servers, .. }) => self.joined(token, peers, ice_servers),
            Ok(ServerMessage::Resumed { received, .. }) => self.resumed(received),
            Ok(ServerMessage::PeerJoined { seq, peer }) => self.numbered(seq, |m| m.peer_joined(peer)),
            Ok(ServerMessage::PeerLeft { seq, peer }) => self.numbered(seq, |m| m.forget(peer)),
            Ok(ServerMessage::Signal { seq, from, data }) => self.numbered(seq, |m| m.signal(from, data.as_str())),
            Ok(ServerMessage::IceServers { ice_servers, expires_ms }) => self.ice_servers(ice_servers, expires_ms),
            Ok(ServerMessage::Ack { received }) => self.ledger.acknowledged(received),
            Ok(ServerMessage::Claimed { .. }) => Err("a nameplate without being asked for one".into()),
            Ok(ServerMessage::Error { code, message }) => return self.refused(code, &message),
            Ok(ServerMessage::Unknown) => Ok(()),
            Err(e) => Err(e.to_string()),
        };
        if let Err(what) = done {
            self.close(CloseReason::Protocol(what));
        }
        if matches!(self.stay, Stay::Over) { Next::Close } else { Next::Continue }
    }

    fn give_up(&mut self) {
        let reason = self.turned_away.take().unwrap_or(CloseReason::Unreachable);
        self.close(reason);
    }

    fn ledger(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    fn is_in(&self) -> bool {
        matches!(self.stay, Stay::In { .. })
    }

    fn is_over(&self) -> bool {
        matches!(self.stay, Stay::Over)
    }

    fn wants_frames(&self) -> bool {
        self.events.len() < EVENTS_MAX
    }

    fn refusal(&mut self) -> Option<CloseReason> {
        match self.events.pop_front() {
            Some(RoomEvent::Closed(reason)) => Some(reason),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
