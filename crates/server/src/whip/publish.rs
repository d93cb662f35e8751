//! Publishing: from an offer to a feed for viewers.

use crate::refusal::Refusal;
use crate::whip::access::Role;
use crate::whip::counters::{Counters, add};
use crate::whip::desk::Whip;
use crate::whip::forward::{self, Feed, Viewer};
use crate::whip::ice_servers::{Relay, keep};
use crate::whip::name::StreamName;
use crate::whip::negotiate;
use crate::whip::offer::{Offer, first_common};
use crate::whip::session::Session;
use crate::whip::stage::{Claim, Entered, Track, Tracks};
use core::time::Duration;
use peerage::PeerConnection;
use peerage::media::transceiver::MediaKind;
use peerage_signal::message::IceServer;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// What a request for a session gets.
#[derive(Debug)]
pub(crate) struct Answered {
    pub path: String,
    pub tag: String,
    pub answer: String,
    /// Servers that this session may use, with its credentials.
    pub servers: Vec<IceServer>,
}

/// Answers an offer to publish, and lets it begin.
pub(crate) async fn begin(whip: &Arc<Whip>, name: &StreamName, host: &str, text: &str) -> Result<Answered, Refusal> {
    let offer = Offer::parse(text, Role::Publish)?;
    let claim = whip.stage.claim(name)?;
    let peer = whip.connect()?;
    negotiate::take(&peer, &offer.text()).await?;
    let (join, joining) = mpsc::channel(whip.config.limits.viewers_per_name.max(1));
    let (tracks, feed) = tracks(whip, &peer, &offer, join)?;
    let answer = negotiate::answer(&peer).await?;
    let (id, tag) = (whip.session_id(), whip.tag());
    let session = Session::new(id, Role::Publish, name.clone(), peer, offer, tag.clone());
    let entered = whip.stage.enter(session);
    let path = entered.session.path();
    let relay = whip.relay(&path);
    let servers = relay.as_ref().map(|relay| relay.servers(host)).unwrap_or_default();
    claim.stream.publish(tracks);
    add(&whip.counters.published, 1);
    let limits = whip.config.limits;
    let publishing = Publishing { entered, claim, feed, joining, relay, counters: whip.counters.clone() };
    tokio::spawn(publishing.run(limits.connect, limits.idle));
    Ok(Answered { path, tag, answer, servers })
}

/// What is published, each in one format: viewers can be told which before it comes, and it does not change.
fn tracks(
    whip: &Whip,
    peer: &PeerConnection,
    offer: &Offer,
    join: mpsc::Sender<Viewer>,
) -> Result<(Tracks, Feed), Refusal> {
    let mut tracks = Tracks { audio: None, video: None, join };
    let mut feed = Feed { audio: None, video: None, encodings: 1 };
    for offered in &offer.sections {
        let kind = offered.kind;
        let codec = first_common(offered, whip.peers.media().tables.codecs(kind))?.clone();
        let transceiver = negotiate::transceiver(peer, kind)?;
        let chosen = transceiver.set_codec_preferences(core::slice::from_ref(&codec));
        chosen.map_err(|error| negotiate::refused(&error))?;
        let receiver = transceiver.receiver();
        receiver.keep_forwardable();
        let track = Some(Track { codec, receiver: receiver.clone() });
        match kind {
            MediaKind::Audio => (tracks.audio, feed.audio) = (track, Some(receiver)),
            MediaKind::Video => {
                (tracks.video, feed.video) = (track, Some(receiver));
                feed.encodings = offered.encodings;
            }
        }
    }
    Ok((tracks, feed))
}

/// A publisher, as long as it is one.
struct Publishing {
    entered: Entered,
    claim: Claim,
    feed: Feed,
    joining: mpsc::Receiver<Viewer>,
    relay: Option<Relay>,
    counters: Arc<Counters>,
}

impl Publishing {
    async fn run(self, connect: Duration, idle: Duration) {
        let Self { entered, claim, feed, joining, relay, counters } = self;
        let session = &entered.session;
        let forwarding = async {
            match timeout(connect, session.peer.connected()).await {
                Ok(Ok(())) => forward::run(&feed, joining, idle, &counters).await,
                Ok(Err(error)) => tracing::debug!(%error, "a publisher did not connect"),
                Err(_) => tracing::debug!("a publisher did not connect in time"),
            }
        };
        tokio::select! {
            () = forwarding => {}
            () = session.over() => {}
            () = keep(relay.as_ref()) => {}
            () = claim.stream.over() => {}
        }
        // Its viewers learn it at once, and its name is free while it is told.
        drop(claim);
        session.peer.close().await;
    }
}
