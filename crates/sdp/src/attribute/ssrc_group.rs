//! `a=ssrc-group`.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::Attribute;
use crate::text::{is_token, plain_number};

/// Streams that belong together (RFC 5576 §4.2): `<semantics> <ssrc> ...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SsrcGroup {
    /// `FID`, `FEC-FR`, `SIM` ...
    pub semantics: String,
    /// The members, at most 64.
    pub ssrcs: Vec<u32>,
}

const MAX_MEMBERS: usize = 64;

impl SsrcGroup {
    /// A stream and its retransmissions (RFC 5576 §4.2, RFC 4588 §8.5).
    pub const FID: &'static str = "FID";

    /// A stream and what protects it (RFC 5956 §4.3).
    pub const FEC_FR: &'static str = "FEC-FR";

    /// The group of a stream and its retransmissions.
    pub fn flow(original: u32, repair: u32) -> Self {
        Self { semantics: Self::FID.to_owned(), ssrcs: vec![original, repair] }
    }

    /// The group of a stream and its repair packets.
    pub fn protection(original: u32, repair: u32) -> Self {
        Self { semantics: Self::FEC_FR.to_owned(), ssrcs: vec![original, repair] }
    }

    /// The two members of a flow-identification group.
    pub fn as_flow(&self) -> Option<(u32, u32)> {
        self.pair(Self::FID)
    }

    /// The stream and its repair packets, where these protect no other.
    pub fn as_protection(&self) -> Option<(u32, u32)> {
        self.pair(Self::FEC_FR)
    }

    fn pair(&self, semantics: &str) -> Option<(u32, u32)> {
        match *self.ssrcs {
            [original, repair] if self.semantics == semantics => Some((original, repair)),
            _ => None,
        }
    }
}

impl Attribute for SsrcGroup {
    const NAME: &'static str = "ssrc-group";

    fn parse(value: &str) -> Option<Self> {
        let mut words = value.trim_end_matches(' ').split(' ');
        let semantics = words.next().filter(|s| is_token(s))?.to_owned();
        let ssrcs: Vec<u32> = words.take(MAX_MEMBERS + 1).map(plain_number).collect::<Option<_>>()?;
        (1..=MAX_MEMBERS).contains(&ssrcs.len()).then_some(Self { semantics, ssrcs })
    }

    fn write(&self, out: &mut String) {
        out.push(':');
        out.push_str(&self.semantics);
        for ssrc in &self.ssrcs {
            out.push_str(&format!(" {ssrc}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rewritten;
    use super::*;

    #[test]
    fn groups_list_streams() {
        let text = "FID 3105415124 1597663064";
        assert_eq!(rewritten::<SsrcGroup>(text).as_deref(), Some(text));
        assert_eq!(SsrcGroup::parse(text).unwrap().as_flow(), Some((3_105_415_124, 1_597_663_064)));
        assert_eq!(SsrcGroup::parse("SIM 1 2").unwrap().as_flow(), None);
        let protected = SsrcGroup::parse("FEC-FR 1234 2345").unwrap();
        assert_eq!((protected.as_flow(), protected.as_protection()), (None, Some((1234, 2345))));
        assert_eq!(protected, SsrcGroup::protection(1234, 2345));
        assert_eq!(SsrcGroup::parse("FEC-FR 1 2 3").unwrap().as_protection(), None);
        let many = format!("SIM{}", " 1".repeat(MAX_MEMBERS + 1));
        for text in ["", "FID", "FID x", "FID 1  2", "FID 4294967296", &many] {
            assert_eq!(SsrcGroup::parse(text), None, "{text:?}");
        }
    }
}
