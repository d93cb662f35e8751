//! Audio and video sections, in the order that Chromium and Firefox both take.

use alloc::vec::Vec;

use peerage_sdp::attribute::flag;
use peerage_sdp::attribute::fmtp::Fmtp;
use peerage_sdp::attribute::rtcp_fb::RtcpFb;
use peerage_sdp::attribute::rtpmap::Rtpmap;
use peerage_sdp::attribute::ssrc::Ssrc;
use peerage_sdp::attribute::ssrc_group::SsrcGroup;
use peerage_sdp::line::Line;
use peerage_sdp::media::{Media, MediaLine};
use peerage_sdp::section::Section;

use crate::codec::Format;
use crate::compose::{RtpOutline, StreamOutline};
use crate::write::{self, Kind, Transport};

/// A live section. `carrier`: it is the one that shows the transport's candidates.
pub(crate) fn section(transport: &Transport<'_>, kind: &Kind<'_>, outline: &RtpOutline, carrier: bool) -> Media {
    let (port, mut section) = write::open(transport, kind, carrier);
    outline.extensions.iter().for_each(|extension| section.push_attribute(extension));
    section.push(outline.direction.line());
    outline.msids.iter().for_each(|msid| section.push_attribute(msid));
    section.push(Line::flag(flag::RTCP_MUX));
    if outline.reduced_size {
        section.push(Line::flag(flag::RTCP_RSIZE));
    }
    outline.formats.iter().for_each(|format| push_format(&mut section, format));
    outline.rids.iter().for_each(|rid| section.push_attribute(rid));
    if let Some(simulcast) = &outline.simulcast {
        section.push_attribute(simulcast);
    }
    for &StreamOutline { ssrc, repair, protection } in &outline.streams {
        if let Some(repair) = repair {
            section.push_attribute(&SsrcGroup::flow(ssrc, repair));
        }
        if let Some(protection) = protection {
            section.push_attribute(&SsrcGroup::protection(ssrc, protection));
        }
        for ssrc in core::iter::once(ssrc).chain(repair).chain(protection) {
            section.push_attribute(&Ssrc::cname(ssrc, &outline.cname));
        }
    }
    if carrier {
        write::push_candidates(&mut section, transport.local);
    }
    let formats: Vec<_> = outline.formats.iter().map(|format| alloc::format!("{}", format.payload_type)).collect();
    let (media, protocol) = (kind.media.into(), kind.protocol.into());
    Media { line: MediaLine { media, port, port_count: None, protocol, formats }, section }
}

fn push_format(section: &mut Section, format: &Format) {
    let Format { payload_type, name, clock_rate, channels, parameters, feedback } = format.clone();
    section.push_attribute(&Rtpmap { payload_type, name, clock_rate, channels });
    for feedback in feedback {
        section.push_attribute(&RtcpFb { payload_type: Some(payload_type), feedback });
    }
    if !parameters.is_empty() {
        section.push_attribute(&Fmtp { payload_type, parameters });
    }
}
