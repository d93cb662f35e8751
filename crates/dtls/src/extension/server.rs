//! Extensions of a ServerHello.

use alloc::vec::Vec;

use crate::alert::ParseError;
use crate::extension::alpn::{self, ProtocolName};
use crate::extension::block::{self, Block};
use crate::extension::client::{empty, first_handshake, point_formats};
use crate::extension::cookie;
use crate::extension::key_share::KeyShare;
use crate::extension::kind::{ExtensionSet, ExtensionType};
use crate::extension::limit;
use crate::extension::list::{Item, List};
use crate::extension::use_srtp::SelectedSrtp;
use crate::extension::vector::exact;
use crate::suite::Group;

/// Extensions of a ServerHello or a HelloRetryRequest, of both versions (RFC 8446 §4.1.3, RFC 5246 §7.4.1.4).
///
/// With `supported_version` it is of DTLS 1.3 and has nothing of what stands below `cookie`; without it, it is of
/// DTLS 1.2 and has nothing of what stands above.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServerExtensions<'a> {
    /// The version chosen, two bytes as on the wire (RFC 8446 §4.2.1).
    pub supported_version: Option<u16>,
    /// Of a ServerHello.
    pub key_share: Option<KeyShare<'a>>,
    /// Of a HelloRetryRequest: the group to send a share of (RFC 8446 §4.2.8).
    pub selected_group: Option<Group>,
    /// Of a HelloRetryRequest: to be given back, not empty (RFC 8446 §4.2.2).
    pub cookie: Option<&'a [u8]>,
    pub use_srtp: Option<SelectedSrtp<'a>>,
    pub alpn: Option<ProtocolName<'a>>,
    /// As in [`ClientExtensions`](crate::extension::client::ClientExtensions).
    pub record_size_limit: Option<u16>,
    pub extended_master_secret: bool,
    pub ec_point_formats: bool,
    pub renegotiation_info: bool,
}

impl<'a> ServerExtensions<'a> {
    /// `retry`: of a HelloRetryRequest, whose key_share has another form. An extension that is not known here was not
    /// offered either (RFC 8446 §4.2).
    pub(crate) fn parse(mut block: Block<'a>, retry: bool) -> Result<Self, ParseError> {
        let mut extensions = Self::default();
        while let Some((kind, body)) = block.next()? {
            extensions.take(kind, body, retry)?;
        }
        extensions.check_version(retry)?;
        Ok(extensions)
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        use ExtensionType as Type;
        if let Some(share) = &self.key_share {
            block::write(out, Type::KEY_SHARE, |out| share.write(out));
        } else if let Some(group) = self.selected_group {
            block::write(out, Type::KEY_SHARE, |out| group.write(out));
        }
        if let Some(version) = self.supported_version {
            block::write(out, Type::SUPPORTED_VERSIONS, |out| version.write(out));
        }
        if let Some(cookie) = self.cookie {
            cookie::write(out, cookie);
        }
        if let Some(srtp) = &self.use_srtp {
            block::write(out, Type::USE_SRTP, |out| srtp.write(out));
        }
        if self.extended_master_secret {
            block::write(out, Type::EXTENDED_MASTER_SECRET, |_| {});
        }
        if self.ec_point_formats {
            block::write(out, Type::EC_POINT_FORMATS, |out| out.extend_from_slice(&[1, 0]));
        }
        if self.renegotiation_info {
            block::write(out, Type::RENEGOTIATION_INFO, |out| out.push(0));
        }
        if let Some(name) = self.alpn {
            block::write(out, Type::ALPN, |out| List::new(&[name]).write16(out));
        }
        if let Some(limit) = self.record_size_limit {
            block::write(out, Type::RECORD_SIZE_LIMIT, |out| limit.write(out));
        }
    }

    pub(crate) fn present(&self) -> ExtensionSet {
        use ExtensionType as Type;
        ExtensionSet::default()
            .with(Type::SUPPORTED_VERSIONS, self.supported_version.is_some())
            .with(Type::KEY_SHARE, self.key_share.is_some() || self.selected_group.is_some())
            .with(Type::COOKIE, self.cookie.is_some())
            .with(Type::USE_SRTP, self.use_srtp.is_some())
            .with(Type::ALPN, self.alpn.is_some())
            .with(Type::RECORD_SIZE_LIMIT, self.record_size_limit.is_some())
            .with(Type::EXTENDED_MASTER_SECRET, self.extended_master_secret)
            .with(Type::EC_POINT_FORMATS, self.ec_point_formats)
            .with(Type::RENEGOTIATION_INFO, self.renegotiation_info)
    }

    /// Whether the client asked for all of it. A cookie comes unasked (RFC 8446 §4.2).
    pub(crate) fn check_offered(&self, offered: ExtensionSet) -> Result<(), ParseError> {
        if self.present().is_subset_of(offered.with(ExtensionType::COOKIE, true)) {
            return Ok(());
        }
        Err(ParseError::unsupported("the ServerHello has an extension that was not offered"))
    }

    fn take(&mut self, kind: ExtensionType, body: &'a [u8], retry: bool) -> Result<(), ParseError> {
        use ExtensionType as Type;
        match kind {
            Type::SUPPORTED_VERSIONS => {
                self.supported_version = Some(exact(body, "supported_versions is malformed", |r| r.u16())?);
            }
            Type::KEY_SHARE if retry => {
                self.selected_group = Some(exact(body, "key_share is malformed", Item::read)?);
            }
            Type::KEY_SHARE => self.key_share = Some(exact(body, "key_share is malformed", Item::read)?),
            Type::COOKIE if retry => self.cookie = Some(cookie::parse(body)?),
            Type::USE_SRTP => self.use_srtp = Some(exact(body, "use_srtp is malformed", SelectedSrtp::read)?),
            Type::ALPN => self.alpn = Some(exact(body, "ALPN is malformed", alpn::read_selected)?),
            Type::RECORD_SIZE_LIMIT => self.record_size_limit = Some(limit::parse(body)?),
            Type::EXTENDED_MASTER_SECRET => self.extended_master_secret = empty(body)?,
            Type::EC_POINT_FORMATS => self.ec_point_formats = point_formats(body)?,
            Type::RENEGOTIATION_INFO => self.renegotiation_info = first_handshake(body)?,
            kind if kind.is_known() => return Err(ParseError::illegal("the ServerHello may not have this extension")),
            _ => return Err(ParseError::unsupported("the ServerHello has an extension that was not offered")),
        }
        Ok(())
    }

    fn check_version(&self, retry: bool) -> Result<(), ParseError> {
        use ExtensionType as Type;
        let of_13 = ExtensionSet::default()
            .with(Type::SUPPORTED_VERSIONS, true)
            .with(Type::KEY_SHARE, true)
            .with(Type::COOKIE, true);
        let present = self.present();
        if self.supported_version.is_some() {
            if !present.is_subset_of(of_13) {
                return Err(ParseError::illegal("the ServerHello has extensions that belong into EncryptedExtensions"));
            }
        } else if retry {
            return Err(ParseError::missing("the HelloRetryRequest has no supported_versions"));
        } else if present.contains(Type::KEY_SHARE) {
            return Err(ParseError::illegal("the ServerHello has a key_share without supported_versions"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::AlertDescription;

    const ILLEGAL: AlertDescription = AlertDescription::ILLEGAL_PARAMETER;
    const VERSION: (ExtensionType, &[u8]) = (ExtensionType::SUPPORTED_VERSIONS, &[0xFE, 0xFC]);
    const SHARE: (ExtensionType, &[u8]) = (ExtensionType::KEY_SHARE, &[0, 0x1D, 0, 1, 7]);
    const COOKIE: (ExtensionType, &[u8]) = (ExtensionType::COOKIE, &[0, 1, 7]);
    const EMS: (ExtensionType, &[u8]) = (ExtensionType::EXTENDED_MASTER_SECRET, &[]);

    fn alert(retry: bool, list: &[(ExtensionType, &[u8])]) -> Option<AlertDescription> {
        let mut out = Vec::new();
        list.iter().for_each(|(kind, body)| block::write(&mut out, *kind, |out| out.extend_from_slice(body)));
        ServerExtensions::parse(Block::new(&out), retry).err().map(|error| error.alert)
    }

    #[test]
    fn an_extension_stands_in_the_hello_of_its_version() {
        assert_eq!(alert(false, &[SHARE, VERSION]), None);
        assert_eq!(alert(false, &[EMS]), None);
        assert_eq!(alert(false, &[]), None);
        assert_eq!(alert(false, &[VERSION, SHARE, EMS]), Some(ILLEGAL));
        assert_eq!(alert(false, &[SHARE]), Some(ILLEGAL));
        assert_eq!(alert(false, &[VERSION, SHARE, COOKIE]), Some(ILLEGAL));
        assert_eq!(alert(false, &[(ExtensionType::SUPPORTED_GROUPS, &[0, 2, 0, 0x1D])]), Some(ILLEGAL));
        assert_eq!(alert(false, &[(ExtensionType::SIGNATURE_ALGORITHMS, &[0, 2, 4, 3])]), Some(ILLEGAL));
        assert_eq!(alert(false, &[(ExtensionType::USE_SRTP, &[0, 2, 0, 7, 0]), VERSION]), Some(ILLEGAL));
    }

    #[test]
    fn a_retry_names_a_group_and_a_version() {
        let group = (ExtensionType::KEY_SHARE, &[0, 0x17][..]);
        assert_eq!(alert(true, &[VERSION, group, COOKIE]), None);
        assert_eq!(alert(true, &[VERSION, SHARE]), Some(AlertDescription::DECODE_ERROR));
        assert_eq!(alert(false, &[VERSION, group]), Some(AlertDescription::DECODE_ERROR));
        assert_eq!(alert(true, &[group]), Some(AlertDescription::MISSING_EXTENSION));
    }

    #[test]
    fn nothing_unknown_was_asked_for() {
        let ticket = (ExtensionType(35), &[][..]);
        assert_eq!(alert(false, &[ticket]), Some(AlertDescription::UNSUPPORTED_EXTENSION));
    }

    #[test]
    fn a_choice_is_exactly_one() {
        use ExtensionType as Type;
        assert_eq!(alert(false, &[(Type::USE_SRTP, &[0, 2, 0, 7, 0])]), None);
        assert_eq!(alert(false, &[(Type::ALPN, &[0, 2, 1, b'a'])]), None);
        for two in [(Type::USE_SRTP, &[0, 4, 0, 7, 0, 8, 0][..]), (Type::ALPN, &[0, 4, 1, b'a', 1, b'b'])] {
            assert_eq!(alert(false, &[two]), Some(AlertDescription::DECODE_ERROR));
        }
    }

    #[test]
    fn an_answer_needs_an_offer() {
        let answer = ServerExtensions { extended_master_secret: true, cookie: Some(&[1]), ..Default::default() };
        let offer = ExtensionSet::default().with(ExtensionType::EXTENDED_MASTER_SECRET, true);
        assert_eq!(answer.check_offered(offer), Ok(()));
        let refused = answer.check_offered(ExtensionSet::default()).unwrap_err();
        assert_eq!(refused.alert, AlertDescription::UNSUPPORTED_EXTENSION);
    }
}
