//! EncryptedExtensions.

use alloc::vec::Vec;

use peerage_base::reader::Reader;

use crate::alert::ParseError;
use crate::extension::alpn::{self, ProtocolName};
use crate::extension::block::{self, Block};
use crate::extension::kind::{ExtensionSet, ExtensionType};
use crate::extension::limit;
use crate::extension::list::{Item, List};
use crate::extension::use_srtp::SelectedSrtp;
use crate::extension::vector::{self, exact};
use crate::suite::Group;

/// A server's answers that the key exchange does not need: extensions with two bytes of length (RFC 8446 §4.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct EncryptedExtensions<'a> {
    pub use_srtp: Option<SelectedSrtp<'a>>,
    pub alpn: Option<ProtocolName<'a>>,
    /// As in [`ClientExtensions`](crate::extension::client::ClientExtensions).
    pub record_size_limit: Option<u16>,
    /// What the server would prefer another time.
    pub supported_groups: Option<List<'a, Group>>,
}

impl<'a> EncryptedExtensions<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let mut block = Block::last(&mut Reader::new(body))?;
        let mut extensions = Self::default();
        while let Some((kind, body)) = block.next()? {
            extensions.take(kind, body)?;
        }
        Ok(extensions)
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        vector::write16(out, |out| self.write_block(out));
    }

    /// Whether the client asked for all of it (RFC 8446 §4.2).
    pub(crate) fn check_offered(&self, offered: ExtensionSet) -> Result<(), ParseError> {
        let present = ExtensionSet::default()
            .with(ExtensionType::USE_SRTP, self.use_srtp.is_some())
            .with(ExtensionType::ALPN, self.alpn.is_some())
            .with(ExtensionType::RECORD_SIZE_LIMIT, self.record_size_limit.is_some())
            .with(ExtensionType::SUPPORTED_GROUPS, self.supported_groups.is_some());
        if present.is_subset_of(offered) {
            return Ok(());
        }
        Err(ParseError::unsupported("EncryptedExtensions has an extension that was not offered"))
    }

    fn write_block(&self, out: &mut Vec<u8>) {
        if let Some(groups) = &self.supported_groups {
            block::write(out, ExtensionType::SUPPORTED_GROUPS, |out| groups.write16(out));
        }
        if let Some(srtp) = &self.use_srtp {
            block::write(out, ExtensionType::USE_SRTP, |out| srtp.write(out));
        }
        if let Some(name) = self.alpn {
            block::write(out, ExtensionType::ALPN, |out| List::new(&[name]).write16(out));
        }
        if let Some(limit) = self.record_size_limit {
            block::write(out, ExtensionType::RECORD_SIZE_LIMIT, |out| limit.write(out));
        }
    }

    fn take(&mut self, kind: ExtensionType, body: &'a [u8]) -> Result<(), ParseError> {
        match kind {
            ExtensionType::USE_SRTP => {
                self.use_srtp = Some(exact(body, "use_srtp is malformed", SelectedSrtp::read)?);
            }
            ExtensionType::ALPN => self.alpn = Some(exact(body, "ALPN is malformed", alpn::read_selected)?),
            ExtensionType::RECORD_SIZE_LIMIT => self.record_size_limit = Some(limit::parse(body)?),
            ExtensionType::SUPPORTED_GROUPS => {
                self.supported_groups = Some(exact(body, "supported_groups is malformed", List::read16)?);
            }
            kind if kind.is_known() => {
                return Err(ParseError::illegal("EncryptedExtensions may not have this extension"));
            }
            _ => return Err(ParseError::unsupported("EncryptedExtensions has an extension that was not offered")),
        }
        Ok(())
    }
}
