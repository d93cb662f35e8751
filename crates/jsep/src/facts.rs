//! A description reduced to what the exchange needs to know of it.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use peerage_sdp::attribute::Attribute;
use peerage_sdp::attribute::candidate::Candidate;
use peerage_sdp::attribute::fingerprint::Fingerprint;
use peerage_sdp::attribute::flag;
use peerage_sdp::attribute::group::Group;
use peerage_sdp::attribute::ice_options::IceOptions;
use peerage_sdp::attribute::ice_pwd::IcePwd;
use peerage_sdp::attribute::ice_ufrag::IceUfrag;
use peerage_sdp::attribute::max_message_size::MaxMessageSize;
use peerage_sdp::attribute::mid::Mid;
use peerage_sdp::attribute::sctp_init::SctpInit;
use peerage_sdp::attribute::sctp_port::SctpPort;
use peerage_sdp::attribute::sctpmap::Sctpmap;
use peerage_sdp::attribute::setup::Setup;
use peerage_sdp::attribute::tls_id::TlsId;
use peerage_sdp::description::Description;
use peerage_sdp::error::ParseError;
use peerage_sdp::media::Media;
use peerage_sdp::section::Section;

use crate::codec;
use crate::error::Error;
use crate::rtp::RtpFacts;

/// The format of data sections, and the application of a legacy `sctpmap`.
pub(crate) const DATA_CHANNEL: &str = "webrtc-datachannel";

/// Candidates of a description, and as many again that come after it. More than any agent has.
pub(crate) const MAX_CANDIDATES: usize = 256;

/// One side's description.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) sections: Vec<SectionFacts>,
    /// The first live data section.
    pub(crate) data: Option<usize>,
    /// The transport under the data section, else under the first one of audio or video.
    pub(crate) link: Option<Link>,
    /// The RTP section whose transport all share: the tagged one of the BUNDLE group.
    pub(crate) tagged: Option<usize>,
    /// Whether any BUNDLE group was written, and whether what is on the transport is in one.
    pub(crate) has_bundle: bool,
    pub(crate) bundled: bool,
    /// The INIT chunk in the data section, or the line that should be one.
    pub(crate) sctp_init: Result<Option<SctpInit>, ParseError>,
}

/// What the other side's description refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Nothing,
    Data,
    All,
}

/// One media section.
#[derive(Clone, Debug)]
pub(crate) struct SectionFacts {
    pub(crate) mid: Option<Mid>,
    pub(crate) media: String,
    pub(crate) protocol: String,
    /// The first format, enough for a section without media.
    pub(crate) format: Format,
    /// Neither a port nor `bundle-only`.
    pub(crate) rejected: bool,
    pub(crate) data: Option<DataFacts>,
    /// An open audio or video section, where those are negotiated.
    pub(crate) rtp: Option<Box<RtpFacts>>,
    /// Whether the one transport carries it.
    pub(crate) carried: bool,
    /// The generation that the section itself names.
    pub(crate) ufrag: Option<String>,
}

/// A payload type with what describes it: Firefox does not read a dynamic one without `rtpmap`, and neither browser
/// recognises H.264 without `fmtp`.
#[derive(Clone, Debug)]
pub(crate) struct Format {
    pub(crate) name: Option<String>,
    pub(crate) rtpmap: Option<String>,
    pub(crate) fmtp: Option<String>,
}

/// The SCTP part of a data section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DataFacts {
    pub(crate) form: DataForm,
    pub(crate) port: u16,
    pub(crate) max_message_size: u64,
}

/// How a data section is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DataForm {
    /// `UDP/DTLS/SCTP webrtc-datachannel` with `sctp-port` (RFC 8841).
    Current,
    /// `DTLS/SCTP 5000` with `sctpmap`, the form before RFC 8841.
    Legacy,
}

/// One side of a transport.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    /// The section whose candidates count.
    pub(crate) index: usize,
    pub(crate) ufrag: IceUfrag,
    pub(crate) pwd: IcePwd,
    pub(crate) lite: bool,
    pub(crate) ice_options: IceOptions,
    pub(crate) setup: Option<Setup>,
    pub(crate) fingerprints: Vec<Fingerprint>,
    pub(crate) tls_id: Option<TlsId>,
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) ended: bool,
}

impl Facts {
    /// Reads a description and holds it to what RFC 9429 §5.8.3 asks of any. `media`: audio and video are read too.
    pub(crate) fn read(description: &Description, media: bool) -> Result<Self, Error> {
        let mids = mids(description)?;
        let bundles = bundles(description, &mids)?;
        let bundle_of = |mid: &Option<Mid>| bundles.iter().find(|g| mid.as_ref().is_some_and(|m| g.mids.contains(m)));
        let mut sections = Vec::with_capacity(mids.len());
        for (lines, mid) in description.media.iter().zip(mids) {
            let bundled = bundle_of(&mid).is_some();
            let mut facts = section(description, lines, mid, bundled)?;
            if media && !facts.rejected {
                facts.rtp = RtpFacts::read(description, lines).map(Box::new);
            }
            sections.push(facts);
        }
        let data = sections.iter().position(|s| !s.rejected && s.data.is_some());
        let anchor = data.or_else(|| {
            let bundled = sections.iter().position(|s| s.rtp.is_some() && bundle_of(&s.mid).is_some());
            bundled.or_else(|| sections.iter().position(|s| s.rtp.is_some()))
        });
        let group = anchor.and_then(|index| bundle_of(&sections[index].mid));
        let own = anchor.filter(|index| sections[*index].rtp.is_some());
        let tagged = group.and_then(|group| tagged(description, &sections, group)).or(own);
        let link = anchor.map(|index| link(description, &sections[index], tagged.unwrap_or(index))).transpose()?;
        for (index, section) in sections.iter_mut().enumerate() {
            let member = group.is_some_and(|group| section.mid.as_ref().is_some_and(|mid| group.mids.contains(mid)));
            section.carried = !section.rejected && (member || anchor == Some(index));
        }
        let current = data.filter(|index| sections[*index].data.is_some_and(|d| d.form == DataForm::Current));
        let sctp_init = current.map_or(Ok(None), |index| description.media[index].section.find());
        let (has_bundle, bundled) = (!bundles.is_empty(), group.is_some());
        Ok(Self { data, link, tagged, has_bundle, bundled, sctp_init, sections })
    }

    /// The other side's description refuses the data section, or everything, so that nothing is left that needs a
    /// transport.
    pub(crate) fn refuse(&mut self, what: Refused) {
        if what != Refused::Nothing {
            self.data = None;
            self.sctp_init = Ok(None);
        }
        if what == Refused::All {
            self.link = None;
        }
    }

    /// Leaves out of an offer each payload type that an earlier section on the transport uses for another codec, and what repeats
    /// it. RFC 9143 §10.1.1 forbids them, but Firefox 153 offers them when it adds a section to one that it answered; the
    /// answer takes what is left, as it may.
    pub(crate) fn drop_ambiguous(&mut self) {
        let mut known = BTreeMap::new();
        let mut ambiguous = Vec::new();
        for (index, section) in self.sections.iter().enumerate().filter(|(_, section)| section.carried) {
            for format in section.rtp.iter().flat_map(|rtp| &rtp.formats) {
                if !format.means_the_same(known.entry(format.payload_type).or_insert(format)) {
                    ambiguous.push((index, format.payload_type));
                }
            }
        }
        for (index, payload_type) in ambiguous {
            let Some(rtp) = &mut self.sections[index].rtp else { continue };
            let repeats = |format: &codec::Format| format.repeats().is_some_and(|apt| apt.payload_type == payload_type);
            rtp.formats.retain(|format| format.payload_type != payload_type && !repeats(format));
        }
    }

    /// The INIT chunk of the data section, if it has a good one.
    pub(crate) fn init(&self) -> Option<&[u8]> {
        self.sctp_init.as_ref().ok()?.as_ref().map(SctpInit::as_bytes)
    }

    /// What an open audio or video section says.
    pub(crate) fn rtp(&self, index: usize) -> Option<&RtpFacts> {
        self.sections.get(index).filter(|section| !section.rejected)?.rtp.as_deref()
    }

    /// The live data section's own facts.
    pub(crate) fn data_facts(&self) -> Option<DataFacts> {
        self.sections.get(self.data?)?.data
    }
}

/// The name of every section; no two are equal (RFC 5888 §4).
fn mids(description: &Description) -> Result<Vec<Option<Mid>>, Error> {
    let mut mids: Vec<Option<Mid>> = Vec::with_capacity(description.media.len());
    for media in &description.media {
        let mid = media.section.find::<Mid>()?;
        if mid.is_some() && mids.contains(&mid) {
            let mid = mid.map(|m| m.to_string()).unwrap_or_default();
            return Err(Error::access(format!("two media sections have the mid '{mid}'")));
        }
        mids.push(mid);
    }
    Ok(mids)
}

/// The BUNDLE groups; members exist and are in one group only (RFC 9143 §5).
fn bundles(description: &Description, mids: &[Option<Mid>]) -> Result<Vec<Group>, Error> {
    let mut bundles: Vec<Group> = Vec::new();
    for group in description.session.all::<Group>() {
        let group = group?;
        if !group.is_bundle() {
            continue;
        }
        for (index, mid) in group.mids.iter().enumerate() {
            if !mids.iter().flatten().any(|m| m == mid) {
                return Err(Error::access(format!("the BUNDLE group names the mid '{mid}', which no section has")));
            }
            if group.mids[..index].contains(mid) || bundles.iter().any(|g| g.mids.contains(mid)) {
                return Err(Error::access(format!("the mid '{mid}' is in the BUNDLE groups twice")));
            }
        }
        bundles.push(group);
    }
    Ok(bundles)
}

fn section(description: &Description, media: &Media, mid: Option<Mid>, bundled: bool) -> Result<SectionFacts, Error> {
    let open = media.line.port != 0 || (bundled && media.section.has(flag::BUNDLE_ONLY));
    let data = if open { data(media)? } else { None };
    // Port 0 inside SCTP closes the association (RFC 8841 §5.1).
    let closed = data.is_some_and(|d| d.port == 0);
    let ufrag = match media.section.find::<IceUfrag>() {
        Ok(found) => found.or(description.session.find::<IceUfrag>().unwrap_or(None)),
        // A refused section may hold anything.
        Err(_) if !open => None,
        Err(error) => return Err(error.into()),
    };
    Ok(SectionFacts {
        mid,
        media: media.line.media.clone(),
        protocol: media.line.protocol.clone(),
        format: format(media),
        rejected: !open || closed,
        data,
        rtp: None,
        carried: false,
        ufrag: ufrag.map(|u| u.as_str().to_owned()),
    })
}

fn format(media: &Media) -> Format {
    let name = media.line.formats.first();
    let described = |attribute: &str| {
        let of_name = |value: &str| value.split(' ').next() == name.map(String::as_str);
        let mut values = media.section.attributes().filter(|(name, _)| *name == attribute).map(|(_, value)| value);
        values.find(|value| of_name(value)).map(ToOwned::to_owned)
    };
    Format { name: name.cloned(), rtpmap: described("rtpmap"), fmtp: described("fmtp") }
}

/// A data section in either form; `None` for anything else.
fn data(media: &Media) -> Result<Option<DataFacts>, Error> {
    let line = &media.line;
    if line.media != "application" {
        return Ok(None);
    }
    let max_message_size = media.section.find::<MaxMessageSize>()?.unwrap_or(MaxMessageSize::DEFAULT).0;
    let format = line.formats.first().map_or("", String::as_str);
    let (form, port) = match &*line.protocol {
        "UDP/DTLS/SCTP" | "TCP/DTLS/SCTP" | "DTLS/SCTP" if line.formats.iter().any(|f| f == DATA_CHANNEL) => {
            // Chromium takes 5000 where the port is absent.
            (DataForm::Current, media.section.find::<SctpPort>()?.map_or(5000, |p| p.0))
        }
        "DTLS/SCTP" => {
            let map = media.section.find::<Sctpmap>()?;
            let known = map.as_ref().is_none_or(|m| m.application == DATA_CHANNEL && m.port.to_string() == format);
            match format.parse() {
                Ok(port) if known => (DataForm::Legacy, port),
                _ => return Ok(None),
            }
        }
        _ => return Ok(None),
    };
    Ok(Some(DataFacts { form, port, max_message_size }))
}

/// The RTP section that carries the transport of a group: its first one that has a port (RFC 9143 §7.3.1).
fn tagged(description: &Description, sections: &[SectionFacts], group: &Group) -> Option<usize> {
    let has_port = |index: &usize| description.media[*index].line.port != 0;
    let mut members = group.mids.iter().filter_map(|mid| sections.iter().position(|s| s.mid.as_ref() == Some(mid)));
    members.find(has_port).filter(|index| sections[*index].is_rtp() && sections[*index].ufrag.is_some())
}

/// The transport of a section, as section `index` or the session level states it.
fn link(description: &Description, anchor: &SectionFacts, index: usize) -> Result<Link, Error> {
    let kind = if anchor.data.is_some() { "data" } else { &*anchor.media };
    let missing = |what: &str| Error::access(format!("the {kind} section '{}' has no {what}", name(anchor)));
    let section = &description.media[index].section;
    let mut fingerprints = section.all().collect::<Result<Vec<Fingerprint>, _>>()?;
    if fingerprints.is_empty() {
        fingerprints = description.session.all().collect::<Result<_, _>>()?;
    }
    if fingerprints.is_empty() {
        return Err(missing("fingerprint"));
    }
    fingerprints.sort();
    fingerprints.dedup();
    let ended = section.has(flag::END_OF_CANDIDATES) || description.session.has(flag::END_OF_CANDIDATES);
    Ok(Link {
        index,
        ufrag: inherited(description, index)?.ok_or_else(|| missing("ice-ufrag"))?,
        pwd: inherited(description, index)?.ok_or_else(|| missing("ice-pwd"))?,
        lite: description.session.has(flag::ICE_LITE),
        ice_options: inherited(description, index)?.unwrap_or(IceOptions(Vec::new())),
        setup: inherited(description, index)?,
        fingerprints,
        tls_id: inherited(description, index)?,
        candidates: candidates(section),
        ended,
    })
}

/// The candidates of the RTP component. One in a form that is not known is passed over (RFC 8839 §5.1).
fn candidates(section: &Section) -> Vec<Candidate> {
    let readable = section.all::<Candidate>().filter_map(Result::ok);
    readable.filter(|c| c.component() == "1").take(MAX_CANDIDATES).collect()
}

fn inherited<A: Attribute>(description: &Description, index: usize) -> Result<Option<A>, Error> {
    Ok(description.inherited(index)?)
}

impl SectionFacts {
    /// Whether the section carries RTP.
    pub(crate) fn is_rtp(&self) -> bool {
        self.protocol.split('/').any(|part| part == "RTP")
    }
}

/// How a message names a section.
pub(crate) fn name(section: &SectionFacts) -> &str {
    section.mid.as_ref().map_or(&*section.media, Mid::as_str)
}
