//! str0m with its estimator and its pacer.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Once};
use std::time::Instant as Moment;

use bytes::Bytes;
use peerage_base::datagram::{Datagram, Transmit};
use peerage_base::path::{LocalId, Path};
use peerage_base::time::Instant;
use str0m::bwe::{Bitrate, BweKind};
use str0m::media::{Direction, MediaKind, MediaTime, Mid};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcError};

use crate::machine::{Machine, NEEDED, START};

/// One end.
pub struct Peer {
    rtc: Rtc,
    /// The moment that is the origin of virtual time.
    origin: Moment,
    here: SocketAddr,
    mid: Mid,
    deadline: Option<Instant>,
    datagrams: VecDeque<(SocketAddr, Vec<u8>)>,
    target: u64,
    frames: Vec<Bytes>,
    wants_key: bool,
}

impl Machine for Peer {
    const NAME: &'static str = "str0m";

    fn pair(addresses: [SocketAddr; 2], _: u64, now: Instant) -> Result<[Self; 2], String> {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| str0m::crypto::from_feature_flags().install_process_default());
        connect(addresses, now).map_err(|error| error.to_string())
    }

    fn receive(&mut self, now: Instant, datagram: Datagram<'_>) {
        let at = self.moment(now);
        if let Ok(receive) = Receive::new(Protocol::Udp, datagram.path.remote, self.here, datagram.payload) {
            self.rtc.handle_input(Input::Receive(at, receive)).expect("a live peer takes datagrams");
        }
        self.drain();
    }

    fn timeout(&mut self, now: Instant) {
        self.rtc.handle_input(Input::Timeout(self.moment(now))).expect("a live peer takes time");
        self.drain();
    }

    fn send(&mut self, now: Instant, frame: Vec<u8>, _: bool, timestamp: u32) {
        let at = self.moment(now);
        let writer = self.rtc.writer(self.mid).expect("its stream can be written to");
        let format = writer.payload_params().next().expect("there is a format").pt();
        let time = MediaTime::from_90khz(timestamp.into());
        let frame: Arc<[u8]> = frame.into();
        writer.write(format, at, time, frame).expect("a live peer takes frames");
        // What was written leaves when time moves.
        self.timeout(now);
    }

    fn transmit(&mut self, _: Instant, buf: &mut [u8]) -> Option<Transmit> {
        let (remote, payload) = self.datagrams.pop_front()?;
        buf.get_mut(..payload.len())?.copy_from_slice(&payload);
        Some(Transmit::single(Path { local: LocalId(0), remote }, payload.len()))
    }

    fn happened(&mut self, frames: &mut Vec<Bytes>) -> bool {
        frames.append(&mut self.frames);
        std::mem::take(&mut self.wants_key)
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn target(&self) -> Option<u64> {
        self.rtc.is_connected().then_some(self.target)
    }
}

impl Peer {
    fn moment(&self, now: Instant) -> Moment {
        self.origin + now.since(Instant::ORIGIN)
    }

    fn drain(&mut self) {
        loop {
            match self.rtc.poll_output().expect("a live peer goes on") {
                Output::Timeout(deadline) => {
                    self.deadline = Some(Instant::ORIGIN + deadline.saturating_duration_since(self.origin));
                    return;
                }
                Output::Transmit(transmit) => {
                    self.datagrams.push_back((transmit.destination, transmit.contents.into()));
                }
                Output::Event(Event::EgressBitrateEstimate(BweKind::Twcc { estimate, .. })) => {
                    self.target = estimate.as_u64();
                }
                Output::Event(Event::MediaData(data)) => self.frames.push(Bytes::copy_from_slice(&data.data)),
                Output::Event(Event::KeyframeRequest(_)) => self.wants_key = true,
                Output::Event(_) => {}
            }
        }
    }
}

/// Both ends, with descriptions and addresses exchanged.
fn connect(addresses: [SocketAddr; 2], now: Instant) -> Result<[Peer; 2], RtcError> {
    let moment = Moment::now();
    let origin = moment.checked_sub(now.since(Instant::ORIGIN)).unwrap_or(moment);
    let at = origin + now.since(Instant::ORIGIN);
    let rtcs = [Some(Bitrate::from(START)), None].map(|start| {
        let builder = Rtc::builder().clear_codecs().enable_vp8(true);
        builder.enable_bwe(start).build(at)
    });
    let [mut near, mut far] = rtcs;
    let host = |address| Candidate::host(address, "udp").expect("an address is a candidate");
    near.add_local_candidate(host(addresses[0]));
    far.add_local_candidate(host(addresses[1]));
    let mut api = near.sdp_api();
    let mid = api.add_media(MediaKind::Video, Direction::SendOnly, None, None, None);
    let (offer, pending) = api.apply().expect("there is something to offer");
    let answer = far.sdp_api().accept_offer(offer)?;
    near.sdp_api().accept_answer(pending, answer)?;
    near.bwe().set_bitrate(Bitrate::ZERO, Bitrate::from(NEEDED));
    let peer = |rtc, here| Peer {
        rtc,
        origin,
        here,
        mid,
        deadline: Some(now),
        datagrams: VecDeque::new(),
        target: START,
        frames: Vec::new(),
        wants_key: false,
    };
    Ok([peer(near, addresses[0]), peer(far, addresses[1])])
}
