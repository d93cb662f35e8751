//! What a call tells: lines and a status line for people, events for programs.

use std::collections::BTreeMap;

use serde::Serialize;

use super::figures::Figures;
use super::member::{Recognised, Second};
use crate::report::{Connected, Report};
use crate::text::plain;

/// Events of `call`, beside those of every command.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event<'a> {
    Joined {
        peer: u32,
        agent: &'a str,
    },
    Connected {
        peer: u32,
        #[serde(flatten)]
        connected: &'a Connected,
    },
    Track {
        peer: u32,
        kind: &'a str,
        mid: &'a str,
    },
    Stats {
        peer: u32,
        #[serde(flatten)]
        figures: &'a Figures,
    },
    Recognised {
        peer: u32,
        pictures: u64,
        decoded: u64,
        broken: u64,
        tone_hz: Option<f64>,
    },
    Left {
        peer: u32,
        reason: &'a str,
    },
    Lost {
        peer: u32,
        reason: &'a str,
    },
    Note {
        text: &'a str,
    },
    Ended,
}

/// Tells; remembers the last figures of everybody for the status line.
#[derive(Debug, Default)]
pub struct Teller {
    lines: BTreeMap<u32, String>,
}

impl Teller {
    /// Somebody came.
    pub fn joined(&mut self, peer: u32, agent: &str, report: &Report) {
        let agent = plain(agent);
        report.event(&Event::Joined { peer, agent: &agent });
        report.note(&format!("Participant {peer} is here ({agent})"));
    }

    /// A connection stands, or takes another path.
    pub fn connected(&mut self, peer: u32, connected: &Connected, report: &Report) {
        report.event(&Event::Connected { peer, connected });
        let Connected { local, remote, protocol, .. } = connected;
        let rtt = connected.rtt_ms.map(|rtt| format!(", {rtt:.1} ms round trip")).unwrap_or_default();
        let route = connected.route();
        report.note(&format!("Connected to participant {peer}, {route} ({local} to {remote}, {protocol}{rtt})"));
    }

    /// Somebody sends something.
    pub fn track(&mut self, peer: u32, kind: &str, mid: &str, report: &Report) {
        report.event(&Event::Track { peer, kind, mid: &plain(mid) });
        report.note(&format!("Participant {peer} sends {kind}"));
    }

    /// A second has passed.
    pub fn second(&mut self, peer: u32, second: &Second, report: &mut Report) {
        report.event(&Event::Stats { peer, figures: &second.figures });
        let mut line = second.figures.line();
        if let Some(seen) = second.recognised {
            let Recognised { pictures, decoded, broken, tone_hz } = seen;
            report.event(&Event::Recognised { peer, pictures, decoded, broken, tone_hz });
            let tone = tone_hz.map(|hertz| format!(", {hertz:.0} Hz")).unwrap_or_default();
            line.push_str(&format!("  {pictures} pictures recognised{tone}"));
        }
        self.lines.insert(peer, line);
        let lines: Vec<_> = match self.lines.len() {
            1 => self.lines.values().cloned().collect(),
            _ => self.lines.iter().map(|(peer, line)| format!("{peer}: {line}")).collect(),
        };
        report.status(&lines.join("   "));
    }

    /// Somebody left.
    pub fn left(&mut self, peer: u32, reason: &str, report: &Report) {
        self.lines.remove(&peer);
        let reason = plain(reason);
        report.event(&Event::Left { peer, reason: &reason });
        report.note(&format!("Participant {peer} left: {reason}"));
    }

    /// A connection is gone.
    pub fn lost(&mut self, peer: u32, reason: &str, report: &Report) {
        self.lines.remove(&peer);
        let reason = plain(reason);
        report.event(&Event::Lost { peer, reason: &reason });
        report.note(&format!("Participant {peer} is not connected any more: {reason}"));
    }

    /// Something to read.
    pub fn note(&mut self, text: &str, report: &Report) {
        let text = plain(text);
        report.event(&Event::Note { text: &text });
        report.note(&text);
    }

    /// The call is over.
    pub fn end(&mut self, report: &Report) {
        report.event(&Event::Ended);
        report.note("The call is over");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_have_the_fields_that_programs_rely_on() {
        let figures = Figures { path: "direct", rtt_ms: Some(0.5), size_in: Some((640, 360)), ..Figures::default() };
        let json = serde_json::to_value(Event::Stats { peer: 1, figures: &figures }).unwrap();
        assert_eq!((&json["event"], &json["peer"], &json["path"]), (&"stats".into(), &1.into(), &"direct".into()));
        assert_eq!(json["size_in"], serde_json::json!([640, 360]));
        let recognised = Event::Recognised { peer: 2, pictures: 7, decoded: 8, broken: 0, tone_hz: Some(440.1) };
        assert_eq!(
            serde_json::to_string(&recognised).unwrap(),
            r#"{"event":"recognised","peer":2,"pictures":7,"decoded":8,"broken":0,"tone_hz":440.1}"#
        );
        assert_eq!(serde_json::to_string(&Event::Ended).unwrap(), r#"{"event":"ended"}"#);
    }
}
