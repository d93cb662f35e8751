use fast_qr::qr::QRBuilder;
use fast_qr::{ECL, Version};
use image::codecs::jpeg::JpegEncoder;
use image::imageops::blur;
use image::{ExtendedColorType, ImageFormat, Luma};
use peerage_base::rng::Rng;

use super::*;

/// The example of `docs/compact.md`, and one as long as a text of version 6 gets.
const SHORT: &str = "AE3AURQ31KQL85D0K1T7W$EPKZ31.HF494JEJ8I$%D3.VHI27KNMCQKZQ-646ZOXVD";
const VERSIONS: [Version; 3] = [Version::V04, Version::V05, Version::V06];

/// A code of black and white modules of this size, with its quiet zone, in the middle of more white.
fn drawn(message: &str, version: Version, module: u32) -> GrayImage {
    let code = QRBuilder::new(message).ecl(ECL::L).version(version).build().unwrap();
    let border = 8;
    let side = (code.size as u32 + 2 * border) * module;
    GrayImage::from_fn(side, side, |x, y| {
        let place = [x, y].map(|at| (at / module).checked_sub(border).map(|at| at as usize));
        let dark = match place {
            [Some(x), Some(y)] if x < code.size && y < code.size => code[y][x].value(),
            _ => false,
        };
        Luma([if dark { 0 } else { 255 }])
    })
}

/// A message that needs this version.
fn message(version: Version) -> String {
    let length = match version {
        Version::V04 => SHORT.len(),
        Version::V05 => 150,
        _ => 190,
    };
    SHORT.chars().cycle().take(length).collect()
}

/// How a code was photographed.
#[derive(Clone, Copy, Debug)]
struct Camera {
    degrees: f64,
    /// How much the far side is shorter.
    skew: f64,
    blur: f32,
    noise: f64,
    /// How dark the darkest corner is, from 0 to 1.
    shade: f64,
}

/// What the camera sees.
fn photographed(code: &GrayImage, camera: Camera) -> GrayImage {
    let (width, height) = (f64::from(code.width()), f64::from(code.height()));
    let (sin, cos) = camera.degrees.to_radians().sin_cos();
    let mut rng = Rng::new([7; 32]);
    let seen = GrayImage::from_fn(code.width(), code.height(), |x, y| {
        let (x, y) = (f64::from(x) / width - 0.5, f64::from(y) / height - 0.5);
        // Turned, and farther away at one side.
        let (u, v) = (x * cos - y * sin, x * sin + y * cos);
        let depth = 1.0 + camera.skew * (u + 0.5 * v);
        let (u, v) = ((u * depth + 0.5) * width, (v * depth + 0.5) * height);
        let inside = u >= 0.0 && v >= 0.0 && u < width && v < height;
        let shade = if inside { f64::from(code.get_pixel(u as u32, v as u32).0[0]) } else { 200.0 };
        let light = 1.0 - camera.shade * (0.5 + 0.5 * (x + y));
        Luma([(30.0 + shade * 0.8 * light) as u8])
    });
    let mut seen = if camera.blur > 0.0 { blur(&seen, camera.blur) } else { seen };
    for pixel in seen.pixels_mut() {
        let noise = (f64::from(rng.u32() % 1000) / 500.0 - 1.0) * camera.noise;
        pixel.0[0] = (f64::from(pixel.0[0]) + noise).clamp(0.0, 255.0) as u8;
    }
    seen
}

fn png(picture: &GrayImage) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    picture.write_to(&mut file, ImageFormat::Png).unwrap();
    file.into_inner()
}

fn jpeg(picture: &GrayImage) -> Vec<u8> {
    let mut file = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut file, 60);
    picture.write_with_encoder(encoder).unwrap();
    file
}

#[test]
fn a_code_is_read_at_every_size() {
    for version in VERSIONS {
        let message = message(version);
        for module in [2, 3, 5, 24] {
            let picture = drawn(&message, version, module);
            assert_eq!(read(&png(&picture)).as_deref(), Ok(&*message), "{version:?}, {module} pixels");
        }
    }
}

#[test]
fn a_code_is_read_from_a_photograph() {
    let straight = Camera { degrees: 0.0, skew: 0.0, blur: 0.0, noise: 0.0, shade: 0.0 };
    for version in VERSIONS {
        let message = message(version);
        for module in [6, 10] {
            let code = drawn(&message, version, module);
            let scale = module as f32 / 6.0;
            for camera in [
                Camera { degrees: 4.0, ..straight },
                Camera { degrees: -11.0, ..straight },
                Camera { degrees: 90.0, ..straight },
                Camera { degrees: 183.0, ..straight },
                Camera { skew: 0.15, ..straight },
                Camera { skew: -0.15, degrees: 7.0, ..straight },
                Camera { blur: 1.2 * scale, ..straight },
                Camera { noise: 40.0, ..straight },
                Camera { shade: 0.6, ..straight },
                Camera { degrees: 5.0, skew: 0.1, blur: 1.0 * scale, noise: 20.0, shade: 0.4 },
                Camera { degrees: -3.0, skew: -0.08, blur: 1.0 * scale, noise: 20.0, shade: 0.5 },
            ] {
                let seen = photographed(&code, camera);
                assert_eq!(read(&jpeg(&seen)).as_deref(), Ok(&*message), "{version:?}, {module} pixels, {camera:?}");
            }
        }
    }
}

#[test]
fn of_two_codes_both_are_read() {
    let (one, two) = (drawn("HELLO", Version::V01, 6), drawn(SHORT, Version::V04, 6));
    let mut both = GrayImage::from_pixel(one.width() + two.width(), two.height(), Luma([255]));
    image::imageops::replace(&mut both, &one, 0, 40);
    image::imageops::replace(&mut both, &two, i64::from(one.width()), 0);
    let message = read(&png(&both)).unwrap();
    let mut lines: Vec<_> = message.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, [SHORT, "HELLO"]);
}

#[test]
fn colours_and_transparency_do_not_hide_a_code() {
    let code = drawn(SHORT, Version::V04, 5);
    let blue = image::RgbaImage::from_fn(code.width(), code.height(), |x, y| {
        image::Rgba(if code.get_pixel(x, y).0[0] == 0 { [20, 20, 120, 255] } else { [0, 0, 0, 0] })
    });
    let mut file = Cursor::new(Vec::new());
    blue.write_to(&mut file, ImageFormat::Png).unwrap();
    assert_eq!(read(&file.into_inner()).as_deref(), Ok(SHORT));
}

#[test]
fn what_is_no_picture_of_a_code_is_told() {
    let plain = png(&GrayImage::from_pixel(300, 200, Luma([180])));
    assert_eq!(read(&plain), Err(Unreadable::NoCode));
    assert_eq!(read(b""), Err(Unreadable::Empty));
    assert_eq!(read(b"QLAABw4VHCMqMTg"), Err(Unreadable::NoPicture));
    assert_eq!(read(b"GIF89a\x01\x00\x01\x00\x00\x00\x00;"), Err(Unreadable::NoPicture));
    assert_eq!(read(&vec![0; BYTES_MAX + 1]), Err(Unreadable::Long));
    let code = drawn(SHORT, Version::V04, 5);
    for file in [png(&code), jpeg(&code)] {
        for length in (1..file.len()).step_by(97) {
            // A JPEG that lacks its end may still show the code.
            match read(&file[..length]) {
                Ok(message) => assert_eq!(message, SHORT),
                Err(why) => assert!(!matches!(why, Unreadable::Empty | Unreadable::Long), "{why}"),
            }
        }
        for place in (0..file.len()).step_by(41) {
            let mut altered = file.clone();
            altered[place] ^= 0x55;
            let _ = read(&altered);
        }
    }
    // A code with a third of it covered.
    let mut covered = drawn(SHORT, Version::V04, 5);
    for (x, y) in (90..170).flat_map(|x| (90..170).map(move |y| (x, y))) {
        covered.put_pixel(x, y, Luma([255]));
    }
    assert_eq!(read(&png(&covered)), Err(Unreadable::Damaged));
}

#[test]
fn noise_of_any_shape_is_no_code() {
    let mut rng = Rng::new([9; 32]);
    for (width, height) in [(1, 1), (2, 2), (7, 5), (1, 300), (300, 1), (30, 40), (333, 200)] {
        let noise = GrayImage::from_fn(width, height, |_, _| Luma([rng.u32() as u8]));
        assert!(matches!(read(&png(&noise)), Err(Unreadable::NoCode | Unreadable::Damaged)), "{width} x {height}");
    }
}

#[test]
fn a_picture_that_says_it_is_huge_is_not_unpacked() {
    let mut file = Vec::new();
    let encoder = image::codecs::png::PngEncoder::new(&mut file);
    image::ImageEncoder::write_image(encoder, &[0; 64], 8, 8, ExtendedColorType::L8).unwrap();
    // The header's width and height, and the checksum of it.
    file[16..20].copy_from_slice(&60_000_u32.to_be_bytes());
    file[20..24].copy_from_slice(&60_000_u32.to_be_bytes());
    let sum = checksum(&file[12..29]);
    file[29..33].copy_from_slice(&sum.to_be_bytes());
    assert_eq!(read(&file), Err(Unreadable::Large { width: 60_000, height: 60_000 }));
}

/// CRC-32 as in PNG.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & 0_u32.wrapping_sub(crc & 1)))
    })
}

#[test]
fn a_foreign_message_is_shown_short_and_harmless() {
    assert_eq!(shown("WIFI:S:home;;"), "WIFI:S:home;;");
    let long = shown(&format!("\u{1b}[2J{}", "x".repeat(500)));
    assert!(long.starts_with("[2Jxx") && long.ends_with('…') && long.chars().count() == SHOWN + 1, "{long}");
}
