//! str0m: frames by its `Writer`, forwarded packets in its mode for RTP. Without its estimator, and so without its pacer.

use std::net::SocketAddr;
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use str0m::change::{SdpAnswer, SdpOffer};
use str0m::format::Codec;
use str0m::media::{Direction, Frequency, MediaKind, MediaTime, Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpPacket, RtpWrite};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcError};

use super::str0m_keys;
use crate::load::Kind;
use crate::peer::{Out, Peer as PeerOf, Plan, Role};

/// Its default is 1,000: this keeps what a second of a stream needs, and what a large frame needs at once.
const SEND_BUFFER: usize = 1000;

/// One end.
pub struct Peer {
    rtc: Rtc,
    origin: Instant,
    here: SocketAddr,
    there: SocketAddr,
    mids: Vec<Mid>,
    kind: Kind,
    /// The numbers that packets of each stream go out with.
    numbers: Vec<Option<u64>>,
}

impl PeerOf for Peer {
    const NAME: &'static str = "str0m";
    type Run = Vec<u8>;
    type Frame = Arc<[u8]>;
    type Received = Arc<[u8]>;
    type Item = Arc<RtpPacket>;

    fn pair(plan: &Plan) -> Result<[Self; 2], String> {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(str0m_keys::install);
        connect(plan).map_err(|error| error.to_string())
    }

    fn is_connected(&self) -> bool {
        self.rtc.is_connected()
    }

    fn receive(&mut self, at: Duration, run: &mut Vec<u8>, out: &mut Out<Self>) {
        let Ok(receive) = Receive::new(Protocol::Udp, self.there, self.here, run) else { return };
        self.rtc.handle_input(Input::Receive(self.origin + at, receive)).expect("a live peer takes datagrams");
        self.drain(at, out);
    }

    fn timeout(&mut self, at: Duration) {
        self.rtc.handle_input(Input::Timeout(self.origin + at)).expect("a live peer takes time");
    }

    fn send(&mut self, at: Duration, stream: usize, frame: Arc<[u8]>, _: bool, timestamp: u32) {
        let rate = if self.kind == Kind::Video { Frequency::NINETY_KHZ } else { Frequency::FORTY_EIGHT_KHZ };
        let time = MediaTime::new(u64::from(timestamp), rate);
        let writer = self.rtc.writer(self.mids[stream]).expect("its streams can be written to");
        writer
            .write(Pt::from(self.kind.payload_type()), self.origin + at, time, frame)
            .expect("a live peer takes frames");
    }

    fn forward(&mut self, at: Duration, stream: usize, packet: &Arc<RtpPacket>) {
        let mut api = self.rtc.direct_api();
        let tx = api.stream_tx_by_mid(self.mids[stream], None).expect("its streams can be written to");
        let offset = *self.numbers[stream].get_or_insert(*packet.seq_no);
        let number = (*packet.seq_no - offset + 1).into();
        let header = &packet.header;
        let write =
            RtpWrite::new(header.payload_type, number, header.timestamp, self.origin + at, packet.payload.clone());
        let write = write.marker(header.marker).ext_vals(header.ext_vals.clone());
        tx.write_rtp(write.nackable(self.kind == Kind::Video));
    }

    fn handed_over(&mut self, at: Duration) {
        // What was written leaves when time moves.
        self.timeout(at);
    }

    fn select(&mut self, _: Duration, _: &mut Self) {}

    fn drain(&mut self, _: Duration, out: &mut Out<Self>) -> Option<Duration> {
        loop {
            match self.rtc.poll_output().expect("a live peer goes on") {
                Output::Timeout(deadline) => return Some(deadline.saturating_duration_since(self.origin)),
                Output::Transmit(transmit) => out.runs.push(transmit.contents.into()),
                Output::Event(Event::MediaData(data)) => out.frames.push(data.data),
                Output::Event(Event::RtpPacket(packet)) => {
                    let ssrc = packet.header.ssrc;
                    let mid = self.rtc.direct_api().stream_rx(&ssrc).map(|stream| stream.mid());
                    let stream = mid.and_then(|mid| self.mids.iter().position(|known| *known == mid));
                    out.items.extend(stream.map(|stream| (stream, Arc::new(packet))));
                }
                Output::Event(Event::KeyframeRequest(request)) => {
                    out.wanted.extend(self.mids.iter().position(|mid| *mid == request.mid));
                }
                Output::Event(_) => {}
            }
        }
    }

    fn recycle(&mut self, _: Vec<u8>) {}
}

/// Both ends, with descriptions and addresses exchanged.
fn connect(plan: &Plan) -> Result<[Peer; 2], RtcError> {
    let origin = Instant::now();
    let addresses = super::addresses();
    let rtcs = plan.roles.map(|role| {
        let is_forwarder = matches!(role, Role::TakesIn | Role::Forwards);
        let builder = Rtc::builder().clear_codecs().enable_vp8(true).enable_opus(true, false);
        builder.set_rtp_mode(is_forwarder).set_send_buffer_video(SEND_BUFFER).build(origin)
    });
    let [mut near, mut far] = rtcs;
    let host = |address| Candidate::host(address, "udp").expect("an address is a candidate");
    near.add_local_candidate(host(addresses[0]));
    far.add_local_candidate(host(addresses[1]));
    let mut api = near.sdp_api();
    let kind = if plan.kind == Kind::Video { MediaKind::Video } else { MediaKind::Audio };
    let mids: Vec<Mid> =
        (0..plan.streams).map(|_| api.add_media(kind, Direction::SendOnly, None, None, None)).collect();
    let (offer, pending): (SdpOffer, _) = api.apply().expect("there is something to offer");
    let answer: SdpAnswer = far.sdp_api().accept_offer(offer)?;
    near.sdp_api().accept_answer(pending, answer)?;
    let [here, there] = addresses;
    let numbers = vec![None; plan.streams];
    let codec = if plan.kind == Kind::Video { Codec::Vp8 } else { Codec::Opus };
    let known = near.codec_config().params().iter().find(|params| params.spec().codec == codec);
    assert_eq!(known.map(|params| *params.pt()), Some(plan.kind.payload_type()), "the number of the format");
    let peer =
        |rtc, here, there, mids| Peer { rtc, origin, here, there, mids, kind: plan.kind, numbers: numbers.clone() };
    Ok([peer(near, here, there, mids.clone()), peer(far, there, here, mids)])
}
