//! What a run came to.

use std::collections::BTreeMap;
use std::time::Duration;

use bench::figures::{Figures, middle};
use bench::scenario::Column;

use crate::film::{Filmed, RATE, Seen};

/// Pictures at the start that do not count: while the rate is being found.
pub const WARM_UP: u32 = 5 * RATE;
/// The share of pictures that may be missing: none is lost on loopback, unless a socket overflows.
const MAY_MISS: f64 = 0.01;

/// What is told.
pub const COLUMNS: [Column; 13] = [
    column("added_median_ms", "added ms", true),
    column("added_p95_ms", "p95", false),
    column("added_p99_ms", "p99", false),
    column("added_worst_ms", "worst", false),
    column("call_median_ms", "of it in the call", false),
    column("pacer_mean_ms", "packet waits", false),
    column("assembly_mean_ms", "first to last packet", false),
    column("scheduled_median_ms", "shown as scheduled", false),
    column("encode_median_ms", "encode", false),
    column("decode_median_ms", "decode", false),
    column("total_median_ms", "all", false),
    Column { figure: "kbit_s", title: "kbit/s", digits: 0, compared: false },
    Column { figure: "pictures_missing", title: "missing", digits: 0, compared: false },
];

const fn column(figure: &'static str, title: &'static str, compared: bool) -> Column {
    Column { figure, title, digits: 2, compared }
}

/// Puts together what both ends have seen.
///
/// # Errors
/// Too many pictures are missing, or one was seen twice or out of order.
pub fn figures(filmed: &[Filmed], seen: &[Seen]) -> Result<Figures, String> {
    if !seen.is_sorted_by(|a, b| a.number < b.number) {
        return Err("pictures came twice or out of order".to_owned());
    }
    let seen: BTreeMap<u32, &Seen> = seen.iter().map(|seen| (seen.number, seen)).collect();
    let counted: Vec<&Filmed> = filmed.iter().filter(|filmed| filmed.number >= WARM_UP).collect();
    let pairs: Vec<(&Filmed, &Seen)> =
        counted.iter().filter_map(|filmed| Some((*filmed, *seen.get(&filmed.number)?))).collect();
    let missing = counted.len() - pairs.len();
    if pairs.is_empty() || missing as f64 > MAY_MISS * counted.len() as f64 {
        return Err(format!("{missing} of {} pictures are missing", counted.len()));
    }
    let added = sorted(&pairs, |filmed, seen| seen.arrived - filmed.encoded);
    let median = |of: &dyn Fn(&Filmed, &Seen) -> Duration| middle(sorted(&pairs, of)).unwrap_or_default();
    Ok(Figures::default()
        .with("added_median_ms", middle(added.iter().copied()).unwrap_or_default())
        .with("added_p95_ms", share(&added, 0.95))
        .with("added_p99_ms", share(&added, 0.99))
        .with("added_worst_ms", share(&added, 1.0))
        .with("call_median_ms", median(&|filmed, _| filmed.taken - filmed.encoded))
        .with("scheduled_median_ms", median(&|filmed, seen| scheduled(filmed, seen)))
        .with("encode_median_ms", median(&|filmed, _| filmed.encoded - filmed.begun))
        .with("decode_median_ms", median(&|_, seen| seen.decoded - seen.arrived))
        .with("total_median_ms", median(&|filmed, seen| seen.decoded - filmed.begun))
        .with("kbit_s", rate(&counted))
        .with("pictures_missing", missing as f64))
}

/// Kilobits per second of the frames.
fn rate(filmed: &[&Filmed]) -> f64 {
    let bytes: usize = filmed.iter().map(|filmed| filmed.size).sum();
    bytes as f64 * 8.0 / 1000.0 * f64::from(RATE) / filmed.len().max(1) as f64
}

/// What is added where a picture is shown when the receiver says, and not before it is decoded.
fn scheduled(filmed: &Filmed, seen: &Seen) -> Duration {
    let coding = (filmed.encoded - filmed.begun) + (seen.decoded - seen.arrived);
    (seen.due.max(seen.decoded) - filmed.begun).saturating_sub(coding)
}

fn sorted(pairs: &[(&Filmed, &Seen)], of: impl Fn(&Filmed, &Seen) -> Duration) -> Vec<f64> {
    let mut values: Vec<f64> = pairs.iter().map(|(filmed, seen)| of(filmed, seen).as_secs_f64() * 1e3).collect();
    values.sort_by(f64::total_cmp);
    values
}

/// What this share of sorted values does not exceed.
fn share(sorted: &[f64], share: f64) -> f64 {
    let at = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(at.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    /// A picture that takes 3 ms to encode, 2 ms and a bit for each on the way, 1 ms to decode; due 5 ms after it arrived.
    fn picture(origin: Instant, number: u32) -> (Filmed, Seen) {
        let at = |micros: u64| origin + Duration::from_micros(u64::from(number) * 33_333 + micros);
        let filmed = Filmed { number, begun: at(0), encoded: at(3000), taken: at(3100), size: 1000 };
        let way = 2000 + u64::from(number - WARM_UP) * 10;
        let seen = Seen { number, arrived: at(3000 + way), decoded: at(4000 + way), due: at(8000 + way) };
        (filmed, seen)
    }

    #[test]
    fn what_is_added_is_what_neither_codec_takes() {
        let origin = Instant::now();
        let (filmed, mut seen): (Vec<_>, Vec<_>) =
            (WARM_UP..WARM_UP + 201).map(|number| picture(origin, number)).unzip();
        let told = figures(&filmed, &seen).unwrap();
        for (figure, expected) in [
            ("added_median_ms", 3.0),
            ("added_p95_ms", 3.9),
            ("added_p99_ms", 3.98),
            ("added_worst_ms", 4.0),
            ("call_median_ms", 0.1),
            ("scheduled_median_ms", 7.0),
            ("encode_median_ms", 3.0),
            ("decode_median_ms", 1.0),
            ("total_median_ms", 7.0),
            ("kbit_s", 240.0),
            ("pictures_missing", 0.0),
        ] {
            let value = told.value(figure).unwrap();
            assert!((value - expected).abs() < 0.02, "{figure}: {value}");
        }
        seen.swap(3, 4);
        assert!(figures(&filmed, &seen).is_err(), "out of order");
        seen.swap(3, 4);
        seen.drain(10..14);
        assert!(figures(&filmed, &seen).is_err(), "four are missing");
        assert!(figures(&[], &[]).is_err());
    }
}
