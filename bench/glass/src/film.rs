//! Both ends of what is shown: pictures that say which they are, encoded on one thread and decoded on another.

use std::time::{Duration, Instant};

use peerage_codecs::encoded::{EncodedVideo, VideoCodec};
use peerage_codecs::pattern::{self, Number};
use peerage_codecs::picture::Picture;
use peerage_codecs::video::{Config, Decoder, Encoder};

/// Pictures a second.
pub const RATE: u32 = 30;

/// What is filmed.
#[derive(Clone, Copy, Debug)]
pub struct Film {
    /// Width and height.
    pub size: (u32, u32),
    /// Bits per second, if the path bears them.
    pub bitrate: u32,
    /// How many pictures.
    pub pictures: u32,
}

/// A picture that was handed to the encoder and what came of it to the stack.
#[derive(Clone, Copy, Debug)]
pub struct Filmed {
    /// Its number.
    pub number: u32,
    /// When the encoder got it, when it was done, and when the stack had taken what came out.
    pub begun: Instant,
    /// See `begun`.
    pub encoded: Instant,
    /// See `begun`.
    pub taken: Instant,
    /// Bytes of the frame.
    pub size: usize,
}

/// A picture that was seen.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Its number, read from its pixels.
    pub number: u32,
    /// When the stack handed its frame out, when it was decoded, and when the stack would have it shown.
    pub arrived: Instant,
    /// See `arrived`.
    pub decoded: Instant,
    /// See `arrived`.
    pub due: Instant,
}

/// Where frames go.
pub trait Outlet {
    /// Hands a frame over.
    ///
    /// # Errors
    /// The other end is gone.
    fn send(&mut self, frame: EncodedVideo) -> Result<(), String>;

    /// What is wanted of the encoder since the last time: a key frame, another rate in bits per second.
    fn wishes(&mut self) -> (bool, Option<u64>);
}

/// Where frames come from.
pub trait Inlet {
    /// The next frame, and when it is to be shown; `None` if none comes for `patience`.
    fn recv(&mut self, patience: Duration) -> Option<(bytes::Bytes, Instant)>;
}

/// Encodes and hands over, picture after picture.
///
/// # Errors
/// The encoder or the stack refuses something.
pub fn film(film: Film, outlet: &mut impl Outlet) -> Result<Vec<Filmed>, String> {
    let mut config = Config::default();
    (config.bitrate, config.frame_rate) = (film.bitrate, RATE);
    let mut encoder = Encoder::new(VideoCodec::Vp8, config).map_err(|error| error.to_string())?;
    let mut picture = Picture::new(film.size.0, film.size.1).map_err(|error| error.to_string())?;
    let mut grain = Grain(1);
    let (start, mut key) = (Instant::now(), true);
    let mut filmed = Vec::with_capacity(film.pictures as usize);
    for number in 0..film.pictures {
        let due = Duration::from_secs(1) * number / RATE;
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        let (wants_key, rate) = outlet.wishes();
        key |= wants_key;
        if let Some(rate) = rate {
            let rate = rate.clamp(100_000, film.bitrate.into()) as u32;
            encoder.set_bitrate(rate).map_err(|error| error.to_string())?;
        }
        pattern::draw(Number { frame: number, made: due }, &mut picture).map_err(|error| error.to_string())?;
        grain.lay(&mut picture);
        let begun = Instant::now();
        let Some(coded) = encoder.encode(&picture, key).map_err(|error| error.to_string())? else { continue };
        let encoded = Instant::now();
        key &= !coded.key;
        let size = coded.data.len();
        outlet.send(coded)?;
        filmed.push(Filmed { number, begun, encoded, taken: Instant::now(), size });
    }
    Ok(filmed)
}

/// Decodes and looks, until nothing comes for `patience` or the last picture was seen.
///
/// # Errors
/// A frame does not decode, or its picture does not say which it is.
pub fn watch(film: Film, inlet: &mut impl Inlet, patience: Duration) -> Result<Vec<Seen>, String> {
    let mut decoder = Decoder::new(VideoCodec::Vp8).map_err(|error| error.to_string())?;
    let mut picture = Picture::new(film.size.0, film.size.1).map_err(|error| error.to_string())?;
    let (start, mut seen) = (Instant::now(), Vec::with_capacity(film.pictures as usize));
    while let Some((frame, due)) = inlet.recv(patience) {
        let arrived = Instant::now();
        let is_shown = decoder
            .decode(&frame, start.elapsed(), &mut picture)
            .map_err(|error| format!("no frame of VP8: {error}"))?;
        let decoded = Instant::now();
        if !is_shown {
            continue;
        }
        let number = pattern::read(&picture).ok_or("a picture that does not say which it is")?.frame;
        seen.push(Seen { number, arrived, decoded, due });
        if number + 1 >= film.pictures {
            break;
        }
    }
    Ok(seen)
}

/// Noise as of a dark room's camera over the lower half, below what the picture says of itself: without it frames would be far
/// smaller than the rate allows.
struct Grain(u64);

impl Grain {
    /// Noise of at most this, in steps of luma.
    const MOST: u64 = 31;

    fn lay(&mut self, picture: &mut Picture) {
        let [luma, ..] = picture.planes_mut();
        let half = luma.data.len() / 2;
        for pixels in luma.data[half..].chunks_mut(8) {
            // Any generator will do that is the same in every run (xorshift of 64 bits).
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            for (pixel, noise) in pixels.iter_mut().zip(self.0.to_le_bytes()) {
                *pixel = pixel.saturating_add((u64::from(noise) & Self::MOST) as u8);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};

    struct Straight(Sender<Vec<u8>>);

    impl Outlet for Straight {
        fn send(&mut self, frame: EncodedVideo) -> Result<(), String> {
            self.0.send(frame.data).map_err(|error| error.to_string())
        }

        fn wishes(&mut self) -> (bool, Option<u64>) {
            (false, None)
        }
    }

    impl Inlet for Receiver<Vec<u8>> {
        fn recv(&mut self, patience: Duration) -> Option<(bytes::Bytes, Instant)> {
            Some((self.recv_timeout(patience).ok()?.into(), Instant::now()))
        }
    }

    #[test]
    fn every_picture_is_recognised_once_it_is_decoded() {
        let plan = Film { size: (320, 180), bitrate: 300_000, pictures: 8 };
        let (outlet, mut inlet) = channel();
        let watching = std::thread::spawn(move || watch(plan, &mut inlet, Duration::from_secs(5)));
        let filmed = film(plan, &mut Straight(outlet)).unwrap();
        let seen = watching.join().unwrap().unwrap();
        assert!(filmed.iter().map(|picture| picture.number).eq(0..8));
        assert!(seen.iter().map(|picture| picture.number).eq(0..8));
        assert!(filmed.iter().zip(&seen).all(|(filmed, seen)| seen.arrived > filmed.encoded));
    }
}
