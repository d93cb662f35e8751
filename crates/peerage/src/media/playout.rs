//! Received audio for a sound card.

use std::sync::Arc;

use peerage_base::time::Instant;
pub use peerage_session::face::Encoded;
pub use peerage_session::face::playback::Decoder;
use peerage_session::face::playback::{Decisions, Playback};
pub use peerage_session::face::stretch::Format as SampleFormat;
use peerage_session::face::{Decision, Ssrc, TransceiverId};

use super::line::has_ended;
use super::transform::{LastPacket, Passage, Through};
use crate::connection::Connection;

/// Plays what arrives on a receiver, 10 ms at a time. Made by [`RtpReceiver::playout`](super::receiver::RtpReceiver::playout).
///
/// It may live in a plain thread, that of a sound card's callbacks: nothing waits for the network, and while sound is decoded,
/// nothing of the connection is held up.
pub struct Playout<D> {
    reach: Reach,
    format: SampleFormat,
    decoder: D,
    playback: Option<Playback>,
    silence: Vec<i16>,
    passage: Arc<Passage>,
    last: LastPacket,
}

/// The jitter buffer, reached for one decision at a time.
struct Reach {
    connection: Arc<Connection>,
    id: TransceiverId,
    /// The stream that is played and the clock of its timestamps.
    stream: Option<(Ssrc, u32)>,
    /// What is to be decoded, out of the lock.
    payload: Vec<u8>,
}

impl<D: Decoder> Playout<D> {
    pub(crate) fn new(
        (connection, id): (Arc<Connection>, TransceiverId),
        passage: Arc<Passage>,
        format: SampleFormat,
        decoder: D,
    ) -> Self {
        let silence = vec![0; format.rate() as usize / 100 * format.channels()];
        let reach = Reach { connection, id, stream: None, payload: Vec::new() };
        Self { reach, format, decoder, playback: None, silence, passage, last: LastPacket::default() }
    }

    /// The next 10 ms, interleaved; silence until something comes. To be called every 10 ms. `None` once nothing will come any
    /// more.
    pub fn play(&mut self) -> Option<&[i16]> {
        let now = self.reach.connection.cell.now();
        let stream = self.reach.find()?;
        if stream != self.reach.stream {
            self.reach.stream = stream;
            self.playback = stream.map(|(_, clock_rate)| Playback::new(self.format, clock_rate));
        }
        let Some((playback, (ssrc, _))) = self.playback.as_mut().zip(stream) else { return Some(&self.silence) };
        let Self { decoder, passage, last, .. } = self;
        Some(playback.play(now, &mut self.reach, &mut Through { decoder, passage, ssrc, last }))
    }

    /// The format of the samples.
    pub fn format(&self) -> SampleFormat {
        self.format
    }

    /// The decoder.
    pub fn decoder(&mut self) -> &mut D {
        &mut self.decoder
    }
}

impl Reach {
    /// The stream that is to be played now, if there is one; `None` if there never will be.
    fn find(&self) -> Option<Option<(Ssrc, u32)>> {
        let mut state = self.connection.cell.lock();
        if state.over || has_ended(&state.session, self.id) {
            return None;
        }
        Some(state.session.playout(self.id).map(|audio| (audio.source().ssrc(), audio.clock_rate())))
    }
}

impl Decisions for Reach {
    fn next(&mut self, now: Instant) -> Decision<'_> {
        let Self { connection, id, stream, payload } = self;
        let mut state = connection.cell.lock();
        let Some(audio) = state.session.playout(*id) else {
            // The stream has ended within these 10 ms.
            let ticks = stream.map_or(1, |(_, clock_rate)| clock_rate / 100);
            return Decision::Play { ticks };
        };
        let mut keep = |encoded: Encoded<'_>| {
            payload.clear();
            payload.extend_from_slice(encoded.payload);
            let Encoded { codec, payload_type, timestamp, ticks, .. } = encoded;
            move |payload| Encoded { codec, payload_type, timestamp, ticks, payload }
        };
        match audio.next(now) {
            Decision::Decode(encoded) => {
                let again = keep(encoded);
                Decision::Decode(again(payload))
            }
            Decision::DecodeRedundancy(encoded) => {
                let again = keep(encoded);
                Decision::DecodeRedundancy(again(payload))
            }
            Decision::Conceal { ticks } => Decision::Conceal { ticks },
            Decision::ComfortNoise { ticks } => Decision::ComfortNoise { ticks },
            Decision::Silence { ticks } => Decision::Silence { ticks },
            Decision::Accelerate { is_urgent } => Decision::Accelerate { is_urgent },
            Decision::Slow => Decision::Slow,
            Decision::Play { ticks } => Decision::Play { ticks },
        }
    }

    fn stretched(&mut self, ticks: i32) {
        let mut state = self.connection.cell.lock();
        if let Some(audio) = state.session.playout(self.id) {
            audio.stretched(ticks);
        }
    }
}

impl<D> std::fmt::Debug for Playout<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Playout").field("format", &self.format).finish_non_exhaustive()
    }
}
