//! Two negotiations and their transports.
#![allow(dead_code, reason = "every test file uses a part")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use peerage_jsep::capability::MediaConfig;
use peerage_jsep::config::Config;
use peerage_jsep::description::{SdpType, SessionDescription};
use peerage_jsep::error::ErrorKind;
use peerage_jsep::local::LocalTransport;
use peerage_jsep::negotiation::{Negotiation, OfferOptions};
use peerage_jsep::plan::Plan;
use peerage_jsep::transceiver::{MediaKind, Transceiver, TransceiverId, TransceiverInit};
use peerage_sdp::attribute::direction::Direction;

/// A negotiation with the transport that its owner would have.
pub struct Peer {
    pub negotiation: Negotiation,
    pub transport: LocalTransport,
}

pub fn transport(generation: &str, certificate: u8) -> LocalTransport {
    let digest = vec![format!("{certificate:02X}"); 32].join(":");
    LocalTransport {
        ufrag: format!("{generation}uf"),
        pwd: format!("{generation}0123456789abcdefghijklmn"),
        fingerprints: vec![format!("sha-256 {digest}")],
        ..LocalTransport::default()
    }
}

impl Peer {
    pub fn new(id: u8) -> Self {
        Self { negotiation: Negotiation::new(Config::new(id.into())), transport: transport(&format!("p{id}g0"), id) }
    }

    pub fn with_data(id: u8) -> Self {
        let mut peer = Self::new(id);
        peer.negotiation.want_data();
        peer
    }

    /// A side that has audio and video.
    pub fn with_media(id: u8) -> Self {
        let mut peer = Self::new(id);
        let mut config = Config::new(id.into());
        config.media = Some(Arc::new(MediaConfig::default()));
        peer.negotiation = Negotiation::new(config);
        peer
    }

    pub fn adds(&mut self, kind: MediaKind, direction: Direction) -> TransceiverId {
        let init = TransceiverInit { direction, ..TransceiverInit::default() };
        self.negotiation.add_transceiver(kind, init).unwrap()
    }

    pub fn sends(&mut self, kind: MediaKind, track: &str) -> TransceiverId {
        self.negotiation.add_track(kind, track.into(), vec!["stream".into()]).unwrap()
    }

    pub fn of(&self, id: TransceiverId) -> &Transceiver {
        self.negotiation.transceiver(id).expect("the transceiver is there")
    }

    /// Another ICE generation.
    pub fn renew(&mut self, generation: &str) {
        let new = transport(generation, 0);
        (self.transport.ufrag, self.transport.pwd) = (new.ufrag, new.pwd);
    }

    pub fn offer(&mut self) -> SessionDescription {
        self.offer_and_plan().0
    }

    pub fn offer_and_plan(&mut self) -> (SessionDescription, Plan) {
        // As that of a session does in quiet times.
        self.negotiation.rest();
        let offer = self.negotiation.create_offer(&self.transport, OfferOptions::default()).unwrap();
        let plan = self.negotiation.set_local(Some(offer.clone()), &self.transport).unwrap();
        (offer, plan)
    }

    /// Takes an offer and answers it: the answer, the plan of the offer, the plan of the answer.
    pub fn answer(&mut self, offer: SessionDescription) -> (SessionDescription, Plan, Plan) {
        self.negotiation.rest();
        let first = self.negotiation.set_remote(offer).unwrap();
        let answer = self.negotiation.create_answer(&self.transport).unwrap();
        let second = self.negotiation.set_local(Some(answer.clone()), &self.transport).unwrap();
        (answer, first, second)
    }

    pub fn takes(&mut self, kind: SdpType, sdp: &str) -> Result<Plan, ErrorKind> {
        self.negotiation.rest();
        self.negotiation.set_remote(SessionDescription::new(kind, sdp)).map_err(|e| e.kind)
    }
}

/// A whole exchange; the plan of either side at its end.
pub fn exchange(offerer: &mut Peer, answerer: &mut Peer) -> (Plan, Plan) {
    let offer = offerer.offer();
    let (answer, _, theirs) = answerer.answer(offer);
    (offerer.negotiation.set_remote(answer).unwrap(), theirs)
}

/// What a browser wrote.
pub fn browser(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../sdp/corpus").join(name)).unwrap()
}

/// An offer of one data section as short as both browsers take it.
pub const MINIMAL: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
    m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\n\
    a=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=ice-options:trickle\r\n\
    a=fingerprint:sha-256 04:A4:68:F3:EC:4E:24:83:33:26:7E:44:62:DA:AB:1E:5C:54:2D:1F:FF:A4:A1:4F:6B:33:36:F2:DF:72:79:A9\r\n\
    a=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n";

/// The text without the lines that begin like this.
pub fn without(text: &str, prefix: &str) -> String {
    let kept: Vec<&str> = text.split_inclusive("\r\n").filter(|l| !l.starts_with(prefix)).collect();
    assert!(kept.len() < text.split_inclusive("\r\n").count(), "{prefix} was there");
    kept.concat()
}

/// The text with one piece replaced, which it must have.
pub fn swapped(text: &str, old: &str, new: &str) -> String {
    assert!(text.contains(old), "{old} was there");
    text.replace(old, new)
}

/// The lines of the section that begins with `m=<start>`.
pub fn section<'a>(text: &'a str, start: &str) -> &'a str {
    let begin = text.find(&format!("m={start}")).expect("the section is there");
    let rest = &text[begin..];
    &rest[..rest[2..].find("m=").map_or(rest.len(), |end| end + 2)]
}
