//! Pictures as codecs take and give them: I420, eight bits a sample.

use std::time::Duration;

use crate::error::Misuse;

/// No side is longer: what VP8 can say (RFC 6386 §9.1).
pub const MAX_SIDE: u32 = 16_383;

/// No picture has more pixels (8192 by 4320), so that a header that lies cannot ask for gigabytes.
pub const MAX_PIXELS: u32 = 8192 * 4320;

/// One picture in I420: a plane of luma, then two of chroma with half the lines and half the columns, rounded up.
///
/// The planes lie behind each other without gaps; [`Picture::from_planes`] takes those that have gaps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    data: Vec<u8>,
    /// When it is to be shown, since the beginning of its stream.
    pub timestamp: Duration,
}

impl Picture {
    /// A black one.
    ///
    /// # Errors
    ///
    /// A side of nothing or over [`MAX_SIDE`], or more than [`MAX_PIXELS`].
    pub fn new(width: u32, height: u32) -> Result<Self, Misuse> {
        let mut picture = Self::default();
        picture.reshape(width, height)?;
        picture.fill(16, 128, 128);
        Ok(picture)
    }

    /// Copies Y, U and V from wherever they are, each with its stride in bytes.
    ///
    /// # Errors
    ///
    /// As [`Picture::new`], and planes that are too short for their stride and the height.
    pub fn from_planes(width: u32, height: u32, planes: [(&[u8], usize); 3]) -> Result<Self, Misuse> {
        let mut picture = Self::default();
        picture.reshape(width, height)?;
        picture.copy_planes(planes)?;
        Ok(picture)
    }

    /// Takes bytes that are I420 without gaps.
    ///
    /// # Errors
    ///
    /// As [`Picture::new`], and a length that does not fit.
    pub fn from_bytes(width: u32, height: u32, data: Vec<u8>) -> Result<Self, Misuse> {
        let expected = bytes_of(width, height)?;
        if data.len() != expected {
            let text = format!("{} bytes are no I420 picture of {width}x{height}, which has {expected}", data.len());
            return Err(Misuse::new(text));
        }
        Ok(Self { width, height, data, timestamp: Duration::ZERO })
    }

    /// Gives it another size; what it then shows is unspecified. Memory is kept for the next time.
    ///
    /// # Errors
    ///
    /// As [`Picture::new`]; the picture is then unchanged.
    pub fn reshape(&mut self, width: u32, height: u32) -> Result<(), Misuse> {
        let bytes = bytes_of(width, height)?;
        self.data.resize(bytes, 0);
        (self.width, self.height) = (width, height);
        Ok(())
    }

    /// Copies Y, U and V, each with its stride in bytes, into a picture that has their size.
    ///
    /// # Errors
    ///
    /// Planes that are too short.
    pub fn copy_planes(&mut self, planes: [(&[u8], usize); 3]) -> Result<(), Misuse> {
        for ((source, stride), target) in planes.into_iter().zip(self.planes_mut()) {
            let width = target.width;
            for (line, row) in target.data.chunks_exact_mut(width).enumerate() {
                let start = line.saturating_mul(stride);
                let found = source.get(start..).and_then(|rest| rest.get(..width));
                row.copy_from_slice(found.ok_or_else(|| Misuse::new("a plane is shorter than its stride and height"))?);
            }
        }
        Ok(())
    }

    /// Makes every pixel the same.
    pub fn fill(&mut self, y: u8, u: u8, v: u8) {
        for (plane, value) in self.planes_mut().into_iter().zip([y, u, v]) {
            plane.data.fill(value);
        }
    }

    /// Fills a rectangle of the luma plane; what lies outside the picture is left out.
    pub fn fill_luma(&mut self, left: u32, top: u32, width: u32, height: u32, value: u8) {
        let [plane, ..] = self.planes_mut();
        let from = (left as usize).min(plane.width);
        let to = (left.saturating_add(width) as usize).min(plane.width);
        let lines = plane.data.chunks_exact_mut(plane.width.max(1));
        for row in lines.skip(top as usize).take(height as usize) {
            row[from..to].fill(value);
        }
    }

    /// Pixels in a line.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Lines.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// All three planes, behind each other without gaps.
    pub fn as_bytes(&self) -> &[u8] {
        &self.data
    }

    /// Y, U and V.
    pub fn planes(&self) -> [Plane<'_>; 3] {
        let [(width, height), (half, lines)] = self.sizes();
        let (luma, chroma) = self.data.split_at(width * height);
        let (u, v) = chroma.split_at(half * lines);
        [
            Plane { data: luma, width, height },
            Plane { data: u, width: half, height: lines },
            Plane { data: v, width: half, height: lines },
        ]
    }

    /// Y, U and V, to be drawn on.
    pub fn planes_mut(&mut self) -> [PlaneMut<'_>; 3] {
        let [(width, height), (half, lines)] = self.sizes();
        let (luma, chroma) = self.data.split_at_mut(width * height);
        let (u, v) = chroma.split_at_mut(half * lines);
        [
            PlaneMut { data: luma, width, height },
            PlaneMut { data: u, width: half, height: lines },
            PlaneMut { data: v, width: half, height: lines },
        ]
    }

    /// Columns and lines of luma, and of chroma.
    fn sizes(&self) -> [(usize, usize); 2] {
        let (width, height) = (self.width as usize, self.height as usize);
        [(width, height), (width.div_ceil(2), height.div_ceil(2))]
    }
}

/// One plane; its stride is its width.
#[derive(Clone, Copy, Debug)]
pub struct Plane<'a> {
    /// Line behind line.
    pub data: &'a [u8],
    /// Samples in a line.
    pub width: usize,
    /// Lines.
    pub height: usize,
}

/// One plane to be drawn on; its stride is its width.
#[derive(Debug)]
pub struct PlaneMut<'a> {
    /// Line behind line.
    pub data: &'a mut [u8],
    /// Samples in a line.
    pub width: usize,
    /// Lines.
    pub height: usize,
}

/// The length of an I420 picture.
pub(crate) fn bytes_of(width: u32, height: u32) -> Result<usize, Misuse> {
    let sides = 1..=MAX_SIDE;
    if !sides.contains(&width) || !sides.contains(&height) || width * height > MAX_PIXELS {
        return Err(Misuse::new(format!("a picture of {width}x{height} is not possible; the most is 8192x4320")));
    }
    let (half, lines) = (width.div_ceil(2) as usize, height.div_ceil(2) as usize);
    Ok(width as usize * height as usize + 2 * half * lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_sizes_round_the_chroma_up() {
        let picture = Picture::new(5, 3).unwrap();
        assert_eq!(picture.as_bytes().len(), 15 + 2 * 3 * 2);
        let [_, u, v] = picture.planes();
        assert_eq!((u.width, u.height, v.data.len()), (3, 2, 6));
    }

    #[test]
    fn sizes_that_cannot_be_are_refused() {
        for (width, height) in [(0, 4), (4, 0), (MAX_SIDE + 1, 1), (16_000, 16_000), (u32::MAX, u32::MAX)] {
            assert!(Picture::new(width, height).is_err(), "{width}x{height}");
        }
        assert!(Picture::from_bytes(4, 4, vec![0; 23]).unwrap_err().to_string().contains("which has 24"));
    }

    #[test]
    fn planes_with_gaps_lose_them() {
        let luma = [1, 2, 9, 3, 4, 9];
        let picture = Picture::from_planes(2, 2, [(&luma, 3), (&[5], 1), (&[6], 1)]).unwrap();
        assert_eq!(picture.as_bytes(), [1, 2, 3, 4, 5, 6]);
        assert!(Picture::from_planes(2, 2, [(&luma[..4], 3), (&[5], 1), (&[6], 1)]).is_err());
    }

    #[test]
    fn a_rectangle_is_cut_at_the_edges() {
        let mut picture = Picture::new(4, 4).unwrap();
        picture.fill_luma(3, 2, 9, 9, 200);
        picture.fill_luma(9, 9, 1, 1, 1);
        let [luma, ..] = picture.planes();
        assert_eq!(luma.data.iter().filter(|&&y| y == 200).count(), 2);
    }
}
