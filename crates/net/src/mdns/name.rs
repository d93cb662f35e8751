//! Domain names (RFC 1035 §3.1, §4.1.4).

use peerage_base::rng::Rng;
use std::fmt;

/// Longest name on the wire, in bytes.
const MAX_NAME: usize = 255;
/// Longest label, in bytes.
const MAX_LABEL: usize = 63;
/// Longest name of a kind of service, in bytes.
const MAX_KIND: usize = 15;
/// `local`, and the root.
const LOCAL: &[u8] = b"\x05local\0";

/// A domain name, uncompressed and in lower case: equal names are equal bytes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Name(Box<[u8]>);

impl Name {
    /// The name of a host in multicast DNS: one label of letters, digits and hyphens, under `local`.
    ///
    /// `None` for anything else. What has more labels is left to the ordinary resolver, or to nobody.
    pub fn host(text: &str) -> Option<Self> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let (label, domain) = text.split_once('.')?;
        (is_label(label) && domain.eq_ignore_ascii_case("local")).then(|| Self::of_labels(&[label]))
    }

    /// A name that nobody has: a random UUID (RFC 9562 §5.4) under `local`.
    pub fn random(rng: &mut Rng) -> Self {
        let bits = u128::from_be_bytes(rng.bytes());
        let bits = bits & !(0xF << 76 | 0b11 << 62) | 4 << 76 | 0b10 << 62;
        let hex = format!("{bits:032x}");
        let (a, rest) = hex.split_at(8);
        let (b, rest) = rest.split_at(4);
        let (c, rest) = rest.split_at(4);
        let (d, e) = rest.split_at(4);
        Self::of_labels(&[&[a, b, c, d, e].join("-")])
    }

    /// The name of a kind of service over TCP, such as `_peerage._tcp.local`, of letters, digits and hyphens (RFC 6763 §7).
    pub fn service_kind(kind: &str) -> Option<Self> {
        is_label(kind).then(|| Self::of_labels(&[&format!("_{kind}"), "_tcp"])).filter(|_| kind.len() <= MAX_KIND)
    }

    /// The name of one service of a kind; `instance` is of letters, digits and hyphens.
    pub fn service(instance: &str, kind: &str) -> Option<Self> {
        let valid = is_label(instance) && is_label(kind) && kind.len() <= MAX_KIND;
        valid.then(|| Self::of_labels(&[instance, &format!("_{kind}"), "_tcp"]))
    }

    fn of_labels(labels: &[&str]) -> Self {
        let mut bytes = Vec::new();
        for label in labels {
            bytes.push(label.len() as u8);
            bytes.extend(label.bytes().map(|byte| byte.to_ascii_lowercase()));
        }
        bytes.extend(LOCAL);
        Self(bytes.into())
    }

    /// The name that begins at `at` of a message, and where the bytes after it begin.
    ///
    /// Pointers have to lead backwards, each further than the one before: so that reading ends.
    pub fn read(message: &[u8], at: usize) -> Option<(Self, usize)> {
        let mut bytes = Vec::new();
        let (mut at, mut end, mut limit) = (at, None, at);
        loop {
            let first = *message.get(at)?;
            match first >> 6 {
                0b00 => {
                    let label = message.get(at..at + 1 + usize::from(first))?;
                    bytes.extend(label.iter().map(u8::to_ascii_lowercase));
                    at += label.len();
                    if bytes.len() > MAX_NAME {
                        return None;
                    }
                    if first == 0 {
                        return Some((Self(bytes.into()), end.unwrap_or(at)));
                    }
                }
                0b11 => {
                    let target = usize::from(u16::from_be_bytes([first & 0x3F, *message.get(at + 1)?]));
                    if target >= limit {
                        return None;
                    }
                    end.get_or_insert(at + 2);
                    (at, limit) = (target, target);
                }
                _ => return None,
            }
        }
    }

    /// Its uncompressed wire form.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

fn is_label(text: &str) -> bool {
    (1..=MAX_LABEL).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = &self.0[..];
        let mut separator = "";
        while let Some((&len, tail)) = rest.split_first()
            && let Some((label, tail)) = tail.split_at_checked(usize::from(len)).filter(|_| len > 0)
        {
            write!(f, "{separator}{}", label.escape_ascii())?;
            (rest, separator) = (tail, ".");
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::{Name, Rng};

    #[test]
    fn a_host_name_is_one_label_under_local() {
        let name = Name::host("1F4712DB-ea17-4bcf-a596-105139dfd8bf.LOCAL.").unwrap();
        assert_eq!(name.to_string(), "1f4712db-ea17-4bcf-a596-105139dfd8bf.local");
        let long = format!("{}.local", "a".repeat(64));
        for bad in
            ["", "local", ".local", "a.b.local", "a.locale", "a_b.local", "a b.local", "example.com", "ä.local", &long]
        {
            assert_eq!(Name::host(bad), None, "{bad}");
        }
        assert!(Name::host(&long[1..]).is_some());
    }

    #[test]
    fn a_service_has_a_name_of_its_own_under_its_kind() {
        let name = Name::service("Peerage-7", "peerage").unwrap();
        assert_eq!(name.to_string(), "peerage-7._peerage._tcp.local");
        assert_eq!(Name::read(name.as_bytes(), 0), Some((name, 31)));
        assert_eq!(Name::service_kind("peerage").unwrap().to_string(), "_peerage._tcp.local");
        for bad in ["", "a.b", "a b", "_a", &"a".repeat(64)] {
            assert!(Name::service(bad, "peerage").is_none() && Name::service_kind(bad).is_none(), "{bad}");
        }
        assert!(Name::service("a", &"k".repeat(16)).is_none(), "no kind is that long");
    }

    #[test]
    fn a_random_name_is_a_version_4_uuid() {
        let mut rng = Rng::from_u64(1);
        let name = Name::random(&mut rng).to_string();
        assert_eq!(name.len(), 36 + 6);
        assert_eq!(&name[14..15], "4");
        assert!("89ab".contains(&name[19..20]));
        assert_eq!(Name::host(&name).unwrap().to_string(), name);
        assert_ne!(Name::random(&mut rng).to_string(), name);
    }

    #[test]
    fn a_pointer_continues_a_name_elsewhere() {
        let message = b"....\x05local\0\x03foo\xC0\x04after";
        let (name, end) = Name::read(message, 11).unwrap();
        assert_eq!((name.to_string().as_str(), end), ("foo.local", 17));
    }

    #[test]
    fn pointers_that_do_not_lead_backwards_are_refused() {
        assert_eq!(Name::read(b"\xC0\x00", 0), None);
        assert_eq!(Name::read(b"\xC0\x02\xC0\x00", 0), None);
        assert_eq!(Name::read(b"\x01a\xC0\x00", 0), None);
        assert_eq!(Name::read(b"\x01a\xC0\x00", 2), None, "leads back to itself");
        assert_eq!(Name::read(b"\xC0\x09", 0), None);
        assert_eq!(Name::read(b"\xC0", 0), None);
    }

    #[test]
    fn a_name_longer_than_255_bytes_is_refused() {
        let fits = [&[49; 50][..], &[49; 50], &[49; 50], &[49; 50], &[49; 50], &[0]].concat();
        assert!(Name::read(&fits, 0).is_some());
        let long = [&fits[..250], &[49; 50], &[0]].concat();
        assert_eq!(Name::read(&long, 0), None);
        assert_eq!(Name::read(&[0x40, 0], 0), None, "a reserved kind of label");
        assert_eq!(Name::read(b"\x05loca", 0), None);
    }
}
