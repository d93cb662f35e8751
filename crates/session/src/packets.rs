//! Packets of audio and video on the path in use: RTP and RTCP in SRTP in datagrams, equal-sized ones in runs.

use peerage_base::datagram::{Datagram, Transmit};
use peerage_base::path::Path;
use peerage_base::slot::Slot;
use peerage_base::time::Instant;
use peerage_rtp::demux::Kind;
use peerage_sctp::budget::Rate;
use peerage_srtp::error::OpenError;

use crate::media::Media;
use crate::media::outgoing::Departing;
use crate::path::{MAX_RUN, MAX_SEGMENTS, Pace};
use crate::relay::Relay;
use crate::session::Session;
use crate::srtp::Srtp;
use crate::wrap::Outer;

/// Headers of UDP and IP, which count for the path: IPv4, and what IPv6 has more.
const LOWER_LAYERS: (usize, usize) = (28, 20);

impl Session {
    /// Takes in a datagram that is RTP or RTCP by its first byte.
    pub(crate) fn handle_media(&mut self, now: Instant, datagram: Datagram<'_>) {
        let Some(media) = &mut self.media else {
            self.drops.unknown += 1;
            return;
        };
        let Some(srtp) = &mut self.srtp else {
            self.drops.media_early += 1;
            return;
        };
        let payload = datagram.payload;
        match Kind::of(payload) {
            Some(Kind::Rtp) => match srtp.receiver.unprotect_rtp(payload) {
                Ok(len) => media.handle_rtp(now, &mut payload[..len], datagram.ecn),
                Err(error) => media.drops.count(error),
            },
            Some(Kind::Rtcp) => match srtp.receiver.unprotect_rtcp(payload) {
                Ok(len) => media.handle_rtcp(now, &payload[..len]),
                Err(error) => media.drops.count(error),
            },
            None => media.drops.malformed += 1,
        }
        self.after_media();
    }

    /// Acts on time.
    pub(crate) fn media_timeout(&mut self, now: Instant) {
        if let Some(media) = &mut self.media {
            media.handle_timeout(now);
            self.after_media();
        }
    }

    /// When to.
    pub(crate) fn media_deadline(&self) -> Option<Instant> {
        // Without keys nothing comes, and nothing leaves.
        self.srtp.as_ref()?;
        self.media.as_ref()?.poll_timeout()
    }

    /// Packets leave by another path.
    pub(crate) fn media_path_changed(&mut self, now: Instant) {
        let rtt = self.path.rtt();
        if let Some(media) = &mut self.media {
            media.path_changed(now);
            if let Some(rtt) = rtt {
                media.set_round_trip(rtt);
            }
            self.after_media();
        }
    }

    /// Writes RTCP that is due, else packets of audio and video that may leave now.
    pub(crate) fn write_media(&mut self, now: Instant, path: Path, buf: &mut [u8]) -> Option<Transmit> {
        let outer = self.outer(path);
        let safe = self.path.safe_datagram();
        let (media, srtp) = (self.media.as_mut()?, self.srtp.as_mut()?);
        // What has left since may have made a probe due.
        media.look_for_probes(now);
        let (head, tail) = outer.overhead(&self.relays, path);
        let around = Around { outer, head, tail, path, safe };
        let transmit = write_control(now, around, (media, srtp, &mut self.relays), buf)
            .or_else(|| write_run(now, around, (media, srtp, &mut self.relays), buf));
        self.after_media();
        transmit
    }
}

/// What is around every packet.
#[derive(Clone, Copy)]
struct Around {
    outer: Outer,
    head: usize,
    tail: usize,
    path: Path,
    /// Bytes of a datagram that every path carries.
    safe: usize,
}

type Parts<'a> = (&'a mut Media, &'a mut Srtp, &'a mut [Relay]);

fn write_control(now: Instant, around: Around, (media, srtp, relays): Parts<'_>, buf: &mut [u8]) -> Option<Transmit> {
    let Around { outer, head, tail, path, safe } = around;
    let tail = tail + srtp.sender.rtcp_overhead();
    let mut slot = Slot::new(buf, head, tail, safe.saturating_sub(head + tail));
    if !media.write_rtcp(now, &mut slot) {
        return None;
    }
    if let Err(error) = srtp.sender.protect_rtcp(&mut slot) {
        tracing::debug!(%error, "RTCP cannot be protected");
        media.drops.unsealed += 1;
        return None;
    }
    let path = outer.wrap(now, relays, path, &mut slot)?;
    let range = slot.range();
    buf.copy_within(range.clone(), 0);
    Some(Transmit::single(path, range.len()))
}

/// Packets one behind the other, each sealed in place, until one is shorter than the first or no more may leave.
fn write_run(now: Instant, around: Around, (media, srtp, relays): Parts<'_>, buf: &mut [u8]) -> Option<Transmit> {
    let Around { outer, head, tail, path, safe } = around;
    let tail = tail + srtp.sender.rtp_overhead();
    let max_packet = safe.saturating_sub(head + tail);
    let lower = LOWER_LAYERS.0 + if path.remote.is_ipv6() { LOWER_LAYERS.1 } else { 0 };
    let pace = Pace::new(Rate(media.pacing_rate() / 8), safe + lower, MAX_RUN);
    let ecn = media.mark();
    let room_len = buf.len().min(MAX_RUN);
    let (mut to, mut len, mut segment) = (path, 0, None);
    if let Some(held) = media.take_held(buf) {
        (len, segment) = (held, Some(held));
    }
    let mut budget = None;
    for _ in 0..MAX_SEGMENTS {
        let room = &mut buf[len..room_len];
        if room.len() < safe + head + tail {
            break;
        }
        let left = *budget.get_or_insert_with(|| media.grant(now, pace));
        let mut slot = Slot::new(room, head, tail, usize::MAX);
        let Some(departing) = media.write_rtp(now, &mut slot, left, max_packet) else { break };
        if let Err(error) = srtp.sender.protect_rtp(&mut slot) {
            tracing::debug!(%error, "a packet cannot be protected");
            media.drops.unsealed += 1;
            continue;
        }
        let Some(wrapped) = outer.wrap(now, relays, path, &mut slot) else { break };
        let range = slot.range();
        let size = range.len();
        media.departed(now, &Departing { size: size + lower, ..departing }, pace, ecn);
        budget = Some(left.saturating_sub(size + lower));
        to = wrapped;
        if segment.is_some_and(|segment| size > segment) {
            media.hold(&room[range]);
            break;
        }
        if range.start > 0 {
            room.copy_within(range, 0);
        }
        len += size;
        match segment {
            None => segment = Some(size),
            Some(segment) if size < segment => break,
            Some(_) => {}
        }
    }
    let segment = segment.filter(|size| *size < len);
    // A packet that was cut for a larger path goes in fragments rather than not at all.
    let dont_fragment = segment.is_some() || len <= safe;
    (len > 0).then(|| Transmit { ecn, segment, dont_fragment, ..Transmit::single(to, len) })
}

impl crate::media::stats::Drops {
    fn count(&mut self, error: OpenError) {
        *match error {
            OpenError::TooShort | OpenError::Malformed => &mut self.malformed,
            OpenError::Replayed | OpenError::TooOld => &mut self.replayed,
            OpenError::TooManySources => &mut self.sources,
            _ => &mut self.not_authentic,
        } += 1;
    }
}
