//! Extensions of a ClientHello.

use alloc::vec::Vec;

use crate::alert::{AlertDescription, ParseError};
use crate::extension::alpn::ProtocolName;
use crate::extension::block::{self, Block};
use crate::extension::cookie;
use crate::extension::key_share::KeyShare;
use crate::extension::kind::{ExtensionSet, ExtensionType};
use crate::extension::limit;
use crate::extension::list::List;
use crate::extension::use_srtp::UseSrtp;
use crate::extension::vector::{self, exact};
use crate::suite::{Group, SignatureScheme};

/// Extensions of a ClientHello, of both versions (RFC 8446 §4.2, RFC 5246 §7.4.1.4). Others are skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClientExtensions<'a> {
    /// One byte of length, then two per version, as on the wire: 0xFEFC is DTLS 1.3 (RFC 8446 §4.2.1).
    pub supported_versions: Option<List<'a, u16>>,
    /// RFC 8446 §4.2.7, RFC 8422 §5.1.1.
    pub supported_groups: Option<List<'a, Group>>,
    /// No group comes twice. Empty if the client wants to be asked (RFC 8446 §4.2.8).
    pub key_share: Option<List<'a, KeyShare<'a>>>,
    /// RFC 8446 §4.2.3.
    pub signature_algorithms: Option<List<'a, SignatureScheme>>,
    /// That of a HelloRetryRequest, given back; not empty (RFC 8446 §4.2.2).
    pub cookie: Option<&'a [u8]>,
    pub use_srtp: Option<UseSrtp<'a>>,
    pub alpn: Option<List<'a, ProtocolName<'a>>>,
    /// Longest plaintext of a record, in bytes, at least 64 (RFC 8449 §4).
    pub record_size_limit: Option<u16>,
    /// Empty on the wire (RFC 7627 §5.1).
    pub extended_master_secret: bool,
    /// The list has the uncompressed form, the only one (RFC 8422 §5.1.2).
    pub ec_point_formats: bool,
    /// For a first handshake, so with an empty body of one byte of length (RFC 5746 §3.2).
    pub renegotiation_info: bool,
}

impl<'a> ClientExtensions<'a> {
    pub(crate) fn parse(mut block: Block<'a>) -> Result<Self, ParseError> {
        let mut extensions = Self::default();
        while let Some((kind, body)) = block.next()? {
            extensions.take(kind, body)?;
            if kind == ExtensionType::PRE_SHARED_KEY && !block.is_at_end() {
                return Err(ParseError::illegal("pre_shared_key is not the last extension"));
            }
        }
        Ok(extensions)
    }

    /// Appends the extensions in Chrome's order, without the length of the block.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        use ExtensionType as Type;
        if let Some(srtp) = &self.use_srtp {
            block::write(out, Type::USE_SRTP, |out| srtp.write(out));
        }
        if self.extended_master_secret {
            block::write(out, Type::EXTENDED_MASTER_SECRET, |_| {});
        }
        if let Some(versions) = &self.supported_versions {
            block::write(out, Type::SUPPORTED_VERSIONS, |out| versions.write8(out));
        }
        if let Some(shares) = &self.key_share {
            block::write(out, Type::KEY_SHARE, |out| shares.write16(out));
        }
        if let Some(schemes) = &self.signature_algorithms {
            block::write(out, Type::SIGNATURE_ALGORITHMS, |out| schemes.write16(out));
        }
        if let Some(groups) = &self.supported_groups {
            block::write(out, Type::SUPPORTED_GROUPS, |out| groups.write16(out));
        }
        if let Some(cookie) = self.cookie {
            cookie::write(out, cookie);
        }
        if self.ec_point_formats {
            block::write(out, Type::EC_POINT_FORMATS, |out| out.extend_from_slice(&[1, 0]));
        }
        if self.renegotiation_info {
            block::write(out, Type::RENEGOTIATION_INFO, |out| out.push(0));
        }
        if let Some(names) = &self.alpn {
            block::write(out, Type::ALPN, |out| names.write16(out));
        }
        if let Some(limit) = self.record_size_limit {
            block::write(out, Type::RECORD_SIZE_LIMIT, |out| out.extend_from_slice(&limit.to_be_bytes()));
        }
    }

    /// What a server may answer to.
    pub(crate) fn present(&self) -> ExtensionSet {
        use ExtensionType as Type;
        ExtensionSet::default()
            .with(Type::SUPPORTED_VERSIONS, self.supported_versions.is_some())
            .with(Type::SUPPORTED_GROUPS, self.supported_groups.is_some())
            .with(Type::KEY_SHARE, self.key_share.is_some())
            .with(Type::SIGNATURE_ALGORITHMS, self.signature_algorithms.is_some())
            .with(Type::COOKIE, self.cookie.is_some())
            .with(Type::USE_SRTP, self.use_srtp.is_some())
            .with(Type::ALPN, self.alpn.is_some())
            .with(Type::RECORD_SIZE_LIMIT, self.record_size_limit.is_some())
            .with(Type::EXTENDED_MASTER_SECRET, self.extended_master_secret)
            .with(Type::EC_POINT_FORMATS, self.ec_point_formats)
            .with(Type::RENEGOTIATION_INFO, self.renegotiation_info)
    }

    fn take(&mut self, kind: ExtensionType, body: &'a [u8]) -> Result<(), ParseError> {
        use ExtensionType as Type;
        match kind {
            Type::SUPPORTED_VERSIONS => {
                self.supported_versions = Some(exact(body, "supported_versions is malformed", List::read8)?);
            }
            Type::SUPPORTED_GROUPS => {
                self.supported_groups = Some(exact(body, "supported_groups is malformed", List::read16)?);
            }
            Type::KEY_SHARE => self.key_share = Some(shares(body)?),
            Type::SIGNATURE_ALGORITHMS => {
                self.signature_algorithms = Some(exact(body, "signature_algorithms is malformed", List::read16)?);
            }
            Type::COOKIE => self.cookie = Some(cookie::parse(body)?),
            Type::USE_SRTP => self.use_srtp = Some(exact(body, "use_srtp is malformed", UseSrtp::read)?),
            Type::ALPN => self.alpn = Some(exact(body, "ALPN is malformed", List::read16)?),
            Type::RECORD_SIZE_LIMIT => self.record_size_limit = Some(limit::parse(body)?),
            Type::EXTENDED_MASTER_SECRET => self.extended_master_secret = empty(body)?,
            Type::EC_POINT_FORMATS => self.ec_point_formats = point_formats(body)?,
            Type::RENEGOTIATION_INFO => self.renegotiation_info = first_handshake(body)?,
            _ => {}
        }
        Ok(())
    }
}

fn shares<'a>(body: &'a [u8]) -> Result<List<'a, KeyShare<'a>>, ParseError> {
    let shares: List<'a, KeyShare<'a>> =
        exact(body, "key_share is malformed", |r| vector::read16(r).and_then(List::parse))?;
    for (i, share) in shares.iter().enumerate() {
        if shares.iter().take(i).any(|before| before.group == share.group) {
            return Err(ParseError::illegal("two key shares of one group"));
        }
    }
    Ok(shares)
}

/// Reads an extended_master_secret. Here for both sides.
pub(crate) fn empty(body: &[u8]) -> Result<bool, ParseError> {
    match body {
        [] => Ok(true),
        _ => Err(ParseError::decode("extended_master_secret is not empty")),
    }
}

/// Reads ec_point_formats, which must have the uncompressed form. Here for both sides.
pub(crate) fn point_formats(body: &[u8]) -> Result<bool, ParseError> {
    let formats = exact(body, "ec_point_formats is malformed", vector::read8)?;
    if !formats.contains(&0) {
        return Err(ParseError::illegal("ec_point_formats has no uncompressed form"));
    }
    Ok(true)
}

/// Reads renegotiation_info, which must be that of a first handshake (RFC 5746 §3.4, §3.6). Here for both sides.
pub(crate) fn first_handshake(body: &[u8]) -> Result<bool, ParseError> {
    match exact(body, "renegotiation_info is malformed", vector::read8)? {
        [] => Ok(true),
        _ => Err(ParseError { alert: AlertDescription::HANDSHAKE_FAILURE, reason: "a renegotiation" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECODE: AlertDescription = AlertDescription::DECODE_ERROR;
    const ILLEGAL: AlertDescription = AlertDescription::ILLEGAL_PARAMETER;

    fn parse(body: &[u8]) -> Result<ClientExtensions<'_>, AlertDescription> {
        ClientExtensions::parse(Block::new(body)).map_err(|error| error.alert)
    }

    fn one(kind: ExtensionType, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        block::write(&mut out, kind, |out| out.extend_from_slice(body));
        out
    }

    #[track_caller]
    fn refused(kind: ExtensionType, body: &[u8], alert: AlertDescription) {
        assert_eq!(parse(&one(kind, body)), Err(alert));
    }

    #[test]
    fn malformed_extensions_are_refused() {
        use ExtensionType as Type;
        for bad in [&[][..], &[0], &[1, 0xFE], &[3, 0xFE, 0xFC, 0xFE], &[2, 0xFE, 0xFC, 0]] {
            refused(Type::SUPPORTED_VERSIONS, bad, DECODE);
        }
        for kind in [Type::SUPPORTED_GROUPS, Type::SIGNATURE_ALGORITHMS, Type::ALPN, Type::COOKIE, Type::USE_SRTP] {
            for bad in [&[][..], &[0], &[0, 0], &[0, 1], &[0, 3, 0, 0x1D], &[0, 2, 0, 0x1D, 9, 9]] {
                refused(kind, bad, DECODE);
            }
        }
        for bad in [&[][..], &[0], &[0, 4, 0, 0x1D, 0, 0], &[0, 3, 0, 0x1D, 0], &[0, 5, 0, 0x1D, 0, 2, 1]] {
            refused(Type::KEY_SHARE, bad, DECODE);
        }
        refused(Type::EXTENDED_MASTER_SECRET, &[0], DECODE);
        refused(Type::EC_POINT_FORMATS, &[2, 0], DECODE);
        refused(Type::EC_POINT_FORMATS, &[2, 1, 2], ILLEGAL);
        refused(Type::EC_POINT_FORMATS, &[0], ILLEGAL);
        refused(Type::RENEGOTIATION_INFO, &[], DECODE);
        refused(Type::RENEGOTIATION_INFO, &[1, 7], AlertDescription::HANDSHAKE_FAILURE);
        refused(Type::RECORD_SIZE_LIMIT, &[0, 63], ILLEGAL);
        refused(Type::ALPN, &[0, 1, 0], DECODE);
    }

    #[test]
    fn two_shares_of_one_group_are_refused() {
        let share = [0, 0x1D, 0, 1, 7];
        let two = [&[0, 10][..], &share, &share].concat();
        refused(ExtensionType::KEY_SHARE, &two, ILLEGAL);
        let mut many = Vec::new();
        vector::write16(&mut many, |out| {
            (0..33_u8).for_each(|group| out.extend_from_slice(&[1, group, 0, 1, 7]));
        });
        refused(ExtensionType::KEY_SHARE, &many, DECODE);
    }

    #[test]
    fn no_share_at_all_asks_for_a_retry() {
        let body = one(ExtensionType::KEY_SHARE, &[0, 0]);
        assert_eq!(parse(&body).unwrap().key_share, Some(List::EMPTY));
    }

    #[test]
    fn a_pre_shared_key_stands_last() {
        let psk = one(ExtensionType::PRE_SHARED_KEY, &[1, 2, 3]);
        let ems = one(ExtensionType::EXTENDED_MASTER_SECRET, &[]);
        assert!(parse(&[&ems[..], &psk].concat()).unwrap().extended_master_secret);
        assert_eq!(parse(&[&psk[..], &ems].concat()), Err(ILLEGAL));
    }

    #[test]
    fn what_greases_is_skipped() {
        let grease = [one(ExtensionType(0x1A1A), &[]), one(ExtensionType(0xEAEA), &[0])].concat();
        assert_eq!(parse(&grease), Ok(ClientExtensions::default()));
        let groups = one(ExtensionType::SUPPORTED_GROUPS, &[0, 4, 0x2A, 0x2A, 0, 0x1D]);
        assert!(parse(&groups).unwrap().supported_groups.unwrap().contains(Group::X25519));
        let shares = one(ExtensionType::KEY_SHARE, &[0, 5, 0x2A, 0x2A, 0, 1, 0]);
        assert_eq!(parse(&shares).unwrap().key_share.unwrap().iter().count(), 1);
    }

    #[test]
    fn each_extension_is_present_alone() {
        let hello = ClientExtensions { extended_master_secret: true, cookie: Some(&[1]), ..Default::default() };
        let set = hello.present();
        assert!(set.contains(ExtensionType::COOKIE) && set.contains(ExtensionType::EXTENDED_MASTER_SECRET));
        assert!(!set.contains(ExtensionType::ALPN));
    }
}
