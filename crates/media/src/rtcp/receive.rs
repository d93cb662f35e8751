//! What the peer says, one fact after the other.

use alloc::collections::VecDeque;

use peerage_base::limit::{Bucket, Rate};
use peerage_base::time::{Duration, Instant};
use peerage_rtp::ntp::{Compact, WallClock};
use peerage_rtp::numbers::Ssrc;
use peerage_rtp::report::round_trip;
use peerage_rtp::rtcp::ccfb::CongestionFeedback;
use peerage_rtp::rtcp::compound::Compound;
use peerage_rtp::rtcp::fir;
use peerage_rtp::rtcp::lrr;
use peerage_rtp::rtcp::nack::Nack;
use peerage_rtp::rtcp::packet::Packet;
use peerage_rtp::rtcp::remb::Remb;
use peerage_rtp::rtcp::report_block::ReportBlock;
use peerage_rtp::rtcp::sender_report::SenderInfo;
use peerage_rtp::rtcp::tmmb::Limit;
use peerage_rtp::rtcp::twcc::TransportFeedback;
use peerage_rtp::rtcp::xr::{Block, Dlrr, ExtendedReport};

/// Most sources whose requests and times are remembered; the oldest are forgotten.
const MAX_SOURCES: usize = 64;
/// Most compounds that are read: as many at once, and per second.
const COMPOUNDS: Rate = Rate::new(500, 1000);
/// A round trip beyond this is a lie, or an answer to what another peer has said.
const MAX_ROUND_TRIP: Duration = Duration::from_secs(60);

/// One thing that the peer says. It may be a lie: whoever acts on it bounds what it does.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Packets of a stream of ours are missing.
    Nack(Nack<'a>),
    /// Pictures of a stream of ours cannot be decoded.
    PictureLoss(Ssrc),
    /// A picture that needs no other is wanted of a stream of ours: a new request, no repetition.
    FullIntra(Ssrc),
    /// A layer is to be decodable without its past.
    LayerRefresh(lrr::Request),
    /// The rate that the path bears for some streams of ours together.
    Remb(Remb<'a>),
    /// A stream of ours is not to exceed a rate (TMMBR); to be answered by a notification.
    MaxBitRate {
        /// Who asks.
        sender: Ssrc,
        /// For which stream, and how much.
        limit: Limit,
    },
    /// When packets of ours arrived.
    TransportFeedback(TransportFeedback<'a>),
    /// The same by RFC 8888.
    CongestionFeedback(CongestionFeedback<'a>),
    /// How a stream of ours arrives.
    Report(Report),
    /// What the peer has sent.
    SenderReport(SenderInfo),
    /// The round trip to a peer that sends nothing, by extended reports.
    RoundTrip(Duration),
    /// The name of a source.
    Cname {
        /// The source.
        ssrc: Ssrc,
        /// Its name, as told.
        name: &'a [u8],
    },
    /// A source is gone.
    Bye(Ssrc),
}

/// How a stream of ours arrives, as the peer tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Who reports.
    pub sender: Ssrc,
    /// What it says.
    pub block: ReportBlock,
    /// The round trip, if the peer has seen a report of ours.
    pub round_trip: Option<Duration>,
}

/// Why RTCP was not read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// Datagrams whose framing is broken.
    pub malformed: u64,
    /// Packets in others that make no sense.
    pub packets: u64,
    /// Datagrams that were not expected in such numbers.
    pub flood: u64,
    /// Datagrams that do not begin with a report, without agreement on reduced size.
    pub reduced: u64,
}

/// Reads the RTCP of one peer.
#[derive(Debug)]
pub struct Receiver {
    wall: WallClock,
    reduced_size: bool,
    bucket: Bucket,
    /// Asker, asked, and the number of the last request.
    intra: VecDeque<(Ssrc, Ssrc, u8)>,
    /// Receivers that sent a reference time, that time, and when it came.
    references: VecDeque<(Ssrc, Compact, Instant)>,
    dropped: Dropped,
}

impl Receiver {
    /// `wall` is the clock of our sender reports. Without `reduced_size` (`a=rtcp-rsize`) what does not begin with a report is
    /// dropped.
    pub fn new(wall: WallClock, reduced_size: bool) -> Self {
        let dropped = Dropped::default();
        let (intra, references) = (VecDeque::new(), VecDeque::new());
        Self { wall, reduced_size, bucket: Bucket::default(), intra, references, dropped }
    }

    /// Reads a datagram that arrived and tells `deliver` what it says.
    pub fn handle(&mut self, now: Instant, datagram: &[u8], mut deliver: impl FnMut(Event<'_>)) {
        let Ok(compound) = Compound::parse(datagram) else {
            self.dropped.malformed += 1;
            return;
        };
        if !self.bucket.take(now, COMPOUNDS, 1) {
            self.dropped.flood += 1;
            return;
        }
        if !self.reduced_size && !compound.begins_with_report() {
            self.dropped.reduced += 1;
            return;
        }
        for packet in compound.packets() {
            match packet {
                Ok(packet) => self.packet(now, &packet, &mut deliver),
                Err(error) => {
                    tracing::debug!(%error, "RTCP packet dropped");
                    self.dropped.packets += 1;
                }
            }
        }
    }

    /// Answers to the reference times that came, for the next report.
    pub fn references(&self, now: Instant) -> impl Iterator<Item = Dlrr> {
        self.references.iter().map(move |(ssrc, last_reference, at)| Dlrr {
            ssrc: *ssrc,
            last_reference: *last_reference,
            delay: Compact::from_span(now.since(*at)),
        })
    }

    /// What was dropped, and why.
    pub const fn dropped(&self) -> Dropped {
        self.dropped
    }

    fn packet<'a>(&mut self, now: Instant, packet: &Packet<'a>, deliver: &mut impl FnMut(Event<'a>)) {
        match packet {
            Packet::SenderReport(report) => {
                deliver(Event::SenderReport(report.info));
                self.blocks(now, report.info.ssrc, report.blocks(), deliver);
            }
            Packet::ReceiverReport(report) => self.blocks(now, report.sender, report.blocks(), deliver),
            Packet::Sdes(sdes) => {
                let named = sdes.chunks().filter_map(|chunk| Some((chunk.ssrc, chunk.cname()?)));
                named.for_each(|(ssrc, name)| deliver(Event::Cname { ssrc, name }));
            }
            Packet::Bye(bye) => {
                for ssrc in bye.sources() {
                    self.forget(ssrc);
                    deliver(Event::Bye(ssrc));
                }
            }
            Packet::ExtendedReport(report) => self.extended(now, report, deliver),
            Packet::Nack(nack) => deliver(Event::Nack(*nack)),
            Packet::MaxBitRateRequest(request) => {
                let sender = request.sender;
                request.limits().for_each(|limit| deliver(Event::MaxBitRate { sender, limit }));
            }
            Packet::TransportFeedback(feedback) => deliver(Event::TransportFeedback(*feedback)),
            Packet::CongestionFeedback(feedback) => deliver(Event::CongestionFeedback(*feedback)),
            Packet::PictureLoss(loss) => deliver(Event::PictureLoss(loss.media)),
            Packet::FullIntra(wanted) => {
                for request in wanted.requests() {
                    if self.is_new(wanted.sender, request) {
                        deliver(Event::FullIntra(request.ssrc));
                    }
                }
            }
            Packet::LayerRefresh(refresh) => {
                refresh.requests().for_each(|request| deliver(Event::LayerRefresh(request)));
            }
            Packet::Remb(remb) => deliver(Event::Remb(*remb)),
            // Slices and reference pictures: no encoder of today makes use of them. Notifications answer requests that we do not
            // make.
            _ => {}
        }
    }

    fn blocks<'a>(
        &self,
        now: Instant,
        sender: Ssrc,
        blocks: impl Iterator<Item = ReportBlock>,
        deliver: &mut impl FnMut(Event<'a>),
    ) {
        let clock = self.wall.ntp(now).compact();
        for block in blocks {
            let round_trip = round_trip(clock, block.last_sender_report, block.delay);
            let round_trip = round_trip.filter(|span| *span <= MAX_ROUND_TRIP);
            deliver(Event::Report(Report { sender, block, round_trip }));
        }
    }

    fn extended<'a>(&mut self, now: Instant, report: &ExtendedReport<'a>, deliver: &mut impl FnMut(Event<'a>)) {
        for block in report.blocks() {
            match block {
                Block::ReceiverReferenceTime(ntp) => {
                    self.references.retain(|(ssrc, ..)| *ssrc != report.sender);
                    push(&mut self.references, (report.sender, ntp.compact(), now));
                }
                Block::Dlrr(items) => {
                    let clock = self.wall.ntp(now).compact();
                    let spans = items.iter().filter_map(|item| round_trip(clock, item.last_reference, item.delay));
                    // All items are for this peer, though it may have asked by several of its sources.
                    if let Some(span) = spans.filter(|span| *span <= MAX_ROUND_TRIP).min() {
                        deliver(Event::RoundTrip(span));
                    }
                }
                _ => {}
            }
        }
    }

    /// Whether a request is no repetition of the one before (RFC 5104 §4.3.1.2).
    fn is_new(&mut self, sender: Ssrc, request: fir::Request) -> bool {
        let known = self.intra.iter_mut().find(|(asker, asked, _)| (*asker, *asked) == (sender, request.ssrc));
        match known {
            Some((_, _, number)) => core::mem::replace(number, request.number) != request.number,
            None => {
                push(&mut self.intra, (sender, request.ssrc, request.number));
                true
            }
        }
    }

    fn forget(&mut self, source: Ssrc) {
        self.intra.retain(|(asker, ..)| *asker != source);
        self.references.retain(|(ssrc, ..)| *ssrc != source);
    }
}

fn push<T>(list: &mut VecDeque<T>, item: T) {
    if list.len() == MAX_SOURCES {
        list.pop_front();
    }
    list.push_back(item);
}
