//! `a=simulcast`.

use alloc::string::String;
use alloc::vec::Vec;

use super::Attribute;
use super::rid::{RidDirection, RidId};

/// Which encodings of one source are sent side by side (RFC 8853 §5.1): `send <list> [recv <list>]`, or the other way round.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Simulcast {
    /// Streams from the sender of the description, each with its alternatives in order of preference.
    pub send: Vec<Vec<SimulcastId>>,
    /// Streams to the sender of the description.
    pub recv: Vec<Vec<SimulcastId>>,
}

/// One encoding of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulcastId {
    /// Its name.
    pub id: RidId,
    /// It begins paused: `~` (RFC 8853 §5.1).
    pub paused: bool,
}

/// Names in one line: no encoder has so many.
const MAX_IDS: usize = 64;

impl Simulcast {
    /// The streams that go this way.
    pub fn streams(&self, direction: RidDirection) -> &[Vec<SimulcastId>] {
        match direction {
            RidDirection::Send => &self.send,
            RidDirection::Recv => &self.recv,
        }
    }

    fn list(text: &str) -> Option<Vec<Vec<SimulcastId>>> {
        let id = |word: &str| {
            let name = word.strip_prefix('~');
            Some(SimulcastId { id: RidId::new(name.unwrap_or(word))?, paused: name.is_some() })
        };
        text.split(';').map(|stream| stream.split(',').map(id).collect()).collect()
    }
}

impl Attribute for Simulcast {
    const NAME: &'static str = "simulcast";

    fn parse(value: &str) -> Option<Self> {
        let mut words = value.trim_end_matches(' ').split(' ').filter(|word| !word.is_empty());
        let mut simulcast = Self::default();
        while let Some(direction) = words.next() {
            let list = words.next().and_then(Self::list)?;
            let place = match direction {
                "send" => &mut simulcast.send,
                "recv" => &mut simulcast.recv,
                _ => return None,
            };
            if !place.is_empty() {
                return None;
            }
            *place = list;
        }
        let ids = simulcast.send.iter().chain(&simulcast.recv).map(Vec::len).sum::<usize>();
        (1..=MAX_IDS).contains(&ids).then_some(simulcast)
    }

    fn write(&self, out: &mut String) {
        out.push(':');
        for (index, direction) in [RidDirection::Send, RidDirection::Recv].into_iter().enumerate() {
            let streams = self.streams(direction);
            if streams.is_empty() {
                continue;
            }
            if index == 1 && !self.send.is_empty() {
                out.push(' ');
            }
            out.push_str(direction.as_str());
            for (index, stream) in streams.iter().enumerate() {
                out.push(if index == 0 { ' ' } else { ';' });
                for (index, alternative) in stream.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { "," });
                    out.push_str(if alternative.paused { "~" } else { "" });
                    out.push_str(alternative.id.as_str());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rewritten;
    use super::*;

    #[test]
    fn streams_have_alternatives_and_may_begin_paused() {
        for text in ["send f;h;q", "recv 1,2;~3", "send 1;2,~3 recv a"] {
            assert_eq!(rewritten::<Simulcast>(text).as_deref(), Some(text));
        }
        assert_eq!(rewritten::<Simulcast>("recv a send b").as_deref(), Some("send b recv a"));
        let many = alloc::format!("send {}", alloc::vec!["a"; MAX_IDS + 1].join(";"));
        for text in ["", "send", "send ;", "send a send b", "both a", "send a,,b", "send ~", &many] {
            assert_eq!(Simulcast::parse(text), None, "{text:?}");
        }
    }
}
