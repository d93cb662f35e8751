//! What the owner's transport brings to a description.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use peerage_sdp::attribute::Attribute;
use peerage_sdp::attribute::candidate::Candidate;
use peerage_sdp::attribute::fingerprint::Fingerprint;
use peerage_sdp::attribute::ice_options::IceOptions;
use peerage_sdp::attribute::ice_pwd::IcePwd;
use peerage_sdp::attribute::ice_ufrag::IceUfrag;
use peerage_sdp::attribute::sctp_init::SctpInit;
use peerage_sdp::attribute::tls_id::TlsId;

use crate::error::Error;

/// Credentials, certificate and candidates of our side, as they are when a description is written.
#[derive(Clone)]
pub struct LocalTransport {
    /// ICE user name fragment: 4 to 256 letters, digits, `+` or `/`.
    pub ufrag: String,
    /// ICE password: 22 to 256 of the same.
    pub pwd: String,
    /// `<algorithm> <AB:CD:...>` for each certificate; one is enough, none is refused.
    pub fingerprints: Vec<String>,
    /// Candidates gathered so far, each as `candidate:...`.
    pub candidates: Vec<String>,
    /// Whether no more will follow in this generation.
    pub end_of_candidates: bool,
    /// Whether to say that candidates may follow. Default true.
    pub trickle: bool,
    /// Further ICE options that our side has (RFC 8839 §5.6): tokens of letters, digits and `-`. Default none.
    pub ice_options: Vec<String>,
    /// Names the DTLS association (RFC 8842 §4). Default none, as browsers; an answer carries it only if the offer did.
    pub tls_id: Option<String>,
    /// The SCTP INIT chunk, header included, that our side would open its association with
    /// (draft-hancke-tsvwg-snap-00). The same as long as the association is; for an answer that begins another one
    /// ([`Negotiation::offered_init`](crate::negotiation::Negotiation::offered_init)) it is that one's. An answer carries it
    /// only if the offer has a usable one of the peer. Default none: what the peer signals of it is passed over.
    pub sctp_init: Option<Vec<u8>>,
}

impl Default for LocalTransport {
    fn default() -> Self {
        Self {
            ufrag: String::new(),
            pwd: String::new(),
            fingerprints: Vec::new(),
            candidates: Vec::new(),
            end_of_candidates: false,
            trickle: true,
            ice_options: Vec::new(),
            tls_id: None,
            sctp_init: None,
        }
    }
}

impl fmt::Debug for LocalTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalTransport({} candidates, ended: {})", self.candidates.len(), self.end_of_candidates)
    }
}

/// The same, checked.
#[derive(Clone)]
pub(crate) struct Credentials {
    pub(crate) ufrag: IceUfrag,
    pub(crate) pwd: IcePwd,
    pub(crate) fingerprints: Vec<Fingerprint>,
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) ended: bool,
    pub(crate) ice_options: IceOptions,
    pub(crate) tls_id: Option<TlsId>,
    pub(crate) sctp_init: Option<SctpInit>,
}

impl LocalTransport {
    pub(crate) fn checked(&self) -> Result<Credentials, Error> {
        let bad = |what: &str| Error::operation(format!("the local {what} cannot be written in a description"));
        let fingerprints: Option<Vec<_>> = self.fingerprints.iter().map(|f| Fingerprint::parse(f)).collect();
        let candidates: Option<Vec<_>> = self.candidates.iter().map(|c| Candidate::from_text(c)).collect();
        Ok(Credentials {
            ufrag: IceUfrag::parse(&self.ufrag).ok_or_else(|| bad("ICE user name fragment"))?,
            pwd: IcePwd::parse(&self.pwd).ok_or_else(|| bad("ICE password"))?,
            fingerprints: fingerprints.filter(|f| !f.is_empty()).ok_or_else(|| bad("fingerprint"))?,
            candidates: candidates.ok_or_else(|| bad("candidate"))?,
            ended: self.end_of_candidates,
            ice_options: IceOptions(
                self.trickle.then(|| IceOptions::TRICKLE.into()).into_iter().chain(self.ice_options.clone()).collect(),
            ),
            tls_id: match &self.tls_id {
                Some(id) => Some(TlsId::parse(id).ok_or_else(|| bad("tls-id"))?),
                None => None,
            },
            sctp_init: match &self.sctp_init {
                Some(chunk) => Some(SctpInit::new(chunk.clone()).ok_or_else(|| bad("SCTP INIT"))?),
                None => None,
            },
        })
    }
}
