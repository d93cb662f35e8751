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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::AlertDescription;

    fn alert(kind: ExtensionType, body: &[u8]) -> Option<AlertDescription> {
        let mut out = Vec::new();
        vector::write16(&mut out, |out| block::write(out, kind, |out| out.extend_from_slice(body)));
        EncryptedExtensions::parse(&out).err().map(|error| error.alert)
    }

    #[test]
    fn only_what_belongs_here_is_taken() {
        use ExtensionType as Type;
        assert_eq!(alert(Type::USE_SRTP, &[0, 2, 0, 7, 0]), None);
        assert_eq!(alert(Type::USE_SRTP, &[0, 4, 0, 7, 0, 8, 0]), Some(AlertDescription::DECODE_ERROR));
        for kind in [Type::KEY_SHARE, Type::SUPPORTED_VERSIONS, Type::COOKIE, Type::EXTENDED_MASTER_SECRET] {
            assert_eq!(alert(kind, &[]), Some(AlertDescription::ILLEGAL_PARAMETER));
        }
        assert_eq!(alert(ExtensionType(0), &[]), Some(AlertDescription::UNSUPPORTED_EXTENSION));
        assert_eq!(EncryptedExtensions::parse(&[0, 0]), Ok(EncryptedExtensions::default()));
    }

    #[test]
    fn an_answer_needs_an_offer() {
        let answer = EncryptedExtensions { record_size_limit: Some(16_385), ..EncryptedExtensions::default() };
        assert_eq!(answer.check_offered(ExtensionSet::default().with(ExtensionType::RECORD_SIZE_LIMIT, true)), Ok(()));
        let refused = answer.check_offered(ExtensionSet::default()).unwrap_err();
        assert_eq!(refused.alert, AlertDescription::UNSUPPORTED_EXTENSION);
    }
}
