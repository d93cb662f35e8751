//! How values are written on the command line.

use std::ops::RangeInclusive;
use std::time::Duration;

use peerage_server::turn::config::Secret;
use peerage_signal::client::tls;
use peerage_signal::code::Code;
use peerage_signal::link::{AnyCode, ServerAddress};

/// Reads the SHA-256 of a certificate.
pub fn fingerprint(text: &str) -> Result<[u8; 32], String> {
    tls::parse_fingerprint(text).map_err(|error| error.to_string())
}

/// Reads a code.
pub fn code(text: &str) -> Result<Code, String> {
    Code::parse(text).map_err(|error| error.to_string())
}

/// Reads a code of either kind.
pub fn any_code(text: &str) -> Result<AnyCode, String> {
    AnyCode::parse(text).map_err(|error| error.to_string())
}

/// Reads the address of a server.
pub fn address(text: &str) -> Result<ServerAddress, String> {
    ServerAddress::parse(text).map_err(|error| error.to_string())
}

/// Reads a secret of the relay.
pub fn secret(text: &str) -> Result<Secret, String> {
    Secret::parse(text).map_err(|error| error.to_string())
}

/// Reads `49152-65535`.
pub fn ports(text: &str) -> Result<RangeInclusive<u16>, String> {
    let range = text.split_once('-').and_then(|(a, b)| Some((a.trim().parse().ok()?, b.trim().parse().ok()?)));
    match range {
        Some((first, last)) if first > 0 && first <= last => Ok(first..=last),
        _ => Err("not a range of ports; write the first and the last, such as 49152-65535".to_owned()),
    }
}

/// Reads `500`, `500K`, `12.5M` or `1G`, in powers of 1,000.
pub fn bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let (number, zeros) = match text.chars().last().map(|c| c.to_ascii_uppercase()) {
        Some('K') => (&text[..text.len() - 1], 3),
        Some('M') => (&text[..text.len() - 1], 6),
        Some('G') => (&text[..text.len() - 1], 9),
        _ => (text, 0),
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let valid =
        !whole.is_empty() && digits(whole) && digits(part) && part.len() <= zeros && number != format!("{whole}.");
    let padded = format!("{whole}{part:0<zeros$}");
    let count = if valid { padded.parse().ok() } else { None };
    count.ok_or_else(|| "not a number of bytes; write 500K, 12.5M or 1G".to_owned())
}

/// Reads `90`, `90s`, `10m` or `2h`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.trim().strip_suffix(['s', 'm', 'h']) {
        Some(number) => (number, &text.trim()[number.len()..]),
        None => (text.trim(), "s"),
    };
    let factor = match unit {
        "h" => 3_600,
        "m" => 60,
        _ => 1,
    };
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    seconds.map(Duration::from_secs).ok_or_else(|| "not a time; write 90s, 10m or 2h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_in_powers_of_a_thousand() {
        for (text, count) in [("0", 0), ("500", 500), ("500K", 500_000), ("12.5m", 12_500_000), ("1G", 1_000_000_000)] {
            assert_eq!(bytes(text), Ok(count), "{text}");
        }
        for text in ["", "M", "-1", "1.5", "1.K", ".5M", "1.0005K", "1T", "99999999999999G", "1 K", "\u{b5}"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_range_of_ports_has_a_first_and_a_last() {
        assert_eq!(ports("49152-65535"), Ok(49_152..=65_535));
        assert_eq!(ports("7-7"), Ok(7..=7));
        for text in ["", "7", "0-9", "9-8", "1-65536", "a-b", "-", "1-2-3"] {
            assert!(ports(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_read_in_seconds_minutes_and_hours() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("10m", 600), ("2h", 7200), ("0", 0)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "m", "-1", "1.5h", "10d", "99999999999999999999", "9999999999999999999h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
