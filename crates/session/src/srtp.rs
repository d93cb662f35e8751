//! The keys of audio and video, from those of DTLS (RFC 5764).

use peerage_dtls::suite::SrtpKeys;
use peerage_sctp::channel::Role;
use peerage_srtp::master::Master;
use peerage_srtp::profile::Profile;
use peerage_srtp::receiver::{Config as ReceiverConfig, Receiver};
use peerage_srtp::sender::{Config as SenderConfig, Sender};

/// Most sources of the peer, and of ours: what an authentic peer may make us remember.
const MAX_SOURCES: usize = 512;

/// Protects what leaves and unprotects what comes.
#[derive(Debug)]
pub(crate) struct Srtp {
    pub(crate) sender: Sender,
    pub(crate) receiver: Receiver,
}

impl Srtp {
    /// From what the handshake gave to the side of this role; `None` if it is not of the profile's length.
    pub(crate) fn new(keys: &SrtpKeys, role: Role) -> Option<Self> {
        let profile = Profile::from_number(keys.profile.number())?;
        let (client, server) = Master::from_export(profile, &keys.material)?;
        let (ours, theirs) = match role {
            Role::Client => (client, server),
            Role::Server => (server, client),
        };
        let (mut sending, mut receiving) = (SenderConfig::default(), ReceiverConfig::default());
        (sending.max_sources, receiving.max_sources) = (MAX_SOURCES, MAX_SOURCES);
        Some(Self { sender: Sender::new(&ours, &sending), receiver: Receiver::new(&theirs, &receiving) })
    }
}
