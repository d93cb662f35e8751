//! `a=candidate`.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

use super::Attribute;

/// A candidate as text (RFC 8839 §5.1). Its meaning is the ICE agent's business; only the shape is checked: printable
/// words, eight of them at least, with `typ` where it belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate(String);

/// Longer than any candidate seen; a name of 255 bytes and ten extensions fit.
const MAX_LEN: usize = 1024;

impl Candidate {
    /// Reads `candidate:...`, with or without `a=` before it.
    pub fn from_text(text: &str) -> Option<Self> {
        let text = text.strip_prefix("a=").unwrap_or(text);
        Self::parse(text.strip_prefix("candidate:")?)
    }

    /// The text with the attribute's name: `candidate:1 1 udp ...`.
    pub fn to_text(&self) -> String {
        format!("candidate:{}", self.0)
    }

    /// Gives back the room that the text does not take.
    pub fn shrink_to_fit(&mut self) {
        self.0.shrink_to_fit();
    }

    /// The component: 1 is RTP or the only one, 2 RTCP.
    pub fn component(&self) -> &str {
        self.word(1)
    }

    /// `udp` or `tcp`, in whatever case it was written.
    pub fn transport(&self) -> &str {
        self.word(2)
    }

    /// An address or a name.
    pub fn address(&self) -> &str {
        self.word(4)
    }

    /// The port, not checked.
    pub fn port(&self) -> &str {
        self.word(5)
    }

    /// `host`, `srflx`, `prflx`, `relay` or something newer.
    pub fn kind(&self) -> &str {
        self.word(7)
    }

    /// The generation that the candidate says it belongs to (RFC 8839 §5.1 extension, as browsers write it).
    pub fn ufrag(&self) -> Option<&str> {
        let mut words = self.0.split(' ').skip(8);
        while let Some(name) = words.next() {
            let value = words.next();
            if name == "ufrag" {
                return value;
            }
        }
        None
    }

    fn word(&self, index: usize) -> &str {
        self.0.split(' ').nth(index).unwrap_or_default()
    }
}

impl Attribute for Candidate {
    const NAME: &'static str = "candidate";

    fn parse(value: &str) -> Option<Self> {
        let value = value.trim_end_matches(' ');
        let printable = value.len() <= MAX_LEN && value.bytes().all(|b| (0x20..0x7f).contains(&b));
        let shaped = value.split(' ').take(8).filter(|w| !w.is_empty()).count() == 8;
        (printable && shaped && value.split(' ').nth(6) == Some("typ")).then(|| Self(value.to_owned()))
    }

    fn write(&self, out: &mut String) {
        out.push(':');
        out.push_str(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::rewritten;
    use super::*;

    const CHROMIUM: &str = "2082237004 1 udp 2122063615 192.0.2.2 40034 typ host generation 0 ufrag rgqw network-id 1";
    const FIREFOX: &str = "2 1 TCP 2105458943 192.0.2.2 9 typ host tcptype active";

    #[test]
    fn browser_candidates_are_kept_as_they_are() {
        for text in [CHROMIUM, FIREFOX] {
            assert_eq!(rewritten::<Candidate>(text).as_deref(), Some(text));
            assert_eq!(
                Candidate::from_text(&format!("a=candidate:{text}")).unwrap().to_text(),
                format!("candidate:{text}")
            );
        }
    }

    #[test]
    fn the_generation_is_read_from_the_extensions() {
        let of = |text| Candidate::parse(text).unwrap();
        assert_eq!(of(CHROMIUM).ufrag(), Some("rgqw"));
        assert_eq!(of(FIREFOX).ufrag(), None);
        assert_eq!(of("1 1 udp 1 h 9 typ ufrag x ufrag").ufrag(), None);
        assert_eq!((of(FIREFOX).address(), of(FIREFOX).port(), of(FIREFOX).kind()), ("192.0.2.2", "9", "host"));
    }

    #[test]
    fn other_shapes_are_refused() {
        for text in [
            "",
            "1 1 udp 1 h 9 typ",
            "1 1 udp 1 h 9 type host",
            "1  1 udp 1 h 9 typ host",
            "1 1 udp 1 h\u{1} 9 typ host",
        ] {
            assert_eq!(Candidate::parse(text), None, "{text:?}");
        }
        assert_eq!(Candidate::from_text(CHROMIUM), None);
        assert_eq!(Candidate::parse(&format!("{FIREFOX} x {}", "y".repeat(MAX_LEN))), None);
    }
}
