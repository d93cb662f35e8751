//! Bodies of fuzz targets.

use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};
use peerage_rtp::ntp::WallClock;
use peerage_rtp::numbers::Ssrc;
use peerage_rtp::rtcp::compound::Compound;

use super::cname::Cname;
use super::compose::Composer;
use super::receive::{Event, Receiver};

/// RTCP as it comes: what it says is said back, and can be read.
pub fn receive(data: &[u8]) {
    let now = Instant::from_millis(100_000);
    let wall = WallClock::new(now, Duration::from_secs(1_700_000_000));
    let mut receiver = Receiver::new(wall, true);
    let mut composer = Composer::new(Ssrc(1), Cname::new(&mut Rng::from_u64(1)), data.len().is_multiple_of(2));
    // The same again says nothing new of what is counted.
    for again in [false, true] {
        receiver.handle(now, data, |event| match event {
            Event::Nack(nack) => composer.nack(nack.media, nack.packets()),
            Event::PictureLoss(source) => composer.picture_loss(source),
            Event::FullIntra(source) => {
                composer.full_intra(peerage_rtp::rtcp::fir::Request { ssrc: source, number: u8::from(again) });
            }
            Event::Remb(remb) => composer.bit_rate(remb.rate, &[Ssrc(3)]),
            Event::MaxBitRate { limit, .. } => composer.notify_limits(&[limit]),
            Event::Report(report) => {
                assert!(report.round_trip.is_none_or(|span| span <= Duration::from_secs(60)));
                composer.report([], [report.block]);
            }
            Event::SenderReport(info) => composer.report([info], []),
            Event::Bye(source) => composer.goodbye(source),
            _ => {}
        });
        composer.answer_references(receiver.references(now));
    }
    let mut buf = [0; 1200];
    for _ in 0..2000 {
        let mut slot = Slot::new(&mut buf, 0, 0, 1200);
        if composer.poll(&mut slot, |_| false).is_none() {
            assert!(composer.is_empty(), "something is never said");
            return;
        }
        let compound = Compound::parse(slot.packet()).expect("what was written can be read");
        assert!(compound.packets().all(|packet| packet.is_ok()));
    }
    panic!("it does not end");
}
