//! What real encoders made: sizes of frames and packets.

/// Frames of one encoder, 30 in a second, and what a key frame takes in each second.
pub struct Video(Vec<(usize, Vec<usize>)>);

impl Video {
    /// 640x360 at 1 Mbit/s.
    pub fn large() -> Self {
        Self::read(include_str!("traces/video-1m.txt"))
    }

    /// 320x180 at 300 kbit/s.
    pub fn small() -> Self {
        Self::read(include_str!("traces/video-300k.txt"))
    }

    fn read(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let seconds = lines.map(|line| {
            let (key, frames) = line.split_once(':').expect("a key frame's size");
            let frames = frames.split_whitespace().map(|size| size.trim_end_matches('*').parse().expect("a size"));
            (key.parse().expect("a size"), frames.collect())
        });
        Self(seconds.collect())
    }

    /// Bytes of frame `n`, should it be a key frame or not. After its end the trace begins again, behind its first second.
    pub fn frame(&self, n: u64, is_key: bool) -> usize {
        let second = (n / 30) as usize;
        let second = if second < self.0.len() { second } else { 1 + (second - 1) % (self.0.len() - 1) };
        let (key, frames) = &self.0[second];
        if is_key { *key } else { frames[(n % 30) as usize] }
    }

    /// Bits per second.
    pub fn rate(&self) -> f64 {
        let bytes: usize = self.0.iter().flat_map(|(_, frames)| frames).sum();
        (8 * bytes) as f64 / self.0.len() as f64
    }
}

/// Packets of an Opus encoder, 50 in a second.
pub struct Audio(Vec<(usize, [u8; 2])>);

impl Audio {
    /// Speech at 24 kbit/s, with pauses.
    pub fn speech() -> Self {
        let text = include_str!("traces/audio.txt").lines().filter(|line| !line.starts_with('#'));
        let packets = text.flat_map(str::split_whitespace).map(|packet| {
            let (size, first) = packet.split_once('/').expect("two bytes");
            let first = u16::from_str_radix(first, 16).expect("two bytes");
            (size.parse().expect("a size"), first.to_be_bytes())
        });
        Self(packets.collect())
    }

    /// Packet `n`; `None` where the encoder is silent: the first that has nothing but a header is sent, as libwebrtc does, so
    /// that the other end knows.
    pub fn packet(&self, n: u64) -> Option<Vec<u8>> {
        let at = n as usize % self.0.len();
        let (size, first) = self.0[at];
        let is_first = self.0[(at + self.0.len() - 1) % self.0.len()].0 > 2;
        if size <= 2 {
            return is_first.then(|| vec![first[0]]);
        }
        Some(first.into_iter().chain((2..size).map(|at| at as u8)).collect())
    }

    /// Whether packet `n` has sound.
    pub fn is_sound(&self, n: u64) -> bool {
        self.0[n as usize % self.0.len()].0 > 2
    }
}
