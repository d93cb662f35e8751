//! The packets, one below the other, between the lines of those that they come by.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::ops::RangeInclusive;

use peerage_sim::step::{Refusal, Step};

use crate::decode::Purpose;
use crate::picture::lifelines::order;
use crate::picture::text::{Escaped, short};
use crate::record::{End, Journey};
use crate::trace::{Trace, ending};

/// Left of the first line: time and number.
const MARGIN: i32 = 130;
/// Between two lines, as far as the width goes.
const COLUMN: RangeInclusive<i32> = 132..=170;
/// Right of the last line.
const EDGE: i32 = 64;
/// Of the drawing where the columns allow it.
const WIDTH: i32 = 930;
const ROW: i32 = 44;
const HEAD: i32 = 30;
/// How far a packet sinks on its way.
const SLOPE: i32 = 10;
/// Characters of a label.
const LABEL: usize = 40;

/// Writes the drawing.
pub fn write(out: &mut String, trace: &Trace) {
    let order = order(trace);
    let gaps = i32::try_from(order.len()).unwrap_or(0).saturating_sub(1);
    let column = ((WIDTH - MARGIN - EDGE) / gaps.max(1)).clamp(*COLUMN.start(), *COLUMN.end());
    let columns: BTreeMap<&str, i32> = order.iter().copied().zip((0..).map(|n| MARGIN + n * column)).collect();
    let width = MARGIN + column * gaps + EDGE;
    let height = ROW * i32::try_from(trace.journeys.len()).unwrap_or(i32::MAX / ROW - 1) + 12;
    let _ = writeln!(out, "<div class=\"ladder\" tabindex=\"0\" role=\"group\" aria-label=\"Ladder of packets\">");
    let _ = writeln!(
        out,
        "<svg class=\"heads\" viewBox=\"0 0 {width} {HEAD}\" width=\"{width}\" height=\"{HEAD}\" aria-hidden=\"true\">"
    );
    for (name, x) in &columns {
        let _ = writeln!(out, "<text x=\"{x}\" y=\"20\">{}</text>", Escaped(name));
    }
    let _ = writeln!(
        out,
        "</svg>\n<svg class=\"rungs\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"list\">"
    );
    out.push_str(
        "<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"9\" markerHeight=\"9\" markerUnits=\"userSpaceOnUse\" \
         orient=\"auto-start-reverse\"><path d=\"M0 0 8 4 0 8z\" fill=\"context-stroke\"/></marker></defs>\n",
    );
    for x in columns.values() {
        let _ = writeln!(out, "<line class=\"life\" x1=\"{x}\" y1=\"0\" x2=\"{x}\" y2=\"{height}\"/>");
    }
    for (journey, row) in trace.journeys.iter().zip(0..) {
        rung(out, journey, &columns, row * ROW);
    }
    out.push_str("</svg>\n</div>\n");
}

fn rung(out: &mut String, journey: &Journey, columns: &BTreeMap<&str, i32>, top: i32) {
    let hops = journey.hops();
    let points: Vec<(&str, i32)> = hops.iter().filter_map(|hop| Some((*hop, *columns.get(hop)?))).collect();
    let dropped = journey.dropped();
    let class = match journey.summary.purpose {
        Purpose::Address => "address",
        Purpose::Check => "check",
        Purpose::Relay => "relay",
        Purpose::Handshake => "handshake",
        Purpose::Data => "data",
        Purpose::Other => "other",
    };
    let relayed = if journey.summary.wrapper.is_some() { " relayed" } else { "" };
    let lost = if dropped.is_some() { " dropped" } else { "" };
    let number = journey.number;
    let _ = write!(
        out,
        "<g class=\"packet {class}{relayed}{lost}\" role=\"listitem\" data-n=\"{number}\" data-way=\"{}\">",
        Escaped(&hops.join("|"))
    );
    let _ = write!(out, "<title>{}</title>", Escaped(&title(journey)));
    let _ = write!(out, "<rect class=\"hit\" x=\"0\" y=\"{top}\" width=\"100%\" height=\"{ROW}\"/>");
    let (time, middle) = (journey.after.as_secs_f64(), top + 25);
    let _ = write!(
        out,
        "<text class=\"time\" x=\"58\" y=\"{middle}\">{time:.3} s</text><text class=\"number\" x=\"92\" y=\"{middle}\">{number}</text>"
    );
    let start = top + 18;
    let steps = i32::try_from(points.len().saturating_sub(1)).unwrap_or(1).max(1);
    let height = |n: usize| start + SLOPE * i32::try_from(n).unwrap_or(0) / steps;
    for (n, pair) in points.windows(2).enumerate() {
        let ((_, from), (_, to)) = (pair[0], pair[1]);
        let (y, end) = (height(n), height(n + 1));
        let _ = write!(
            out,
            "<line class=\"hop\" x1=\"{from}\" y1=\"{y}\" x2=\"{to}\" y2=\"{end}\" marker-end=\"url(#tip)\"/>"
        );
    }
    if let (Some((_, first)), Some((_, last))) = (points.first(), points.last()) {
        let (x, label) = ((first + last) / 2, short(&journey.summary.title, LABEL));
        // Of a packet that goes nowhere, beside its line.
        let x = if points.len() > 1 { x } else { x + 60 };
        let _ = write!(out, "<text class=\"label\" x=\"{x}\" y=\"{}\">{}</text>", top + 13, Escaped(&label));
        if let Some(stage) = dropped {
            let y = height(points.len().saturating_sub(1));
            let _ = write!(
                out,
                "<text class=\"cross\" x=\"{last}\" y=\"{}\">✕</text><text class=\"why\" x=\"{last}\" y=\"{}\">{}</text>",
                y + 5,
                top + 41,
                why(&stage.step)
            );
        }
    }
    rewrites(out, journey, columns, &points, top);
    out.push_str("</g>\n");
}

/// What a box made of an address, below its line.
fn rewrites(out: &mut String, journey: &Journey, columns: &BTreeMap<&str, i32>, points: &[(&str, i32)], top: i32) {
    let mut made: BTreeMap<&str, Vec<(&str, SocketAddr)>> = BTreeMap::new();
    for stage in &journey.stages {
        let rewritten = match stage.step {
            Step::SourceRewritten { to, .. } => ("from", to),
            Step::DestinationRewritten { to, .. } => ("to", to),
            _ => continue,
        };
        made.entry(&stage.at).or_default().push(rewritten);
    }
    for (at, made) in made {
        // The reason of a drop stands there already.
        let refused = journey.end() == End::Dropped && points.last().is_some_and(|(name, _)| *name == at);
        let Some(x) = columns.get(at).filter(|_| !refused) else { continue };
        let text = match made.as_slice() {
            [(preposition, address)] => format!("{preposition} {address}"),
            // A packet that turns back: there is room for ports alone.
            several => several
                .iter()
                .map(|(preposition, to)| format!("{preposition} :{}", to.port()))
                .collect::<Vec<_>>()
                .join(" "),
        };
        let _ = write!(out, "<text class=\"rewritten\" x=\"{x}\" y=\"{}\">{}</text>", top + 41, Escaped(&text));
    }
}

/// Why a packet went no further, in the room that there is; the steps say it in full.
fn why(step: &Step) -> &'static str {
    match step {
        Step::Refused(refusal) => match refusal {
            Refusal::NoRow => "no row",
            Refusal::FilteredAddress(_) | Refusal::FilteredEndpoint(_) => "filtered",
            Refusal::NoHairpin => "does not turn back",
            Refusal::Policy(_) => "blocked",
            Refusal::SubscriberLimit(_) => "table full",
            Refusal::NoPort => "no port left",
            Refusal::NotOurs => "for nobody here",
        },
        Step::NoRoute => "no way there",
        _ => "lost",
    }
}

fn title(journey: &Journey) -> String {
    let way = journey.hops().join(" > ");
    let end = ending(journey);
    format!("#{} {way}: {}; {end}", journey.number, journey.summary)
}
