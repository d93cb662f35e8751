//! What is heard: everybody's sound, mixed for the speaker, 10 ms at a time.

use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use peerage::Codec;
use peerage::RtpReceiver;
use peerage::media::playout::{Decoder, Encoded, Playout, SampleFormat};
use peerage_codecs::audio::{Channels, RATE, duration_of, remix};
use peerage_codecs::error::Error;
use peerage_codecs::mixer::{Limiter, Mixer};
use peerage_codecs::opus;
use peerage_codecs::tone;
use tokio::time::Instant;

use super::record::Tape;

/// What is played at a time.
const STEP: Duration = Duration::from_millis(10);
/// Samples of each channel in it.
const FRAME: usize = 480;
/// Samples of one channel that a tone is looked for in.
const LISTENED: usize = 4_800;
/// How many steps there are from one look to the next.
const LOOK_STEPS: u32 = 50;

/// Decodes what one participant says, and hands it to the tape as it is.
pub struct Tongue {
    decoder: opus::decoder::Decoder,
    decoded: Vec<i16>,
    tape: Option<Tape>,
}

/// What is known of one participant's sound.
#[derive(Debug, Default)]
pub struct Heard(Mutex<Option<f64>>);

struct Voice {
    playout: Playout<Tongue>,
    /// Whoever looks for a tone in it, if anybody does.
    listener: Option<Listener>,
}

/// Takes a tenth of each half second to a thread that looks for a tone in it: that takes longer than playing may.
struct Listener {
    samples: Vec<i16>,
    steps: u32,
    outlet: SyncSender<Vec<i16>>,
}

/// The thread that plays.
#[derive(Clone, Debug)]
pub struct Ears {
    voices: Sender<Voice>,
    recognise: bool,
}

impl Heard {
    /// The pitch that was heard within the last second, in hertz; asking forgets it.
    pub fn take_tone(&self) -> Option<f64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn set_tone(&self, hertz: f64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(hertz);
    }
}

impl Ears {
    /// Opens the speaker and starts playing; `None` plays to nobody.
    ///
    /// # Errors
    ///
    /// No such device, or one that does not work.
    pub fn open(speaker: Option<Option<String>>, recognise: bool, notes: super::source::Notes) -> Result<Self, Error> {
        let (voices, arriving) = channel();
        let (opened, outcome) = channel();
        std::thread::spawn(move || {
            let mut out = match speaker.map(|name| Out::open(name.as_deref())).transpose() {
                Ok(out) => out,
                Err(error) => return drop(opened.send(Err(error))),
            };
            let _ = opened.send(Ok(()));
            play(&arriving, |samples| {
                if let Some(Err(error)) = out.as_mut().map(|out| out.write(samples)) {
                    let _ = notes.send(format!("Nothing is heard any more: {error}"));
                    out = None;
                }
            });
        });
        let outcome = outcome.recv();
        outcome.unwrap_or_else(|_| Err(std::io::Error::other("the speaker failed while it was opened").into()))?;
        Ok(Self { voices, recognise })
    }

    /// Lets a participant be heard.
    ///
    /// # Errors
    ///
    /// What the decoder's library says.
    pub fn add(&self, receiver: &RtpReceiver, tape: Option<Tape>) -> Result<Arc<Heard>, Error> {
        let tongue = Tongue { decoder: opus::decoder::Decoder::new(Channels::Stereo)?, decoded: Vec::new(), tape };
        let format = SampleFormat::new(RATE, 2).expect("two channels at 48 kHz are a format");
        let heard = Arc::new(Heard::default());
        let listener = self.recognise.then(|| Listener::start(heard.clone()));
        let voice = Voice { playout: receiver.playout(format, tongue), listener };
        let _ = self.voices.send(voice);
        Ok(heard)
    }
}

impl Decoder for Tongue {
    fn decode(&mut self, encoded: &Encoded<'_>, out: &mut Vec<i16>) -> bool {
        if encoded.codec != Codec::Opus {
            return false;
        }
        if let Some(tape) = &self.tape {
            tape.audio(encoded.payload, encoded.timestamp.0);
        }
        let done = self.decoder.decode(encoded.payload, &mut self.decoded).is_ok();
        out.extend_from_slice(if done { &self.decoded } else { &[] });
        done
    }

    fn decode_redundancy(&mut self, encoded: &Encoded<'_>, out: &mut Vec<i16>) -> bool {
        let lost = duration_of(u64::from(encoded.ticks));
        let done = self.decoder.recover(encoded.payload, lost, &mut self.decoded).is_ok();
        out.extend_from_slice(if done { &self.decoded } else { &[] });
        done
    }

    fn conceal(&mut self, frames: usize, out: &mut Vec<i16>) -> bool {
        let done = self.decoder.conceal(duration_of(frames as u64), &mut self.decoded).is_ok();
        out.extend_from_slice(if done { &self.decoded } else { &[] });
        done
    }
}

impl Listener {
    fn start(heard: Arc<Heard>) -> Self {
        let (outlet, samples) = sync_channel::<Vec<i16>>(1);
        std::thread::spawn(move || {
            for samples in samples {
                if let Some(hertz) = tone::frequency(&samples) {
                    heard.set_tone(hertz);
                }
            }
        });
        Self { samples: Vec::new(), steps: 0, outlet }
    }

    fn hear(&mut self, samples: &[i16]) {
        self.steps += 1;
        if self.steps < LOOK_STEPS {
            return;
        }
        remix(samples, 2, Channels::Mono, &mut self.samples);
        if self.samples.len() >= LISTENED {
            self.steps = 0;
            // If the last look still goes on, this one is left out.
            let _ = self.outlet.try_send(std::mem::take(&mut self.samples));
        }
    }
}

/// Plays until nobody can be added any more.
fn play(arriving: &Receiver<Voice>, mut out: impl FnMut(&[i16])) {
    let (mut mixer, mut limiter) = (Mixer::new(2 * FRAME), Limiter::default());
    let (mut mixed, mut samples) = ([0; 2 * FRAME], Vec::with_capacity(2 * FRAME));
    let mut voices = Vec::<Voice>::new();
    let mut due = Instant::now();
    loop {
        match arriving.try_recv() {
            Ok(voice) => voices.push(voice),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) if voices.is_empty() => return,
            Err(TryRecvError::Disconnected) => {}
        }
        mixer.clear();
        voices.retain_mut(|voice| {
            samples.clear();
            let Some(played) = voice.playout.play() else { return false };
            samples.extend_from_slice(played);
            mixer.add(&samples);
            if let Some(listener) = &mut voice.listener {
                listener.hear(&samples);
            }
            true
        });
        mixer.mix(None, &mut limiter, &mut mixed);
        out(&mixed);
        due += STEP;
        let now = Instant::now();
        // A machine that slept does not make up for it.
        if now > due + 20 * STEP {
            due = now;
        }
        std::thread::sleep(due.saturating_duration_since(now));
    }
}

#[cfg(feature = "devices")]
struct Out(peerage_codecs::device::speaker::Speaker);

#[cfg(feature = "devices")]
impl Out {
    fn open(name: Option<&str>) -> Result<Self, Error> {
        peerage_codecs::device::speaker::Speaker::open(name, Channels::Stereo).map(Self)
    }

    fn write(&mut self, samples: &[i16]) -> Result<(), Error> {
        self.0.write(samples)
    }
}

#[cfg(not(feature = "devices"))]
enum Out {}

#[cfg(not(feature = "devices"))]
impl Out {
    fn open(_: Option<&str>) -> Result<Self, Error> {
        Err(super::source::without("a speaker", "--speaker none"))
    }

    fn write(&mut self, _: &[i16]) -> Result<(), Error> {
        match *self {}
    }
}
