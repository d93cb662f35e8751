//! `application/trickle-ice-sdpfrag` (RFC 8840 §9): candidates and credentials of ICE that follow a description.

use core::fmt;
use core::fmt::Write as _;
use peerage_sdp::attribute::Attribute;
use peerage_sdp::attribute::candidate::Candidate;
use peerage_sdp::attribute::ice_pwd::IcePwd;
use peerage_sdp::attribute::ice_ufrag::IceUfrag;
use peerage_sdp::attribute::mid::Mid;
use peerage_sdp::description::Description;
use peerage_sdp::media::MediaLine;

/// Lines of a fragment, more than any agent gathers candidates for.
const LINES: usize = 512;

/// What one side's checks of a generation of ICE are proved by.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub ufrag: String,
    pub pwd: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials([redacted])")
    }
}

/// What a fragment says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fragment {
    /// Whose candidates these are; a fragment that only goes on may leave them out.
    pub credentials: Option<Credentials>,
    /// Candidates as `candidate:...`, each with the section that it stands below.
    pub candidates: Vec<(Section, String)>,
    /// No candidate will follow, of the sections that say so or of all.
    pub ends: bool,
}

/// A section, by its name, or where it has none by its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Mid(String),
    Index(u16),
}

/// What is wrong with a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FragmentError {
    #[error("line {0} is not of the form a=... or m=...")]
    Line(usize),
    #[error("line {0}: malformed a={1}")]
    Attribute(usize, &'static str),
    #[error("line {0}: a candidate stands below an m= line")]
    Homeless(usize),
    #[error("a=ice-ufrag and a=ice-pwd come together, and one pair of them")]
    Credentials,
    #[error("there are more than 512 lines")]
    TooLong,
}

impl Fragment {
    /// Reads a fragment; attributes that are not of ICE do not matter.
    pub fn parse(text: &str) -> Result<Self, FragmentError> {
        let mut reading = Reading::default();
        for (number, line) in (1..).zip(text.lines()) {
            if number > LINES {
                return Err(FragmentError::TooLong);
            }
            if !line.is_empty() {
                reading.line(number, line)?;
            }
        }
        reading.fragment.credentials = match (reading.ufrag, reading.pwd) {
            (Some(ufrag), Some(pwd)) => Some(Credentials { ufrag, pwd }),
            (None, None) => None,
            _ => return Err(FragmentError::Credentials),
        };
        Ok(reading.fragment)
    }

    /// The fragment that tells a peer our side of another generation of ICE: the credentials and candidates of a description.
    pub fn of(description: &Description) -> Option<String> {
        let first = (0..description.media.len()).find(|at| {
            let media = &description.media[*at];
            media.line.port != 0 || media.section.has("bundle-only")
        })?;
        let ufrag = description.inherited::<IceUfrag>(first).ok()??;
        let pwd = description.inherited::<IcePwd>(first).ok()??;
        let media = &description.media[first];
        let mut text = format!("a=ice-ufrag:{}\r\na=ice-pwd:{}\r\nm={}\r\n", ufrag.as_str(), pwd.as_str(), media.line);
        for (name, value) in media.section.attributes() {
            match (name, value) {
                ("mid" | "candidate", value) => write!(text, "a={name}:{value}\r\n").ok()?,
                ("end-of-candidates", _) => text.push_str("a=end-of-candidates\r\n"),
                _ => {}
            }
        }
        Some(text)
    }
}

/// A fragment that is being read.
#[derive(Debug, Default)]
struct Reading {
    fragment: Fragment,
    ufrag: Option<String>,
    pwd: Option<String>,
    sections: u16,
    section: Option<Section>,
}

impl Reading {
    fn line(&mut self, number: usize, line: &str) -> Result<(), FragmentError> {
        if let Some(value) = line.strip_prefix("m=") {
            MediaLine::parse(value).ok_or(FragmentError::Line(number))?;
            self.section = Some(Section::Index(self.sections));
            self.sections += 1;
            return Ok(());
        }
        let attribute = line.strip_prefix("a=").ok_or(FragmentError::Line(number))?;
        let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
        let malformed = |name| FragmentError::Attribute(number, name);
        match name {
            IceUfrag::NAME => {
                let read = IceUfrag::parse(value).ok_or(malformed(IceUfrag::NAME))?;
                agree(&mut self.ufrag, read.as_str())
            }
            IcePwd::NAME => {
                let read = IcePwd::parse(value).ok_or(malformed(IcePwd::NAME))?;
                agree(&mut self.pwd, read.as_str())
            }
            Mid::NAME => {
                Mid::parse(value).ok_or(malformed(Mid::NAME))?;
                let section = self.section.as_mut().ok_or(FragmentError::Homeless(number))?;
                *section = Section::Mid(value.to_owned());
                Ok(())
            }
            Candidate::NAME => {
                let read = Candidate::parse(value).ok_or(malformed(Candidate::NAME))?;
                let section = self.section.clone().ok_or(FragmentError::Homeless(number))?;
                self.fragment.candidates.push((section, read.to_text()));
                Ok(())
            }
            "end-of-candidates" => {
                self.fragment.ends = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// There is one transport, and so one pair of credentials, however often it is told.
fn agree(known: &mut Option<String>, value: &str) -> Result<(), FragmentError> {
    match known {
        Some(known) if known != value => Err(FragmentError::Credentials),
        _ => {
            *known = Some(value.to_owned());
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM_THE_RFC: &str = "a=group:BUNDLE 0 1\r\na=ice-options:trickle ice2\r\na=ice-ufrag:EsAw\r\n\
        a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n\
        a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1\r\n\
        a=candidate:3471623853 1 udp 2122194687 198.51.100.2 61765 typ host generation 0 ufrag EsAw network-id 2\r\n\
        a=end-of-candidates\r\n";

    #[test]
    fn a_fragment_as_clients_send_it_is_read() {
        let fragment = Fragment::parse(FROM_THE_RFC).unwrap();
        let credentials = fragment.credentials.unwrap();
        assert_eq!((&*credentials.ufrag, &*credentials.pwd), ("EsAw", "P2uYro0UCOQ4zxjKXaWCBui1"));
        assert!(fragment.ends && fragment.candidates.len() == 2);
        assert_eq!(fragment.candidates[0].0, Section::Mid("0".into()));
        assert!(fragment.candidates[1].1.starts_with("candidate:3471623853 1 udp"));
        assert_eq!(
            Fragment::parse(&FROM_THE_RFC.replace("\r\n", "\n")).unwrap().candidates.len(),
            2,
            "lines that end in LF"
        );
        let unnamed = Fragment::parse(&FROM_THE_RFC.replace("a=mid:0\r\n", "")).unwrap();
        assert_eq!(unnamed.candidates[0].0, Section::Index(0));
        assert_eq!(Fragment::parse("").unwrap(), Fragment::default());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let credentials = "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n";
        for (text, error) in [
            ("hello", "line 1 is not of the form a=... or m=..."),
            ("v=0\r\n", "line 1 is not of the form a=... or m=..."),
            ("m=audio\r\n", "line 1 is not of the form a=... or m=..."),
            ("a=ice-ufrag:x\r\n", "line 1: malformed a=ice-ufrag"),
            ("a=ice-ufrag:EsAw\r\na=ice-pwd:short\r\n", "line 2: malformed a=ice-pwd"),
            ("a=ice-ufrag:EsAw\r\n", "a=ice-ufrag and a=ice-pwd come together, and one pair of them"),
            ("a=mid:0\r\n", "line 1: a candidate stands below an m= line"),
            ("a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\n", "line 1: a candidate stands below an m= line"),
            ("m=audio 9 RTP/AVP 0\r\na=candidate:1 1\r\n", "line 2: malformed a=candidate"),
        ] {
            assert_eq!(Fragment::parse(text).unwrap_err().to_string(), error, "{text:?}");
        }
        let two = format!("{credentials}m=audio 9 RTP/AVP 0\r\na=ice-ufrag:Other\r\n");
        assert_eq!(Fragment::parse(&two), Err(FragmentError::Credentials));
        assert_eq!(Fragment::parse(&"a=x\n".repeat(513)), Err(FragmentError::TooLong));
        assert!(Fragment::parse(&"a=x\n".repeat(512)).is_ok());
    }

    #[test]
    fn a_fragment_cut_anywhere_is_read_or_refused() {
        for end in 0..FROM_THE_RFC.len() {
            let _ = Fragment::parse(&FROM_THE_RFC[..end]);
        }
    }

    #[test]
    fn our_side_is_told_as_a_fragment_that_reads_back() {
        let text = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
            m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n\
            a=candidate:1 1 udp 2122260223 192.0.2.1 61764 typ host\r\na=end-of-candidates\r\n";
        let told = Fragment::of(&Description::parse(text).unwrap()).unwrap();
        let read = Fragment::parse(&told).unwrap();
        assert_eq!(read.credentials.unwrap().ufrag, "EsAw");
        assert_eq!(read.candidates.len(), 1);
        assert!(read.ends);
    }
}
