//! What our audio and video sections say.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use peerage_sdp::attribute::direction::Direction;
use peerage_sdp::attribute::extmap::Extmap;
use peerage_sdp::attribute::fmtp::{Parameters, red};
use peerage_sdp::attribute::mid::Mid;
use peerage_sdp::attribute::msid::Msid;
use peerage_sdp::attribute::payload_type::PayloadType;
use peerage_sdp::attribute::rid::{Rid, RidDirection, RidId};
use peerage_sdp::attribute::simulcast::{Simulcast, SimulcastId};

use crate::capability::{CodecCapability, ExtensionCapability, MediaConfig};
use crate::codec::{Format, answered_parameters, carries_media, is_flexfec, is_same};
use crate::media::{Media, Place};
use crate::numbers::Numbers;
use crate::rtp::RtpFacts;
use crate::transceiver::{Encoding, MediaKind, Transceiver};

/// The header extension without which no packet tells its encoding (RFC 8852 §3.1).
pub(crate) const RID_EXTENSION: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";

/// An audio or video section to write.
#[derive(Clone, Debug)]
pub(crate) struct RtpOutline {
    pub(crate) direction: Direction,
    pub(crate) formats: Vec<Format>,
    pub(crate) extensions: Vec<Extmap>,
    pub(crate) msids: Vec<Msid>,
    pub(crate) cname: String,
    pub(crate) streams: Vec<StreamOutline>,
    pub(crate) rids: Vec<Rid>,
    pub(crate) simulcast: Option<Simulcast>,
    pub(crate) reduced_size: bool,
}

/// A stream to write, with those beside it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamOutline {
    pub(crate) ssrc: u32,
    /// Its retransmissions.
    pub(crate) repair: Option<u32>,
    /// Its repair packets.
    pub(crate) protection: Option<u32>,
}

/// One section of an offer.
pub(crate) struct ComposedSection {
    pub(crate) place: Place,
    pub(crate) kind: MediaKind,
    /// `None` closes it.
    pub(crate) outline: Option<RtpOutline>,
}

/// The audio and video sections of an offer.
#[derive(Default)]
pub(crate) struct Composed {
    pub(crate) sections: Vec<ComposedSection>,
    /// The first number that no section has for its name then.
    pub(crate) next_mid: u64,
}

impl Composed {
    /// The section of this place.
    pub(crate) fn at(&self, index: usize) -> Option<&ComposedSection> {
        self.sections.iter().find(|section| section.place.index == index)
    }
}

/// The sections of an offer: those that are agreed stay in their places, the others take those of sections that were
/// closed, then new ones (RFC 9429 §5.2.2). `free`: the places of closed sections; `count`: of all.
pub(crate) fn offer(
    config: &MediaConfig,
    media: &Media,
    mut numbers: Numbers,
    mut free: Vec<usize>,
    count: usize,
    next_mid: u64,
) -> Composed {
    let mut composed = Composed { sections: Vec::new(), next_mid };
    let mut appended = count;
    free.reverse();
    for transceiver in &media.transceivers {
        let Some(index) = transceiver.place else { continue };
        let place = Place { index, mid: transceiver.mid.clone(), transceiver: transceiver.id };
        let outline = (!transceiver.stopping).then(|| offered(config, media, transceiver, &mut numbers));
        composed.sections.push(ComposedSection { place, kind: transceiver.kind, outline });
    }
    for transceiver in media.transceivers.iter().filter(|t| !t.stopping && t.place.is_none()) {
        let index = free.pop().unwrap_or_else(|| {
            appended += 1;
            appended - 1
        });
        let mid = Mid::new(&format!("{}", composed.next_mid)).expect("digits are a token");
        composed.next_mid += 1;
        let place = Place { index, mid: Some(mid), transceiver: transceiver.id };
        let outline = Some(offered(config, media, transceiver, &mut numbers));
        composed.sections.push(ComposedSection { place, kind: transceiver.kind, outline });
    }
    composed
}

/// The sections of an answer, by place; `None` where nothing is in common, or nothing to answer with.
pub(crate) fn answer(
    config: &MediaConfig,
    media: &Media,
    mut numbers: Numbers,
    offer: &[Option<&RtpFacts>],
) -> Vec<Option<RtpOutline>> {
    let section = |(index, offered): (usize, &Option<&RtpFacts>)| {
        let transceiver = media.at(index).filter(|t| !t.stopped)?;
        answered(config, media, transceiver, (*offered)?, &mut numbers)
    };
    offer.iter().enumerate().map(section).collect()
}

/// Whether an offered section has anything that we could take.
pub(crate) fn has_common(config: &MediaConfig, offer: &RtpFacts) -> bool {
    let media = |codec: &&CodecCapability| carries_media(&codec.name);
    let same = |codec: &CodecCapability| offer.formats.iter().any(|f| is_same(codec.identity(), f.identity()));
    offer.mux && config.codecs(offer.kind).iter().filter(media).any(same)
}

fn offered(config: &MediaConfig, media: &Media, transceiver: &Transceiver, numbers: &mut Numbers) -> RtpOutline {
    let formats = offered_formats(config, transceiver, numbers);
    let extensions = config.extensions(transceiver.kind).iter().filter_map(|extension| {
        let id = numbers.extension(&extension.uri, extension.id)?;
        Some(extmap(id, &extension.uri, extension.direction))
    });
    let extensions: Vec<Extmap> = extensions.collect();
    let mut outline = outline(media, transceiver, transceiver.direction, formats, extensions, true);
    if outline.direction.sends() && transceiver.sender.encodings.len() > 1 && has_rids(&outline.extensions) {
        let names = names(&transceiver.sender.encodings).into_iter().map(|id| (id, false)).collect();
        add_layers(&mut outline, RidDirection::Send, names);
    }
    outline
}

fn answered(
    config: &MediaConfig,
    media: &Media,
    transceiver: &Transceiver,
    offer: &RtpFacts,
    numbers: &mut Numbers,
) -> Option<RtpOutline> {
    let formats = answered_formats(config, transceiver, offer);
    if !offer.mux || !formats.iter().any(|format| carries_media(&format.name)) {
        return None;
    }
    let extensions = answered_extensions(config.extensions(transceiver.kind), offer, numbers);
    let direction = transceiver.direction.and(offer.direction.reversed());
    let mut outline = outline(media, transceiver, direction, formats, extensions, offer.reduced_size);
    if has_rids(&outline.extensions) && transceiver.kind == MediaKind::Video {
        let (wanted, proposed) = (offer.layers(RidDirection::Recv), offer.layers(RidDirection::Send));
        let own = names(&transceiver.sender.encodings);
        let both: Vec<(RidId, bool)> = wanted.into_iter().filter(|(id, _)| own.contains(id)).collect();
        if direction.sends() && !both.is_empty() {
            add_layers(&mut outline, RidDirection::Send, both);
        }
        if direction.receives() && !proposed.is_empty() {
            add_layers(&mut outline, RidDirection::Recv, proposed);
        }
    }
    Some(outline)
}

/// The extensions that both sides have, under the offerer's identifiers. Those that it only proposes get identifiers of ours, of
/// several under one proposal a single one (RFC 8285 §7).
fn answered_extensions(table: &[ExtensionCapability], offer: &RtpFacts, numbers: &mut Numbers) -> Vec<Extmap> {
    let mut extensions: Vec<Extmap> = Vec::new();
    let mut proposals: Vec<u16> = Vec::new();
    for extension in &offer.extensions {
        let Some(ours) = table.iter().find(|own| own.uri == extension.uri) else { continue };
        let both = ours.direction.and(extension.direction.unwrap_or_default().reversed());
        if both == Direction::Inactive || extensions.iter().any(|known| known.uri == extension.uri) {
            continue;
        }
        let id = match extension.is_usable() {
            true => Some(extension.id),
            false if proposals.contains(&extension.id) => None,
            false => numbers.extension(&extension.uri, ours.id),
        };
        let Some(id) = id.filter(|id| extensions.iter().all(|known| known.id != *id)) else { continue };
        if !extension.is_usable() {
            proposals.push(extension.id);
        }
        extensions.push(extmap(id, &extension.uri, both));
    }
    extensions
}

/// A section without layers.
fn outline(
    media: &Media,
    transceiver: &Transceiver,
    direction: Direction,
    formats: Vec<Format>,
    extensions: Vec<Extmap>,
    reduced_size: bool,
) -> RtpOutline {
    let sender = &transceiver.sender;
    let (mut msids, mut streams) = (Vec::new(), Vec::new());
    if direction.sends() {
        let none = [Msid::NO_STREAM.to_owned()];
        let media_streams = if sender.streams.is_empty() { &none[..] } else { &sender.streams };
        let msid = |stream: &String| Msid { stream: stream.clone(), track: Some(sender.track.clone()) };
        msids = media_streams.iter().map(msid).collect();
        let repaired = formats.iter().any(|format| format.repeats().is_some());
        let protected = formats.iter().any(|format| is_flexfec(&format.name));
        streams.extend(sender.encodings.first().map(|encoding| StreamOutline {
            ssrc: encoding.ssrc,
            repair: repaired.then_some(encoding.repair_ssrc),
            protection: protected.then_some(encoding.fec_ssrc),
        }));
    }
    let cname = media.cname.clone();
    RtpOutline { direction, formats, extensions, msids, cname, streams, rids: vec![], simulcast: None, reduced_size }
}

/// Names encodings that go side by side. Their streams are told by the name in their packets, as browsers do.
fn add_layers(outline: &mut RtpOutline, direction: RidDirection, layers: Vec<(RidId, bool)>) {
    outline.rids.extend(layers.iter().map(|(id, _)| Rid::new(id.clone(), direction)));
    let streams = layers.into_iter().map(|(id, paused)| vec![SimulcastId { id, paused }]).collect();
    let simulcast = outline.simulcast.get_or_insert_default();
    match direction {
        RidDirection::Send => {
            simulcast.send = streams;
            outline.streams.clear();
        }
        RidDirection::Recv => simulcast.recv = streams,
    }
}

fn names(encodings: &[Encoding]) -> Vec<RidId> {
    encodings.iter().filter_map(|encoding| encoding.rid.clone()).collect()
}

fn has_rids(extensions: &[Extmap]) -> bool {
    extensions.iter().any(|extension| extension.uri == RID_EXTENSION)
}

fn extmap(id: u16, uri: &str, direction: Direction) -> Extmap {
    let direction = Some(direction).filter(|direction| *direction != Direction::SendRecv);
    Extmap { id, direction, uri: uri.to_owned(), attributes: None }
}

/// Our codecs in the order of the transceiver's preferences.
fn wanted<'a>(config: &'a MediaConfig, transceiver: &Transceiver) -> Vec<&'a CodecCapability> {
    let table = config.codecs(transceiver.kind);
    match &*transceiver.preferences {
        [] => table.iter().collect(),
        places => places.iter().filter_map(|place| table.get(*place)).collect(),
    }
}

fn is_audio_red(kind: MediaKind, name: &str) -> bool {
    kind == MediaKind::Audio && name.eq_ignore_ascii_case("red")
}

fn offered_formats(config: &MediaConfig, transceiver: &Transceiver, numbers: &mut Numbers) -> Vec<Format> {
    let mut formats: Vec<Format> = Vec::new();
    for codec in wanted(config, transceiver) {
        let mut parameters = codec.parameters.clone();
        if is_audio_red(transceiver.kind, &codec.name) {
            let alike = |f: &&Format| f.clock_rate == codec.clock_rate && f.channels == codec.channels;
            let Some(primary) = formats.iter().find(alike) else { continue };
            parameters = Parameters::new(&format!("{0}/{0}", primary.payload_type)).expect("a short text");
        }
        let Some(payload_type) = numbers.of(codec.identity()).or_else(|| numbers.free(codec.payload_type)) else {
            continue;
        };
        if formats.iter().any(|format| format.payload_type == payload_type) {
            continue;
        }
        let format = Format {
            payload_type,
            name: codec.name.clone().into_owned(),
            clock_rate: codec.clock_rate,
            channels: codec.channels,
            parameters,
            feedback: codec.feedback.clone(),
        };
        numbers.take(&format);
        formats.push(format);
        let Some(wish) = codec.rtx else { continue };
        if let Some(number) = numbers.of_repair(payload_type).or_else(|| numbers.free(wish)) {
            let repair = repair(number, payload_type, codec.clock_rate);
            numbers.take(&repair);
            formats.push(repair);
        }
    }
    formats
}

/// What both sides have, under the offerer's numbers (RFC 3264 §6.1), in its order unless there are preferences
/// (RFC 9429 §5.3.1).
fn answered_formats(config: &MediaConfig, transceiver: &Transceiver, offer: &RtpFacts) -> Vec<Format> {
    let mut formats: Vec<Format> = Vec::new();
    for (codec, offered) in pairs(&wanted(config, transceiver), transceiver.preferences.is_empty(), &offer.formats) {
        let red = is_audio_red(transceiver.kind, &codec.name);
        let parameters = match red {
            true => offered.parameters.clone(),
            false => answered_parameters(&codec.name, &codec.parameters, &offered.parameters),
        };
        let feedback = codec.feedback.iter().filter(|kind| offered.feedback.contains(kind)).cloned().collect();
        formats.push(Format { parameters, feedback, ..offered.clone() });
        let repair_of = |_| offered.repeated_by(&offer.formats);
        if let Some((format, _)) = codec.rtx.and_then(repair_of) {
            formats.push(repair(format.payload_type, offered.payload_type, offered.clock_rate));
        }
    }
    let numbers: Vec<PayloadType> = formats.iter().map(|format| format.payload_type).collect();
    let whole = |format: &Format| {
        let red = is_audio_red(transceiver.kind, &format.name);
        !red || red::primary(&format.parameters).is_some_and(|primary| numbers.contains(&primary))
    };
    formats.retain(whole);
    formats
}

/// Our codecs and the offered formats that are the same, each once.
fn pairs<'a>(
    codecs: &[&'a CodecCapability],
    by_offer: bool,
    offer: &'a [Format],
) -> Vec<(&'a CodecCapability, &'a Format)> {
    let mut pairs: Vec<(&CodecCapability, &Format)> = Vec::new();
    let same = |codec: &CodecCapability, format: &Format| is_same(codec.identity(), format.identity());
    if by_offer {
        for format in offer {
            let free = |codec: &&&CodecCapability| !pairs.iter().any(|(own, _)| core::ptr::eq(*own, **codec));
            if let Some(codec) = codecs.iter().filter(free).find(|codec| same(codec, format)) {
                pairs.push((codec, format));
            }
        }
    } else {
        for codec in codecs {
            if let Some(format) = offer.iter().find(|format| same(codec, format)) {
                pairs.push((codec, format));
            }
        }
    }
    pairs
}

fn repair(payload_type: PayloadType, original: PayloadType, clock_rate: u32) -> Format {
    let parameters = Parameters::new(&format!("apt={original}")).expect("a short text");
    Format { payload_type, name: "rtx".to_owned(), clock_rate, channels: None, parameters, feedback: Vec::new() }
}
