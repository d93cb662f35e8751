//! What the two descriptions of a section have in common.

use alloc::vec;
use alloc::vec::Vec;

use peerage_sdp::attribute::direction::Direction;
use peerage_sdp::attribute::extmap::Extmap;
use peerage_sdp::attribute::fmtp::red;
use peerage_sdp::attribute::mid::Mid;
use peerage_sdp::attribute::rid::{RidDirection, RidId};
use peerage_sdp::attribute::rtcp_fb::Feedback;

use crate::codec::{Format, carries_media, is_same};
use crate::plan::{Codec, Extension, MediaPlan, RemoteStream, Rtx, SendEncoding};
use crate::rtp::RtpFacts;
use crate::signaling::Side;
use crate::transceiver::{Encoding, MediaKind, Transceiver};

/// An open section, as both sides describe it.
#[derive(Clone, Copy)]
pub(crate) struct Pair<'a> {
    pub(crate) ours: &'a RtpFacts,
    pub(crate) theirs: &'a RtpFacts,
    pub(crate) answerer: Side,
}

impl Pair<'_> {
    /// Whether any codec is in common.
    pub(crate) fn is_open(&self) -> bool {
        self.codecs().iter().any(|codec| carries_media(&codec.name))
    }

    /// Which way media flows, as we see it.
    pub(crate) fn direction(&self) -> Direction {
        self.ours.direction.and(self.theirs.direction.reversed())
    }

    /// What the owner has to do.
    pub(crate) fn plan(&self, index: usize, mid: Option<&Mid>, transceiver: &Transceiver, cname: &str) -> MediaPlan {
        let Self { ours, theirs, .. } = self;
        let receive = theirs.layers(RidDirection::Send);
        let taken = ours.layers(RidDirection::Recv);
        MediaPlan {
            index,
            mid: mid.map(|mid| mid.as_str().into()),
            kind: transceiver.kind,
            transceiver: transceiver.id,
            direction: self.direction(),
            codecs: self.codecs(),
            extensions: self.extensions(),
            mixed_extensions: ours.mixed && theirs.mixed,
            reduced_size: ours.reduced_size && theirs.reduced_size,
            encodings: self.encodings(&transceiver.sender.encodings),
            receive_rids: receive
                .into_iter()
                .map(|(id, _)| id)
                .filter(|id| taken.iter().any(|(own, _)| own == id))
                .collect(),
            remote_streams: theirs
                .ssrcs
                .iter()
                .map(|s| RemoteStream {
                    ssrc: s.ssrc,
                    repair_ssrc: s.repair,
                    fec_ssrc: s.protection,
                    cname: s.cname.clone(),
                })
                .collect(),
            cname: cname.into(),
            ptime: theirs.ptime,
            max_ptime: theirs.max_ptime,
            max_bitrate: theirs.limit,
        }
    }

    /// The encodings that are sent: those that both sides name, else the first one alone.
    pub(crate) fn encodings(&self, encodings: &[Encoding]) -> Vec<SendEncoding> {
        let (offered, wanted) = (self.ours.layers(RidDirection::Send), self.theirs.layers(RidDirection::Recv));
        let both = encodings.iter().filter_map(|encoding| {
            let rid = encoding.rid.as_ref()?;
            let own = offered.iter().find(|(id, _)| id == rid)?;
            let (_, paused) = wanted.iter().find(|(id, _)| id == rid)?;
            Some(sent(encoding, Some(rid.clone()), *paused || own.1))
        });
        let both: Vec<SendEncoding> = both.collect();
        match encodings.first() {
            Some(first) if both.is_empty() => vec![sent(first, None, false)],
            _ => both,
        }
    }

    fn codecs(&self) -> Vec<Codec> {
        let Self { ours, theirs, answerer } = self;
        let (answer, offer) = if *answerer == Side::Local { (ours, theirs) } else { (theirs, ours) };
        let mut codecs: Vec<Codec> = Vec::new();
        for format in answer.formats.iter().filter(|format| format.repeats().is_none()) {
            let same = |other: &&Format| is_same(other.identity(), format.identity());
            // Under the number that was offered, unless the answer has one of its own (RFC 3264 §6.1).
            let by_number = offer.formats.iter().filter(same).find(|other| other.payload_type == format.payload_type);
            let Some(other) = by_number.or_else(|| offer.formats.iter().find(same)) else { continue };
            let (own, remote) = if *answerer == Side::Local { (format, other) } else { (other, format) };
            if codecs.iter().any(|codec| codec.receive_payload_type == own.payload_type) {
                continue;
            }
            codecs.push(Codec {
                send_payload_type: remote.payload_type,
                receive_payload_type: own.payload_type,
                name: own.name.clone(),
                clock_rate: own.clock_rate,
                channels: own.channels.unwrap_or(1),
                local_parameters: own.parameters.clone(),
                remote_parameters: remote.parameters.clone(),
                feedback: common(&own.feedback, &remote.feedback),
                rtx: self.rtx(own, remote),
            });
        }
        let audio = ours.kind == MediaKind::Audio;
        let primaries: Vec<_> = codecs.iter().map(|codec| codec.receive_payload_type).collect();
        codecs.retain(|codec| {
            let red = audio && codec.name.eq_ignore_ascii_case("red");
            !red || red::primary(&codec.local_parameters).is_some_and(|primary| primaries.contains(&primary))
        });
        codecs
    }

    fn rtx(&self, own: &Format, remote: &Format) -> Option<Rtx> {
        let (ours, _) = own.repeated_by(&self.ours.formats)?;
        let (theirs, apt) = remote.repeated_by(&self.theirs.formats)?;
        Some(Rtx {
            send_payload_type: theirs.payload_type,
            receive_payload_type: ours.payload_type,
            time: apt.rtx_time,
        })
    }

    /// An identifier that the two sides do not share is of no use, unless it was only proposed (RFC 8285 §7): then that of the
    /// answer counts.
    fn extensions(&self) -> Vec<Extension> {
        let mut extensions: Vec<Extension> = Vec::new();
        for own in &self.ours.extensions {
            let fits = |other: &&Extmap| {
                let (answer, offer) = if self.answerer == Side::Local { (own, *other) } else { (*other, own) };
                own.uri == other.uri && answer.is_usable() && (answer.id == offer.id || !offer.is_usable())
            };
            let Some(other) = self.theirs.extensions.iter().find(fits) else { continue };
            // A proposal is the greater of the two.
            let Ok(id) = u8::try_from(own.id.min(other.id)) else { continue };
            let direction = own.direction.unwrap_or_default().and(other.direction.unwrap_or_default().reversed());
            let taken = extensions.iter().any(|extension| extension.id == id || extension.uri == own.uri);
            if direction != Direction::Inactive && !taken {
                extensions.push(Extension { id, uri: own.uri.clone(), direction });
            }
        }
        extensions
    }
}

fn sent(encoding: &Encoding, rid: Option<RidId>, paused: bool) -> SendEncoding {
    let Encoding { ssrc, repair_ssrc, fec_ssrc, .. } = *encoding;
    SendEncoding { rid, ssrc, repair_ssrc, fec_ssrc, paused }
}

fn common(ours: &[Feedback], theirs: &[Feedback]) -> Vec<Feedback> {
    ours.iter().filter(|kind| theirs.contains(kind)).cloned().collect()
}
