//! Explicit congestion notification: marks that arrived are told with the SACK, marks that the peer tells of go to the
//! congestion controller. Which packets carry ECT is for the owner of the path to say.

use super::Association;
use crate::chunk::ecne::{self, Echo};
use crate::packet::PacketWriter;
use peerage_base::ecn::Ecn;

/// As long as fewer marks arrived than this, every SACK tells of them: the peer finds out whether the path lets them pass.
const FIRST: u32 = 32;
/// From then on as many must be new, unless there is congestion to tell of.
const FURTHER: u32 = 64;

/// What is known of marks in both directions.
#[derive(Debug, Default)]
pub(super) struct Marks {
    seen: Echo,
    told: Echo,
    /// What the peer told last.
    heard: Option<Echo>,
    /// Congestion marks that the peer told of and the controller has not heard of.
    fresh: u32,
}

impl Marks {
    /// Whether a SACK is to tell of marks.
    fn has_news(&self) -> bool {
        let new = self.seen.ect.wrapping_sub(self.told.ect);
        self.seen.ce != self.told.ce || new >= FURTHER || new > 0 && self.seen.ect <= FIRST
    }

    /// Congestion marks for the controller; told once.
    pub(super) fn take(&mut self) -> u32 {
        core::mem::take(&mut self.fresh)
    }
}

impl Association {
    /// What the peer told last of marks on the packets with user data that it took, counted from the beginning. `None` if it
    /// does not tell of marks, or has not yet.
    pub fn marks_heard(&self) -> Option<Echo> {
        self.marks.heard
    }

    /// Whether the peer tells of marks, so that packets with user data may be sent with ECT(0).
    pub fn peer_tells_marks(&self) -> bool {
        self.config.ecn && self.peer.extensions.ecn
    }

    /// A packet with user data arrived with this mark.
    pub(super) fn note_mark(&mut self, ecn: Ecn) {
        match ecn {
            Ecn::Ect0 => self.marks.seen.ect = self.marks.seen.ect.wrapping_add(1),
            Ecn::Ce => {
                self.marks.seen.ce = self.marks.seen.ce.wrapping_add(1);
                if self.peer_tells_marks() {
                    // Whoever has to slow down must not learn it late (RFC 9000 §13.2.1).
                    self.receiver.sack_now();
                }
            }
            Ecn::NotEct | Ecn::Ect1 => {}
        }
    }

    /// Goes before a SACK, so that its bytes and the marks on them are judged together.
    pub(super) fn write_echo(&mut self, packet: &mut PacketWriter<'_>) {
        if self.peer_tells_marks() && self.marks.has_news() {
            let seen = self.marks.seen;
            if ecne::write(self.receiver.tracker.cumulative(), seen, packet) {
                self.marks.told = seen;
            }
        }
    }

    pub(super) fn on_echo(&mut self, body: &[u8]) {
        let Ok(echo) = ecne::parse(body) else {
            self.stats.drops.malformed += 1;
            return;
        };
        if !self.peer_tells_marks() {
            self.stats.drops.state += 1;
            return;
        }
        let before = self.marks.heard.unwrap_or_default();
        let (ce, ect) = (echo.ce.wrapping_sub(before.ce), echo.ect.wrapping_sub(before.ect));
        // Going back, it was overtaken; beyond what was sent, it is a lie.
        let (sent, told) = (self.stats.packets_sent, self.stats.congestion_marks_told);
        let is_lie = u64::from(ce) + u64::from(ect) > sent || told + u64::from(ce) > sent;
        if ce > u32::MAX / 2 || ect > u32::MAX / 2 || is_lie {
            self.stats.drops.state += 1;
            return;
        }
        self.marks.fresh = self.marks.fresh.saturating_add(ce);
        self.stats.congestion_marks_told += u64::from(ce);
        self.marks.heard = Some(echo);
    }
}
