//! What an audio or video section says.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use peerage_sdp::attribute::Attribute;
use peerage_sdp::attribute::direction::Direction;
use peerage_sdp::attribute::extmap::Extmap;
use peerage_sdp::attribute::flag;
use peerage_sdp::attribute::fmtp::{Fmtp, Parameters};
use peerage_sdp::attribute::maxptime::MaxPtime;
use peerage_sdp::attribute::msid::Msid;
use peerage_sdp::attribute::payload_type::PayloadType;
use peerage_sdp::attribute::ptime::Ptime;
use peerage_sdp::attribute::rid::{Rid, RidDirection, RidId};
use peerage_sdp::attribute::rtcp_fb::RtcpFb;
use peerage_sdp::attribute::rtpmap::Rtpmap;
use peerage_sdp::attribute::simulcast::Simulcast;
use peerage_sdp::attribute::ssrc::Ssrc;
use peerage_sdp::attribute::ssrc_group::SsrcGroup;
use peerage_sdp::bandwidth::Bandwidth;
use peerage_sdp::description::Description;
use peerage_sdp::media::Media;
use peerage_sdp::section::Section;

use crate::codec::Format;
use crate::transceiver::MediaKind;

/// An open audio or video section. Lines that cannot be read say nothing: newer stacks extend every one of them.
#[derive(Clone, Debug)]
pub(crate) struct RtpFacts {
    pub(crate) kind: MediaKind,
    pub(crate) direction: Direction,
    /// In the order of the `m=` line.
    pub(crate) formats: Vec<Format>,
    pub(crate) extensions: Vec<Extmap>,
    /// One- and two-byte header extensions may alternate.
    pub(crate) mixed: bool,
    pub(crate) msids: Vec<Msid>,
    pub(crate) ssrcs: Vec<StreamFacts>,
    pub(crate) rids: Vec<Rid>,
    pub(crate) simulcast: Simulcast,
    pub(crate) mux: bool,
    pub(crate) reduced_size: bool,
    pub(crate) ptime: Option<u32>,
    pub(crate) max_ptime: Option<u32>,
    /// Bits per second.
    pub(crate) limit: Option<u64>,
}

/// A stream that a section names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StreamFacts {
    pub(crate) ssrc: u32,
    pub(crate) cname: Option<String>,
    /// Its retransmissions.
    pub(crate) repair: Option<u32>,
    /// The repair packets that protect it.
    pub(crate) protection: Option<u32>,
}

/// Bounds of one section. What is beyond is passed over.
const MAX_EXTENSIONS: usize = 64;
const MAX_SSRCS: usize = 64;
const MAX_RIDS: usize = 16;
const MAX_MSIDS: usize = 16;
const MAX_FEEDBACK: usize = 16;

/// Protocols of RTP under DTLS-SRTP. Which of them is written says nothing (RFC 9429 §5.1.2).
const PROTOCOLS: [&str; 4] = ["UDP/TLS/RTP/SAVPF", "TCP/DTLS/RTP/SAVPF", "RTP/SAVPF", "UDP/TLS/RTP/SAVP"];

impl RtpFacts {
    /// Reads an open section; `None` if it is not audio or video under DTLS-SRTP.
    pub(crate) fn read(description: &Description, media: &Media) -> Option<Self> {
        let kind = MediaKind::from_word(&media.line.media)?;
        if !PROTOCOLS.contains(&&*media.line.protocol) {
            return None;
        }
        let section = &media.section;
        let session = &description.session;
        let mixed = session.has(flag::EXTMAP_ALLOW_MIXED) || section.has(flag::EXTMAP_ALLOW_MIXED);
        Some(Self {
            kind,
            direction: Direction::of(section).or_else(|| Direction::of(session)).unwrap_or_default(),
            formats: formats(media),
            extensions: extensions(session, section),
            mixed,
            msids: msids(section),
            ssrcs: ssrcs(section),
            rids: readable(section, MAX_RIDS),
            simulcast: section.all().find_map(Result::ok).unwrap_or_default(),
            mux: section.has(flag::RTCP_MUX) || section.has(flag::RTCP_MUX_ONLY),
            reduced_size: section.has(flag::RTCP_RSIZE),
            ptime: section.all::<Ptime>().find_map(Result::ok).map(|p| p.0),
            max_ptime: section.all::<MaxPtime>().find_map(Result::ok).map(|p| p.0),
            limit: Bandwidth::limit(section),
        })
    }

    /// The encodings that go this way side by side, each by its first alternative, and whether it begins paused. Empty
    /// without simulcast.
    pub(crate) fn layers(&self, direction: RidDirection) -> Vec<(RidId, bool)> {
        let known = |id: &RidId| self.rids.iter().any(|rid| rid.id == *id && rid.direction == direction);
        let mut layers: Vec<(RidId, bool)> = Vec::new();
        for stream in self.simulcast.streams(direction) {
            let first = stream.iter().find(|alternative| known(&alternative.id));
            if let Some(layer) = first.filter(|layer| layers.iter().all(|(id, _)| *id != layer.id)) {
                layers.push((layer.id.clone(), layer.paused));
            }
        }
        layers.truncate(MAX_RIDS);
        layers
    }

    /// The streams that the sender says its track is in.
    pub(crate) fn streams(&self) -> Vec<String> {
        let mut streams: Vec<String> = Vec::new();
        for stream in self.msids.iter().filter_map(Msid::stream) {
            if !streams.iter().any(|known| known == stream) {
                streams.push(stream.to_owned());
            }
        }
        streams
    }

    /// The identifier that the sender gives its track.
    pub(crate) fn track(&self) -> Option<&str> {
        self.msids.iter().find_map(|msid| msid.track.as_deref())
    }
}

fn readable<A: Attribute>(section: &Section, most: usize) -> Vec<A> {
    section.all().filter_map(Result::ok).take(most).collect()
}

/// Those of the section, and those that a description has for all of its sections (RFC 8285 §8).
fn extensions(session: &Section, section: &Section) -> Vec<Extmap> {
    let mut extensions: Vec<Extmap> = readable(section, MAX_EXTENSIONS);
    let inherited: Vec<Extmap> = readable(session, MAX_EXTENSIONS);
    extensions.extend(inherited);
    extensions.truncate(MAX_EXTENSIONS);
    extensions
}

/// The payload types of the `m=` line that are described, or need not be.
fn formats(media: &Media) -> Vec<Format> {
    let section = &media.section;
    let maps: Vec<Rtpmap> = section.all().filter_map(Result::ok).take(128).collect();
    let parameters: Vec<Fmtp> = section.all().filter_map(Result::ok).take(128).collect();
    let feedback: Vec<RtcpFb> = section.all().filter_map(Result::ok).take(128 * MAX_FEEDBACK).collect();
    let mut formats: Vec<Format> = Vec::new();
    for payload_type in media.line.formats.iter().filter_map(|format| PayloadType::parse(format)) {
        let map = maps.iter().find(|map| map.payload_type == payload_type);
        let Some((name, clock_rate, channels)) =
            map.map(|map| (map.name.clone(), map.clock_rate, map.channels)).or_else(|| well_known(payload_type))
        else {
            continue;
        };
        if formats.iter().any(|format| format.payload_type == payload_type) {
            continue;
        }
        let own = parameters.iter().find(|line| line.payload_type == payload_type);
        let of_it = |line: &&RtcpFb| line.payload_type.is_none_or(|number| number == payload_type);
        formats.push(Format {
            payload_type,
            name,
            clock_rate,
            channels,
            parameters: own.map_or_else(Parameters::default, |line| line.parameters.clone()),
            feedback: feedback.iter().filter(of_it).take(MAX_FEEDBACK).map(|line| line.feedback.clone()).collect(),
        });
    }
    formats
}

/// Payload types that mean something without a description (RFC 3551 §6).
fn well_known(payload_type: PayloadType) -> Option<(String, u32, Option<u8>)> {
    let name = match payload_type.get() {
        0 => "PCMU",
        8 => "PCMA",
        9 => "G722",
        13 => "CN",
        _ => return None,
    };
    Some((name.to_owned(), 8000, None))
}

/// What the section says, else what its first stream says: the older place.
fn msids(section: &Section) -> Vec<Msid> {
    let mut msids: Vec<Msid> = readable(section, MAX_MSIDS);
    if msids.is_empty() {
        let lines = section.all::<Ssrc>().filter_map(Result::ok).take(MAX_SSRCS);
        let of_msid = |line: &Ssrc| line.attribute.as_deref() == Some(Msid::NAME);
        msids.extend(lines.filter(of_msid).find_map(|line| Msid::parse(line.value.as_deref()?)));
    }
    msids
}

fn ssrcs(section: &Section) -> Vec<StreamFacts> {
    let mut streams: Vec<StreamFacts> = Vec::new();
    for line in section.all::<Ssrc>().filter_map(Result::ok) {
        let cname = line.as_cname().map(ToOwned::to_owned);
        if let Some(stream) = streams.iter_mut().find(|stream| stream.ssrc == line.ssrc) {
            stream.cname = stream.cname.take().or(cname);
        } else if streams.len() < MAX_SSRCS {
            streams.push(StreamFacts { ssrc: line.ssrc, cname, repair: None, protection: None });
        }
    }
    for group in section.all::<SsrcGroup>().filter_map(Result::ok).take(MAX_SSRCS) {
        pair(&mut streams, group.as_flow(), |stream| &mut stream.repair);
        pair(&mut streams, group.as_protection(), |stream| &mut stream.protection);
    }
    streams
}

/// Makes one stream what is beside another, if both were named, and that one has no such stream yet.
fn pair(
    streams: &mut Vec<StreamFacts>,
    group: Option<(u32, u32)>,
    place: impl Fn(&mut StreamFacts) -> &mut Option<u32>,
) {
    let Some((original, beside)) = group.filter(|(original, beside)| original != beside) else { return };
    if !streams.iter().any(|stream| stream.ssrc == beside) {
        return;
    }
    let of = streams.iter_mut().filter(|stream| stream.ssrc == original).map(place).find(|place| place.is_none());
    if let Some(place) = of {
        *place = Some(beside);
        streams.retain(|stream| stream.ssrc != beside);
    }
}
