//! Packets that come by another way: retransmitted, wrapped in redundancy, or recovered from others.
//!
//! What arrives goes through [`Rewriter`] first, which makes retransmissions and RED what they carry, in place. What results
//! is either media, or a repair packet for [`Recovery`], which is shown all media too.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use peerage_rtp::error::ParseError;
use peerage_rtp::numbers::{PayloadType, SequenceNumber, Ssrc};
use peerage_rtp::packet::{Packet, raw};
use peerage_rtp::payload::fec::header::{MAX_STREAMS, Scheme};
use peerage_rtp::payload::fec::repair::{Failure, Repair};
use peerage_rtp::payload::{red, rtx};

use super::packets::{Bounds, Insertion, Packets};

/// Most streams of retransmissions: a simulcast of one peer has three.
pub const MAX_PAIRS: usize = 64;

/// Most packets that repair packets are yet to be tried with.
const MAX_TOUCHED: usize = 64;

/// What a packet is, once unwrapped.
#[derive(Debug, PartialEq, Eq)]
pub enum Unwrapped<'p> {
    /// As it was sent, or was wrapped in RED.
    Sent(&'p mut [u8]),
    /// It was sent again.
    Retransmitted(&'p mut [u8]),
    /// It was sent again, but carries nothing: padding that probes the path.
    Padding,
}

/// Undoes retransmission (RFC 4588) and the RED around video (RFC 2198, as ULPFEC needs it).
#[derive(Clone, Debug, Default)]
pub struct Rewriter {
    /// Retransmissions and the stream that they are of.
    pairs: Vec<(Ssrc, Ssrc)>,
    /// Payload types of retransmissions and what they stand for (`apt`).
    types: Vec<(PayloadType, PayloadType)>,
    red: Option<PayloadType>,
}

impl Rewriter {
    /// Nothing is agreed on.
    pub fn new() -> Self {
        Self::default()
    }

    /// `repair` retransmits `media` (`a=ssrc-group:FID`, or a repaired RID); `false` if there are too many.
    pub fn pair(&mut self, repair: Ssrc, media: Ssrc) -> bool {
        if let Some(pair) = self.pairs.iter_mut().find(|pair| pair.0 == repair) {
            pair.1 = media;
            return true;
        }
        let has_room = self.pairs.len() < MAX_PAIRS;
        if has_room {
            self.pairs.push((repair, media));
        }
        has_room
    }

    /// `repair` is the payload type of retransmissions of `media` (`a=fmtp` with `apt`).
    pub fn associate(&mut self, repair: PayloadType, media: PayloadType) {
        self.types.retain(|pair| pair.0 != repair);
        self.types.push((repair, media));
    }

    /// The payload type of RED around video; none for audio, whose repetitions are the jitter buffer's.
    pub const fn set_red(&mut self, red: Option<PayloadType>) {
        self.red = red;
    }

    /// The stream that `ssrc` retransmits.
    pub fn media(&self, ssrc: Ssrc) -> Option<Ssrc> {
        self.pairs.iter().find(|pair| pair.0 == ssrc).map(|pair| pair.1)
    }

    /// Makes `packet`, opened and parseable, what it carries.
    ///
    /// # Errors
    /// If it is no packet, a retransmission of nobody knows what, or its RED is malformed.
    pub fn unwrap<'p>(&self, packet: &'p mut [u8]) -> Result<Unwrapped<'p>, ParseError> {
        const NO_PACKET: ParseError = ParseError::Truncated("RTP header");
        let payload_type = raw::payload_type(packet).ok_or(NO_PACKET)?;
        let Some(original) = self.types.iter().find(|pair| pair.0 == payload_type).map(|pair| pair.1) else {
            return Ok(Unwrapped::Sent(self.without_red(packet)?));
        };
        let ssrc = raw::ssrc(packet).ok_or(NO_PACKET)?;
        let media = self.media(ssrc).ok_or(ParseError::Invalid("stream of retransmissions"))?;
        let header_len = raw::header_len(packet).ok_or(NO_PACKET)?;
        let len = packet.len() - usize::from(Packet::parse(packet)?.padding);
        if len < header_len + rtx::HEADER_LEN {
            return Ok(Unwrapped::Padding);
        }
        let packet = packet.get_mut(..len).ok_or(NO_PACKET)?;
        let restored = rtx::restore(packet, header_len, media, original)?;
        Ok(Unwrapped::Retransmitted(self.without_red(restored)?))
    }

    /// Moves the headers over those of RED, so that the packet is what it was before it was wrapped. Padding stays.
    fn without_red<'p>(&self, packet: &'p mut [u8]) -> Result<&'p mut [u8], ParseError> {
        if self.red.is_none() || raw::payload_type(packet) != self.red {
            return Ok(packet);
        }
        let parsed = Packet::parse(packet)?;
        let end = packet.len() - usize::from(parsed.padding);
        if parsed.payload.is_empty() {
            return Ok(packet);
        }
        let present = red::parse(parsed.payload)?.find(|block| block.is_present);
        let present = present.ok_or(ParseError::Truncated("RED"))?;
        let (payload_type, start) = (present.payload_type, end - present.payload.len());
        let header_len = raw::header_len(packet).ok_or(ParseError::Truncated("RTP header"))?;
        let from = start.checked_sub(header_len).ok_or(ParseError::Truncated("RED"))?;
        packet.copy_within(..header_len, from);
        let packet = packet.get_mut(from..).ok_or(ParseError::Truncated("RED"))?;
        if let Some(byte) = packet.get_mut(1) {
            *byte = *byte & 0x80 | payload_type.value();
        }
        Ok(packet)
    }
}

/// Bounds on what recovery keeps.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Most packets of each protected stream; 256. No repair packet protects more than 128 in a row.
    pub packets: usize,
    /// Most bytes of each protected stream; 512 KiB.
    pub bytes: usize,
    /// Most repair packets that wait for more to arrive; 32.
    pub repairs: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { packets: 256, bytes: 512 << 10, repairs: 32 }
    }
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Repair packets received (`fecPacketsReceived`).
    pub repairs: u64,
    /// Repair packets that were of no use (`fecPacketsDiscarded`).
    pub unused: u64,
    /// Packets recovered.
    pub recovered: u64,
    /// Repair packets that are malformed, or of which no packet came.
    pub malformed: u64,
}

/// A repair packet that waits.
#[derive(Clone, Debug)]
struct Waiting {
    /// Whose repair it is by the packet that brought it.
    sources: [Option<Ssrc>; MAX_STREAMS],
    /// What it protects: stream, first packet and the distance of the last.
    spans: [Option<(Ssrc, SequenceNumber, u16)>; MAX_STREAMS],
    payload: Vec<u8>,
}

impl Waiting {
    fn protects(&self, ssrc: Ssrc, number: SequenceNumber) -> bool {
        let mut spans = self.spans.iter().flatten();
        spans.any(|(of, base, last)| *of == ssrc && number.steps_from(*base) <= *last)
    }
}

#[derive(Clone, Debug)]
struct Protected {
    ssrc: Ssrc,
    highest: u64,
    packets: Packets<()>,
}

/// Recovers lost packets of the streams of one scheme (RFC 5109, RFC 8627), from a bounded number of others.
#[derive(Clone, Debug)]
pub struct Recovery {
    scheme: Scheme,
    config: Config,
    streams: Vec<Protected>,
    waiting: VecDeque<Waiting>,
    spare: Vec<Vec<u8>>,
    /// The last packet that was recovered.
    recovered: Vec<u8>,
    /// What has come since the waiting ones that protect it were tried.
    touched: Vec<(Ssrc, SequenceNumber)>,
    stats: Stats,
}

impl Recovery {
    /// Nothing has come.
    pub const fn new(scheme: Scheme, config: Config) -> Self {
        Self {
            scheme,
            config,
            streams: Vec::new(),
            waiting: VecDeque::new(),
            spare: Vec::new(),
            recovered: Vec::new(),
            touched: Vec::new(),
            stats: Stats { repairs: 0, unused: 0, recovered: 0, malformed: 0 },
        }
    }

    /// A whole media packet has come, unwrapped. After it, [`poll`](Self::poll).
    pub fn handle_media(&mut self, packet: &[u8]) {
        let Some((ssrc, number)) = raw::ssrc(packet).zip(raw::sequence_number(packet)) else { return };
        if self.keep(ssrc, number, packet) {
            self.touch(ssrc, number);
        }
    }

    /// A repair packet has come. After it, [`poll`](Self::poll).
    pub fn handle_repair(&mut self, packet: &Packet<'_>) {
        self.stats.repairs += 1;
        let mut sources = [None; MAX_STREAMS];
        match self.scheme {
            Scheme::Ulp => sources[0] = Some(packet.header.ssrc),
            Scheme::Flex03 => {}
            Scheme::Flex => sources.iter_mut().zip(packet.csrcs()).for_each(|(slot, csrc)| *slot = Some(csrc)),
        }
        let Ok(repair) = Repair::parse(self.scheme, packet.payload, sources.into_iter().flatten()) else {
            self.stats.malformed += 1;
            return;
        };
        let mut spans = [None; MAX_STREAMS];
        for (span, stream) in spans.iter_mut().zip(repair.streams()) {
            let last = stream.pattern.distances().last().unwrap_or(0);
            *span = Some((stream.ssrc, stream.base, last));
        }
        let mut payload = self.spare.pop().unwrap_or_default();
        payload.clear();
        payload.extend_from_slice(packet.payload);
        if self.waiting.len() >= self.config.repairs.max(1)
            && let Some(oldest) = self.waiting.pop_front()
        {
            self.stats.unused += 1;
            self.spare.push(oldest.payload);
        }
        self.waiting.push_back(Waiting { sources, spans, payload });
        if let Some((ssrc, base, _)) = spans[0] {
            self.touch(ssrc, base);
        }
    }

    /// The next packet that can be recovered: whole, headers included. To be called until there is none; what is recovered
    /// helps to recover others.
    pub fn poll(&mut self) -> Option<&[u8]> {
        while let Some((ssrc, number)) = self.touched.pop() {
            if self.recover_with(ssrc, number) {
                return Some(&self.recovered);
            }
        }
        None
    }

    /// Counts since the start.
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// Tries the repair packets that protect a packet; `false` if none of them recovers one.
    fn recover_with(&mut self, ssrc: Ssrc, number: SequenceNumber) -> bool {
        let mut at = 0;
        while let Some(waiting) = self.waiting.get(at) {
            if !waiting.protects(ssrc, number) {
                at += 1;
                continue;
            }
            match self.attempt(at) {
                Err(Failure::TooManyMissing) => at += 1,
                Err(failure) => {
                    self.stats.unused += u64::from(failure == Failure::NothingMissing);
                    self.stats.malformed += u64::from(failure == Failure::Malformed);
                    self.remove(at);
                }
                Ok((source, found)) => {
                    self.remove(at);
                    let packet = core::mem::take(&mut self.recovered);
                    let is_new = Packet::parse(&packet).is_ok() && self.keep(source, found, &packet);
                    self.recovered = packet;
                    if !is_new {
                        self.stats.malformed += 1;
                        continue;
                    }
                    self.stats.recovered += 1;
                    // Others may protect either.
                    self.touch(ssrc, number);
                    self.touch(source, found);
                    return true;
                }
            }
        }
        false
    }

    fn touch(&mut self, ssrc: Ssrc, number: SequenceNumber) {
        if self.touched.len() >= MAX_TOUCHED {
            self.touched.remove(0);
        }
        self.touched.push((ssrc, number));
    }

    fn attempt(&mut self, at: usize) -> Result<(Ssrc, SequenceNumber), Failure> {
        let waiting = self.waiting.get(at).ok_or(Failure::Malformed)?;
        let sources = waiting.sources.into_iter().flatten();
        let repair = Repair::parse(self.scheme, &waiting.payload, sources).map_err(|_| Failure::Malformed)?;
        let streams = &self.streams;
        let find = |ssrc, number: SequenceNumber| {
            let stream = streams.iter().find(|stream| stream.ssrc == ssrc)?;
            stream.packets.get(number.nearest(stream.highest)).map(|((), packet)| packet)
        };
        repair.recover(find, &mut self.recovered)
    }

    fn remove(&mut self, at: usize) {
        if let Some(waiting) = self.waiting.remove(at) {
            self.spare.push(waiting.payload);
        }
    }

    /// Keeps a packet; `false` if it is there, or too old.
    fn keep(&mut self, ssrc: Ssrc, number: SequenceNumber, packet: &[u8]) -> bool {
        let at = match self.streams.iter().position(|stream| stream.ssrc == ssrc) {
            Some(at) => at,
            None => {
                if self.streams.len() >= MAX_STREAMS {
                    self.streams.remove(0);
                }
                let bounds = Bounds { places: self.config.packets, bytes: self.config.bytes };
                let highest = u64::from(number.0) + (1 << 16);
                self.streams.push(Protected { ssrc, highest, packets: Packets::new(bounds) });
                self.streams.len() - 1
            }
        };
        let window = self.config.packets as u64;
        let stream = &mut self.streams[at];
        let index = number.nearest(stream.highest);
        stream.highest = stream.highest.max(index);
        stream.packets.forget_before((stream.highest + 1).saturating_sub(window));
        while stream.packets.bytes() + packet.len() > self.config.bytes
            && let Some(lowest) = stream.packets.lowest()
        {
            stream.packets.forget_before(lowest + 1);
        }
        stream.packets.insert(index, (), packet) == Insertion::New
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use peerage_rtp::payload::fec::repair;
    use proptest::prelude::*;

    const VP8: PayloadType = PayloadType::from_byte(96);
    const RTX: PayloadType = PayloadType::from_byte(97);
    const RED: PayloadType = PayloadType::from_byte(98);
    const ULP: PayloadType = PayloadType::from_byte(99);

    fn packet(ssrc: u32, kind: PayloadType, number: u16, padding: u8, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![if padding > 0 { 0xA0 } else { 0x80 }, 0x80 | kind.value()];
        packet.extend(number.to_be_bytes());
        packet.extend([0, 0, 0, 9]);
        packet.extend(ssrc.to_be_bytes());
        packet.extend(payload);
        if padding > 0 {
            packet.extend(vec![0; usize::from(padding) - 1]);
            packet.push(padding);
        }
        packet
    }

    fn rewriter() -> Rewriter {
        let mut rewriter = Rewriter::new();
        assert!(rewriter.pair(Ssrc(2), Ssrc(1)));
        rewriter.associate(RTX, VP8);
        rewriter.set_red(Some(RED));
        rewriter
    }

    #[test]
    fn a_retransmission_becomes_what_it_repeats() {
        let mut bytes = packet(2, RTX, 700, 3, &[0x12, 0x34, b'h', b'i']);
        let Ok(Unwrapped::Retransmitted(restored)) = rewriter().unwrap(&mut bytes) else { panic!("not restored") };
        assert_eq!(restored, packet(1, VP8, 0x1234, 0, b"hi"));
        let mut padding = packet(2, RTX, 701, 20, &[]);
        assert_eq!(rewriter().unwrap(&mut padding), Ok(Unwrapped::Padding));
        let mut foreign = packet(3, RTX, 702, 0, &[0, 1, 2]);
        assert!(rewriter().unwrap(&mut foreign).is_err());
    }

    #[test]
    fn red_is_taken_off_and_padding_stays() {
        let mut bytes = packet(1, RED, 5, 2, &[96, b'h', b'i']);
        let Ok(Unwrapped::Sent(plain)) = rewriter().unwrap(&mut bytes) else { panic!("not unwrapped") };
        assert_eq!(plain, packet(1, VP8, 5, 2, b"hi"));
        // An earlier payload before it is passed over.
        let mut bytes = packet(1, RED, 5, 0, &[0x80 | 96, 0, 0, 1, 99, b'x', b'h', b'i']);
        let Ok(Unwrapped::Sent(plain)) = rewriter().unwrap(&mut bytes) else { panic!("not unwrapped") };
        assert_eq!(plain, packet(1, ULP, 5, 0, b"hi"));
        assert!(rewriter().unwrap(&mut packet(1, RED, 5, 0, &[0x80])).is_err());
        // RED that was sent again.
        let mut bytes = packet(2, RTX, 5, 0, &[0, 9, 96, b'h', b'i']);
        let mut twice = rewriter();
        twice.associate(RTX, RED);
        let Ok(Unwrapped::Retransmitted(plain)) = twice.unwrap(&mut bytes) else { panic!("not restored") };
        assert_eq!(plain, packet(1, VP8, 9, 0, b"hi"));
    }

    #[test]
    fn pairs_are_bounded_and_follow_the_last_word() {
        let mut rewriter = rewriter();
        assert!(rewriter.pair(Ssrc(2), Ssrc(7)));
        assert_eq!(rewriter.media(Ssrc(2)), Some(Ssrc(7)));
        let taken = (100..300).filter(|n| rewriter.pair(Ssrc(*n), Ssrc(1))).count();
        assert_eq!(taken, MAX_PAIRS - 1);
    }

    fn protect(packets: &[&[u8]]) -> Vec<u8> {
        let mut room = vec![0; 2_000];
        let len = repair::build(Scheme::Ulp, packets.iter().copied(), &mut room).unwrap();
        room.truncate(len);
        room
    }

    fn media(number: u16) -> Vec<u8> {
        packet(1, VP8, number, 0, &vec![number as u8; 20 + usize::from(number % 7)])
    }

    fn drain(recovery: &mut Recovery) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(packet) = recovery.poll() {
            all.push(packet.to_vec());
        }
        all
    }

    #[test]
    fn a_lost_packet_comes_back_whatever_comes_first() {
        let all: Vec<_> = (65_533..=65_535).chain(0..3).map(media).collect();
        let payload = protect(&all.iter().map(|p| &p[..]).collect::<Vec<_>>());
        let bytes = packet(1, ULP, 3, 0, &payload);
        for position in 0..6 {
            let mut recovery = Recovery::new(Scheme::Ulp, Config::default());
            let mut told = Vec::new();
            for (n, packet) in all.iter().enumerate() {
                if n == position {
                    recovery.handle_repair(&Packet::parse(&bytes).unwrap());
                }
                if n != 2 {
                    recovery.handle_media(packet);
                }
                told.extend(drain(&mut recovery));
            }
            assert_eq!(told, [all[2].clone()], "{position}");
            assert_eq!(recovery.stats(), Stats { repairs: 1, recovered: 1, ..Stats::default() });
        }
    }

    #[test]
    fn what_is_recovered_helps_to_recover_more() {
        let all: Vec<_> = (10..14).map(media).collect();
        let mut recovery = Recovery::new(Scheme::Ulp, Config::default());
        recovery.handle_media(&all[0]);
        // 11 and 12 lost: the first repair has both, the second the latter only.
        for group in [&all[..3], &all[2..]] {
            let payload = protect(&group.iter().map(|p| &p[..]).collect::<Vec<_>>());
            recovery.handle_repair(&Packet::parse(&packet(1, ULP, 20, 0, &payload)).unwrap());
            assert!(drain(&mut recovery).is_empty());
        }
        recovery.handle_media(&all[3]);
        assert_eq!(drain(&mut recovery), [all[2].clone(), all[1].clone()]);
    }

    #[test]
    fn everything_is_bounded() {
        let mut recovery = Recovery::new(Scheme::Ulp, Config::default());
        for n in 0..3_000u16 {
            let (a, b) = (media(n.wrapping_mul(3)), media(n.wrapping_mul(3).wrapping_add(1)));
            let payload = protect(&[&a, &b]);
            recovery.handle_repair(&Packet::parse(&packet(1, ULP, n, 0, &payload)).unwrap());
            recovery.handle_media(&packet(u32::from(n % 50), VP8, n, 0, &[0; 1_000]));
            drain(&mut recovery);
            assert!(
                recovery.waiting.len() <= 32 && recovery.streams.len() <= MAX_STREAMS && recovery.spare.len() <= 33
            );
            assert!(recovery.streams.iter().all(|stream| stream.packets.len() <= 256));
        }
    }

    proptest! {
        #[test]
        fn noise_is_refused_without_harm(packets in prop::collection::vec((any::<bool>(), any::<u8>(), prop::collection::vec(any::<u8>(), 0..60)), 1..60)) {
            for scheme in [Scheme::Ulp, Scheme::Flex03, Scheme::Flex] {
                let mut recovery = Recovery::new(scheme, Config::default());
                for (is_repair, number, payload) in &packets {
                    let bytes = packet(1, VP8, (*number).into(), 0, payload);
                    match is_repair {
                        true => recovery.handle_repair(&Packet::parse(&bytes).unwrap()),
                        false => recovery.handle_media(&bytes),
                    }
                    let mut count = 0;
                    while recovery.poll().is_some() {
                        count += 1;
                        prop_assert!(count <= 64);
                    }
                    prop_assert!(recovery.waiting.len() <= 32);
                    let _ = rewriter().unwrap(&mut bytes.clone());
                }
            }
        }
    }
}
