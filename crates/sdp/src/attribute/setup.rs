//! `a=setup`.

use alloc::string::String;

use super::Attribute;

/// Who opens the DTLS handshake (RFC 4145 §4, RFC 8842 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    /// The sender will be the client.
    Active,
    /// The sender will be the server.
    Passive,
    /// The sender will be what the answer leaves.
    Actpass,
    /// No connection for now.
    Holdconn,
}

impl Setup {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::Actpass => "actpass",
            Self::Holdconn => "holdconn",
        }
    }
}

impl Attribute for Setup {
    const NAME: &'static str = "setup";

    fn parse(value: &str) -> Option<Self> {
        [Self::Active, Self::Passive, Self::Actpass, Self::Holdconn]
            .into_iter()
            .find(|s| s.as_str().eq_ignore_ascii_case(value))
    }

    fn write(&self, out: &mut String) {
        out.push(':');
        out.push_str(self.as_str());
    }
}

#[cfg(test)]
mod tests {
    use super::super::rewritten;
    use super::*;

    #[test]
    fn the_four_roles_round_trip() {
        for word in ["active", "passive", "actpass", "holdconn"] {
            assert_eq!(rewritten::<Setup>(word).as_deref(), Some(word));
        }
        assert_eq!(rewritten::<Setup>("client"), None);
    }
}
