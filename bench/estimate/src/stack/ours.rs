//! This project's session.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use peerage_base::datagram::{Datagram, Transmit};
use peerage_base::rng::Rng;
use peerage_base::time::Instant;
use peerage_session::config::{Config, LocalAddress, MediaOptions};
use peerage_session::error::SessionError;
use peerage_session::event::Event;
use peerage_session::face::{
    Certificate, Codec, Format, Frame, MediaConfig, MediaKind, Timestamp, TransceiverId, TransceiverInit,
};
use peerage_session::session::Session;

use crate::machine::{Machine, NEEDED, START};

/// A moment of validity of certificates, in seconds since 1970.
const UNIX_TIME: u64 = 1_790_812_800;

/// One end.
pub struct Peer {
    session: Session,
    transceiver: TransceiverId,
    /// What the encoder was told, and the frames that arrived.
    target: Option<u64>,
    frames: Vec<Bytes>,
    wants_key: bool,
}

impl Machine for Peer {
    const NAME: &'static str = "peerage";

    fn pair(addresses: [SocketAddr; 2], seed: u64, now: Instant) -> Result<[Self; 2], String> {
        connect(addresses, seed, now).map_err(|error| error.to_string())
    }

    fn receive(&mut self, now: Instant, datagram: Datagram<'_>) {
        self.session.handle_datagram(now, datagram);
        self.listen();
    }

    fn timeout(&mut self, now: Instant) {
        self.session.handle_timeout(now);
        self.listen();
    }

    fn send(&mut self, now: Instant, frame: Vec<u8>, is_key: bool, timestamp: u32) {
        let mut frame = Frame::new(frame.into(), Format::plain(Codec::Vp8), Timestamp(timestamp), now);
        frame.is_key = is_key;
        // What it refuses, since too much waits, is missing in the figures.
        let _ = self.session.send_frame(now, self.transceiver, 0, frame);
        self.listen();
    }

    fn transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        let transmit = self.session.poll_transmit(now, buf);
        self.listen();
        transmit
    }

    fn happened(&mut self, frames: &mut Vec<Bytes>) -> bool {
        frames.append(&mut self.frames);
        std::mem::take(&mut self.wants_key)
    }

    fn deadline(&self) -> Option<Instant> {
        self.session.poll_timeout()
    }

    fn target(&self) -> Option<u64> {
        self.session.stats().security.and(self.target)
    }
}

impl Peer {
    fn listen(&mut self) {
        while let Some(event) = self.session.poll_event() {
            match event {
                Event::TargetBitrate { bitrate, .. } => self.target = Some(bitrate),
                Event::KeyFrameRequested { .. } => self.wants_key = true,
                Event::TrackReadable(id) => {
                    while let Some(frame) = self.session.recv_frame(id) {
                        self.frames.push(frame.payload);
                    }
                }
                _ => {}
            }
        }
    }
}

/// Both ends, with descriptions and addresses exchanged.
fn connect(addresses: [SocketAddr; 2], seed: u64, now: Instant) -> Result<[Peer; 2], SessionError> {
    let mut ends = [session(2 * seed, now), session(2 * seed + 1, now)];
    let id = ends[0].add_transceiver(MediaKind::Video, TransceiverInit::default())?;
    ends[0].set_max_bitrate(now, id, Some(NEEDED));
    for (end, address) in ends.iter_mut().zip(addresses) {
        end.add_local(now, LocalAddress::udp(address, 1));
        end.local_addresses_done(now);
    }
    let [near, far] = &mut ends;
    let offer = near.create_offer(now, Default::default())?;
    near.set_local_description(now, Some(offer.clone()))?;
    far.set_remote_description(now, offer)?;
    let answer = far.create_answer(now)?;
    far.set_local_description(now, Some(answer.clone()))?;
    near.set_remote_description(now, answer)?;
    let mut target = None;
    for n in 0..2 {
        while let Some(event) = ends[n].poll_event() {
            match event {
                Event::IceCandidate(Some(candidate)) => ends[1 - n].add_ice_candidate(now, &candidate)?,
                Event::TargetBitrate { bitrate, .. } if n == 0 => target = Some(bitrate),
                _ => {}
            }
        }
    }
    Ok(ends.map(|session| {
        let transceiver = session.transceivers().first().map_or(id, |transceiver| transceiver.id());
        Peer { session, transceiver, target, frames: Vec::new(), wants_key: false }
    }))
}

fn session(seed: u64, now: Instant) -> Session {
    let mut media = MediaOptions::default();
    // As of the other: repair by retransmission alone.
    let mut tables = MediaConfig::default();
    tables.video.retain(|codec| codec.name == "VP8");
    media.tables = Arc::new(tables);
    media.estimate.start = START;
    let mut config = Config::default();
    config.media = Some(Arc::new(media));
    config.unix = Duration::from_secs(UNIX_TIME);
    let mut rng = Rng::from_u64(seed);
    let certificate = Certificate::generate(&mut rng, UNIX_TIME).expect("a certificate can be made");
    Session::new(config, Arc::new(certificate), rng, now)
}
