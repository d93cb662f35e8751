//! Viewing: from an offer to a seat before a publisher.

use crate::refusal::Refusal;
use crate::whip::access::Role;
use crate::whip::counters::{Counters, add};
use crate::whip::desk::Whip;
use crate::whip::forward::{AUDIO_CEILING, Viewer};
use crate::whip::ice_servers::{Relay, keep};
use crate::whip::name::StreamName;
use crate::whip::negotiate;
use crate::whip::offer::{Offer, first_common, kind_name};
use crate::whip::publish::Answered;
use crate::whip::session::Session;
use crate::whip::stage::{Entered, Seat, Tracks};
use axum::http::StatusCode;
use core::time::Duration;
use peerage::PeerConnection;
use peerage::media::receiver::RtpReceiver;
use peerage::media::sender::{EncoderEvent, RtpSender};
use peerage::media::transceiver::{Direction, MediaKind};
use std::sync::Arc;
use tokio::time::timeout;

/// Audio and video of one viewer belong together.
const STREAM: &str = "whep";

/// Answers an offer to view, and lets it begin.
pub(crate) async fn begin(whip: &Arc<Whip>, name: &StreamName, host: &str, text: &str) -> Result<Answered, Refusal> {
    let seat = whip.stage.seat(name)?;
    let gone = || Refusal::later(StatusCode::NOT_FOUND, "nobody publishes under this name now: try again later", 3);
    let tracks = seat.stream.tracks().ok_or_else(gone)?;
    let offer = Offer::parse(text, Role::View)?;
    let peer = whip.connect()?;
    negotiate::take(&peer, &offer.text()).await?;
    let viewer = senders(&peer, &offer, tracks)?;
    let answer = negotiate::answer(&peer).await?;
    let (id, tag) = (whip.session_id(), whip.tag());
    let session = Session::new(id, Role::View, name.clone(), peer, offer, tag.clone());
    let entered = whip.stage.enter(session);
    let path = entered.session.path();
    let relay = whip.relay(&path);
    let servers = relay.as_ref().map(|relay| relay.servers(host)).unwrap_or_default();
    add(&whip.counters.viewed, 1);
    let viewing = Viewing { entered, viewer, relay, counters: whip.counters.clone(), seat };
    tokio::spawn(viewing.run(whip.config.limits.connect));
    Ok(Answered { path, tag, answer, servers })
}

/// Sends what is published and wanted, in the format that it is published in.
fn senders(peer: &PeerConnection, offer: &Offer, tracks: &Tracks) -> Result<Viewer, Refusal> {
    let mut viewer = Viewer { audio: None, video: None };
    for offered in &offer.sections {
        let kind = offered.kind;
        let agreed = |result: peerage::error::Result<()>| result.map_err(|error| negotiate::refused(&error));
        let Some(track) = tracks.of(kind) else {
            // It may be refused already, for formats that this server does not have.
            if let Ok(transceiver) = negotiate::transceiver(peer, kind) {
                agreed(transceiver.set_direction(Direction::Inactive))?;
            }
            continue;
        };
        let codec = first_common(offered, core::slice::from_ref(&track.codec))?;
        let transceiver = negotiate::transceiver(peer, kind)?;
        agreed(transceiver.set_codec_preferences(core::slice::from_ref(codec)))?;
        agreed(transceiver.set_direction(Direction::SendOnly))?;
        let sender = transceiver.sender();
        agreed(sender.set_streams(vec![STREAM.to_owned()]))?;
        sender.set_forwards(true);
        match kind {
            MediaKind::Audio => {
                sender.set_max_bitrate(Some(AUDIO_CEILING));
                viewer.audio = Some(sender);
            }
            MediaKind::Video => viewer.video = Some(sender),
        }
    }
    if viewer.audio.is_none() && viewer.video.is_none() {
        let kinds = [MediaKind::Audio, MediaKind::Video].into_iter().filter(|kind| tracks.of(*kind).is_some());
        let published = kinds.map(kind_name).collect::<Vec<_>>().join(" and ");
        let words = format!("what is published is {published}, and the offer takes none of it");
        return Err(Refusal::new(StatusCode::NOT_ACCEPTABLE, words));
    }
    Ok(viewer)
}

/// A viewer, as long as it is one.
struct Viewing {
    entered: Entered,
    viewer: Viewer,
    relay: Option<Relay>,
    counters: Arc<Counters>,
    seat: Seat,
}

impl Viewing {
    async fn run(self, connect: Duration) {
        let Self { entered, viewer, relay, counters, seat } = self;
        let session = &entered.session;
        let watching = async {
            match timeout(connect, session.peer.connected()).await {
                Ok(Ok(())) => watch(viewer, &seat, &counters).await,
                Ok(Err(error)) => tracing::debug!(%error, "a viewer did not connect"),
                Err(_) => tracing::debug!("a viewer did not connect in time"),
            }
        };
        tokio::select! {
            () = watching => {}
            () = session.over() => {}
            () = keep(relay.as_ref()) => {}
            () = seat.stream.over() => {}
        }
        session.peer.close().await;
    }
}

/// Joins the publisher's loop, and asks the publisher for what the viewer needs.
async fn watch(viewer: Viewer, seat: &Seat, counters: &Counters) {
    let Some(tracks) = seat.stream.tracks() else { return };
    let video = viewer.video.clone().zip(tracks.video.as_ref().map(|track| track.receiver.clone()));
    if tracks.join.send(viewer).await.is_err() {
        return;
    }
    match video {
        Some((sender, publisher)) => key_frames(&sender, &publisher, counters).await,
        None => core::future::pending().await,
    }
}

/// Key frames that the viewer cannot do without. How often a publisher is asked is its receiver's business.
async fn key_frames(sender: &RtpSender, publisher: &RtpReceiver, counters: &Counters) {
    while let Some(event) = sender.encoder_event().await {
        if matches!(event, EncoderEvent::KeyFrame { .. }) {
            add(&counters.key_frames, 1);
            if let Some(source) = sender.wanted_source() {
                publisher.request_key_frame_of(source);
            }
        }
    }
}
