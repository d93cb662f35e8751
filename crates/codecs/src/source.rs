//! Files as the camera and the microphone of a call: what they hold comes out with how long it lasts.

pub mod audio;
pub mod video;

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

use crate::error::{Error, Misuse};

/// What a file is, by its first bytes; endings are not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Ivf,
    Matroska,
    Ogg,
    Wav,
    Y4m,
}

fn open(path: &Path) -> Result<(BufReader<File>, Format), Error> {
    let mut file = BufReader::new(File::open(path).map_err(Error::file(path))?);
    let mut first = Vec::new();
    file.by_ref().take(4).read_to_end(&mut first).map_err(Error::file(path))?;
    file.rewind().map_err(Error::file(path))?;
    let format = match first.as_slice() {
        b"DKIF" => Format::Ivf,
        [0x1a, 0x45, 0xdf, 0xa3] => Format::Matroska,
        b"OggS" => Format::Ogg,
        b"RIFF" => Format::Wav,
        b"YUV4" => Format::Y4m,
        _ => {
            let known = "it is none of WebM, Matroska, IVF, Y4M, Ogg Opus and WAV";
            return Err(Misuse::new(format!("{}: {known}", path.display())).into());
        }
    };
    Ok((file, format))
}

fn wrong_kind(path: &Path, has: &str, lacks: &str) -> Error {
    Misuse::new(format!("{}: it has {has} and no {lacks}", path.display())).into()
}
