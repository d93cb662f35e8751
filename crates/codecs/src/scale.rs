//! Another size for a picture.

use crate::error::Misuse;
use crate::picture::{Picture, Plane, PlaneMut};

/// Scales a picture into another, which keeps its size and takes the timestamp.
///
/// Smaller pictures are means over the area that each pixel covers, larger ones are interpolated: no weight outside
/// the pixels themselves, so edges stay where they were.
///
/// # Errors
///
/// An empty picture on either side.
pub fn scale(from: &Picture, to: &mut Picture) -> Result<(), Misuse> {
    if from.width() == 0 || to.width() == 0 {
        return Err(Misuse::new("an empty picture cannot be scaled; give it a size first"));
    }
    to.timestamp = from.timestamp;
    for (source, target) in from.planes().into_iter().zip(to.planes_mut()) {
        if (source.width, source.height) == (target.width, target.height) {
            target.data.copy_from_slice(source.data);
        } else {
            plane(source, target);
        }
    }
    Ok(())
}

fn plane(source: Plane<'_>, target: PlaneMut<'_>) {
    let columns = taps(source.width, target.width);
    let lines = taps(source.height, target.height);
    let width = target.width;
    for (row, (top, weights_y)) in target.data.chunks_exact_mut(width).zip(&lines) {
        for (pixel, (left, weights_x)) in row.iter_mut().zip(&columns) {
            let mut sum = 0u64;
            for (line, &weight_y) in source.data.chunks_exact(source.width).skip(*top).zip(weights_y) {
                let part: u64 = line[*left..].iter().zip(weights_x).map(|(&y, &w)| u64::from(y) * u64::from(w)).sum();
                sum += part * u64::from(weight_y);
            }
            *pixel = ((sum + (1 << 31)) >> 32).min(255) as u8;
        }
    }
}

/// For each target sample the first source sample that counts, and the weights from there, which add up to 65536.
fn taps(source: usize, target: usize) -> Vec<(usize, Vec<u32>)> {
    let ratio = source as f64 / target as f64;
    (0..target)
        .map(|index| {
            let centre = (index as f64 + 0.5) * ratio;
            // At least one source sample wide: that makes it linear interpolation when growing.
            let half = (ratio / 2.0).max(0.5);
            let (from, to) = ((centre - half).max(0.0), (centre + half).min(source as f64));
            let first = (from as usize).min(source - 1);
            let last = (to.ceil() as usize).clamp(first + 1, source);
            let mut weights: Vec<u32> = (first..last)
                .map(|at| {
                    let covered = (to.min(at as f64 + 1.0) - from.max(at as f64)).max(0.0);
                    (covered / (to - from) * 65_536.0).round() as u32
                })
                .collect();
            let sum: u32 = weights.iter().sum();
            let largest = weights.iter_mut().max().expect("at least one source sample counts");
            *largest = (*largest + 65_536).saturating_sub(sum);
            (first, weights)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quality::psnr;

    #[test]
    fn halving_gives_means_and_a_flat_picture_stays_flat() {
        let from = Picture::from_bytes(4, 2, vec![0, 10, 100, 200, 20, 30, 100, 200, 1, 3, 5, 7]).unwrap();
        let mut to = Picture::new(2, 1).unwrap();
        scale(&from, &mut to).unwrap();
        let [luma, u, _] = to.planes();
        assert_eq!(luma.data, [15, 150]);
        assert_eq!(u.data, [2]);
        let mut flat = Picture::new(7, 5).unwrap();
        flat.fill(200, 100, 50);
        for (width, height) in [(1, 1), (3, 4), (7, 5), (16, 9), (50, 31)] {
            let mut to = Picture::new(width, height).unwrap();
            scale(&flat, &mut to).unwrap();
            for (plane, value) in to.planes().into_iter().zip([200, 100, 50]) {
                assert!(plane.data.iter().all(|&y| y == value), "{width}x{height}");
            }
        }
    }

    #[test]
    fn there_and_back_is_nearly_the_same() {
        let mut from = Picture::new(64, 48).unwrap();
        let [luma, ..] = from.planes_mut();
        for (index, y) in luma.data.iter_mut().enumerate() {
            *y = (index % 64 * 2 + index / 64) as u8;
        }
        let (mut large, mut back) = (Picture::new(150, 101).unwrap(), Picture::new(64, 48).unwrap());
        scale(&from, &mut large).unwrap();
        scale(&large, &mut back).unwrap();
        assert!(psnr(&from, &back).unwrap() > 40.0);
        assert!(scale(&Picture::default(), &mut back).is_err());
    }
}
