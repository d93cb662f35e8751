//! What cameras and screens give, into I420 (BT.601, limited range, as video codecs expect).

use crate::error::Misuse;
use crate::picture::Picture;

/// YUYV (YUY2): two pixels in four bytes, Y U Y V; chroma of every second line is averaged with its neighbour.
///
/// # Errors
///
/// Too few bytes, or an odd width.
pub fn yuyv(width: u32, height: u32, data: &[u8], picture: &mut Picture) -> Result<(), Misuse> {
    if !width.is_multiple_of(2) {
        return Err(Misuse::new(format!("YUYV has pixels in pairs; {width} is odd")));
    }
    let stride = 2 * width as usize;
    begin(width, height, stride * height as usize, data, picture)?;
    let [luma, u, v] = picture.planes_mut();
    for (row, source) in luma.data.chunks_exact_mut(luma.width).zip(data.chunks_exact(stride)) {
        row.iter_mut().zip(source.iter().step_by(2)).for_each(|(y, &from)| *y = from);
    }
    let chroma = u.data.chunks_exact_mut(u.width).zip(v.data.chunks_exact_mut(v.width));
    for ((u, v), lines) in chroma.zip(data[..stride * height as usize].chunks(2 * stride)) {
        let upper = &lines[..stride];
        let lower = lines.get(stride..).filter(|line| !line.is_empty()).unwrap_or(upper);
        for (index, (upper, lower)) in upper.chunks_exact(4).zip(lower.chunks_exact(4)).enumerate() {
            u[index] = upper[1].midpoint(lower[1]);
            v[index] = upper[3].midpoint(lower[3]);
        }
    }
    Ok(())
}

/// NV12: a plane of luma, then one in which U and V take turns.
///
/// # Errors
///
/// Too few bytes.
pub fn nv12(width: u32, height: u32, data: &[u8], picture: &mut Picture) -> Result<(), Misuse> {
    let luma_len = width as usize * height as usize;
    let chroma_len = 2 * width.div_ceil(2) as usize * height.div_ceil(2) as usize;
    begin(width, height, luma_len + chroma_len, data, picture)?;
    let [luma, u, v] = picture.planes_mut();
    luma.data.copy_from_slice(&data[..luma_len]);
    let pairs = data[luma_len..].chunks_exact(2);
    for ((u, v), pair) in u.data.iter_mut().zip(v.data).zip(pairs) {
        (*u, *v) = (pair[0], pair[1]);
    }
    Ok(())
}

/// RGB, three bytes a pixel; each two by two pixels share their mean chroma.
///
/// # Errors
///
/// Too few bytes.
pub fn rgb24(width: u32, height: u32, data: &[u8], picture: &mut Picture) -> Result<(), Misuse> {
    let stride = 3 * width as usize;
    begin(width, height, stride * height as usize, data, picture)?;
    let [luma, u, v] = picture.planes_mut();
    for (row, source) in luma.data.chunks_exact_mut(luma.width).zip(data.chunks_exact(stride)) {
        for (y, rgb) in row.iter_mut().zip(source.chunks_exact(3)) {
            *y = luma_of(rgb[0], rgb[1], rgb[2]);
        }
    }
    let chroma = u.data.chunks_exact_mut(u.width).zip(v.data.chunks_exact_mut(v.width));
    for ((u, v), lines) in chroma.zip(data[..stride * height as usize].chunks(2 * stride)) {
        for (column, (u, v)) in u.iter_mut().zip(v).enumerate() {
            let mut sum = [0i32; 3];
            let mut pixels = 0;
            for line in lines.chunks_exact(stride) {
                for rgb in line[6 * column..].chunks_exact(3).take(2) {
                    sum.iter_mut().zip(rgb).for_each(|(sum, &part)| *sum += i32::from(part));
                    pixels += 1;
                }
            }
            let [r, g, b] = sum.map(|sum| sum / pixels);
            *u = clamp(((-38 * r - 74 * g + 112 * b + 128) >> 8) + 128);
            *v = clamp(((112 * r - 94 * g - 18 * b + 128) >> 8) + 128);
        }
    }
    Ok(())
}

/// I420 as RGB, three bytes a pixel: what a person's screen or an image file takes.
pub fn to_rgb24(picture: &Picture) -> Vec<u8> {
    let [luma, u, v] = picture.planes();
    let mut rgb = Vec::with_capacity(luma.data.len() * 3);
    for (line, row) in luma.data.chunks_exact(luma.width.max(1)).enumerate() {
        let start = line / 2 * u.width;
        for (column, &y) in row.iter().enumerate() {
            let (y, at) = (298 * (i32::from(y) - 16) + 128, start + column / 2);
            let (d, e) = (i32::from(u.data[at]) - 128, i32::from(v.data[at]) - 128);
            rgb.push(clamp((y + 409 * e) >> 8));
            rgb.push(clamp((y - 100 * d - 208 * e) >> 8));
            rgb.push(clamp((y + 516 * d) >> 8));
        }
    }
    rgb
}

fn begin(width: u32, height: u32, needed: usize, data: &[u8], picture: &mut Picture) -> Result<(), Misuse> {
    if data.len() < needed {
        return Err(Misuse::new(format!("{} bytes are too few for {width}x{height}, which has {needed}", data.len())));
    }
    picture.reshape(width, height)
}

fn luma_of(r: u8, g: u8, b: u8) -> u8 {
    clamp(((66 * i32::from(r) + 129 * i32::from(g) + 25 * i32::from(b) + 128) >> 8) + 16)
}

fn clamp(value: i32) -> u8 {
    value.clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_colours_of_the_standard_come_out_as_it_says() {
        // BT.601: red is (81, 90, 240), green (145, 54, 34), blue (41, 240, 110), white (235, 128, 128).
        let known = [
            ([255, 0, 0], [81u8, 90, 240]),
            ([0, 255, 0], [145, 54, 34]),
            ([0, 0, 255], [41, 240, 110]),
            ([255, 255, 255], [235, 128, 128]),
            ([0, 0, 0], [16, 128, 128]),
        ];
        for (rgb, yuv) in known {
            let mut picture = Picture::default();
            rgb24(3, 3, &rgb.repeat(9), &mut picture).unwrap();
            for (plane, expected) in picture.planes().into_iter().zip(yuv) {
                assert!(plane.data.iter().all(|&found| found.abs_diff(expected) <= 1), "{rgb:?}: {plane:?}");
            }
            let back = to_rgb24(&picture);
            assert!(back.iter().zip(rgb.repeat(9)).all(|(&a, b)| a.abs_diff(b) <= 3), "{rgb:?}: {back:?}");
        }
    }

    #[test]
    fn packed_and_half_planar_layouts_are_taken_apart() {
        let mut picture = Picture::default();
        yuyv(2, 3, &[1, 10, 2, 20, 3, 30, 4, 40, 5, 50, 6, 60], &mut picture).unwrap();
        assert_eq!(picture.as_bytes(), [1, 2, 3, 4, 5, 6, 20, 50, 30, 60]);
        nv12(2, 2, &[1, 2, 3, 4, 5, 6], &mut picture).unwrap();
        assert_eq!(picture.as_bytes(), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn too_few_bytes_and_impossible_sizes_are_refused() {
        let mut picture = Picture::default();
        assert!(yuyv(3, 2, &[0; 12], &mut picture).is_err());
        for length in 0..12 {
            assert!(yuyv(2, 3, &vec![0; length], &mut picture).is_err());
            assert!(rgb24(2, 2, &vec![0; length], &mut picture).is_err());
        }
        for length in 0..6 {
            assert!(nv12(2, 2, &vec![0; length], &mut picture).is_err());
        }
        assert!(nv12(0, 0, &[], &mut picture).is_err());
    }
}
