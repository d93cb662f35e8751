//! The handshake inside ICE's checks: what ICE brings goes to DTLS, and what DTLS wants sent goes to ICE, as long as
//! `sped` says so.

use alloc::boxed::Box;
use alloc::vec::Vec;

use peerage_base::ecn::Ecn;
use peerage_base::path::Path;
use peerage_base::time::Instant;
use peerage_ice::agent::Agent;
use peerage_ice::attachment::{MAX_PACKET, Received};

use crate::session::{MAX_EARLY, Session};
use crate::sped::Sped;

/// Most of a check beside the packet and the user name, in bytes: header, role, USE-CANDIDATE, PRIORITY, NOMINATION,
/// acknowledgements, the header of the packet, MESSAGE-INTEGRITY, FINGERPRINT.
const CHECK: usize = 20 + 12 + 4 + 8 + 8 + 20 + 4 + 24 + 8;
/// Shortest packets that DTLS is asked for.
const LEAST_PACKET: usize = 256;

impl Session {
    /// Readies for a DTLS association that has not begun.
    pub(crate) fn begin_embedding(&mut self) {
        self.sped = self.config.sped.then(|| Box::new(Sped::new()));
        self.ice.attach(self.sped.as_mut().and_then(|sped| sped.poll_attachments().flatten()));
    }

    /// Takes what an authenticated check or answer carried.
    pub(crate) fn handle_attachment(&mut self, now: Instant, received: Received) {
        let Some(sped) = &mut self.sped else { return };
        let packet = sped.heard(now, received.acks.as_deref(), received.packet.as_deref());
        if packet.is_none() {
            self.drops.embedded += u64::from(received.packet.is_some_and(|packet| !packet.is_empty()));
            return;
        }
        let Some(mut packet) = received.packet else { return };
        match &mut self.dtls {
            Some(dtls) => {
                sped.arrived(&packet);
                dtls.handle_datagram(now, &mut packet);
                self.after_dtls(now, Ecn::NotEct, &mut packet);
            }
            // The answerer's checks often overtake its answer.
            None if self.early.len() < MAX_EARLY => {
                sped.arrived(&packet);
                self.early.push(packet);
            }
            None => self.drops.early += 1,
        }
    }

    /// Hears from the peer's description whether it takes DTLS in checks.
    pub(crate) fn peer_embeds(&mut self, now: Instant, does: bool) {
        if let Some(sped) = self.sped.as_mut().filter(|_| !does) {
            sped.finish();
            self.update_embedding(now);
        }
    }

    /// Lets checks carry what DTLS has under way, and DTLS do what checks do not.
    pub(crate) fn update_embedding(&mut self, now: Instant) {
        let Some(sped) = &mut self.sped else { return };
        if let Some(dtls) = &mut self.dtls {
            // A client begins when it is held.
            dtls.hold(now, sped.is_held());
            sped.set_flight(now, &dtls.flight().collect::<Vec<_>>(), self.secure.is_some());
            dtls.hold(now, sped.is_held());
        }
        let is_over = sped.is_over();
        if let Some(attachments) = sped.poll_attachments() {
            self.ice.attach(attachments);
        }
        if is_over {
            self.sped = None;
            if let Some(dtls) = &mut self.dtls {
                dtls.set_mtu(self.path.safe_datagram());
            }
        }
    }

    /// The session ends: nothing holds DTLS's last words back.
    pub(crate) fn end_embedding(&mut self, now: Instant) {
        self.ice.attach(None);
        if let (Some(_), Some(dtls)) = (self.sped.take(), &mut self.dtls) {
            dtls.hold(now, false);
        }
    }

    /// Acts on time.
    pub(crate) fn embedding_timeout(&mut self, now: Instant) {
        let Some(sped) = &mut self.sped else { return };
        sped.handle_timeout(now, carried(&self.ice, self.path.selected()));
        self.update_embedding(now);
    }

    /// When [`embedding_timeout`](Self::embedding_timeout) wants to be called.
    pub(crate) fn embedding_deadline(&self) -> Option<Instant> {
        self.sped.as_ref()?.poll_timeout(carried(&self.ice, self.path.selected()))
    }

    /// A packet of the handshake that no check carried on the selected path.
    pub(crate) fn poll_bare(&mut self, now: Instant) -> Option<&[u8]> {
        self.sped.as_mut()?.poll_bare(now, carried(&self.ice, self.path.selected()))
    }

    /// Longest packet that DTLS may make, in bytes: one that a check can carry, as long as checks do.
    pub(crate) fn handshake_mtu(&self) -> usize {
        let max = self.path.safe_datagram();
        if self.sped.is_none() {
            return max;
        }
        let theirs = self.ice.remote_credentials().map_or(0, |credentials| credentials.ufrag.len());
        let username = 4 + (self.local_ufrag().len() + 1 + theirs).next_multiple_of(4);
        max.saturating_sub(CHECK + username).clamp(LEAST_PACKET, MAX_PACKET)
    }
}

/// When a check or an answer last carried a packet on the path.
fn carried(ice: &Agent, path: Option<Path>) -> impl Fn(u32) -> Option<Instant> + '_ {
    move |tag| ice.carried_at(path?, tag)
}
