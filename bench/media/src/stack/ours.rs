//! This project: two sessions, with runs of datagrams as its driver takes them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use peerage_base::datagram::Datagram;
use peerage_base::ecn::Ecn;
use peerage_base::path::{LocalId, Path};
use peerage_base::rng::Rng;
use peerage_base::time::Instant;
use peerage_session::config::{Config, LocalAddress, MediaOptions};
use peerage_session::delivery::Delivery;
use peerage_session::error::SessionError;
use peerage_session::event::Event;
use peerage_session::face::{
    Certificate, Codec, Format, Frame, Limit, MediaConfig, MediaKind, Timestamp, TransceiverId, TransceiverInit,
};
use peerage_session::media::frames::Forwardable;
use peerage_session::session::Session;

use crate::load::Kind;
use crate::peer::{Out, Peer as PeerOf, Plan, Role, Run as RunOf};

/// Room for one run, as the driver has.
const ROOM: usize = 65_536;
/// What the estimator begins with and never exceeds, and each stream may take: nothing is to wait for the path.
const RATE: u64 = 1_000_000_000;
/// A moment of validity of certificates, in seconds since 1970.
const UNIX_TIME: u64 = 1_790_812_800;
/// Bytes of a datagram at most, so that packets have the size that those of others have.
const MAX_DATAGRAM: usize = 1174;

/// One end.
pub struct Peer {
    session: Session,
    /// Where the other one is.
    remote: std::net::SocketAddr,
    transceivers: Vec<TransceiverId>,
    role: Role,
    spare: Vec<Box<[u8]>>,
    pictures: Codec,
}

/// A run as it was written.
pub struct Run {
    bytes: Box<[u8]>,
    len: usize,
    segment: usize,
}

impl RunOf for Run {
    fn retain(&mut self, mut arrives: impl FnMut(&[u8]) -> bool) -> bool {
        let (mut read, mut written) = (0, 0);
        while read < self.len {
            let end = (read + self.segment).min(self.len);
            if arrives(&self.bytes[read..end]) {
                self.bytes.copy_within(read..end, written);
                written += end - read;
            }
            read = end;
        }
        self.len = written;
        written > 0
    }
}

impl PeerOf for Peer {
    const NAME: &'static str = "peerage";
    type Run = Run;
    type Frame = Bytes;
    type Received = Bytes;
    type Item = Forwardable;

    fn pair(plan: &Plan) -> Result<[Self; 2], String> {
        connect(plan).map_err(|error| error.to_string())
    }

    fn is_connected(&self) -> bool {
        self.session.stats().security.is_some()
    }

    fn receive(&mut self, at: Duration, run: &mut Run, _: &mut Out<Self>) {
        let now = instant(at);
        let path = Path { local: LocalId(0), remote: self.remote };
        for payload in run.bytes[..run.len].chunks_mut(run.segment) {
            self.session.handle_datagram(now, Datagram { path, ecn: Ecn::NotEct, received_at: now, payload });
        }
    }

    fn timeout(&mut self, at: Duration) {
        self.session.handle_timeout(instant(at));
    }

    fn send(&mut self, at: Duration, stream: usize, frame: Bytes, is_key: bool, timestamp: u32) {
        let now = instant(at);
        let mut frame = Frame::new(frame, Format::plain(self.pictures), Timestamp(timestamp), now);
        frame.is_key = is_key;
        self.session.send_frame(now, self.transceivers[stream], 0, frame).expect("a live session takes frames");
    }

    fn forward(&mut self, at: Duration, stream: usize, item: &Forwardable) {
        let (now, id) = (instant(at), self.transceivers[stream]);
        match item {
            Forwardable::Packet { shared, .. } => {
                self.session.forward(now, id, shared).expect("a live session takes packets");
            }
            Forwardable::Report { source, ntp, timestamp } => {
                self.session.source_report(now, id, *source, (*ntp, *timestamp));
            }
            _ => {}
        }
    }

    fn handed_over(&mut self, _: Duration) {}

    fn select(&mut self, at: Duration, from: &mut Self) {
        let now = instant(at);
        for (own, theirs) in self.transceivers.iter().zip(&from.transceivers) {
            let source = from.session.sources(now, *theirs).first().map(|source| source.ssrc);
            self.session.select(now, *own, source, Limit::NONE);
        }
    }

    fn drain(&mut self, at: Duration, out: &mut Out<Self>) -> Option<Duration> {
        let now = instant(at);
        while let Some(event) = self.session.poll_event() {
            match event {
                Event::TrackReadable(id) => self.read(id, out),
                Event::KeyFrameRequested { transceiver, .. } => {
                    out.wanted.extend(self.transceivers.iter().position(|id| *id == transceiver));
                }
                _ => {}
            }
        }
        loop {
            let mut bytes = self.spare.pop().unwrap_or_else(|| vec![0; ROOM].into());
            let Some(transmit) = self.session.poll_transmit(now, &mut bytes) else {
                self.spare.push(bytes);
                break;
            };
            let segment = transmit.segment.unwrap_or(transmit.len);
            out.runs.push(Run { bytes, len: transmit.len, segment });
        }
        self.session.poll_timeout().map(|deadline| deadline.since(Instant::ORIGIN))
    }

    fn recycle(&mut self, run: Run) {
        self.spare.push(run.bytes);
    }
}

impl Peer {
    fn read(&mut self, id: TransceiverId, out: &mut Out<Self>) {
        if self.role == Role::TakesIn {
            let Some(stream) = self.transceivers.iter().position(|known| *known == id) else { return };
            while let Some(item) = self.session.recv_forwardable(id) {
                out.items.push((stream, item));
            }
            return;
        }
        while let Some(frame) = self.session.recv_frame(id) {
            out.frames.push(frame.payload);
        }
    }
}

/// Both ends, with descriptions and addresses exchanged.
fn connect(plan: &Plan) -> Result<[Peer; 2], SessionError> {
    let now = Instant::ORIGIN;
    let addresses = super::addresses();
    let mut ends = [session(1, now), session(2, now)];
    let kind = if plan.kind == Kind::Video { MediaKind::Video } else { MediaKind::Audio };
    for stream in 0..plan.streams {
        let track = Some(format!("track-{stream}"));
        let init = TransceiverInit { track, streams: vec!["stream".into()], ..Default::default() };
        let id = ends[0].add_transceiver(kind, init)?;
        ends[0].set_max_bitrate(now, id, Some(RATE));
        ends[0].set_forwards(now, id, plan.roles[0] == Role::Forwards);
    }
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
    for n in 0..2 {
        while let Some(event) = ends[n].poll_event() {
            if let Event::IceCandidate(Some(candidate)) = event {
                ends[1 - n].add_ice_candidate(now, &candidate)?;
            }
        }
    }
    let mut side = 0;
    Ok(ends.map(|mut session| {
        let (role, remote) = (plan.roles[side], addresses[1 - side]);
        let transceivers: Vec<_> = session.transceivers().iter().map(|transceiver| transceiver.id()).collect();
        if role == Role::TakesIn {
            transceivers.iter().for_each(|id| session.set_delivery(now, *id, Delivery::Forward));
        }
        side += 1;
        let pictures = if plan.kind == Kind::Video { Codec::Vp8 } else { Codec::Opus };
        Peer { session, remote, transceivers, role, spare: Vec::new(), pictures }
    }))
}

fn session(seed: u64, now: Instant) -> Session {
    let mut media = MediaOptions::default();
    // As of the others: without RED and what it would carry.
    let mut tables = MediaConfig::default();
    tables.video.retain(|codec| codec.name == "VP8");
    tables.audio.retain(|codec| codec.name == "opus");
    media.tables = Arc::new(tables);
    (media.estimate.start, media.estimate.max) = (RATE, RATE);
    let mut config = Config::default();
    (config.media, config.max_datagram) = (Some(Arc::new(media)), MAX_DATAGRAM);
    config.unix = Duration::from_secs(UNIX_TIME);
    let mut rng = Rng::from_u64(seed);
    let certificate = Certificate::generate(&mut rng, UNIX_TIME).expect("a certificate can be made");
    Session::new(config, Arc::new(certificate), rng, now)
}

fn instant(at: Duration) -> Instant {
    Instant::ORIGIN + at
}
