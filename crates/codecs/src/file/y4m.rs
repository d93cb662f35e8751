//! Y4M (YUV4MPEG2): plain pictures, one after the other. A line of parameters, then `FRAME` and the planes each time.

use std::io::{self, BufRead, Read, Write};
use std::time::Duration;

use crate::error::{Error, Misuse, ParseError};
use crate::picture::{Picture, bytes_of};

/// No line of parameters is longer.
const LONGEST_LINE: u64 = 1024;

/// Reads one.
#[derive(Debug)]
pub struct Reader<R> {
    inner: R,
    width: u32,
    height: u32,
    /// Pictures per second, as a fraction.
    rate: (u32, u32),
    pictures: u64,
}

impl<R: BufRead> Reader<R> {
    /// Reads the first line.
    ///
    /// # Errors
    ///
    /// What is no Y4M file, other sampling than 4:2:0 of eight bits, impossible sides.
    pub fn new(mut inner: R) -> Result<Self, Error> {
        let line = line(&mut inner)?.ok_or_else(|| refused("it is empty"))?;
        let mut words = line.split(' ');
        if words.next() != Some("YUV4MPEG2") {
            return Err(refused("it does not begin with YUV4MPEG2").into());
        }
        let (mut width, mut height, mut rate) = (0, 0, (30, 1));
        for word in words.filter(|word| !word.is_empty()) {
            let (letter, value) = word.split_at_checked(1).ok_or_else(|| refused("a parameter is not ASCII"))?;
            let number = || value.parse().map_err(|_| refused(format!("its parameter {word:?} is no number")));
            match letter {
                "W" => width = number()?,
                "H" => height = number()?,
                "F" => rate = fraction(value).ok_or_else(|| refused(format!("its rate {value:?} is no fraction")))?,
                "C" if !["420", "420jpeg", "420mpeg2", "420paldv"].contains(&value) => {
                    return Err(refused(format!("its sampling is {value:?}; only 4:2:0 of 8 bits is read")).into());
                }
                "I" if !["p", "?"].contains(&value) => {
                    return Err(refused("it is interlaced; only progressive pictures are read").into());
                }
                _ => {}
            }
        }
        bytes_of(width, height).map_err(|_| refused(format!("its pictures are {width}x{height}")))?;
        Ok(Self { inner, width, height, rate, pictures: 0 })
    }

    /// The next picture into `picture`; `false` at the end.
    ///
    /// # Errors
    ///
    /// A picture that is cut short.
    pub fn read(&mut self, picture: &mut Picture) -> Result<bool, Error> {
        let Some(line) = line(&mut self.inner)? else { return Ok(false) };
        if line != "FRAME" && !line.starts_with("FRAME ") {
            return Err(refused("a picture does not begin with FRAME").into());
        }
        picture.reshape(self.width, self.height)?;
        for plane in picture.planes_mut() {
            self.inner.read_exact(plane.data).map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => Error::from(refused("it ends within a picture")),
                _ => error.into(),
            })?;
        }
        let (rate, scale) = self.rate;
        let nanos = u128::from(self.pictures) * u128::from(scale) * 1_000_000_000 / u128::from(rate);
        picture.timestamp = Duration::from_nanos(nanos.try_into().unwrap_or(u64::MAX));
        self.pictures += 1;
        Ok(true)
    }

    /// Width and height.
    pub fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// Pictures per second, as a fraction.
    pub fn rate(&self) -> (u32, u32) {
        self.rate
    }
}

/// Writes one.
#[derive(Debug)]
pub struct Writer<W> {
    inner: W,
    width: u32,
    height: u32,
}

impl<W: Write> Writer<W> {
    /// Writes the first line; `rate` pictures a second.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn new(mut inner: W, width: u32, height: u32, rate: u32) -> io::Result<Self> {
        writeln!(inner, "YUV4MPEG2 W{width} H{height} F{rate}:1 Ip A1:1 C420jpeg")?;
        Ok(Self { inner, width, height })
    }

    /// Writes a picture.
    ///
    /// # Errors
    ///
    /// A picture of another size than the file's, and what the system says.
    pub fn write(&mut self, picture: &Picture) -> Result<(), Error> {
        if (picture.width(), picture.height()) != (self.width, self.height) {
            let text = format!("a Y4M file has one size, here {}x{}; scale the picture", self.width, self.height);
            return Err(Misuse::new(text).into());
        }
        self.inner.write_all(b"FRAME\n")?;
        Ok(self.inner.write_all(picture.as_bytes())?)
    }

    /// Writes what is still inside, and gives the file back.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn finish(mut self) -> io::Result<W> {
        self.inner.flush()?;
        Ok(self.inner)
    }
}

/// A line without its end; `None` at the end of the file.
fn line(inner: &mut impl BufRead) -> Result<Option<String>, Error> {
    let mut bytes = Vec::new();
    inner.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut bytes)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if bytes.pop() != Some(b'\n') {
        return Err(refused("a line has no end").into());
    }
    Ok(Some(String::from_utf8(bytes).map_err(|_| refused("a line is not text"))?))
}

fn fraction(text: &str) -> Option<(u32, u32)> {
    let (rate, scale) = text.split_once(':')?;
    let (rate, scale) = (rate.parse().ok()?, scale.parse().ok()?);
    if rate == 0 {
        // Not known, as GStreamer writes for pictures of varying length.
        return Some((30, 1));
    }
    // From a picture an hour to a thousand a second.
    let sensible = scale > 0 && rate / 1000 <= scale && scale / 3600 <= rate;
    sensible.then_some((rate, scale))
}

fn refused(reason: impl Into<std::borrow::Cow<'static, str>>) -> ParseError {
    ParseError::new("Y4M file", reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> Vec<u8> {
        let mut writer = Writer::new(vec![], 5, 3, 25).unwrap();
        for value in [10, 200] {
            let mut picture = Picture::new(5, 3).unwrap();
            picture.fill(value, 100, 50);
            writer.write(&picture).unwrap();
        }
        assert!(writer.write(&Picture::new(4, 4).unwrap()).unwrap_err().to_string().contains("5x3"));
        writer.finish().unwrap()
    }

    #[test]
    fn what_was_written_is_read() {
        let file = written();
        let mut reader = Reader::new(&file[..]).unwrap();
        assert_eq!((reader.size(), reader.rate()), ((5, 3), (25, 1)));
        let mut picture = Picture::default();
        for (value, millis) in [(10, 0), (200, 40)] {
            assert!(reader.read(&mut picture).unwrap());
            let mut expected = Picture::new(5, 3).unwrap();
            expected.fill(value, 100, 50);
            expected.timestamp = Duration::from_millis(millis);
            assert_eq!(picture, expected);
        }
        assert!(!reader.read(&mut picture).unwrap());
    }

    #[test]
    fn a_file_that_is_cut_anywhere_ends_or_says_so() {
        let whole = written();
        let first = whole.iter().position(|&byte| byte == b'\n').unwrap() + 1;
        let frame = (whole.len() - first) / 2;
        let mut picture = Picture::default();
        for length in 0..whole.len() {
            let Ok(mut reader) = Reader::new(&whole[..length]) else {
                assert!(length < first);
                continue;
            };
            let end = loop {
                match reader.read(&mut picture) {
                    Ok(true) => {}
                    other => break other,
                }
            };
            assert_eq!(end.is_ok(), (length - first) % frame == 0, "{length}");
        }
    }

    #[test]
    fn what_is_not_read_is_refused_with_the_reason() {
        let refused = |text: &str| Reader::new(text.as_bytes()).unwrap_err().to_string();
        assert!(refused("YUV4MPEG2 W4 H4 C444\n").contains("only 4:2:0"));
        assert!(refused("YUV4MPEG2 W4 H4 It\n").contains("interlaced"));
        assert!(refused("YUV4MPEG2 W40000 H40000\n").contains("40000x40000"));
        assert!(refused("YUV4MPEG2 W4 Hx\n").contains("\"Hx\" is no number"));
        assert!(refused("YUV4MPEG2 W4 H4 F1:0\n").contains("no fraction"));
        assert!(refused("YUV4MPEG2 W4 H4 é\n").contains("not ASCII"));
        assert!(refused(&"Y".repeat(100_000)).contains("no end"));
        assert!(refused("RIFF\n").contains("YUV4MPEG2"));
    }
}
