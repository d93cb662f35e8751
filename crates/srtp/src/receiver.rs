//! What unprotects all that one side receives.

use alloc::vec::Vec;

use peerage_rtp::extension::block;
use peerage_rtp::numbers::Ssrc;

use crate::cryptex;
use crate::error::OpenError;
use crate::extension::Ids;
use crate::index;
use crate::keys::Keys;
use crate::layout::{ENCRYPTED, Layout, RTCP_CLEAR, rtcp_source};
use crate::master::Master;
use crate::profile::Profile;
use crate::sources::{Source, Sources};
use crate::transform::Candidates;
use crate::window::Seen;

/// What a [`Receiver`] makes of packets whose CSRCs and header extensions are encrypted (RFC 9335).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cryptex {
    /// They are refused: it was not agreed on.
    #[default]
    Refused,
    /// They are taken, and others too.
    Accepted,
    /// They are taken, and packets with CSRCs or header extensions that are readable are refused.
    Required,
}

/// How a [`Receiver`] works.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Most sources of RTP at a time, and as many of RTCP, retired ones aside; authentic packets of one more are refused.
    /// Default 1,024: each costs about 180 bytes.
    pub max_sources: usize,
    /// Whether CSRCs and header extensions may be encrypted (RFC 9335); to be accepted if our description has
    /// `a=cryptex`. Default [`Cryptex::Refused`].
    pub cryptex: Cryptex,
    /// Header extension elements whose values are encrypted (RFC 6904), by local id, as the description maps
    /// `urn:ietf:params:rtp-hdrext:encrypt`. Of no effect on packets that cryptex covers. Default none.
    pub encrypted_extensions: Ids,
}

impl Default for Config {
    fn default() -> Self {
        Self { max_sources: 1024, cryptex: Cryptex::default(), encrypted_extensions: Ids::default() }
    }
}

/// Unprotects the packets of all sources of the other side, in place.
#[derive(Debug)]
pub struct Receiver {
    profile: Profile,
    keys: Keys,
    cryptex: Cryptex,
    sources: Sources,
    rtcp_sources: Sources,
    /// Where the first packets of new sources are kept while they are tried.
    spare: Vec<u8>,
}

impl Receiver {
    /// A receiver under `master`.
    #[must_use]
    pub fn new(master: &Master, config: &Config) -> Self {
        Self {
            profile: master.profile(),
            keys: Keys::new(master, config.encrypted_extensions),
            cryptex: config.cryptex,
            sources: Sources::new(config.max_sources),
            rtcp_sources: Sources::new(config.max_sources),
            spare: Vec::new(),
        }
    }

    /// Unprotects an RTP packet; how many bytes of `packet`, from its first, are the plain one.
    ///
    /// Nothing is remembered of a packet that is not authentic. The rollover counter of a new source is zero, or one if the
    /// packet proves that the sequence number has wrapped unseen.
    ///
    /// # Errors
    /// See [`OpenError`]. The packet is to be dropped, and counted by that reason.
    pub fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, OpenError> {
        let tag_len = self.profile.rtp_overhead();
        let end = packet.len().checked_sub(tag_len).filter(|end| *end >= peerage_rtp::packet::HEADER_LEN);
        let end = end.ok_or(OpenError::TooShort)?;
        let layout = Layout::of(&packet[..end]).ok_or(OpenError::Malformed)?;
        let revealed = self.agreed(&layout)?;
        let candidates = self.candidates(&layout)?;
        let index = self
            .keys
            .rtp
            .open_rtp(packet, &layout, revealed.is_some(), candidates, &mut self.spare)
            .ok_or(OpenError::NotAuthentic)?;
        if !self.sources.record(layout.ssrc, index) {
            return Err(OpenError::TooManySources);
        }
        if let Some(kind) = revealed {
            cryptex::set_kind(packet, &layout, kind);
        } else if let (Some(hider), Some(kind)) = (&self.keys.extensions, layout.profile) {
            let body = &mut packet[layout.csrcs_end + block::HEADER_LEN..layout.header_len];
            hider.apply(layout.ssrc.0, index, kind, body);
        }
        Ok(end)
    }

    /// Unprotects an RTCP packet, compound or not; how many bytes of `packet`, from its first, are the plain one. Of the
    /// plain one only the first eight bytes were looked at.
    ///
    /// # Errors
    /// See [`OpenError`]. The packet is to be dropped, and counted by that reason.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, OpenError> {
        let end = packet.len().checked_sub(self.profile.rtcp_overhead()).filter(|end| *end >= RTCP_CLEAR);
        let end = end.ok_or(OpenError::TooShort)?;
        let ssrc = rtcp_source(packet).ok_or(OpenError::Malformed)?;
        let word = self.keys.rtcp.rtcp_word(packet).ok_or(OpenError::TooShort)?;
        if word & ENCRYPTED == 0 {
            return Err(OpenError::NotEncrypted);
        }
        let index = u64::from(word & !ENCRYPTED);
        fresh(self.rtcp_sources.get(ssrc), index)?;
        if !self.keys.rtcp.open_rtcp(packet, ssrc.0, word) {
            return Err(OpenError::NotAuthentic);
        }
        if !self.rtcp_sources.record(ssrc, index) {
            return Err(OpenError::TooManySources);
        }
        Ok(end)
    }

    /// Frees the places of a source that has ended, of RTP and of RTCP; `false` if there is none. Should it go on after
    /// all, only indices past its highest are accepted, so that nothing can be replayed.
    pub fn retire(&mut self, ssrc: Ssrc) -> bool {
        // Both, so no short circuit.
        self.sources.retire(ssrc) | self.rtcp_sources.retire(ssrc)
    }

    /// How many sources of RTP have places.
    #[must_use]
    pub fn sources(&self) -> usize {
        self.sources.live()
    }

    /// The kind of extension that the packet has when it is plain, if it is hidden.
    fn agreed(&self, layout: &Layout) -> Result<Option<u16>, OpenError> {
        let revealed = layout.profile.and_then(cryptex::revealed);
        let is_readable = revealed.is_none() && (layout.has_csrcs() || layout.profile.is_some());
        match self.cryptex {
            Cryptex::Refused if revealed.is_some() => Err(OpenError::Cryptex),
            Cryptex::Required if is_readable => Err(OpenError::Cryptex),
            _ => Ok(revealed),
        }
    }

    /// Which indices a packet may have, none of them seen before.
    fn candidates(&self, layout: &Layout) -> Result<Candidates, OpenError> {
        let Some(source) = self.sources.get(layout.ssrc) else {
            let first = u64::from(layout.sequence.0);
            // A source that began shortly before the wrap, and whose first packets were lost, would stay mute for ever.
            let second = (first < index::ROLLOVER / 2).then_some(first + index::ROLLOVER);
            return Ok(Candidates { first, second });
        };
        let first = index::closest(source.highest(), layout.sequence).ok_or(OpenError::KeyExhausted)?;
        fresh(Some(source), first)?;
        Ok(Candidates { first, second: None })
    }
}

/// Whether a source did not have an index yet.
fn fresh(source: Option<&Source>, index: u64) -> Result<(), OpenError> {
    match source.map_or(Seen::Never, |source| source.seen(index)) {
        Seen::Never => Ok(()),
        Seen::Before => Err(OpenError::Replayed),
        Seen::Unknown => Err(OpenError::TooOld),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sender::{self, Sender};
    use crate::tests_support::{master, protected, protected_rtcp, rtcp, rtp};
    use peerage_testkit::codec::every_bit_flip;

    fn pair(profile: Profile) -> (Sender, Receiver) {
        let master = master(profile);
        (Sender::new(&master, &sender::Config::default()), Receiver::new(&master, &Config::default()))
    }

    fn open(receiver: &mut Receiver, packet: &[u8]) -> Result<Vec<u8>, OpenError> {
        let mut packet = packet.to_vec();
        receiver.unprotect_rtp(&mut packet).map(|len| packet[..len].to_vec())
    }

    fn open_rtcp(receiver: &mut Receiver, packet: &[u8]) -> Result<Vec<u8>, OpenError> {
        let mut packet = packet.to_vec();
        receiver.unprotect_rtcp(&mut packet).map(|len| packet[..len].to_vec())
    }

    #[test]
    fn a_packet_arrives_once() {
        for profile in Profile::ALL {
            let (mut sender, mut receiver) = pair(profile);
            let (media, control) = (rtp(1, 3, b"media"), rtcp(1, b"control"));
            let packet = protected(&mut sender, &media).unwrap();
            assert_eq!(open(&mut receiver, &packet), Ok(media));
            assert_eq!(open(&mut receiver, &packet), Err(OpenError::Replayed));
            let packet = protected_rtcp(&mut sender, &control).unwrap();
            assert_eq!(open_rtcp(&mut receiver, &packet), Ok(control));
            assert_eq!(open_rtcp(&mut receiver, &packet), Err(OpenError::Replayed));
        }
    }

    #[test]
    fn no_bit_may_change_and_no_byte_be_missing() {
        for profile in Profile::ALL {
            let (mut sender, mut receiver) = pair(profile);
            let mut media = rtp(1, 3, b"\xBE\xDE\0\x01\x12abcmedia");
            media[0] |= 0x10;
            let packet = protected(&mut sender, &media).unwrap();
            every_bit_flip(&packet, |packet| assert!(open(&mut receiver, packet).is_err(), "{profile:?} {packet:x?}"));
            for len in 0..packet.len() {
                assert!(open(&mut receiver, &packet[..len]).is_err(), "{profile:?} {len}");
            }
            assert_eq!(receiver.sources(), 0, "what is not authentic leaves nothing");
            assert!(open(&mut receiver, &[&packet[..], &[0]].concat()).is_err());
            assert_eq!(open(&mut receiver, &packet), Ok(media));

            let control = rtcp(1, b"more control");
            let packet = protected_rtcp(&mut sender, &control).unwrap();
            every_bit_flip(&packet, |packet| {
                assert!(open_rtcp(&mut receiver, packet).is_err(), "{profile:?} {packet:x?}")
            });
            for len in 0..packet.len() {
                assert!(open_rtcp(&mut receiver, &packet[..len]).is_err(), "{profile:?} {len}");
            }
            assert_eq!(receiver.rtcp_sources.live(), 0);
            assert_eq!(open_rtcp(&mut receiver, &packet), Ok(control));
        }
    }

    #[test]
    fn reasons_are_told_apart() {
        let (mut sender, mut receiver) = pair(Profile::AeadAes128Gcm);
        assert_eq!(open(&mut receiver, &[0x80; 27]), Err(OpenError::TooShort));
        assert_eq!(open(&mut receiver, &[0x40; 28]), Err(OpenError::Malformed));
        assert_eq!(open(&mut receiver, &[0x90; 28]), Err(OpenError::Malformed), "its extension has no end");
        assert_eq!(open(&mut receiver, &[0x80; 28]), Err(OpenError::NotAuthentic));
        assert_eq!(open_rtcp(&mut receiver, &[0x80; 27]), Err(OpenError::TooShort));
        assert_eq!(open_rtcp(&mut receiver, &[0x40; 28]), Err(OpenError::Malformed));
        assert_eq!(open_rtcp(&mut receiver, &[0x80; 28]), Err(OpenError::NotAuthentic));
        let mut readable = protected_rtcp(&mut sender, &rtcp(1, b"")).unwrap();
        readable[24] &= 0x7F;
        assert_eq!(open_rtcp(&mut receiver, &readable), Err(OpenError::NotEncrypted));
        let old = protected(&mut sender, &rtp(1, 10, b"")).unwrap();
        let new = protected(&mut sender, &rtp(1, 10 + 1024, b"")).unwrap();
        assert!(open(&mut receiver, &new).is_ok());
        assert_eq!(open(&mut receiver, &old), Err(OpenError::TooOld));
        assert!(receiver.sources.record(Ssrc(9), index::END - 1));
        assert_eq!(open(&mut receiver, &[&rtp(9, 0, b"")[..], &[0; 16]].concat()), Err(OpenError::KeyExhausted));
    }

    /// The extension may end where the tag begins, and not a byte later.
    #[test]
    fn headers_do_not_reach_into_the_tag() {
        for profile in Profile::ALL {
            let (mut sender, mut receiver) = pair(profile);
            let mut media = rtp(1, 3, b"\xBE\xDE\0\x01\x12abc");
            media[0] |= 0x10;
            let mut packet = protected(&mut sender, &media).unwrap();
            assert_eq!(open(&mut receiver, &packet), Ok(media));
            packet[15] = 2;
            assert_eq!(open(&mut receiver, &packet), Err(OpenError::Malformed));
        }
    }

    #[test]
    fn windows_of_media_and_control_are_apart() {
        let (mut sender, mut receiver) = pair(Profile::Aes128CmSha1_80);
        for sequence in 0..3 {
            let packet = protected(&mut sender, &rtp(1, sequence, b"")).unwrap();
            assert!(open(&mut receiver, &packet).is_ok());
            let packet = protected_rtcp(&mut sender, &rtcp(1, b"")).unwrap();
            assert!(open_rtcp(&mut receiver, &packet).is_ok());
        }
    }

    /// A source begins before the wrap, and its first packet to arrive is one from after it.
    #[test]
    fn a_wrap_that_was_missed_is_noticed() {
        for profile in Profile::ALL {
            for len in [10, 1200] {
                let (mut sender, mut receiver) = pair(profile);
                let plain = |sequence: u16| rtp(1, sequence, &alloc::vec![0xAB; len]);
                let packets =
                    [65_534, 65_535, 0, 1, 2].map(|sequence| protected(&mut sender, &plain(sequence)).unwrap());
                assert_eq!(open(&mut receiver, &packets[3]), Ok(plain(1)), "{profile:?}");
                assert_eq!(open(&mut receiver, &packets[1]), Ok(plain(65_535)));
                assert_eq!(open(&mut receiver, &packets[4]), Ok(plain(2)));
                assert_eq!(open(&mut receiver, &packets[3]), Err(OpenError::Replayed));
                assert_eq!(receiver.sources.get(Ssrc(1)).map(Source::highest), Some(0x1_0002));
            }
        }
    }

    #[test]
    fn a_source_may_begin_at_zero_and_be_overtaken_by_its_last_round() {
        let (mut sender, mut receiver) = pair(Profile::AeadAes256Gcm);
        let packet = protected(&mut sender, &rtp(1, 0, b"")).unwrap();
        assert!(open(&mut receiver, &packet).is_ok());
        assert_eq!(receiver.sources.get(Ssrc(1)).map(Source::highest), Some(0));
        // There is no round before the first: a forged number far ahead does no harm.
        assert_eq!(open(&mut receiver, &[&rtp(1, 0xFFFF, b"")[..], &[0; 16]].concat()), Err(OpenError::NotAuthentic));
        assert_eq!(receiver.sources.get(Ssrc(1)).map(Source::highest), Some(0));
    }

    #[test]
    fn one_source_too_many_is_refused_once_it_is_authentic() {
        let master = master(Profile::AeadAes128Gcm);
        let mut sender = Sender::new(&master, &sender::Config::default());
        let mut receiver = Receiver::new(&master, &Config { max_sources: 2, ..Config::default() });
        for ssrc in 1..=3 {
            let media = protected(&mut sender, &rtp(ssrc, 5, b"")).unwrap();
            let control = protected_rtcp(&mut sender, &rtcp(ssrc, b"")).unwrap();
            let expected = if ssrc <= 2 { None } else { Some(OpenError::TooManySources) };
            assert_eq!(open(&mut receiver, &media).err(), expected);
            assert_eq!(open_rtcp(&mut receiver, &control).err(), expected);
        }
        assert_eq!(open(&mut receiver, &[&rtp(4, 5, b"")[..], &[0; 16]].concat()), Err(OpenError::NotAuthentic));
        assert!(receiver.retire(Ssrc(1)) && !receiver.retire(Ssrc(1)));
        let media = protected(&mut sender, &rtp(3, 6, b"")).unwrap();
        let control = protected_rtcp(&mut sender, &rtcp(3, b"")).unwrap();
        assert!(open(&mut receiver, &media).is_ok() && open_rtcp(&mut receiver, &control).is_ok());
        assert_eq!(receiver.sources(), 2);
    }

    #[test]
    fn what_a_retired_source_sent_cannot_be_replayed() {
        for profile in Profile::ALL {
            let (mut sender, mut receiver) = pair(profile);
            let packets = [4, 5, 6].map(|sequence| protected(&mut sender, &rtp(1, sequence, b"media")).unwrap());
            let control = [(); 2].map(|()| protected_rtcp(&mut sender, &rtcp(1, b"")).unwrap());
            assert!(open(&mut receiver, &packets[1]).is_ok() && open_rtcp(&mut receiver, &control[0]).is_ok());
            assert!(receiver.retire(Ssrc(1)));
            assert_eq!(open(&mut receiver, &packets[1]), Err(OpenError::TooOld));
            assert_eq!(
                open(&mut receiver, &packets[0]),
                Err(OpenError::TooOld),
                "it never arrived, but that is forgotten"
            );
            assert_eq!(open_rtcp(&mut receiver, &control[0]), Err(OpenError::TooOld));
            assert!(open(&mut receiver, &packets[2]).is_ok() && open_rtcp(&mut receiver, &control[1]).is_ok());
            assert_eq!(open(&mut receiver, &packets[2]), Err(OpenError::Replayed));
        }
    }

    #[test]
    fn a_flood_of_forged_sources_leaves_nothing() {
        for profile in Profile::ALL {
            let (_, mut receiver) = pair(profile);
            for ssrc in 0..2000 {
                let tag = [ssrc as u8; 20];
                assert!(open(&mut receiver, &[&rtp(ssrc, 1, b"")[..], &tag].concat()).is_err());
                assert!(open_rtcp(&mut receiver, &[&rtcp(ssrc, b"")[..], &tag, &[0x80, 0, 0, 0]].concat()).is_err());
            }
            assert_eq!((receiver.sources(), receiver.rtcp_sources.live()), (0, 0));
            assert!(receiver.spare.capacity() <= 2048);
        }
    }
}
