//! What an application asks of its transceivers (W3C `RTCPeerConnection`, RTP media API).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use peerage_sdp::attribute::direction::Direction;
use peerage_sdp::attribute::msid::Msid;
use peerage_sdp::attribute::rid::RidId;

use crate::capability::CodecCapability;
use crate::codec::carries_media;
use crate::error::{Error, ErrorKind};
use crate::media::{MAX_ENCODINGS, MAX_TRANSCEIVERS, Media};
use crate::negotiation::Negotiation;
use crate::signaling::SignalingState;
use crate::transceiver::{MediaKind, Receiver, Transceiver, TransceiverId, TransceiverInit};

impl Negotiation {
    /// Adds a transceiver; the next offer has a section for it. Fails with `InvalidStateError` once closed or where
    /// [`Config::media`](crate::config::Config::media) is absent, with `TypeError` for names that cannot be written, with
    /// `OperationError` beyond 256 transceivers.
    pub fn add_transceiver(&mut self, kind: MediaKind, init: TransceiverInit) -> Result<TransceiverId, Error> {
        check_names(&init.streams, init.track.as_deref())?;
        check_rids(kind, &init.rids)?;
        let media = self.media_mut()?;
        if media.transceivers.len() >= MAX_TRANSCEIVERS {
            return Err(Error::operation("there are as many transceivers as a description can hold"));
        }
        let encodings = media.encodings(&init.rids);
        let added = media.add(kind, init.direction);
        added.sender.attached = init.track.is_some();
        if let Some(track) = init.track {
            added.sender.track = track;
        }
        added.sender.streams = each_once(init.streams);
        if !encodings.is_empty() {
            added.sender.encodings = encodings;
        }
        Ok(added.id)
    }

    /// Sends a track, by a transceiver that has never sent if there is one, else by a new one (W3C `addTrack`). Fails as
    /// [`add_transceiver`](Self::add_transceiver).
    pub fn add_track(&mut self, kind: MediaKind, track: String, streams: Vec<String>) -> Result<TransceiverId, Error> {
        check_names(&streams, Some(&track))?;
        let media = self.media_mut()?;
        let free = |t: &&mut Transceiver| t.kind == kind && !t.stopping && !t.sender.attached && !t.sender.used;
        if let Some(transceiver) = media.transceivers.iter_mut().find(free) {
            transceiver.direction = Direction::new(true, transceiver.direction.receives());
            // What was already described keeps the name under which it was.
            if transceiver.place.is_none() {
                transceiver.sender.track = track;
            }
            transceiver.sender.attached = true;
            transceiver.sender.streams = each_once(streams);
            return Ok(transceiver.id);
        }
        let init = TransceiverInit { track: Some(track), streams, ..TransceiverInit::default() };
        let id = self.add_transceiver(kind, init)?;
        self.transceiver_mut(id)?.for_track = true;
        Ok(id)
    }

    /// Sends no longer (W3C `removeTrack`).
    pub fn remove_track(&mut self, id: TransceiverId) -> Result<(), Error> {
        let transceiver = self.transceiver_mut(id)?;
        transceiver.sender.attached = false;
        transceiver.direction = Direction::new(false, transceiver.direction.receives());
        Ok(())
    }

    /// Notes whether the sender has a track (W3C `replaceTrack`), which no description shows.
    pub fn set_track(&mut self, id: TransceiverId, attached: bool) -> Result<(), Error> {
        self.transceiver_mut(id)?.sender.attached = attached;
        Ok(())
    }

    /// Puts our track into other streams (W3C `setStreams`).
    pub fn set_streams(&mut self, id: TransceiverId, streams: Vec<String>) -> Result<(), Error> {
        check_names(&streams, None)?;
        self.transceiver_mut(id)?.sender.streams = each_once(streams);
        Ok(())
    }

    /// Which way media is wanted (W3C `direction`).
    pub fn set_direction(&mut self, id: TransceiverId, direction: Direction) -> Result<(), Error> {
        self.transceiver_mut(id)?.direction = direction;
        Ok(())
    }

    /// Which codecs are offered and answered, the preferred one first; none of them is "as configured" (W3C
    /// `setCodecPreferences`). Fails with `InvalidModificationError` for one that the configuration has not, or if none
    /// of them carries media.
    pub fn set_codec_preferences(&mut self, id: TransceiverId, codecs: &[CodecCapability]) -> Result<(), Error> {
        let refused = |reason| Error::new(ErrorKind::InvalidModification, reason);
        let table = self.config.media.clone().ok_or_else(no_media)?;
        let transceiver = self.transceiver_mut(id)?;
        let known = table.codecs(transceiver.kind);
        let mut preferences = Vec::new();
        for codec in codecs {
            let place = known.iter().position(|own| own.is_same(codec));
            let place = place.ok_or_else(|| refused(format!("{} is not a codec of the configuration", codec.name)))?;
            if !preferences.contains(&place) {
                preferences.push(place);
            }
        }
        if !codecs.is_empty() && !codecs.iter().any(|codec| carries_media(&codec.name)) {
            return Err(refused("none of the codecs carries media".into()));
        }
        transceiver.preferences = preferences;
        Ok(())
    }

    /// Ends a transceiver (W3C `stop`): at once for our side, for the peer with the next exchange, which closes its section.
    pub fn stop_transceiver(&mut self, id: TransceiverId) -> Result<(), Error> {
        let media = self.media_mut()?;
        let offered = media.offered.iter().any(|place| place.transceiver == id);
        let transceiver = media.get_mut(id).ok_or_else(unknown)?;
        transceiver.stopping = true;
        transceiver.direction = Direction::Inactive;
        transceiver.fired = Direction::Inactive;
        transceiver.receiver = Receiver::default();
        transceiver.sender.attached = false;
        if transceiver.place.is_none() && !offered && transceiver.saved.is_none() {
            media.transceivers.retain(|t| t.id != id);
        }
        Ok(())
    }

    /// The transceivers, in the order in which they came to be.
    pub fn transceivers(&self) -> &[Transceiver] {
        self.media.as_ref().map_or(&[], |media| &media.transceivers)
    }

    /// One transceiver; `None` if it was stopped and its section closed.
    pub fn transceiver(&self, id: TransceiverId) -> Option<&Transceiver> {
        self.media.as_ref()?.get(id)
    }

    fn media_mut(&mut self) -> Result<&mut Media, Error> {
        if self.state == SignalingState::Closed {
            return Err(Error::state("the connection is closed"));
        }
        self.open_media().ok_or_else(no_media)
    }

    fn transceiver_mut(&mut self, id: TransceiverId) -> Result<&mut Transceiver, Error> {
        let transceiver = self.media_mut()?.get_mut(id).ok_or_else(unknown)?;
        if transceiver.stopping {
            return Err(Error::state("the transceiver is stopped"));
        }
        Ok(transceiver)
    }
}

fn no_media() -> Error {
    Error::state("the configuration has no audio and video")
}

fn unknown() -> Error {
    Error::state("there is no such transceiver any more")
}

fn each_once(names: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for name in names {
        if !kept.contains(&name) {
            kept.push(name);
        }
    }
    kept
}

/// Streams of one track: as many as a peer reads.
const MAX_STREAMS: usize = 16;

fn check_names(streams: &[String], track: Option<&str>) -> Result<(), Error> {
    let good = streams.iter().map(String::as_str).chain(track).all(Msid::is_identifier);
    match good && streams.len() <= MAX_STREAMS && !streams.iter().any(|stream| stream == Msid::NO_STREAM) {
        true => Ok(()),
        false => Err(Error::new(ErrorKind::Type, "a track or stream has no name that a description can hold")),
    }
}

fn check_rids(kind: MediaKind, rids: &[RidId]) -> Result<(), Error> {
    let twice = rids.iter().enumerate().any(|(index, rid)| rids[..index].contains(rid));
    let unwritable = rids.iter().any(|rid| !rid.is_alphanumeric() || rid.as_str().len() > 16);
    let kind = kind == MediaKind::Video || rids.is_empty();
    match !twice && !unwritable && kind && rids.len() <= MAX_ENCODINGS {
        true => Ok(()),
        false => {
            Err(Error::new(ErrorKind::Type, "the encodings need up to eight different names of letters and digits"))
        }
    }
}
