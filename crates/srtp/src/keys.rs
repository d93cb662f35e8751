//! Session keys.

use alloc::boxed::Box;

use crate::extension::{Hider, Ids};
use crate::kdf::{Kdf, Label};
use crate::master::Master;
use crate::profile::INDEX_LEN;
use crate::transform::Transform;

/// All that is derived from one master key.
#[derive(Debug)]
pub(crate) struct Keys {
    pub rtp: Transform,
    pub rtcp: Transform,
    pub extensions: Option<Box<Hider>>,
}

impl Keys {
    pub fn new(master: &Master, encrypted_extensions: Ids) -> Self {
        let (kdf, profile) = (Kdf::new(master), master.profile());
        Self {
            rtp: Transform::new(
                profile,
                &kdf,
                [Label::RtpCipher, Label::RtpMac, Label::RtpSalt],
                profile.rtp_overhead(),
            ),
            rtcp: Transform::new(
                profile,
                &kdf,
                [Label::RtcpCipher, Label::RtcpMac, Label::RtcpSalt],
                profile.rtcp_overhead() - INDEX_LEN,
            ),
            extensions: Hider::new(&kdf, profile, encrypted_extensions).map(Box::new),
        }
    }
}
