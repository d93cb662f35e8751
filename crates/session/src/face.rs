//! What of the rooms below appears in the session's own interface, so that owners need import no other crate.

pub use peerage_crypto::keys::Keys;
#[cfg(feature = "seeded")]
pub use peerage_crypto::keys::seeded::SEEDED;
pub use peerage_crypto::keys::system::SYSTEM;
pub use peerage_crypto::random::seed;
pub use peerage_dtls::certificate::{Certificate, CertificateError};
pub use peerage_dtls::config::Versions as DtlsVersions;
pub use peerage_dtls::suite::{CipherSuite, Group};
pub use peerage_ice::candidate::CandidateKind;
pub use peerage_ice::priority::fair_preferences;
pub use peerage_jsep::description::{SdpType, SessionDescription};
pub use peerage_jsep::negotiation::OfferOptions;
pub use peerage_jsep::signaling::SignalingState;
pub use peerage_sctp::association::ChannelInfo;
pub use peerage_sctp::channel::{ChannelId, ChannelInit, ChannelState};
pub use peerage_sctp::config::{CongestionControl, OnShareExceeded};
pub use peerage_sctp::error::SendError;
pub use peerage_sctp::message::{Kind, Message};
pub use peerage_stun::{discovery, transaction};
pub use peerage_turn::client as relay_client;
