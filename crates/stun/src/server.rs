//! A stateless answer to Binding requests (RFC 8489 §6.3.1).

pub mod behaviour;

use crate::attribute::error_code::ErrorCode;
use crate::attribute::kind::AttributeType;
use crate::attribute::lists::UnknownAttributes;
use crate::attribute::{Attribute, MAX_TEXT};
use crate::header::{Class, Method};
use crate::integrity::FINGERPRINT;
use crate::message::Message;
use crate::write::{Misuse, Writer};
use core::net::SocketAddr;

/// Most types that an UNKNOWN-ATTRIBUTES names.
const MAX_UNKNOWN: usize = 16;

/// Ports whose owners answer whatever comes: no socket, chargen, DNS.
const REFLECTORS: [u16; 3] = [0, 19, 53];

/// Whether an answer to that port may be answered in turn, so that none should be sent over UDP.
pub fn is_reflector(port: u16) -> bool {
    REFLECTORS.contains(&port)
}

/// Answers the Binding request in `request`, which came from `source`, into `out`, and says how long the answer is.
///
/// `None` for everything that is to be met with silence: garbage, indications, responses, other methods, a wrong
/// FINGERPRINT. An answer is at most 24 bytes longer than its request, so that a forged source gains next to nothing:
/// there is no reason phrase, and `software` goes in only where the request was long enough to pay for it. Limiting the
/// rate per source is the caller's.
pub fn respond_binding(request: &[u8], source: SocketAddr, software: Option<&str>, out: &mut [u8]) -> Option<usize> {
    let message = Message::parse(request).ok()?;
    let wanted = message.class() == Class::Request && message.method() == Method::BINDING;
    if !wanted || (message.has_fingerprint() && !message.check_fingerprint()) {
        return None;
    }
    let mut scratch = [0; 2 * MAX_UNKNOWN];
    let refused = UnknownAttributes::collect(not_understood(&message), &mut scratch);
    let refused = refused.iter().next().is_some().then_some(refused);
    write_answer(&message, source, refused, software, out).ok()
}

/// Required types that this server does not act on, whether or not the codec can read them (RFC 8489 §6.3.1).
fn not_understood(message: &Message<'_>) -> impl Iterator<Item = AttributeType> {
    message.attributes().filter_map(|attribute| match attribute {
        // Behaviour discovery needs a second address (RFC 5780 §6.1): see `behaviour`.
        Attribute::ChangeRequest { .. } | Attribute::ResponsePort(_) | Attribute::Padding(_) => Some(attribute.kind()),
        Attribute::Unknown { kind, .. } if kind.is_required() => Some(kind),
        _ => None,
    })
}

fn write_answer(
    request: &Message<'_>,
    source: SocketAddr,
    refused: Option<UnknownAttributes<'_>>,
    software: Option<&str>,
    out: &mut [u8],
) -> Result<usize, Misuse> {
    let class = if refused.is_some() { Class::Error } else { Class::Success };
    let mut writer = Writer::new(out, class, Method::BINDING, request.transaction_id());
    if let Some(refused) = refused {
        let terse = ErrorCode { reason: "", ..ErrorCode::UNKNOWN_ATTRIBUTE };
        writer.attribute(&Attribute::ErrorCode(terse))?.attribute(&Attribute::UnknownAttributes(refused))?;
    } else {
        // A dual-stack socket shows IPv4 sources as mapped addresses, which mean nothing to the client.
        let source = SocketAddr::new(source.ip().to_canonical(), source.port());
        writer.attribute(&Attribute::XorMappedAddress(source))?;
    }
    let paid_for = |text: &&str| {
        let len = writer.finish() + 4 + text.len().next_multiple_of(4) + FINGERPRINT;
        text.len() <= MAX_TEXT && len <= request.as_bytes().len()
    };
    if let Some(software) = software.filter(paid_for) {
        writer.attribute(&Attribute::Software(software))?;
    }
    if request.has_fingerprint() {
        writer.fingerprint()?;
    }
    Ok(writer.finish())
}

#[cfg(test)]
mod tests {
    use super::respond_binding;
    use crate::attribute::Attribute;
    use crate::attribute::kind::AttributeType;
    use crate::header::{Class, Method, TransactionId};
    use crate::message::Message;
    use crate::write::Writer;
    use alloc::vec;
    use alloc::vec::Vec;
    use core::net::SocketAddr;

    const ID: TransactionId = TransactionId([9; 12]);
    const SOFTWARE: Option<&str> = Some("a server with a fairly long name, to be seen");

    fn request(class: Class, method: Method, attributes: &[Attribute<'_>], fingerprint: bool) -> Vec<u8> {
        let mut buf = vec![0; 1200];
        let mut writer = Writer::new(&mut buf, class, method, ID);
        for attribute in attributes {
            writer.attribute(attribute).unwrap();
        }
        if fingerprint {
            writer.fingerprint().unwrap();
        }
        let len = writer.finish();
        buf.truncate(len);
        buf
    }

    fn binding(attributes: &[Attribute<'_>]) -> Vec<u8> {
        request(Class::Request, Method::BINDING, attributes, false)
    }

    fn unknown(kind: u16) -> Attribute<'static> {
        Attribute::Unknown { kind: AttributeType(kind), value: &[] }
    }

    fn answer(request: &[u8], source: &str) -> Option<Vec<u8>> {
        let mut out = [0; 1200];
        let len = respond_binding(request, source.parse().unwrap(), SOFTWARE, &mut out)?;
        Some(out[..len].to_vec())
    }

    #[test]
    fn a_request_is_told_where_it_came_from() {
        for source in ["192.0.2.7:4242", "[2001:db8::1]:9"] {
            let bytes = answer(&binding(&[]), source).unwrap();
            let message = Message::parse(&bytes).unwrap();
            assert_eq!((message.class(), message.method()), (Class::Success, Method::BINDING));
            assert_eq!(message.transaction_id(), ID);
            assert_eq!(message.xor_mapped_address(), Some(source.parse().unwrap()));
            assert!(!message.has_fingerprint());
        }
    }

    #[test]
    fn a_mapped_source_is_told_as_ipv4() {
        let bytes = answer(&binding(&[]), "[::ffff:192.0.2.7]:4242").unwrap();
        let expected: SocketAddr = "192.0.2.7:4242".parse().unwrap();
        assert_eq!(Message::parse(&bytes).unwrap().xor_mapped_address(), Some(expected));
    }

    #[test]
    fn unknown_required_attributes_are_refused_by_name_and_optional_ones_ignored() {
        let change = Attribute::ChangeRequest { ip: true, port: false };
        let bytes = answer(&binding(&[unknown(0x7000), unknown(0x9000), change]), "192.0.2.7:1").unwrap();
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.class(), Class::Error);
        assert_eq!(message.error_code().unwrap().code, 420);
        let refused: Vec<_> = message.unknown_attributes().unwrap().iter().collect();
        assert_eq!(refused, [AttributeType(0x7000), AttributeType::CHANGE_REQUEST]);
        let ignored = answer(&binding(&[unknown(0x9000)]), "192.0.2.7:1").unwrap();
        assert_eq!(Message::parse(&ignored).unwrap().class(), Class::Success);
    }

    #[test]
    fn everything_but_a_binding_request_is_met_with_silence() {
        for class in [Class::Indication, Class::Success, Class::Error] {
            assert_eq!(answer(&request(class, Method::BINDING, &[], false), "192.0.2.7:1"), None);
        }
        assert_eq!(answer(&request(Class::Request, Method::ALLOCATE, &[], false), "192.0.2.7:1"), None);
        assert_eq!(answer(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "192.0.2.7:1"), None);
        assert_eq!(answer(&[], "192.0.2.7:1"), None);
        let own = answer(&binding(&[]), "192.0.2.7:1").unwrap();
        assert_eq!(answer(&own, "192.0.2.7:1"), None);
    }

    #[test]
    fn a_fingerprint_is_checked_and_answered_with_one() {
        let mut bytes = request(Class::Request, Method::BINDING, &[], true);
        let reply = answer(&bytes, "192.0.2.7:1").unwrap();
        assert!(Message::parse(&reply).unwrap().check_fingerprint());
        *bytes.last_mut().unwrap() ^= 1;
        assert_eq!(answer(&bytes, "192.0.2.7:1"), None);
    }

    #[test]
    fn an_answer_is_never_much_larger_than_the_request() {
        let mut seen_software = false;
        for count in 0..40 {
            for kind in [0x7000, 0x9000] {
                let attributes: Vec<_> = (0..count).map(|n| unknown(kind + n)).collect();
                for fingerprint in [false, true] {
                    let bytes = request(Class::Request, Method::BINDING, &attributes, fingerprint);
                    let reply = answer(&bytes, "[2001:db8::1]:9").unwrap();
                    assert!(reply.len() <= bytes.len() + 24, "{} for {}", reply.len(), bytes.len());
                    seen_software |= Message::parse(&reply).unwrap().software() == SOFTWARE;
                }
            }
        }
        assert!(seen_software, "a long request pays for the name of the software");
    }

    #[test]
    fn a_name_too_long_for_any_message_is_left_out() {
        let long = "x".repeat(800);
        let request = binding(&[Attribute::Padding(&[0; 1100])]);
        let request = [&request[..20], &[0x90, 0, 4, 0x4C], &request[24..]].concat();
        let mut out = [0; 1500];
        let len = respond_binding(&request, "192.0.2.7:1".parse().unwrap(), Some(&long), &mut out).unwrap();
        assert_eq!(Message::parse(&out[..len]).unwrap().class(), Class::Success);
    }

    #[test]
    fn an_answer_that_does_not_fit_is_not_sent() {
        let source = "192.0.2.7:1".parse().unwrap();
        for room in 0..32 {
            assert_eq!(respond_binding(&binding(&[]), source, None, &mut vec![0; room]), None);
        }
        assert_eq!(respond_binding(&binding(&[]), source, None, &mut [0; 32]), Some(32));
    }
}
