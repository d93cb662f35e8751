//! Names of sections and streams: visible ASCII (RFC 8852 §3, RFC 9143 §9.1).

/// The name that a value holds. Some senders end it with zeros as C does.
pub(super) fn parse(value: &[u8]) -> Option<&str> {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    let name = value.get(..end).filter(|name| !name.is_empty() && name.iter().all(u8::is_ascii_graphic))?;
    core::str::from_utf8(name).ok()
}

/// An element whose value is a name, called as its [`Kind`](super::kind::Kind).
macro_rules! element {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name<'a>(pub &'a str);

        impl<'a> $crate::extension::element::Element<'a> for $name<'a> {
            const KIND: $crate::extension::kind::Kind = $crate::extension::kind::Kind::$name;

            fn parse(value: &'a [u8]) -> Option<Self> {
                $crate::extension::token::parse(value).map(Self)
            }

            fn size(&self) -> usize {
                self.0.len()
            }

            fn write(&self, out: &mut [u8]) {
                out.copy_from_slice(self.0.as_bytes());
            }
        }

        #[cfg(test)]
        mod tests {
            use super::*;
            use crate::extension::element::Element as _;
            use crate::extension::tests_support::assert_wire;

            #[test]
            fn it_is_a_name() {
                assert_wire(&$name("0"), b"0");
                assert_wire(&$name("high"), b"high");
                assert_eq!($name::parse(b""), None);
                assert_eq!($name::parse(b"a\xFF"), None);
            }
        }
    };
}
pub(super) use element;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_visible_ascii() {
        assert_eq!(parse(b"hi~3"), Some("hi~3"));
        assert_eq!(parse(b"hi\0\0"), Some("hi"));
        for bad in [&b""[..], b"\0", b"a b", b"\xC3\xA9", b"a\n"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
