//! What is seen here.

use std::fmt;
use std::time::Duration;

use nokhwa::utils::{
    ApiBackend, CameraFormat, CameraIndex, CameraInfo, FrameFormat, RequestedFormat, RequestedFormatType,
};
use nokhwa::{Buffer, NokhwaError};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::convert;
use crate::error::{DeviceError, Error, ParseError};
use crate::picture::{MAX_SIDE, Picture};

/// An open camera.
pub struct Camera {
    name: String,
    inner: nokhwa::Camera,
    format: CameraFormat,
    pictures: u64,
}

/// The names of all cameras.
pub fn names() -> Vec<String> {
    infos().iter().map(CameraInfo::human_name).collect()
}

impl Camera {
    /// Opens the camera of a name, as [`names`] tells them, or the first one, with the format that is nearest to a size
    /// and a rate.
    ///
    /// # Errors
    ///
    /// No such device, or one that does not work.
    pub fn open(wanted: Option<&str>, width: u32, height: u32, rate: u32) -> Result<Self, Error> {
        let found = infos();
        let info = match wanted {
            None => {
                found.first().ok_or(DeviceError::None { kind: KIND, instead: "send a file or the test picture" })?
            }
            Some(name) => found.iter().find(|info| info.human_name() == name).ok_or_else(|| {
                let found = found.iter().map(CameraInfo::human_name).collect();
                DeviceError::Unknown { kind: KIND, name: name.to_owned(), found }
            })?,
        };
        let name = info.human_name();
        let (inner, format) = open(info.index(), width, height, rate).map_err(|error| failure(&name, &error))?;
        Ok(Self { name, inner, format, pictures: 0 })
    }

    /// Waits for the next picture. Its timestamp counts pictures at the camera's rate; the caller's clock knows better.
    ///
    /// # Errors
    ///
    /// A camera that stopped working, or pictures that are damaged.
    pub fn read(&mut self, picture: &mut Picture) -> Result<(), Error> {
        let frame = self.inner.frame().map_err(|error| failure(&self.name, &error))?;
        into_picture(&frame, picture)?;
        picture.timestamp = Duration::from_secs_f64(self.pictures as f64 / f64::from(self.format.frame_rate().max(1)));
        self.pictures += 1;
        Ok(())
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Width, height, and pictures per second.
    pub fn format(&self) -> (u32, u32, u32) {
        (self.format.width(), self.format.height(), self.format.frame_rate())
    }
}

impl fmt::Debug for Camera {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Camera").field("name", &self.name).field("format", &self.format).finish_non_exhaustive()
    }
}

const KIND: &str = "camera";

fn infos() -> Vec<CameraInfo> {
    nokhwa::query(ApiBackend::Auto).unwrap_or_else(|error| {
        tracing::debug!(%error, "the system does not list its cameras");
        Vec::new()
    })
}

fn open(
    index: &CameraIndex,
    width: u32,
    height: u32,
    rate: u32,
) -> Result<(nokhwa::Camera, CameraFormat), NokhwaError> {
    // Plain pictures first: nothing to decompress, and no loss. Fast ones are often compressed only.
    let formats = [FrameFormat::YUYV, FrameFormat::NV12, FrameFormat::MJPEG];
    let mut last = None;
    for format in formats {
        let near = CameraFormat::new_from(width, height, format, rate);
        let request = RequestedFormat::with_formats(RequestedFormatType::Closest(near), &formats);
        match nokhwa::Camera::new(index.clone(), request) {
            Ok(mut camera) => {
                camera.open_stream()?;
                let chosen = camera.camera_format();
                return Ok((camera, chosen));
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.expect("formats were tried"))
}

fn into_picture(frame: &Buffer, picture: &mut Picture) -> Result<(), Error> {
    let (width, height, data) = (frame.resolution().width(), frame.resolution().height(), frame.buffer());
    match frame.source_frame_format() {
        FrameFormat::YUYV => convert::yuyv(width, height, data, picture)?,
        FrameFormat::NV12 => convert::nv12(width, height, data, picture)?,
        FrameFormat::RAWRGB => convert::rgb24(width, height, data, picture)?,
        FrameFormat::MJPEG => jpeg(data, picture)?,
        other => return Err(ParseError::new("camera picture", format!("{other} is not read")).into()),
    }
    Ok(())
}

/// One picture of motion JPEG.
fn jpeg(data: &[u8], picture: &mut Picture) -> Result<(), Error> {
    let options = DecoderOptions::default()
        .set_max_width(MAX_SIDE as usize)
        .set_max_height(MAX_SIDE as usize)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(data), options);
    let damaged = |error: &dyn fmt::Display| ParseError::new("camera picture", format!("its JPEG is damaged: {error}"));
    decoder.decode_headers().map_err(|error| damaged(&error))?;
    let (width, height) = decoder.dimensions().unwrap_or_default();
    let side = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    let (width, height) = (side(width), side(height));
    // Refuses what is too large before memory is asked for.
    picture.reshape(width, height)?;
    let rgb = decoder.decode().map_err(|error| damaged(&error))?;
    convert::rgb24(width, height, &rgb, picture)?;
    Ok(())
}

fn failure(name: &str, error: &NokhwaError) -> Error {
    let reason = format!(
        "{error}; close the program that uses it, allow its use (on Linux: the group video), or choose another"
    );
    DeviceError::Failed { kind: KIND, name: name.to_owned(), reason }.into()
}

#[cfg(test)]
mod tests {
    use nokhwa::utils::Resolution;

    use super::*;

    #[test]
    fn every_kind_of_picture_is_taken_and_damage_is_noticed() {
        let mut picture = Picture::default();
        let mut take =
            |format, data: &[u8]| into_picture(&Buffer::new(Resolution::new(2, 2), data, format), &mut picture);
        take(FrameFormat::YUYV, &[9, 100, 9, 50, 9, 100, 9, 50]).unwrap();
        take(FrameFormat::NV12, &[9, 9, 9, 9, 100, 50]).unwrap();
        take(FrameFormat::RAWRGB, &[0; 12]).unwrap();
        assert!(take(FrameFormat::YUYV, &[0; 7]).is_err());
        assert!(take(FrameFormat::GRAY, &[0; 4]).unwrap_err().to_string().contains("not read"));
        assert!(take(FrameFormat::MJPEG, &[0xff, 0xd8, 0xff, 0xd9]).unwrap_err().to_string().contains("damaged"));
        assert!(take(FrameFormat::MJPEG, b"not a picture").is_err());
        // Red, 16 by 16, by GStreamer, whose JPEG has the limited range of video and so a paler red.
        let red = include_bytes!("../../testdata/red.jpg");
        take(FrameFormat::MJPEG, red).unwrap();
        for length in 0..red.len() {
            let _ = take(FrameFormat::MJPEG, &red[..length]);
        }
        take(FrameFormat::MJPEG, red).unwrap();
        assert_eq!((picture.width(), picture.height()), (16, 16));
        for (plane, expected) in picture.planes().into_iter().zip([81u8, 90, 240]) {
            assert!(plane.data.iter().all(|found| found.abs_diff(expected) <= 14), "{plane:?}");
        }
    }
}
