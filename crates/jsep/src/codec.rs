//! A format of a section, and which formats of two sides are the same one.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use peerage_sdp::attribute::fmtp::apt::Apt;
use peerage_sdp::attribute::fmtp::av1::Av1;
use peerage_sdp::attribute::fmtp::h264::H264;
use peerage_sdp::attribute::fmtp::h265::H265;
use peerage_sdp::attribute::fmtp::{Parameters, vp9};
use peerage_sdp::attribute::payload_type::PayloadType;
use peerage_sdp::attribute::rtcp_fb::Feedback;

/// A format as a description states it. Retransmissions are formats of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    pub(crate) payload_type: PayloadType,
    pub(crate) name: String,
    pub(crate) clock_rate: u32,
    pub(crate) channels: Option<u8>,
    pub(crate) parameters: Parameters,
    pub(crate) feedback: Vec<Feedback>,
}

/// What tells one format from another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity<'a> {
    pub(crate) name: &'a str,
    pub(crate) clock_rate: u32,
    pub(crate) channels: Option<u8>,
    pub(crate) parameters: &'a Parameters,
}

impl Format {
    pub(crate) fn identity(&self) -> Identity<'_> {
        let Self { name, clock_rate, channels, parameters, .. } = self;
        Identity { name, clock_rate: *clock_rate, channels: *channels, parameters }
    }

    /// What a retransmission repeats; `None` for any other format.
    pub(crate) fn repeats(&self) -> Option<Apt> {
        if self.name.eq_ignore_ascii_case("rtx") { Apt::of(&self.parameters) } else { None }
    }

    /// Whether a payload type that stands for both is no riddle. A repetition of another format is another format; unknown
    /// parameters may be those of a newer codec.
    pub(crate) fn means_the_same(&self, other: &Self) -> bool {
        let repeated = |format: &Self| format.repeats().map(|apt| apt.payload_type);
        let named = self.name.eq_ignore_ascii_case(&other.name) && self.clock_rate == other.clock_rate;
        named && repeated(self) == repeated(other)
    }

    /// The retransmissions of `self` among `formats`.
    pub(crate) fn repeated_by<'a>(&self, formats: &'a [Self]) -> Option<(&'a Self, Apt)> {
        formats.iter().find_map(|format| {
            let apt = format.repeats().filter(|apt| apt.payload_type == self.payload_type)?;
            Some((format, apt)).filter(|_| format.clock_rate == self.clock_rate)
        })
    }
}

/// Whether a format carries media itself: with nothing else a section is of no use.
pub(crate) fn carries_media(name: &str) -> bool {
    let helpers = ["rtx", "red", "ulpfec", "flexfec", "flexfec-03", "telephone-event", "CN"];
    !helpers.iter().any(|helper| helper.eq_ignore_ascii_case(name))
}

/// Whether a format is of repair packets in a stream of their own, as the draft that libwebrtc knows or as RFC 8627 has them.
pub(crate) fn is_flexfec(name: &str) -> bool {
    ["flexfec", "flexfec-03"].iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Whether two formats are one and the same, whatever their numbers: name, clock and channels, and the parameters that
/// choose another bitstream (RFC 6184 §8.2.2, RFC 9628 §6.2, RFC 7798 §7.2.2).
pub(crate) fn is_same(a: Identity<'_>, b: Identity<'_>) -> bool {
    let named = a.name.eq_ignore_ascii_case(b.name) && a.clock_rate == b.clock_rate;
    if !named || a.channels.unwrap_or(1) != b.channels.unwrap_or(1) {
        return false;
    }
    let bitstream = |parameters: &Parameters| match a.name {
        name if name.eq_ignore_ascii_case("H264") => {
            let read = H264::of(parameters)?;
            Some([read.profile_level_id.profile()? as u8, read.packetization_mode, 0, 0])
        }
        name if name.eq_ignore_ascii_case("VP9") => Some([vp9::profile(parameters)?, 0, 0, 0]),
        name if name.eq_ignore_ascii_case("AV1") => Some([Av1::of(parameters)?.profile, 0, 0, 0]),
        name if name.eq_ignore_ascii_case("H265") => {
            let read = H265::of(parameters).filter(|read| read.single_stream)?;
            Some([read.profile_space, read.profile, read.tier, 0])
        }
        _ => Some([0; 4]),
    };
    bitstream(a.parameters).is_some_and(|ours| bitstream(b.parameters) == Some(ours))
}

/// The parameters of an answer: ours, but the level of H.264 is the lower one unless both sides let levels differ
/// (RFC 6184 §8.2.2).
pub(crate) fn answered_parameters(name: &str, ours: &Parameters, offered: &Parameters) -> Parameters {
    if !name.eq_ignore_ascii_case("H264") {
        return ours.clone();
    }
    let (Some(own), Some(theirs)) = (H264::of(ours), H264::of(offered)) else { return ours.clone() };
    if own.level_asymmetry && theirs.level_asymmetry {
        return ours.clone();
    }
    let id = own.profile_level_id.lower(theirs.profile_level_id).to_string();
    let text = format!("packetization-mode={};profile-level-id={id}", own.packetization_mode);
    Parameters::new(&text).expect("a short text")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity<'a>(name: &'a str, parameters: &'a Parameters) -> Identity<'a> {
        Identity { name, clock_rate: 90_000, channels: None, parameters }
    }

    fn same(name: &str, ours: &str, theirs: &str) -> bool {
        let (ours, theirs) = (Parameters::new(ours).unwrap(), Parameters::new(theirs).unwrap());
        is_same(identity(name, &ours), identity(name, &theirs))
    }

    #[test]
    fn a_format_is_told_by_what_changes_its_bitstream() {
        assert!(same("VP8", "", "max-fs=12288;max-fr=60"));
        assert!(same("vp9", "", "profile-id=0") && !same("VP9", "profile-id=0", "profile-id=2"));
        assert!(same("AV1", "", "profile=0;level-idx=8") && !same("AV1", "", "profile=1"));
        assert!(same("H265", "level-id=93", "level-id=120") && !same("H265", "", "profile-id=2"));
        assert!(!same("H265", "", "tx-mode=MRST"));
        assert!(!same("VP9", "profile-id=9", "profile-id=9"), "what does not exist is no format");
    }

    #[test]
    fn h264_needs_the_same_profile_and_packetization_but_not_the_same_level() {
        let ours = "packetization-mode=1;profile-level-id=42e01f";
        assert!(same("H264", ours, "profile-level-id=42C00B;packetization-mode=1"));
        assert!(!same("H264", ours, "profile-level-id=42e01f"));
        assert!(!same("H264", ours, "profile-level-id=42001f;packetization-mode=1"));
        assert!(!same("H264", ours, "profile-level-id=640c1f;packetization-mode=1"));
    }

    #[test]
    fn levels_are_symmetric_unless_both_let_them_differ() {
        let ours = Parameters::new("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f").unwrap();
        let free = Parameters::new("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e00b").unwrap();
        let bound = Parameters::new("packetization-mode=1;profile-level-id=42e00b").unwrap();
        assert_eq!(answered_parameters("H264", &ours, &free), ours);
        assert_eq!(answered_parameters("h264", &ours, &bound).value("profile-level-id"), Some("42e00b"));
        assert_eq!(answered_parameters("VP8", &ours, &bound), ours);
    }
}
