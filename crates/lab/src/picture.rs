//! A run as a picture: one page without anything outside of it.
//!
//! The networks, the ladder of packets and the tables of the boxes are there as they were at the end; where the browser
//! runs scripts, the page steps or plays through the run, and the tables fill.

mod ladder;
mod lifelines;
mod map;
mod tables;
mod text;

use std::fmt::Write as _;

use crate::picture::text::Escaped;
use crate::record::{End, Journey};
use crate::trace::{Trace, ending, told};

const STYLE: &str = include_str!("picture/style.css");
const SCRIPT: &str = include_str!("picture/script.js");

/// What packets are for, by the class that colours them.
const LEGEND: [(&str, &str); 5] = [
    ("address", "asks a STUN server"),
    ("check", "connectivity check"),
    ("relay", "relay control"),
    ("handshake", "secure channel set up"),
    ("data", "secured data"),
];

/// The page.
pub fn html(trace: &Trace, title: &str) -> String {
    let mut out = String::with_capacity(64 << 10);
    let title = Escaped(title);
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body data-packets=\"{}\">\n",
        trace.journeys.len()
    );
    let _ = write!(out, "<header>\n<h1>{title}</h1>\n<p class=\"result\">{}</p>\n</header>\n", result(trace));
    out.push_str(CONTROLS);
    out.push_str(
        "<main>\n<section class=\"packets\" aria-labelledby=\"h-packets\">\n<h2 id=\"h-packets\">Packets</h2>\n",
    );
    legend(&mut out);
    ladder::write(&mut out, trace);
    if trace.omitted > 0 {
        let _ = writeln!(out, "<p class=\"more\">… and {} more packets</p>", trace.omitted);
    }
    out.push_str(
        "</section>\n<div class=\"side\">\n<section aria-labelledby=\"h-map\">\n<h2 id=\"h-map\">Networks</h2>\n",
    );
    map::write(&mut out, trace);
    out.push_str("</section>\n<section aria-labelledby=\"h-steps\">\n<h2 id=\"h-steps\">Step by step</h2>\n");
    out.push_str("<div id=\"steps\" aria-live=\"polite\">\n");
    trace.journeys.iter().for_each(|journey| steps(&mut out, journey));
    out.push_str(
        "</div>\n</section>\n<section aria-labelledby=\"h-tables\">\n<h2 id=\"h-tables\">Translation tables</h2>\n",
    );
    tables::write(&mut out, trace);
    let _ = write!(out, "</section>\n</div>\n</main>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n");
    out
}

const CONTROLS: &str = "<nav class=\"controls\" aria-label=\"Replay\">\n\
     <button type=\"button\" id=\"first\" title=\"Before the first packet (Home)\" aria-label=\"To the start\">«</button>\n\
     <button type=\"button\" id=\"back\" title=\"One packet back (Left)\" aria-label=\"One packet back\">‹</button>\n\
     <button type=\"button\" id=\"play\" title=\"Play or pause (Space)\">Play</button>\n\
     <button type=\"button\" id=\"next\" title=\"One packet on (Right)\" aria-label=\"One packet on\">›</button>\n\
     <button type=\"button\" id=\"last\" title=\"After the last packet (End)\" aria-label=\"To the end\">»</button>\n\
     <input type=\"range\" id=\"at\" min=\"0\" max=\"0\" value=\"0\" aria-label=\"Packet\">\n\
     <output id=\"where\" for=\"at\"></output>\n</nav>\n";

fn result(trace: &Trace) -> String {
    let moment = |at: Option<std::time::Duration>| at.map_or("never".into(), |at| format!("{:.3} s", at.as_secs_f64()));
    let outcome = &trace.outcome;
    format!(
        "<strong class=\"way {way}\">{way}</strong> path taken after {}, data from {} on, {} connectivity checks. \
         All times are virtual.",
        moment(outcome.settled_after),
        moment(outcome.connected_after),
        outcome.checks,
        way = outcome.way
    )
}

fn legend(out: &mut String) {
    out.push_str("<ul class=\"legend\">");
    for (class, says) in LEGEND {
        let _ = write!(out, "<li><span class=\"swatch {class}\"></span>{says}</li>");
    }
    out.push_str("<li><span class=\"swatch relayed\"></span>through the relay</li>");
    out.push_str("<li><span class=\"cross\" aria-hidden=\"true\">✕</span>dropped</li></ul>\n");
}

/// What one packet is and what was done to it, step by step.
fn steps(out: &mut String, journey: &Journey) {
    let Journey { number, source, destination, protocol, len, summary, .. } = journey;
    let dropped = if journey.end() == End::Dropped { " dropped" } else { "" };
    let _ = write!(
        out,
        "<details class=\"step{dropped}\" data-n=\"{number}\"><summary><span class=\"number\">#{number}</span> {:.3} s \
         <b>{}</b></summary>",
        journey.after.as_secs_f64(),
        Escaped(&summary.title)
    );
    if let Some(wrapper) = &summary.wrapper {
        let _ = write!(out, "<p class=\"details\">in {}</p>", Escaped(wrapper));
    }
    if !summary.details.is_empty() {
        let _ = write!(out, "<p class=\"details\">{}</p>", Escaped(&summary.details));
    }
    let _ = write!(out, "<p class=\"addresses\">{protocol} {source} → {destination}, {len} bytes</p><ol>");
    for (at, after, text) in told(journey) {
        let later = after.saturating_sub(journey.after).as_secs_f64() * 1000.0;
        let class = if text.starts_with("dropped") || text.starts_with("lost") { " class=\"bad\"" } else { "" };
        let (at, text) = (Escaped(at), Escaped(&text));
        let _ = write!(
            out,
            "<li{class}><span class=\"at\">{at}</span> <span class=\"later\">+{later:.0} ms</span> {text}</li>"
        );
    }
    let _ = writeln!(out, "</ol><p class=\"end\">{}</p></details>", Escaped(&ending(journey)));
}
