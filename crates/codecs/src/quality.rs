//! How alike two pictures are: PSNR and SSIM of the luma plane.

use crate::error::Misuse;
use crate::picture::Picture;

/// The peak signal-to-noise ratio of luma, in decibels; infinite for equal pictures. Over 30 dB is good for video.
///
/// # Errors
///
/// Pictures of different size.
pub fn psnr(a: &Picture, b: &Picture) -> Result<f64, Misuse> {
    same_size(a, b)?;
    let ([a, ..], [b, ..]) = (a.planes(), b.planes());
    let squares = a.data.iter().zip(b.data).map(|(&a, &b)| u64::from(a.abs_diff(b)).pow(2)).sum::<u64>();
    let mean = squares as f64 / a.data.len().max(1) as f64;
    Ok(if squares == 0 { f64::INFINITY } else { 10.0 * (255.0 * 255.0 / mean).log10() })
}

/// The structural similarity of luma (Wang and others, 2004) over windows of eight by eight that overlap by half:
/// 1 for equal pictures, about 0 for unrelated ones.
///
/// # Errors
///
/// Pictures of different size, or smaller than a window.
pub fn ssim(a: &Picture, b: &Picture) -> Result<f64, Misuse> {
    const WINDOW: usize = 8;
    same_size(a, b)?;
    let ([a, ..], [b, ..]) = (a.planes(), b.planes());
    if a.width < WINDOW || a.height < WINDOW {
        return Err(Misuse::new("similarity needs pictures of at least 8x8"));
    }
    let (mut sum, mut windows) = (0.0, 0u32);
    for top in (0..=a.height - WINDOW).step_by(WINDOW / 2) {
        for left in (0..=a.width - WINDOW).step_by(WINDOW / 2) {
            let pixels = (top..top + WINDOW).flat_map(|line| {
                let start = line * a.width + left;
                a.data[start..start + WINDOW].iter().zip(&b.data[start..start + WINDOW])
            });
            sum += window(pixels);
            windows += 1;
        }
    }
    Ok(sum / f64::from(windows))
}

fn window<'a>(pixels: impl Iterator<Item = (&'a u8, &'a u8)>) -> f64 {
    // The constants that keep flat windows from dividing by nothing: (0.01 * 255)², (0.03 * 255)².
    const C1: f64 = 6.5025;
    const C2: f64 = 58.5225;
    let (mut n, mut sum_a, mut sum_b, mut square_a, mut square_b, mut product) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
    for (&a, &b) in pixels {
        let (a, b) = (f64::from(a), f64::from(b));
        n += 1.0;
        sum_a += a;
        sum_b += b;
        square_a += a * a;
        square_b += b * b;
        product += a * b;
    }
    let (mean_a, mean_b) = (sum_a / n, sum_b / n);
    let variance_a = square_a / n - mean_a * mean_a;
    let variance_b = square_b / n - mean_b * mean_b;
    let covariance = product / n - mean_a * mean_b;
    (2.0 * mean_a * mean_b + C1) * (2.0 * covariance + C2)
        / ((mean_a * mean_a + mean_b * mean_b + C1) * (variance_a + variance_b + C2))
}

fn same_size(a: &Picture, b: &Picture) -> Result<(), Misuse> {
    if (a.width(), a.height()) == (b.width(), b.height()) {
        return Ok(());
    }
    let text = format!(
        "pictures of {}x{} and {}x{} cannot be compared; scale one of them",
        a.width(),
        a.height(),
        b.width(),
        b.height()
    );
    Err(Misuse::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradient(width: u32, height: u32, shift: u8) -> Picture {
        let mut picture = Picture::new(width, height).unwrap();
        let [luma, ..] = picture.planes_mut();
        for (index, pixel) in luma.data.iter_mut().enumerate() {
            *pixel = (index % luma.width * 7 + index / luma.width * 3) as u8 / 2 + shift;
        }
        picture
    }

    #[test]
    fn equal_pictures_are_alike_and_a_known_error_has_its_known_ratio() {
        let a = gradient(64, 32, 0);
        assert_eq!(psnr(&a, &a).unwrap(), f64::INFINITY);
        assert!((ssim(&a, &a).unwrap() - 1.0).abs() < 1e-9);
        // An error of 16 everywhere: 20 * log10(255 / 16).
        let b = gradient(64, 32, 16);
        assert!((psnr(&a, &b).unwrap() - 24.048).abs() < 0.01);
    }

    #[test]
    fn an_unrelated_picture_is_not_similar() {
        let a = gradient(64, 64, 0);
        let mut b = a.clone();
        let [luma, ..] = b.planes_mut();
        luma.data.reverse();
        assert!(ssim(&a, &b).unwrap() < 0.5);
        let other = Picture::new(32, 32).unwrap();
        assert!(psnr(&a, &other).unwrap_err().to_string().contains("64x64 and 32x32"));
    }
}
