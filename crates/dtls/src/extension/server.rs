//! Extensions of a ServerHello.

use alloc::vec::Vec;

use crate::alert::ParseError;
use crate::extension::alpn::{self, ProtocolName};
use crate::extension::block::{self, Block};
use crate::extension::client::{empty, first_handshake, point_formats};
use crate::extension::key_share::KeyShare;
use crate::extension::kind::{ExtensionSet, ExtensionType};
use crate::extension::limit;
use crate::extension::list::{Item, List};
use crate::extension::use_srtp::SelectedSrtp;
use crate::extension::vector::{self, exact};
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
            block::write(out, Type::COOKIE, |out| vector::write16(out, |out| out.extend_from_slice(cookie)));
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
            Type::COOKIE if retry => {
                let cookie = exact(body, "cookie is malformed", |r| vector::read16(r).filter(|c| !c.is_empty()))?;
                self.cookie = Some(cookie);
            }
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
