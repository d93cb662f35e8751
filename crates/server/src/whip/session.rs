//! A publisher or a viewer, as its URL is asked about it.

use crate::refusal::Refusal;
use crate::whip::access::Role;
use crate::whip::name::{SessionId, StreamName};
use crate::whip::negotiate;
use crate::whip::offer::Offer;
use crate::whip::sdpfrag::{Credentials, Fragment, Section};
use axum::http::StatusCode;
use peerage::PeerConnection;
use peerage::event::{ConnectionState, Event, IceCandidate};
use peerage_sdp::description::Description;
use tokio::sync::{Mutex, watch};

/// Candidates that a client may send after its offer, in all generations together.
const CANDIDATES: usize = 256;

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    pub id: SessionId,
    pub role: Role,
    pub name: StreamName,
    pub peer: PeerConnection,
    ice: Mutex<Ice>,
    end: watch::Sender<bool>,
}

/// Where the exchange of ICE stands.
struct Ice {
    offer: Offer,
    tag: String,
    candidates: usize,
}

impl core::fmt::Debug for Ice {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Ice").field("candidates", &self.candidates).finish_non_exhaustive()
    }
}

/// What `If-Match` says (RFC 9110 §13.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// `*`: whatever there is.
    Any,
    /// One of these entity tags.
    OneOf(Vec<String>),
}

/// What became of a fragment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Patched {
    /// Its candidates are in use.
    Taken,
    /// Another generation of ICE has begun: its tag, and our side of it as a fragment.
    Restarted { tag: String, fragment: String },
}

impl Session {
    pub fn new(id: SessionId, role: Role, name: StreamName, peer: PeerConnection, offer: Offer, tag: String) -> Self {
        let ice = Mutex::new(Ice { offer, tag, candidates: 0 });
        Self { id, role, name, peer, ice, end: watch::Sender::new(false) }
    }

    /// Ends it: its task notices.
    pub fn end(&self) {
        self.end.send_replace(true);
    }

    /// The path of its URL.
    pub fn path(&self) -> String {
        format!("/{}/{}/{}", self.role.path(), self.name.as_str(), self.id.as_str())
    }

    /// Takes candidates, or begins another generation of ICE, of which `tag` will be the entity tag (RFC 9725 §4.3).
    pub async fn patch(&self, condition: &Condition, fragment: Fragment, tag: String) -> Result<Patched, Refusal> {
        let mut ice = self.ice.lock().await;
        if let Condition::OneOf(tags) = condition
            && !tags.contains(&ice.tag)
        {
            let words =
                "If-Match names another generation of ICE than the one in use: the ETag of the last answer tells it";
            return Err(Refusal::new(StatusCode::PRECONDITION_FAILED, words));
        }
        let fresh = fragment.credentials.as_ref().filter(|fresh| **fresh != ice.offer.credentials);
        match (fresh.cloned(), condition) {
            (None, _) => {
                self.add(&mut ice, &fragment).await?;
                Ok(Patched::Taken)
            }
            (Some(fresh), Condition::Any) => self.restart(&mut ice, &fragment, &fresh, tag).await,
            (Some(_), Condition::OneOf(_)) => Err(Refusal::unprocessable(
                "these are the credentials of another generation of ICE: to begin one, send If-Match: *",
            )),
        }
    }

    /// Completes once the session is to end, or has ended by itself.
    pub async fn over(&self) {
        let mut end = self.end.subscribe();
        tokio::select! {
            _ = end.wait_for(|end| *end) => {}
            () = ended(&self.peer) => {}
        }
    }

    async fn restart(
        &self,
        ice: &mut Ice,
        fragment: &Fragment,
        fresh: &Credentials,
        tag: String,
    ) -> Result<Patched, Refusal> {
        let offer = ice.offer.restarted(fresh);
        negotiate::take(&self.peer, &offer.text()).await?;
        let answer = negotiate::answer(&self.peer).await?;
        (ice.offer, ice.tag) = (offer, tag.clone());
        self.add(ice, fragment).await?;
        let told = Description::parse(&answer).ok().and_then(|description| Fragment::of(&description));
        let lost = || Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the server cannot tell its side: begin anew");
        Ok(Patched::Restarted { tag, fragment: told.ok_or_else(lost)? })
    }

    /// Candidates of the generation in use. One that cannot be used is left out (RFC 9725 §4.3.1).
    async fn add(&self, ice: &mut Ice, fragment: &Fragment) -> Result<(), Refusal> {
        ice.candidates = ice.candidates.saturating_add(fragment.candidates.len());
        if ice.candidates > CANDIDATES {
            return Err(Refusal::unprocessable("more than 256 candidates were sent: these are not used"));
        }
        let ufrag = Some(ice.offer.credentials.ufrag.clone());
        let ends = fragment.ends.then(|| (Section::Index(0), String::new()));
        for (section, candidate) in fragment.candidates.iter().cloned().chain(ends) {
            let (sdp_mid, sdp_mline_index) = match section {
                Section::Mid(mid) => (Some(mid), None),
                Section::Index(index) => (None, Some(index)),
            };
            let candidate = IceCandidate { candidate, sdp_mid, sdp_mline_index, username_fragment: ufrag.clone() };
            if let Err(error) = self.peer.add_ice_candidate(candidate).await {
                tracing::debug!(%error, "a candidate is of no use");
            }
        }
        Ok(())
    }
}

/// Completes once a connection is over or cannot be.
async fn ended(peer: &PeerConnection) {
    loop {
        match peer.next_event().await {
            None | Some(Event::Closed(_)) => return,
            Some(Event::ConnectionStateChange(ConnectionState::Failed | ConnectionState::Closed)) => return,
            Some(_) => {}
        }
    }
}

impl Condition {
    /// Reads `If-Match`; weak tags match nothing, as the comparison is a strong one.
    pub fn parse(values: &[&str]) -> Self {
        let tags = || values.iter().flat_map(|value| value.split(',')).map(str::trim);
        if tags().any(|tag| tag == "*") {
            return Self::Any;
        }
        Self::OneOf(tags().map(ToOwned::to_owned).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_a_star_or_tags() {
        assert_eq!(Condition::parse(&["*"]), Condition::Any);
        assert_eq!(Condition::parse(&["\"a\", \"b\"", "\"c\""]), {
            Condition::OneOf(["\"a\"", "\"b\"", "\"c\""].map(ToOwned::to_owned).to_vec())
        });
        let Condition::OneOf(weak) = Condition::parse(&["W/\"a\""]) else { panic!("that is a tag") };
        assert!(!weak.contains(&"\"a\"".to_owned()));
    }
}
