//! The client's half of a nameplate, without sockets: waits for the other one, proves the words to it, and is done.
//!
//! Only one exchange is ever finished: once our tag has left, somebody may have made a guess, and the code is spent here
//! whatever the server says.

use super::event::CloseReason;
use super::ledger::Ledger;
use super::protocol::{Next, Protocol};
use crate::access::AccessToken;
use crate::code::Code;
use crate::id::{Nameplate, PeerId, RoomName, Side, Token};
use crate::message::{ClientMessage, Data, ErrorCode, ServerMessage};
use crate::pake::{Confirming, PakeError, Run};
use crate::word_code::Words;
use peerage_base::rng::Rng;
use std::collections::VecDeque;

/// What happens at a nameplate.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PlateEvent {
    /// The nameplate is ours.
    Claimed(Nameplate),
    /// Somebody else has come to it; what follows takes moments.
    Met,
    /// Both have the same words.
    Agreed(Code),
    /// It is over. Nothing follows.
    Closed(CloseReason),
}

#[derive(Debug)]
enum Stay {
    /// `again`: we were in before, and the server forgot.
    Entering {
        again: bool,
    },
    In {
        room: RoomName,
        token: Token,
    },
    Away {
        room: RoomName,
        token: Token,
    },
    Over,
}

/// How far the exchange is.
#[derive(Debug)]
enum Exchange {
    None,
    Begun(PeerId, Run),
    Tagged(PeerId, Confirming),
}

/// What the machine needs to know.
#[derive(Debug)]
pub(super) struct Wish {
    pub side: Side,
    /// None: whichever the server gives.
    pub nameplate: Option<Nameplate>,
    pub words: Words,
    pub access_token: Option<AccessToken>,
}

#[derive(Debug)]
pub(super) struct Plate {
    wish: Wish,
    rng: Rng,
    me: PeerId,
    stay: Stay,
    exchange: Exchange,
    /// Why the server did not let us in again, as long as it does not.
    turned_away: Option<CloseReason>,
    ledger: Ledger,
    events: VecDeque<PlateEvent>,
}

impl Plate {
    pub fn new(wish: Wish, mut rng: Rng) -> Self {
        Self {
            wish,
            me: PeerId::generate(&mut rng),
            rng,
            stay: Stay::Entering { again: false },
            exchange: Exchange::None,
            turned_away: None,
            ledger: Ledger::default(),
            events: VecDeque::new(),
        }
    }

    pub fn close(&mut self, reason: CloseReason) {
        if !self.is_over() {
            self.leave();
            self.events.push_back(PlateEvent::Closed(reason));
        }
    }

    /// Ends because the owner wants to, or as everything is done. What is still to be sent goes first.
    pub fn leave(&mut self) {
        if !self.is_over() {
            self.stay = Stay::Over;
            self.exchange = Exchange::None;
            self.ledger.say(&ClientMessage::Leave);
        }
    }

    pub fn poll_event(&mut self) -> Option<PlateEvent> {
        self.events.pop_front()
    }

    fn step_out(&mut self) {
        if let Stay::In { room, token } = &self.stay {
            self.stay = Stay::Away { room: room.clone(), token: *token };
        }
    }

    fn first(&self) -> Option<ClientMessage> {
        let (peer, access_token) = (self.me, self.wish.access_token.clone());
        Some(match &self.stay {
            Stay::Entering { .. } => match self.wish.nameplate {
                Some(nameplate) => ClientMessage::Claim { nameplate, peer, side: self.wish.side, access_token },
                None => ClientMessage::Allocate { peer, access_token },
            },
            Stay::In { room, token } | Stay::Away { room, token } => {
                ClientMessage::Resume { room: room.clone(), peer, token: *token, received: self.ledger.received() }
            }
            Stay::Over => return None,
        })
    }

    fn claimed(&mut self, nameplate: Nameplate, room: RoomName, token: Token) -> Result<(), String> {
        if !matches!(self.stay, Stay::Entering { .. }) {
            return Err("claimed twice".into());
        }
        if self.wish.nameplate.is_some_and(|wanted| wanted != nameplate) {
            return Err("another nameplate than the one that was asked for".into());
        }
        self.wish.nameplate = Some(nameplate);
        self.stay = Stay::In { room, token };
        self.turned_away = None;
        self.events.push_back(PlateEvent::Claimed(nameplate));
        Ok(())
    }

    fn resumed(&mut self, received: u64) -> Result<(), String> {
        let Stay::Away { room, token } = &self.stay else { return Err("resumed without being asked to".into()) };
        self.stay = Stay::In { room: room.clone(), token: *token };
        self.ledger.acknowledged(received)?;
        self.ledger.repeat();
        Ok(())
    }

    fn numbered(&mut self, seq: u64, handle: impl FnOnce(&mut Self) -> Result<(), String>) -> Result<(), String> {
        if !matches!(self.stay, Stay::In { .. }) {
            return Err("a message before the nameplate was ours".into());
        }
        if self.ledger.accept(seq)? {
            handle(self)?;
        }
        Ok(())
    }

    fn met(&mut self, peer: PeerId) -> Result<(), String> {
        let (Exchange::None, Some(plate)) = (&self.exchange, self.wish.nameplate) else {
            return Err("a nameplate is for two".into());
        };
        if peer == self.me {
            return Err("a peer that cannot be".into());
        }
        let run = Run::begin(&self.wish.words, plate, self.wish.side, self.me, peer, &mut self.rng);
        self.ledger.signal(peer, run.share(), true);
        self.exchange = Exchange::Begun(peer, run);
        self.events.push_back(PlateEvent::Met);
        Ok(())
    }

    fn signal(&mut self, from: PeerId, data: &Data) -> Result<(), String> {
        match core::mem::replace(&mut self.exchange, Exchange::None) {
            Exchange::Begun(peer, run) if peer == from => match run.agree(data) {
                Ok(confirming) => {
                    self.ledger.signal(peer, confirming.tag(), true);
                    self.exchange = Exchange::Tagged(peer, confirming);
                }
                Err(error) => self.failed(error),
            },
            Exchange::Tagged(peer, confirming) if peer == from => match confirming.confirm(data) {
                Ok(code) => {
                    self.events.push_back(PlateEvent::Agreed(code));
                    self.leave();
                }
                Err(error) => self.failed(error),
            },
            _ => return Err("a message of nobody who is at the nameplate".into()),
        }
        Ok(())
    }

    fn failed(&mut self, error: PakeError) {
        tracing::debug!(%error, "no key at a nameplate");
        self.close(CloseReason::WrongWords);
    }

    fn refused(&mut self, code: ErrorCode, message: &str) -> Next {
        let reason = CloseReason::refused(code, message);
        match (&self.stay, code) {
            (Stay::In { .. } | Stay::Away { .. }, ErrorCode::Gone) => {
                if !matches!(self.exchange, Exchange::None) {
                    // The other one is lost with the server's memory, and may have our tag.
                    self.close(CloseReason::Vanished);
                    return Next::Close;
                }
                self.me = PeerId::generate(&mut self.rng);
                self.stay = Stay::Entering { again: true };
                self.ledger = Ledger::default();
                Next::Reenter
            }
            (Stay::In { .. } | Stay::Away { .. }, ErrorCode::RateLimited)
            | (Stay::Entering { again: true }, ErrorCode::RateLimited | ErrorCode::Forbidden) => {
                self.turned_away = Some(reason);
                Next::BackOff
            }
            _ => {
                self.close(reason);
                Next::Close
            }
        }
    }
}

impl Protocol for Plate {
    fn handle_connected(&mut self) {
        self.step_out();
        match self.first() {
            Some(first) => self.ledger.begin(&first),
            None => self.ledger.clear(),
        }
    }

    fn handle_lost(&mut self) {
        self.ledger.clear();
        self.step_out();
    }

    fn handle_frame(&mut self, text: &str) -> Next {
        let done = match ServerMessage::parse(text) {
            Ok(ServerMessage::Claimed { nameplate, room, token, .. }) => self.claimed(nameplate, room, token),
            Ok(ServerMessage::Resumed { received, .. }) => self.resumed(received),
            Ok(ServerMessage::PeerJoined { seq, peer }) => self.numbered(seq, |plate| plate.met(peer)),
            Ok(ServerMessage::PeerLeft { seq, .. }) => self.numbered(seq, |plate| {
                plate.close(CloseReason::Vanished);
                Ok(())
            }),
            Ok(ServerMessage::Signal { seq, from, data }) => self.numbered(seq, |plate| plate.signal(from, &data)),
            Ok(ServerMessage::Ack { received }) => self.ledger.acknowledged(received),
            Ok(ServerMessage::Error { code, message }) => return self.refused(code, &message),
            Ok(ServerMessage::Joined { .. }) => Err("a room without being asked for one".into()),
            Ok(ServerMessage::IceServers { .. } | ServerMessage::Unknown) => Ok(()),
            Err(e) => Err(e.to_string()),
        };
        if let Err(what) = done {
            self.close(CloseReason::Protocol(what));
        }
        if self.is_over() { Next::Close } else { Next::Continue }
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
        true
    }

    fn refusal(&mut self) -> Option<CloseReason> {
        match self.events.pop_front() {
            Some(PlateEvent::Closed(reason)) => Some(reason),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
