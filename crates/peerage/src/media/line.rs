//! What the handles of one transceiver wait for, and what they want of it before the peer has agreed.

use std::collections::BTreeMap;
use std::sync::Arc;

use peerage_session::delivery::Delivery;
use peerage_session::face::{Codec, TransceiverId};
use peerage_session::session::Session;
use tokio::sync::Notify;

use super::sender::EncoderEvent;
use super::transform::Passage;

/// Wakes those who wait on one transceiver.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    /// There is something to read, or there will be no more.
    pub(crate) readable: Notify,
    /// The encoder has something to do, or never will again.
    pub(crate) encoder: Notify,
}

/// One transceiver.
#[derive(Debug, Default)]
pub(crate) struct Line {
    pub(crate) waiters: Arc<Waiters>,
    /// What frames go through that are sent, and that come.
    pub(crate) sent: Arc<Passage>,
    pub(crate) received: Arc<Passage>,
    /// What the application set, by encoding.
    pub(crate) encodings: Vec<EncodingWish>,
    wishes: Vec<Wish>,
    /// The peer sends nothing.
    pub(crate) is_muted: bool,
    /// The application sends nothing for now.
    pub(crate) is_detached: bool,
    pub(crate) delivery: Delivery,
    pub(crate) codec: Option<Codec>,
}

/// What the application set of one encoding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct EncodingWish {
    pub(crate) active: bool,
    pub(crate) max_bitrate: Option<u64>,
    pub(crate) max_framerate: Option<f64>,
    pub(crate) scale_resolution_down_by: f64,
}

impl Default for EncodingWish {
    fn default() -> Self {
        Self { active: true, max_bitrate: None, max_framerate: None, scale_resolution_down_by: 1.0 }
    }
}

/// What the encoder of one encoding is to be told: the last of each kind, so that nothing piles up.
#[derive(Clone, Copy, Debug, Default)]
struct Wish {
    bitrate: u64,
    bitrate_is_new: bool,
    key_frame: bool,
    parameters: bool,
}

/// The transceivers of a connection that anybody cares for; most connections have none.
#[derive(Debug, Default)]
pub(crate) struct Lines(BTreeMap<TransceiverId, Line>);

impl Lines {
    /// The line of a transceiver, made if it has none. Those that are gone make room.
    pub(crate) fn line(&mut self, session: &Session, id: TransceiverId) -> &mut Line {
        if !self.0.contains_key(&id) {
            self.0.retain(|id, line| session.transceiver(*id).is_some() || Arc::strong_count(&line.waiters) > 1);
        }
        self.0.entry(id).or_default()
    }

    /// The line of a transceiver, if it has one.
    pub(crate) fn of(&self, id: TransceiverId) -> Option<&Line> {
        self.0.get(&id)
    }

    /// An exchange has settled what there is: what was wanted before counts now.
    pub(crate) fn settle(&self, session: &mut Session) {
        for (id, line) in &self.0 {
            line.settle(session, *id);
        }
    }

    /// The connection is over.
    pub(crate) fn wake_all(&self) {
        self.0.values().for_each(Line::wake);
    }
}

impl Line {
    /// A key frame is wanted.
    pub(crate) fn want_key_frame(&mut self, encoding: usize) {
        self.wish(encoding).key_frame = true;
        self.waiters.encoder.notify_waiters();
    }

    /// A key frame was sent: whoever asked for one has it.
    pub(crate) fn key_frame_made(&mut self, encoding: usize) {
        if let Some(wish) = self.wishes.get_mut(encoding) {
            wish.key_frame = false;
        }
    }

    /// Another rate is wanted.
    pub(crate) fn want_bitrate(&mut self, encoding: usize, bitrate: u64) {
        let wish = self.wish(encoding);
        (wish.bitrate, wish.bitrate_is_new) = (bitrate, true);
        self.waiters.encoder.notify_waiters();
    }

    /// The application wants something else of an encoding.
    pub(crate) fn want_parameters(&mut self, encoding: usize, wanted: EncodingWish) {
        if self.encodings.len() <= encoding {
            self.encodings.resize(encoding + 1, EncodingWish::default());
        }
        self.encodings[encoding] = wanted;
        self.wish(encoding).parameters = true;
        self.waiters.encoder.notify_waiters();
    }

    /// The encoders begin anew, as after a pause.
    pub(crate) fn begin_anew(&mut self) {
        self.wishes.iter_mut().for_each(|wish| wish.key_frame = true);
        self.waiters.encoder.notify_waiters();
    }

    /// What the encoders are to be told next. Parameters and rates come first, so that the key frame is made at them.
    pub(crate) fn encoder_event(&mut self) -> Option<EncoderEvent> {
        if let Some(encoding) = self.wishes.iter_mut().position(|wish| std::mem::take(&mut wish.parameters)) {
            return Some(EncoderEvent::Parameters { encoding });
        }
        for (encoding, wish) in self.wishes.iter_mut().enumerate() {
            if std::mem::take(&mut wish.bitrate_is_new) {
                return Some(EncoderEvent::TargetBitrate { encoding, bitrate: wish.bitrate });
            }
        }
        let wanted = self.wishes.iter_mut().position(|wish| std::mem::take(&mut wish.key_frame));
        wanted.map(|encoding| EncoderEvent::KeyFrame { encoding })
    }

    /// What was set of an encoding.
    pub(crate) fn parameters(&self, encoding: usize) -> EncodingWish {
        self.encodings.get(encoding).copied().unwrap_or_default()
    }

    /// The rate that was told last.
    pub(crate) fn bitrate(&self, encoding: usize) -> Option<u64> {
        self.wishes.get(encoding).map(|wish| wish.bitrate).filter(|bitrate| *bitrate > 0)
    }

    /// Brings the wanted format into effect, as far as it can be now: its place differs from exchange to exchange.
    pub(crate) fn settle(&self, session: &mut Session, id: TransceiverId) {
        if let Some(codec) = self.codec {
            let place = session.sendable(id).iter().position(|known| *known == codec);
            // What was not agreed on cannot be sent; the first format is.
            let _ = place.map(|place| session.set_send_codec(id, place));
        }
    }

    /// Everybody looks again.
    pub(crate) fn wake(&self) {
        self.waiters.readable.notify_waiters();
        self.waiters.encoder.notify_waiters();
    }

    fn wish(&mut self, encoding: usize) -> &mut Wish {
        if self.wishes.len() <= encoding {
            self.wishes.resize(encoding + 1, Wish::default());
        }
        &mut self.wishes[encoding]
    }
}

/// Whether nothing comes or goes on a transceiver ever again.
pub(crate) fn has_ended(session: &Session, id: TransceiverId) -> bool {
    session.transceiver(id).is_none_or(|transceiver| transceiver.is_stopping())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_encoder_is_told_does_not_pile_up() {
        let mut line = Line::default();
        for bitrate in 1..1_000 {
            line.want_key_frame(1);
            line.want_bitrate(0, bitrate);
        }
        let told: Vec<_> = std::iter::from_fn(|| line.encoder_event()).collect();
        let expected =
            [EncoderEvent::TargetBitrate { encoding: 0, bitrate: 999 }, EncoderEvent::KeyFrame { encoding: 1 }];
        assert_eq!(told, expected);
        assert_eq!((line.bitrate(0), line.bitrate(1), line.bitrate(7)), (Some(999), None, None));
    }
}
