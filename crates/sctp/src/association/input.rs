//! Received packets: header, checksum, tag, then chunk by chunk (RFC 9260 §8).

use super::{Association, State};
use crate::chunk::{self, Unknown, cause};
use crate::error::CloseReason;
use crate::packet::{CHUNK_HEADER_LEN, Packet, RawChunk};
use alloc::vec::Vec;
use peerage_base::ecn::Ecn;
use peerage_base::time::Instant;
use tracing::{debug, trace};

impl Association {
    /// Takes one SCTP packet, already decrypted. What is wrong with it is counted in
    /// [`Stats::drops`](crate::stats::Stats::drops).
    pub fn handle_packet(&mut self, now: Instant, ecn: Ecn, packet: &[u8]) {
        let Ok(packet_in) = Packet::parse(packet) else {
            self.stats.drops.malformed += 1;
            return;
        };
        let Some(Ok(first)) = packet_in.chunks().next() else {
            self.stats.drops.malformed += 1;
            return;
        };
        if !self.is_for_us(&packet_in, &first) {
            return;
        }
        self.stats.packets_received += 1;
        self.receiver.packet_arrived(now);
        self.stats.bytes_received += packet.len() as u64;
        self.stats.congestion_marks += u64::from(ecn == Ecn::Ce);
        // A peer that shakes hands has not begun from the descriptions; one that does anything else has.
        self.presumed &= matches!(first.kind, chunk::INIT | chunk::COOKIE_ECHO);
        if let State::Down = self.state
            && !matches!(first.kind, chunk::SHUTDOWN_ACK)
        {
            return self.answer_from_beyond(&packet_in, first.kind);
        }
        let mut had_data = false;
        for raw in packet_in.chunks() {
            let Ok(raw) = raw else {
                self.stats.drops.malformed += 1;
                break;
            };
            had_data |= matches!(raw.kind, chunk::DATA | chunk::I_DATA);
            if !self.handle_chunk(now, &packet_in, &raw) {
                break;
            }
        }
        if had_data && self.state.is_up() {
            self.receiver.packet_had_data(now);
            self.note_mark(ecn);
            self.tidy_blocks();
            self.answer_data_while_shutting_down();
        }
    }

    /// Checks port, checksum and verification tag, counting what fails.
    fn is_for_us(&mut self, packet: &Packet<'_>, first: &RawChunk<'_>) -> bool {
        let drops = &mut self.stats.drops;
        let header = &packet.header;
        if header.destination != self.config.local_port || header.source != self.config.remote_port {
            drops.port += 1;
            return false;
        }
        // RFC 9653 §5.2: only what belongs to a known association may go without.
        let may_lack_checksum = self.config.zero_checksum && !matches!(first.kind, chunk::INIT | chunk::COOKIE_ECHO);
        let is_waived = header.checksum == 0 && may_lack_checksum;
        if !is_waived && !packet.checksum_is_valid() {
            drops.checksum += 1;
            return false;
        }
        let reflected =
            matches!(first.kind, chunk::ABORT | chunk::SHUTDOWN_COMPLETE) && first.flags & chunk::FLAG_T != 0;
        let fits = match first.kind {
            chunk::INIT => header.tag.0 == 0 && packet.chunks().nth(1).is_none(),
            // Compared with the tag in the cookie, as this may be a restart.
            chunk::COOKIE_ECHO => true,
            // The peer may know of an association that is gone here.
            chunk::SHUTDOWN_ACK if matches!(self.state, State::Idle | State::CookieWait(_) | State::Down) => true,
            _ if reflected => header.tag == self.peer.tag && header.tag.0 != 0,
            _ => header.tag == self.local_tag,
        };
        if !fits {
            drops.tag += 1;
        }
        fits
    }

    /// Handles one chunk; answers whether to go on with the next.
    fn handle_chunk(&mut self, now: Instant, packet: &Packet<'_>, raw: &RawChunk<'_>) -> bool {
        let body = raw.body;
        match raw.kind {
            chunk::DATA | chunk::I_DATA => self.on_data(raw),
            chunk::SACK => self.on_sack(now, body),
            chunk::INIT => self.on_init(now, body),
            chunk::INIT_ACK => self.on_init_ack(body),
            chunk::COOKIE_ECHO => return self.on_cookie_echo(now, packet.header.tag, body),
            chunk::COOKIE_ACK => self.on_cookie_ack(),
            chunk::HEARTBEAT if self.state.is_up() => self.on_heartbeat(body),
            chunk::HEARTBEAT_ACK => self.on_heartbeat_ack(now, body),
            chunk::ABORT => self.on_abort(body),
            chunk::SHUTDOWN => self.on_shutdown(now, body),
            chunk::SHUTDOWN_ACK => self.on_shutdown_ack(packet.header.tag),
            chunk::SHUTDOWN_COMPLETE => self.on_shutdown_complete(),
            chunk::ERROR => self.on_error(body),
            chunk::RE_CONFIG => self.on_reconfig(now, body),
            chunk::FORWARD_TSN | chunk::I_FORWARD_TSN => self.on_forward_tsn(raw),
            chunk::ECNE => self.on_echo(body),
            chunk::PAD => {}
            chunk::HEARTBEAT => self.stats.drops.state += 1,
            _ => return self.on_unknown(raw),
        }
        !matches!(self.state, State::Down)
    }

    /// A peer that goes on has missed the ABORT: it is told again, under its own tag (RFC 9260 §8.4 case 8).
    fn answer_from_beyond(&mut self, packet: &Packet<'_>, first: u8) {
        self.stats.drops.state += 1;
        let needs_none =
            matches!(first, chunk::INIT | chunk::ABORT | chunk::ERROR | chunk::COOKIE_ACK | chunk::SHUTDOWN_COMPLETE);
        if !needs_none {
            let abort = self.lone_packet(packet.header.tag, chunk::ABORT, chunk::FLAG_T, &[]);
            self.replies.push_packet(abort);
        }
    }

    fn on_abort(&mut self, body: &[u8]) {
        if matches!(self.state, State::Idle | State::Down) {
            self.stats.drops.state += 1;
            return;
        }
        let first = cause::parse(body).next();
        let code = first.map_or(0, |c| c.code);
        let reason = first.map(|c| c.words()).unwrap_or_default();
        debug!(cause = code, "aborted by the peer");
        self.go_down(CloseReason::AbortedByPeer { cause: code, reason });
    }

    fn on_error(&mut self, body: &[u8]) {
        for cause in cause::parse(body) {
            debug!(cause = cause.code, "the peer reports an error");
            if cause.code == cause::STALE_COOKIE {
                self.retry_init();
            }
        }
    }

    fn on_unknown(&mut self, raw: &RawChunk<'_>) -> bool {
        trace!(kind = raw.kind, "unknown chunk");
        self.stats.drops.unknown += 1;
        let rule = Unknown::chunk(raw.kind);
        if rule.report && self.state.is_up() {
            let len = (raw.body.len() + CHUNK_HEADER_LEN) as u16;
            let mut info = Vec::from([raw.kind, raw.flags]);
            info.extend_from_slice(&len.to_be_bytes());
            info.extend_from_slice(raw.body);
            self.replies.push_chunk(cause::chunk(chunk::ERROR, 0, cause::UNRECOGNIZED_CHUNK, &info));
        }
        rule.skip
    }
}
