//! Sound and picture of one sender together, where we play the sound.

use alloc::vec::Vec;

use peerage_base::time::{Duration, Instant};
use peerage_media::receive::sync::{Config, LipSync, Played};

use super::section::Section;
use super::stream::{Receiver, Stream};

/// How often they are compared.
const INTERVAL: Duration = Duration::from_secs(1);

/// Holds what belongs together, by the name that the peer gives its sender.
#[derive(Debug, Default)]
pub(crate) struct Together {
    /// Sound and picture, by the places of their sections.
    pairs: Vec<((usize, usize), LipSync)>,
    compared: Option<Instant>,
}

impl Together {
    /// Compares, if it is time.
    pub(crate) fn handle_timeout(&mut self, now: Instant, sections: &mut [Section]) {
        if self.compared.is_some_and(|at| now.since(at) < INTERVAL) {
            return;
        }
        self.compared = Some(now);
        for at in pairs(sections) {
            let Some((audio, video)) = played(now, sections, at) else { continue };
            let place = self.pairs.iter().position(|(of, _)| *of == at).unwrap_or_else(|| {
                self.pairs.push((at, LipSync::new(Config::default())));
                self.pairs.len() - 1
            });
            let Some((_, sync)) = self.pairs.get_mut(place) else { continue };
            let delays = sync.update(now, audio, video);
            for (place, delay) in [(at.0, delays.audio), (at.1, delays.video)] {
                for stream in &mut sections[place].streams {
                    match &mut stream.receiver {
                        Receiver::Playout(audio) => audio.set_least_delay(delay),
                        Receiver::Video(video) => video.set_least_delay(delay),
                        Receiver::Audio(..) | Receiver::Packets(..) => {}
                    }
                }
            }
        }
    }

    /// The sections are others.
    pub(crate) fn clear(&mut self) {
        self.pairs.clear();
    }
}

/// Sounds that we play, each with the first picture of the same sender.
fn pairs(sections: &[Section]) -> Vec<(usize, usize)> {
    let plays = |section: &Section| section.streams.iter().any(|s| matches!(s.receiver, Receiver::Playout(_)));
    let name = |section: &Section| section.plan.remote_streams.first().and_then(|stream| stream.cname.clone());
    let sounds = sections.iter().enumerate().filter(|(_, section)| plays(section));
    let with = sounds.filter_map(|(sound, section)| {
        let of = name(section);
        let same = |other: &Section| other.is_video() && !other.streams.is_empty() && name(other) == of;
        Some((sound, sections.iter().position(same)?))
    });
    with.collect()
}

/// What of both is played now.
fn played(now: Instant, sections: &[Section], (sound, picture): (usize, usize)) -> Option<(Played, Played)> {
    let newest = |place: usize| sections.get(place)?.streams.iter().max_by_key(|stream| stream.heard);
    let (audio, video): (&Stream, &Stream) = (newest(sound)?, newest(picture)?);
    let Receiver::Playout(receiver) = &audio.receiver else { return None };
    let (timestamp, at) = video.shown?;
    let audio = Played { captured: audio.clock.captured(receiver.playing()?)?, at: now };
    Some((audio, Played { captured: video.clock.captured(timestamp)?, at }))
}
