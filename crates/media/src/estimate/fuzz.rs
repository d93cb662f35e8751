//! Body of a fuzz target.

use super::config::Config;
use super::estimator::{Estimator, Number, Sent};
use super::event::{ClusterId, Event};
use peerage_base::ecn::Ecn;
use peerage_base::reader::Reader;
use peerage_base::time::{Duration, Instant};
use peerage_rtp::numbers::{SequenceNumber, Ssrc};
use peerage_rtp::rtcp::compound::Compound;
use peerage_rtp::rtcp::packet::Packet;
use peerage_rtp::rtcp::report_block::ReportBlock;

/// Most calls.
const MOST: usize = 512;

/// A sender, and a peer that says whatever it likes: packets of all kinds leave, time passes, feedback comes that was
/// received, and feedback that the input writes itself. Estimates stay within their limits, deadlines pass, and events end.
pub fn estimator(data: &[u8]) {
    let mut input = Reader::new(data);
    let mut world = World::new(input.u8().unwrap_or(0));
    for _ in 0..MOST {
        if world.step(&mut input).is_none() {
            break;
        }
        world.check();
    }
    // Whatever was said, it comes to rest.
    for _ in 0..1000 {
        let Some(at) = world.estimator.poll_timeout() else { break };
        world.now = world.now.max(at);
        world.check();
    }
    assert_eq!(world.estimator.poll_timeout(), None);
}

struct World {
    config: Config,
    estimator: Estimator,
    now: Instant,
    number: u16,
    cluster: Option<ClusterId>,
}

impl World {
    fn new(choices: u8) -> Self {
        let min = 30_000 << (choices & 3);
        let config = Config {
            min,
            max: min * u64::from(choices >> 2 & 15) + 1,
            is_probing: choices & 0x40 == 0,
            has_breaker: choices & 0x80 == 0,
            ..Config::default()
        };
        let now = Instant::from_millis(1_000_000);
        Self { config: config.sane(), estimator: Estimator::new(config), now, number: 0, cluster: None }
    }

    fn step(&mut self, input: &mut Reader<'_>) -> Option<()> {
        let op = input.u8()?;
        match op & 7 {
            0 | 1 => self.send(op >> 3, input.u8()?),
            2 => self.now += Duration::from_millis(u64::from(input.u8()?) << (op >> 5)),
            3 => {
                let bytes = input.bytes(usize::from(op >> 3) * 4)?;
                self.receive(bytes);
            }
            4 => self.transport(op, input)?,
            5 => self.streams(op, input)?,
            6 => self.report(input)?,
            _ => self.command(op >> 3, input)?,
        }
        Some(())
    }

    /// Some packets at once.
    fn send(&mut self, kind: u8, count: u8) {
        for n in 0..count & 63 {
            let number = SequenceNumber(self.number);
            self.estimator.sent(
                self.now,
                &Sent {
                    ssrc: Ssrc(u32::from(kind & 1)),
                    number: match kind >> 1 & 3 {
                        0 | 1 => Some(Number::Transport(number)),
                        2 => Some(Number::Stream(number)),
                        _ => None,
                    },
                    size: 10 * usize::from(n) + usize::from(kind),
                    probe: self.cluster.filter(|_| kind & 8 != 0),
                    is_media: kind & 8 == 0,
                    ecn: Ecn::from_bits(kind >> 3),
                },
            );
            self.number = self.number.wrapping_add(1);
        }
    }

    /// Feedback as it came.
    fn receive(&mut self, bytes: &[u8]) {
        let Ok(compound) = Compound::parse(bytes) else { return };
        for packet in compound.packets().flatten() {
            match packet {
                Packet::TransportFeedback(feedback) => self.estimator.transport_feedback(self.now, &feedback),
                Packet::CongestionFeedback(feedback) => self.estimator.stream_feedback(self.now, &feedback),
                Packet::ReceiverReport(report) => {
                    for block in report.blocks() {
                        self.estimator.report(self.now, &block);
                    }
                }
                _ => {}
            }
        }
    }

    /// Transport-wide feedback about the last packets, its chunks and deltas from the input.
    fn transport(&mut self, op: u8, input: &mut Reader<'_>) -> Option<()> {
        let back = u16::from(input.u8()?);
        let body = input.bytes(4 * usize::from(1 + (op >> 4)))?;
        let mut packet = [0u8; 12 + 8 + 64];
        let len = 20 + body.len();
        packet[..4].copy_from_slice(&[0x8F, 205, 0, (len / 4 - 1) as u8]);
        packet[12..14].copy_from_slice(&self.number.wrapping_sub(back).to_be_bytes());
        packet[15] = (back as u8).max(1);
        packet[17] = op;
        packet[20..len].copy_from_slice(body);
        self.receive(&packet[..len]);
        Some(())
    }

    /// Feedback of RFC 8888 about the last packets of a stream, their reports from the input.
    fn streams(&mut self, op: u8, input: &mut Reader<'_>) -> Option<()> {
        let (back, time) = (u16::from(input.u8()?), input.u32()?);
        let reports = 2 * usize::from(1 + (op >> 4));
        let body = input.bytes(2 * reports)?;
        let mut packet = [0u8; 8 + 8 + 64 + 4];
        let len = 16 + body.len() + 4;
        packet[..4].copy_from_slice(&[0x8B, 205, 0, (len / 4 - 1) as u8]);
        packet[11] = op >> 3 & 1;
        packet[12..14].copy_from_slice(&self.number.wrapping_sub(back).to_be_bytes());
        packet[15] = reports as u8;
        packet[16..len - 4].copy_from_slice(body);
        packet[len - 4..len].copy_from_slice(&time.to_be_bytes());
        self.receive(&packet[..len]);
        Some(())
    }

    fn report(&mut self, input: &mut Reader<'_>) -> Option<()> {
        let (fraction_lost, highest) = (input.u8()?, u32::from(input.u8()?));
        let block = ReportBlock { ssrc: Ssrc(highest & 1), fraction_lost, highest, ..ReportBlock::default() };
        self.estimator.report(self.now, &block);
        Some(())
    }

    fn command(&mut self, kind: u8, input: &mut Reader<'_>) -> Option<()> {
        let value = u64::from(input.u16()?);
        match kind & 7 {
            0 => self.estimator.set_cap(self.now, Some(value << (kind >> 1))),
            1 => self.estimator.set_cap(self.now, None),
            2 => self.estimator.set_needed(Some(value << (kind >> 1))),
            3 => self.estimator.round_trip(Duration::from_millis(value)),
            4 => self.estimator.path_changed(self.now),
            5 => self.estimator.sent_other(self.now, (value as usize) << (kind >> 1)),
            6 => self.estimator.handle_timeout(self.now),
            _ => self.now += Duration::from_secs(value),
        }
        Some(())
    }

    fn check(&mut self) {
        if self.estimator.poll_timeout().is_some_and(|at| at <= self.now) {
            self.estimator.handle_timeout(self.now);
            let next = self.estimator.poll_timeout();
            assert!(next.is_none_or(|at| at > self.now), "{next:?} at {:?}", self.now);
        }
        let limits = self.config.min..=self.config.max;
        for rate in [self.estimator.estimate(), self.estimator.target()] {
            assert!(limits.contains(&rate), "{rate} {limits:?}");
        }
        assert!((0.0..=1.0).contains(&self.estimator.loss()));
        assert!((0.0..=0.11).contains(&self.estimator.inherent_loss()));
        let mut events = 0;
        while let Some(event) = self.estimator.poll_event() {
            events += 1;
            if let Event::Probe(probe) = event {
                assert!(probe.rate <= self.config.max);
                self.cluster = Some(probe.cluster);
            }
        }
        assert!(events < 32);
        let stats = self.estimator.stats();
        assert!(stats.packets_acknowledged + stats.packets_lost <= stats.packets_sent);
    }
}

#[cfg(test)]
mod tests {
    const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/estimate");

    #[test]
    fn estimators() {
        peerage_testkit::replay::replay(CORPUS, super::estimator);
        let mut rng = peerage_base::rng::Rng::from_u64(8);
        for _ in 0..200 {
            let mut input = [0; 1500];
            rng.fill(&mut input);
            super::estimator(&input);
        }
    }
}
