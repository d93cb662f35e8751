//! What protects all that one side sends.

use alloc::collections::BTreeMap;

use peerage_base::slot::Slot;
use peerage_rtp::extension::block;
use peerage_rtp::numbers::Ssrc;

use crate::cryptex;
use crate::error::SealError;
use crate::extension::Ids;
use crate::index::{self, RTCP_END};
use crate::keys::Keys;
use crate::layout::{Layout, rtcp_source};
use crate::master::Master;
use crate::profile::Profile;
use crate::sources::{MAX_EVER, Source, Sources};
use crate::window::Seen;

/// How a [`Sender`] works.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Most sources of RTP at a time, retired ones aside; packets of one more are refused. Default 1,024: each costs about
    /// 180 bytes.
    pub max_sources: usize,
    /// Whether CSRCs and header extensions are encrypted too (RFC 9335); only if the peer's description has `a=cryptex`.
    /// A packet with CSRCs but no extension then grows by four bytes more. Default `false`.
    pub cryptex: bool,
    /// Header extension elements whose values are encrypted (RFC 6904), by local id, as the description maps
    /// `urn:ietf:params:rtp-hdrext:encrypt`. Of no effect on packets that cryptex covers. Default none.
    pub encrypted_extensions: Ids,
}

impl Default for Config {
    fn default() -> Self {
        Self { max_sources: 1024, cryptex: false, encrypted_extensions: Ids::default() }
    }
}

/// Protects the packets of all sources of one side, in place.
#[derive(Debug)]
pub struct Sender {
    profile: Profile,
    keys: Keys,
    cryptex: bool,
    sources: Sources,
    /// RTP packets protected so far.
    sent: u64,
    /// The next index of RTCP for each source.
    rtcp_next: BTreeMap<Ssrc, u32>,
    /// RTCP packets protected so far.
    rtcp_sent: u32,
}

impl Sender {
    /// A sender under `master`, which no other sender may have had: indices begin anew here, and both would use the same.
    #[must_use]
    pub fn new(master: &Master, config: &Config) -> Self {
        Self {
            profile: master.profile(),
            keys: Keys::new(master, config.encrypted_extensions),
            cryptex: config.cryptex,
            sources: Sources::new(config.max_sources),
            sent: 0,
            rtcp_next: BTreeMap::new(),
            rtcp_sent: 0,
        }
    }

    /// Protects the RTP packet in `slot`, which grows into its tail room, by [`Self::rtp_overhead`] at most.
    ///
    /// A source begins with a rollover counter of zero. Its packets may come in another order than their sequence numbers
    /// have, within the 1,024 latest.
    ///
    /// # Errors
    /// See [`SealError`]; the packet then must not be sent.
    pub fn protect_rtp(&mut self, slot: &mut Slot<'_>) -> Result<(), SealError> {
        let mut layout = Layout::of(slot.packet()).ok_or(SealError::Malformed)?;
        let index = self.next_index(&layout)?;
        let is_hidden = self.cryptex && (layout.has_csrcs() || layout.profile.is_some());
        let lacks_extension = is_hidden && layout.profile.is_none();
        let kind = match layout.profile {
            Some(kind) if cryptex::revealed(kind).is_some() => return Err(SealError::ForeignExtension),
            Some(kind) if is_hidden => Some(cryptex::hidden(kind).ok_or(SealError::ForeignExtension)?),
            _ => None,
        };
        let growth = self.profile.rtp_overhead() + if lacks_extension { block::HEADER_LEN } else { 0 };
        slot.append(growth).ok_or(SealError::NoRoom)?;
        let packet = slot.packet_mut();
        if lacks_extension {
            let end = packet.len() - self.profile.rtp_overhead();
            cryptex::insert_extension(&mut packet[..end], &mut layout);
        } else if let Some(kind) = kind {
            cryptex::set_kind(packet, &layout, kind);
        } else if let (Some(hider), Some(kind)) = (&self.keys.extensions, layout.profile) {
            let body = &mut packet[layout.csrcs_end + block::HEADER_LEN..layout.header_len];
            hider.apply(layout.ssrc.0, index, kind, body);
        }
        self.keys.rtp.seal_rtp(packet, &layout, is_hidden, index);
        let _had_room = self.sources.record(layout.ssrc, index);
        self.sent += 1;
        Ok(())
    }

    /// Protects the RTCP packet in `slot`, compound or not, which grows into its tail room by [`Self::rtcp_overhead`].
    ///
    /// # Errors
    /// See [`SealError`]; the packet then must not be sent.
    pub fn protect_rtcp(&mut self, slot: &mut Slot<'_>) -> Result<(), SealError> {
        let ssrc = rtcp_source(slot.packet()).ok_or(SealError::Malformed)?;
        let next = self.rtcp_next.get(&ssrc).copied();
        if self.rtcp_sent >= RTCP_END || next.is_some_and(|next| next >= RTCP_END) {
            return Err(SealError::KeyExhausted);
        }
        if next.is_none() && self.rtcp_next.len() >= MAX_EVER {
            return Err(SealError::TooManySources);
        }
        slot.append(self.rtcp_overhead()).ok_or(SealError::NoRoom)?;
        let index = next.unwrap_or(0);
        self.keys.rtcp.seal_rtcp(slot.packet_mut(), ssrc.0, index);
        self.rtcp_next.insert(ssrc, index + 1);
        self.rtcp_sent += 1;
        Ok(())
    }

    /// Frees the place of a source that has ended; `false` if there is none. Should it go on after all, only sequence
    /// numbers past its highest are protected.
    pub fn retire(&mut self, ssrc: Ssrc) -> bool {
        self.sources.retire(ssrc)
    }

    /// Most tail room that protecting an RTP packet takes, in bytes.
    #[must_use]
    pub fn rtp_overhead(&self) -> usize {
        self.profile.rtp_overhead() + if self.cryptex { block::HEADER_LEN } else { 0 }
    }

    /// The tail room that protecting an RTCP packet takes, in bytes.
    #[must_use]
    pub fn rtcp_overhead(&self) -> usize {
        self.profile.rtcp_overhead()
    }

    /// How many sources of RTP have places.
    #[must_use]
    pub fn sources(&self) -> usize {
        self.sources.live()
    }

    /// The index of a packet, which was not used before.
    fn next_index(&self, layout: &Layout) -> Result<u64, SealError> {
        let source = self.sources.get(layout.ssrc);
        let index = match source {
            Some(source) => index::closest(source.highest(), layout.sequence),
            None => Some(u64::from(layout.sequence.0)),
        };
        let index = index.filter(|_| self.sent < index::END).ok_or(SealError::KeyExhausted)?;
        match source.map_or(Seen::Never, |source| source.seen(index)) {
            Seen::Never if matches!(source, Some(Source::Live(_))) || self.sources.has_room(layout.ssrc) => Ok(index),
            Seen::Never => Err(SealError::TooManySources),
            Seen::Before => Err(SealError::IndexReused),
            Seen::Unknown => Err(SealError::IndexTooOld),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests_support::{in_slot, master, protected, protected_rtcp, rtcp, rtp};
    use alloc::vec::Vec;

    fn sender() -> Sender {
        Sender::new(&master(Profile::AeadAes128Gcm), &Config::default())
    }

    #[test]
    fn an_index_is_used_once() {
        let mut sender = sender();
        let packet = rtp(1, 500, b"a");
        assert!(protected(&mut sender, &packet).is_ok());
        assert_eq!(protected(&mut sender, &packet), Err(SealError::IndexReused));
        assert_eq!(protected(&mut sender, &rtp(1, 500, b"b")), Err(SealError::IndexReused));
        // Another source has indices of its own.
        assert!(protected(&mut sender, &rtp(2, 500, b"b")).is_ok());
    }

    #[test]
    fn packets_may_leave_in_another_order_within_the_window() {
        let mut sender = sender();
        assert!(protected(&mut sender, &rtp(1, 2000, b"")).is_ok());
        assert!(protected(&mut sender, &rtp(1, 2000 - 1023, b"")).is_ok());
        assert_eq!(protected(&mut sender, &rtp(1, 2000 - 1024, b"")), Err(SealError::IndexTooOld));
        assert_eq!(protected(&mut sender, &rtp(1, 2000 - 1023, b"")), Err(SealError::IndexReused));
    }

    #[test]
    fn the_last_index_ends_the_key() {
        let mut sender = sender();
        assert!(sender.sources.record(Ssrc(1), index::END - 2));
        assert!(protected(&mut sender, &rtp(1, 0xFFFF, b"")).is_ok());
        assert_eq!(protected(&mut sender, &rtp(1, 0, b"")), Err(SealError::KeyExhausted));
        assert!(protected(&mut sender, &rtp(2, 0, b"")).is_ok());
        sender.sent = index::END;
        assert_eq!(protected(&mut sender, &rtp(2, 1, b"")), Err(SealError::KeyExhausted));
    }

    #[test]
    fn the_last_index_of_control_packets_ends_the_key() {
        let mut sender = sender();
        sender.rtcp_next.insert(Ssrc(1), RTCP_END - 1);
        let packet = protected_rtcp(&mut sender, &rtcp(1, b"")).unwrap();
        assert!(packet.ends_with(&[0xFF; 4]));
        assert_eq!(protected_rtcp(&mut sender, &rtcp(1, b"")), Err(SealError::KeyExhausted));
        assert!(protected_rtcp(&mut sender, &rtcp(2, b"")).is_ok());
        sender.rtcp_sent = RTCP_END;
        assert_eq!(protected_rtcp(&mut sender, &rtcp(2, b"")), Err(SealError::KeyExhausted));
    }

    #[test]
    fn control_packets_count_from_zero_for_each_source() {
        let mut sender = sender();
        let words: Vec<_> = [1, 1, 2, 1]
            .map(|ssrc| protected_rtcp(&mut sender, &rtcp(ssrc, b"")).unwrap().last_chunk::<4>().copied())
            .into_iter()
            .flatten()
            .map(u32::from_be_bytes)
            .collect();
        assert_eq!(words, [1 << 31, 1 << 31 | 1, 1 << 31, 1 << 31 | 2]);
    }

    #[test]
    fn one_source_too_many_is_refused_until_another_ends() {
        let config = Config { max_sources: 2, ..Config::default() };
        let mut sender = Sender::new(&master(Profile::Aes128CmSha1_80), &config);
        assert!(protected(&mut sender, &rtp(1, 7, b"")).is_ok());
        assert!(protected(&mut sender, &rtp(2, 7, b"")).is_ok());
        assert_eq!(protected(&mut sender, &rtp(3, 7, b"")), Err(SealError::TooManySources));
        assert!(sender.retire(Ssrc(1)) && !sender.retire(Ssrc(1)));
        assert!(protected(&mut sender, &rtp(3, 7, b"")).is_ok());
        assert_eq!(sender.sources(), 2);
        assert!(sender.retire(Ssrc(2)));
        assert_eq!(protected(&mut sender, &rtp(1, 7, b"")), Err(SealError::IndexTooOld), "the key is still the same");
        assert!(protected(&mut sender, &rtp(1, 8, b"")).is_ok());
    }

    #[test]
    fn as_much_tail_room_as_announced_is_enough_and_one_byte_less_is_not() {
        for profile in Profile::ALL {
            for cryptex in [false, true] {
                let config = Config { cryptex, ..Config::default() };
                let mut sender = Sender::new(&master(profile), &config);
                // With a CSRC, cryptex needs most.
                let mut packet = rtp(1, 1, b"CSRCpayload");
                packet[0] |= 1;
                let room = sender.rtp_overhead();
                let less = in_slot(&packet, room - 1, |slot| sender.protect_rtp(slot));
                assert_eq!(less, Err(SealError::NoRoom));
                assert_eq!(protected(&mut sender, &packet).map(|packet| packet.len()), Ok(packet.len() + room));
                let packet = rtcp(1, b"more");
                let room = sender.rtcp_overhead();
                let less = in_slot(&packet, room - 1, |slot| sender.protect_rtcp(slot));
                assert_eq!(less, Err(SealError::NoRoom));
                assert_eq!(protected_rtcp(&mut sender, &packet).map(|packet| packet.len()), Ok(packet.len() + room));
            }
        }
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        let mut sender = sender();
        let mut extended = rtp(1, 1, b"\xBE\xDE\0\x02only");
        extended[0] |= 0x10;
        for bytes in [&[][..], &rtp(1, 1, b"")[..11], &[0; 12], &extended] {
            assert_eq!(protected(&mut sender, bytes), Err(SealError::Malformed));
        }
        for bytes in [&[][..], &rtcp(1, b"")[..7], &[0; 12]] {
            assert_eq!(protected_rtcp(&mut sender, bytes), Err(SealError::Malformed));
        }
    }
}
