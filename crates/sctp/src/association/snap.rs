//! An association that begins without a handshake: its two INIT chunks stand in the descriptions
//! (draft-hancke-tsvwg-snap-00).

use super::connect::remember;
use super::{Association, State};
use crate::chunk::init::Init;
use crate::error::ParseError;
use alloc::vec::Vec;
use peerage_base::time::Instant;
use tracing::debug;

impl Association {
    /// The INIT chunk of this end, header included, as `a=sctp-init` carries it in base64. The same at each call.
    pub fn local_init(&self) -> Vec<u8> {
        let (tag, tsn) = self.first;
        self.own_init(tag, tsn).to_chunk()
    }

    /// Begins from the INIT chunk that the peer has signalled, where the peer has been told
    /// [`local_init`](Self::local_init): up at once and without a packet. Call it when DTLS is connected.
    ///
    /// A peer that does the handshake nonetheless is answered, and nothing is lost by it. Does nothing if the handshake
    /// has begun.
    ///
    /// # Errors
    /// [`ParseError`] if the bytes are not an INIT chunk that could be answered; the association is as before.
    pub fn start_with(&mut self, _now: Instant, remote_init: &[u8]) -> Result<(), ParseError> {
        let peer = remember(&Init::parse_chunk(remote_init)?.init);
        if let State::Idle = self.state {
            debug!("begins from the descriptions");
            self.adopt(peer);
            self.presumed = true;
            self.establish();
        }
        Ok(())
    }
}
