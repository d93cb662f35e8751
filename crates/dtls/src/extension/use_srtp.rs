//! Profiles of SRTP.

use alloc::vec::Vec;

use peerage_base::reader::Reader;

use crate::extension::list::List;
use crate::extension::vector;

/// What a client offers for SRTP: profiles with two bytes of length, a master key identifier with one (RFC 5764
/// §4.1.1). Numbers of profiles are raw, for a peer may name unknown ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UseSrtp<'a> {
    pub profiles: List<'a, u16>,
    /// At most 255 bytes, empty in WebRTC.
    pub mki: &'a [u8],
}

/// What a server chose: as the offer, with exactly one profile (RFC 5764 §4.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SelectedSrtp<'a> {
    pub profile: u16,
    /// Either empty or that of the offer.
    pub mki: &'a [u8],
}

impl<'a> UseSrtp<'a> {
    pub(crate) fn read(r: &mut Reader<'a>) -> Option<Self> {
        Some(Self { profiles: List::read16(r)?, mki: vector::read8(r)? })
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        self.profiles.write16(out);
        vector::write8(out, |out| out.extend_from_slice(self.mki));
    }
}

impl<'a> SelectedSrtp<'a> {
    pub(crate) fn read(r: &mut Reader<'a>) -> Option<Self> {
        let UseSrtp { profiles, mki } = UseSrtp::read(r)?;
        let mut profiles = profiles.iter();
        let profile = profiles.next().filter(|_| profiles.next().is_none())?;
        Some(Self { profile, mki })
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        UseSrtp { profiles: List::new(&[self.profile]), mki: self.mki }.write(out);
    }
}
