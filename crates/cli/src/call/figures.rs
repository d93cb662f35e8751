//! How a call goes, in numbers: for the status line and for programs.

use std::fmt::Write as _;
use std::time::Duration;

use peerage::PeerConnection;
use peerage::stats::{StatsEntry, StatsReport};
use serde::Serialize;
use tokio::time::Instant;

use super::eyes::Seen;
use super::send::Sent;

/// One second with one participant.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// `direct` or `relayed`.
    pub path: &'static str,
    /// Round-trip time.
    pub rtt_ms: Option<f64>,
    /// Bits a second that arrived, all protocols together.
    pub bits_in: u64,
    /// And that were sent.
    pub bits_out: u64,
    /// Pictures a second that arrived.
    pub fps_in: f64,
    /// And that were sent.
    pub fps_out: f64,
    /// Width and height of pictures that arrive.
    pub size_in: Option<(u32, u32)>,
    /// And of those that are sent.
    pub size_out: Option<(u32, u32)>,
    /// Packets of the last second that did not arrive here, per cent.
    pub loss_in: f64,
    /// Packets that did not arrive there by the last report, per cent.
    pub loss_out: f64,
    /// Frames that arrived since the beginning.
    pub frames_in: u64,
    /// And that were sent.
    pub frames_out: u64,
}

/// What the last second ended with.
#[derive(Debug)]
pub struct Meter {
    at: Instant,
    bytes: (u64, u64),
    frames: (u64, u64),
    packets: (u64, i64),
}

impl Default for Meter {
    fn default() -> Self {
        Self { at: Instant::now(), bytes: (0, 0), frames: (0, 0), packets: (0, 0) }
    }
}

impl Meter {
    /// What happened since it was asked last.
    pub fn read(&mut self, pc: &PeerConnection, path: &'static str, seen: &[&Seen], sent: Option<&Sent>) -> Figures {
        use std::sync::atomic::Ordering::Relaxed;
        let transport = pc.transport_stats();
        let report = pc.get_stats();
        let now = Instant::now();
        let bytes = (transport.traffic.bytes_received, transport.traffic.bytes_sent);
        let frames_in = seen.iter().map(|seen| seen.frames.load(Relaxed)).sum::<u64>();
        let frames = (frames_in, sent.map_or(0, |sent| sent.frames.load(Relaxed)));
        let packets = report
            .inbound()
            .fold((0, 0), |(came, lost), stream| (came + stream.packets_received, lost + stream.packets_lost));
        let elapsed = now.duration_since(self.at).max(Duration::from_millis(1)).as_secs_f64();
        let per_second = |now: u64, before: u64| now.saturating_sub(before) as f64 / elapsed;
        let came = packets.0.saturating_sub(self.packets.0) as f64;
        let lost = (packets.1 - self.packets.1).max(0) as f64;
        let figures = Figures {
            path,
            rtt_ms: transport.rtt.map(|rtt| round(rtt.as_secs_f64() * 1e3)),
            bits_in: (per_second(bytes.0, self.bytes.0) * 8.0) as u64,
            bits_out: (per_second(bytes.1, self.bytes.1) * 8.0) as u64,
            fps_in: round(per_second(frames.0, self.frames.0)),
            fps_out: round(per_second(frames.1, self.frames.1)),
            size_in: seen.iter().find_map(|seen| seen.size()),
            size_out: sent.and_then(Sent::size),
            loss_in: if lost > 0.0 { round(lost * 100.0 / (lost + came)) } else { 0.0 },
            loss_out: round(loss_there(&report) * 100.0),
            frames_in: frames.0,
            frames_out: frames.1,
        };
        *self = Self { at: now, bytes, frames, packets };
        figures
    }
}

impl Figures {
    /// One line for a person.
    pub fn line(&self) -> String {
        let mut line = self.path.to_owned();
        let rate = |bits: u64| format!("{:.2} Mbit/s", bits as f64 / 1e6);
        let side = |size: Option<(u32, u32)>| size.map(|(width, height)| format!(" {width}x{height}"));
        let way = |line: &mut String, arrow: &str, bits, fps: f64, size, loss: f64| {
            let _ = write!(line, "  {arrow} {}", rate(bits));
            if let Some(size) = side(size) {
                let _ = write!(line, "{size} {fps:.0} fps");
            }
            if loss > 0.0 {
                let _ = write!(line, " {loss:.1} % lost");
            }
        };
        way(&mut line, "in", self.bits_in, self.fps_in, self.size_in, self.loss_in);
        way(&mut line, "out", self.bits_out, self.fps_out, self.size_out, self.loss_out);
        if let Some(rtt) = self.rtt_ms {
            let _ = write!(line, "  {rtt:.1} ms");
        }
        line
    }
}

/// The greatest share of packets that the peer misses of a stream of ours.
fn loss_there(report: &StatsReport) -> f64 {
    let shares = report.entries.iter().filter_map(|entry| match entry {
        StatsEntry::RemoteInboundRtp(stats) => Some(stats.fraction_lost),
        _ => None,
    });
    shares.fold(0.0, f64::max)
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_what_matters_and_no_more() {
        let figures = Figures {
            path: "direct",
            rtt_ms: Some(12.34),
            bits_in: 1_234_567,
            fps_in: 29.8,
            size_in: Some((640, 360)),
            loss_in: 1.25,
            ..Figures::default()
        };
        assert_eq!(figures.line(), "direct  in 1.23 Mbit/s 640x360 30 fps 1.2 % lost  out 0.00 Mbit/s  12.3 ms");
    }
}
