//! From an offer to an answer.

use crate::refusal::Refusal;
use axum::http::StatusCode;
use core::time::Duration;
use peerage::peer_connection::SdpType;
use peerage::{Error, ErrorKind, MediaKind, PeerConnection, RtpTransceiver, SessionDescription};
use tokio::time::timeout;

/// How long addresses are gathered. There are no servers to ask, so that it takes moments.
const GATHERING: Duration = Duration::from_secs(2);

/// Takes an offer; its transceivers are there then.
pub(crate) async fn take(peer: &PeerConnection, offer: &str) -> Result<(), Refusal> {
    let offer = SessionDescription::new(SdpType::Offer, offer.to_owned());
    peer.set_remote_description(offer).await.map_err(|error| refused(&error))
}

/// Answers what was taken, with all candidates: there is no way to send more.
pub(crate) async fn answer(peer: &PeerConnection) -> Result<String, Refusal> {
    let answer = peer.create_answer().await.map_err(|error| refused(&error))?;
    peer.set_local_description(answer).await.map_err(|error| refused(&error))?;
    if timeout(GATHERING, peer.gathering_complete()).await.is_err() {
        tracing::debug!("not all addresses are known yet, and the answer goes without them");
    }
    let gone = || Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the session ended before it began");
    peer.local_description().map(|description| description.sdp).ok_or_else(gone)
}

/// The transceiver of a section that was taken. There is one of each kind.
pub(crate) fn transceiver(peer: &PeerConnection, kind: MediaKind) -> Result<RtpTransceiver, Refusal> {
    let found = peer.transceivers().into_iter().find(|transceiver| transceiver.kind() == Some(kind));
    let words = "nothing of a section of the offer can be answered: it needs a=mid and formats that go with each other";
    found.ok_or_else(|| Refusal::unprocessable(words))
}

/// Whose fault it is: what was offered, or the server.
pub(crate) fn refused(error: &Error) -> Refusal {
    match error.kind() {
        ErrorKind::Syntax | ErrorKind::Type | ErrorKind::InvalidAccess => {
            Refusal::unprocessable(format!("the offer cannot be answered: {error}"))
        }
        _ => {
            tracing::warn!(%error, "cannot answer an offer");
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the server cannot answer now: its log says why")
        }
    }
}
