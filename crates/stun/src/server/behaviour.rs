//! Binding requests at a server with two addresses and two ports, by which a client finds out how its NAT behaves
//! (RFC 5780 §6).

use crate::attribute::Attribute;
use crate::attribute::error_code::ErrorCode;
use crate::attribute::kind::AttributeType;
use crate::attribute::lists::UnknownAttributes;
use crate::header::{Class, Method};
use crate::message::Message;
use crate::server::MAX_UNKNOWN;
use crate::write::{Misuse, Writer};
use core::net::SocketAddr;

/// Longest PADDING that is answered with as much: what makes a packet larger than an Ethernet frame, and a fragment.
const MAX_PADDING: usize = 2048;

/// The addresses of such a server, seen from where a request came to. It answers on all four combinations of the two IPs
/// and the two ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Where the request came to.
    pub local: SocketAddr,
    /// The address of the same family with the other IP and the other port.
    pub other: SocketAddr,
}

/// Where an answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Bytes that were written.
    pub len: usize,
    /// Which of the four addresses it is to leave from.
    pub from: SocketAddr,
    /// Who gets it: the source of the request, or another port of the same host (RESPONSE-PORT). Such an answer is one
    /// that the asker may not be waiting for: whoever sends it should limit the rate of these further.
    pub to: SocketAddr,
    /// Whether `to` is another port than the request came from.
    pub is_redirected: bool,
}

impl Origin {
    fn changed(&self, ip: bool, port: bool) -> SocketAddr {
        let ip = if ip { self.other.ip() } else { self.local.ip() };
        let port = if port { self.other.port() } else { self.local.port() };
        SocketAddr::new(ip, port)
    }
}

/// What a request asks for besides its own address.
#[derive(Clone, Copy, Debug, Default)]
struct Wish {
    change_ip: bool,
    change_port: bool,
    response_port: Option<u16>,
    padding: Option<usize>,
}

/// Answers the Binding request in `request`, which came from `source` to `origin.local`, into `out`.
///
/// `None` for everything that [`respond_binding`](super::respond_binding) meets with silence, too. An answer names the
/// addresses it came from and could have come from, and so is up to 72 bytes longer than its request (36 for IPv4); with
/// RESPONSE-PORT, by which an answer can be sent where nobody asked, it names them only if the request was as long. A
/// PADDING is answered with one of the same length, not with one of the size of the interface, so that it does not
/// amplify.
pub fn respond_behaviour(request: &[u8], source: SocketAddr, origin: Origin, out: &mut [u8]) -> Option<Answer> {
    let message = Message::parse(request).ok()?;
    let wanted = message.class() == Class::Request && message.method() == Method::BINDING;
    if !wanted || (message.has_fingerprint() && !message.check_fingerprint()) {
        return None;
    }
    let mut scratch = [0; 2 * MAX_UNKNOWN];
    let not_understood = message.unknown_required().map(AttributeType);
    let refused = UnknownAttributes::collect(not_understood, &mut scratch);
    let wish = Wish::of(&message);
    let refusal = if refused.iter().next().is_some() {
        Some((ErrorCode::UNKNOWN_ATTRIBUTE, Some(refused)))
    } else if wish.padding.is_some() && wish.response_port.is_some() {
        // RFC 5780 §6.1: the two together are an amplifier.
        Some((ErrorCode::BAD_REQUEST, None))
    } else {
        None
    };
    // A refusal is not sent where somebody else may be.
    let wish = if refusal.is_some() { Wish::default() } else { wish };
    let from = origin.changed(wish.change_ip, wish.change_port);
    let to = SocketAddr::new(source.ip(), wish.response_port.unwrap_or(source.port()));
    let len = match refusal {
        Some((code, unknown)) => write_refusal(&message, code, unknown, out),
        None => write_answer(&message, source, from, origin.other, &wish, out),
    };
    Some(Answer { len: len.ok()?, from, to, is_redirected: to.port() != source.port() })
}

impl Wish {
    fn of(message: &Message<'_>) -> Self {
        let mut wish = Self::default();
        for attribute in message.attributes() {
            match attribute {
                Attribute::ChangeRequest { ip, port } => (wish.change_ip, wish.change_port) = (ip, port),
                Attribute::ResponsePort(port) => wish.response_port = Some(port),
                Attribute::Padding(bytes) => wish.padding = Some(bytes.len()),
                _ => {}
            }
        }
        wish
    }
}

fn write_refusal(
    request: &Message<'_>,
    code: ErrorCode<'static>,
    unknown: Option<UnknownAttributes<'_>>,
    out: &mut [u8],
) -> Result<usize, Misuse> {
    let mut writer = Writer::new(out, Class::Error, Method::BINDING, request.transaction_id());
    writer.attribute(&Attribute::ErrorCode(ErrorCode { reason: "", ..code }))?;
    if let Some(unknown) = unknown {
        writer.attribute(&Attribute::UnknownAttributes(unknown))?;
    }
    seal(request, writer)
}

fn write_answer(
    request: &Message<'_>,
    source: SocketAddr,
    from: SocketAddr,
    other: SocketAddr,
    wish: &Wish,
    out: &mut [u8],
) -> Result<usize, Misuse> {
    const ZEROS: [u8; MAX_PADDING] = [0; MAX_PADDING];
    let mut writer = Writer::new(out, Class::Success, Method::BINDING, request.transaction_id());
    let source = SocketAddr::new(source.ip().to_canonical(), source.port());
    writer.attribute(&Attribute::XorMappedAddress(source))?;
    let names = if from.is_ipv4() { 2 * 12 } else { 2 * 24 };
    if wish.response_port.is_none() || writer.finish() + names <= request.as_bytes().len() {
        writer.attribute(&Attribute::ResponseOrigin(from))?.attribute(&Attribute::OtherAddress(other))?;
    }
    if let Some(padding) = wish.padding {
        // The names take room that the request's PADDING had.
        let spent = (writer.finish() + 4).saturating_sub(request.as_bytes().len() - padding.next_multiple_of(4));
        let len = padding.min(MAX_PADDING).saturating_sub(spent) & !3;
        writer.attribute(&Attribute::Padding(&ZEROS[..len]))?;
    }
    seal(request, writer)
}

fn seal(request: &Message<'_>, mut writer: Writer<'_>) -> Result<usize, Misuse> {
    if request.has_fingerprint() {
        writer.fingerprint()?;
    }
    Ok(writer.finish())
}

#[cfg(test)]
mod tests {
    use super::{Answer, Origin, respond_behaviour};
    use crate::attribute::Attribute;
    use crate::attribute::kind::AttributeType;
    use crate::header::{Class, Method, TransactionId};
    use crate::message::Message;
    use crate::write::Writer;
    use alloc::vec;
    use alloc::vec::Vec;
    use core::net::SocketAddr;

    const SOURCE: &str = "192.0.2.7:4242";

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn origin() -> Origin {
        Origin { local: address("198.51.100.1:3478"), other: address("198.51.100.2:3479") }
    }

    fn request(attributes: &[Attribute<'_>]) -> Vec<u8> {
        let mut buf = vec![0; 3000];
        let mut writer = Writer::new(&mut buf, Class::Request, Method::BINDING, TransactionId([3; 12]));
        for attribute in attributes {
            writer.attribute(attribute).unwrap();
        }
        let len = writer.finish();
        buf.truncate(len);
        buf
    }

    fn ask(attributes: &[Attribute<'_>]) -> (Answer, Vec<u8>) {
        let mut out = vec![0; 3000];
        let answer = respond_behaviour(&request(attributes), address(SOURCE), origin(), &mut out).unwrap();
        out.truncate(answer.len);
        (answer, out)
    }

    fn find<T>(bytes: &[u8], pick: impl Fn(Attribute<'_>) -> Option<T>) -> Option<T> {
        Message::parse(bytes).unwrap().attributes().find_map(pick)
    }

    #[test]
    fn an_answer_names_where_it_came_from_and_the_other_address() {
        let (answer, bytes) = ask(&[]);
        assert_eq!((answer.from, answer.to, answer.is_redirected), (origin().local, address(SOURCE), false));
        assert_eq!(Message::parse(&bytes).unwrap().xor_mapped_address(), Some(address(SOURCE)));
        let told = find(&bytes, |a| if let Attribute::ResponseOrigin(a) = a { Some(a) } else { None });
        assert_eq!(told, Some(origin().local));
        let other = find(&bytes, |a| if let Attribute::OtherAddress(a) = a { Some(a) } else { None });
        assert_eq!(other, Some(origin().other));
        assert_eq!(answer.len, 20 + 36);
    }

    #[test]
    fn a_change_request_moves_the_answer_and_nothing_else() {
        for (ip, port, from) in [
            (false, false, "198.51.100.1:3478"),
            (true, false, "198.51.100.2:3478"),
            (false, true, "198.51.100.1:3479"),
            (true, true, "198.51.100.2:3479"),
        ] {
            let (answer, bytes) = ask(&[Attribute::ChangeRequest { ip, port }]);
            assert_eq!((answer.from, answer.to), (address(from), address(SOURCE)));
            let told = find(&bytes, |a| if let Attribute::ResponseOrigin(a) = a { Some(a) } else { None });
            assert_eq!(told, Some(address(from)));
            let other = find(&bytes, |a| if let Attribute::OtherAddress(a) = a { Some(a) } else { None });
            assert_eq!(other, Some(origin().other), "relative to where the request came to");
        }
    }

    #[test]
    fn a_response_port_is_one_of_the_asker_and_its_answer_is_not_larger_than_any_other() {
        let (answer, bytes) = ask(&[Attribute::ResponsePort(999)]);
        assert_eq!((answer.from, answer.to, answer.is_redirected), (origin().local, address("192.0.2.7:999"), true));
        assert_eq!(Message::parse(&bytes).unwrap().xor_mapped_address(), Some(address(SOURCE)));
        assert!(answer.len <= request(&[Attribute::ResponsePort(999)]).len() + 4);
        let filler = Attribute::Unknown { kind: AttributeType(0x9000), value: &[0; 40] };
        let (_, bytes) = ask(&[Attribute::ResponsePort(999), filler]);
        assert!(find(&bytes, |a| matches!(a, Attribute::OtherAddress(_)).then_some(())).is_some());
    }

    #[test]
    fn padding_is_answered_alike_and_never_larger_than_the_request() {
        for len in [0, 4, 37, 40, 64, 500, 1500, 2048, 2500] {
            let padding = vec![7; len];
            let (answer, bytes) = ask(&[Attribute::Padding(&padding)]);
            let room = request(&[Attribute::Padding(&padding)]).len();
            assert!(answer.len <= room.max(60), "{} for {room}", answer.len);
            let padded = find(&bytes, |a| if let Attribute::Padding(p) = a { Some(p.len()) } else { None }).unwrap();
            assert!(padded <= len && (!(64..=2048).contains(&len) || answer.len + 4 > room), "{padded} of {len}");
        }
    }

    #[test]
    fn padding_and_a_response_port_together_are_refused_to_the_asker() {
        let (answer, bytes) = ask(&[
            Attribute::Padding(&[0; 64]),
            Attribute::ResponsePort(53),
            Attribute::ChangeRequest { ip: true, port: true },
        ]);
        assert_eq!(Message::parse(&bytes).unwrap().error_code().unwrap().code, 400);
        assert_eq!((answer.from, answer.to, answer.is_redirected), (origin().local, address(SOURCE), false));
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        let (_, bytes) = ask(&[Attribute::Unknown { kind: AttributeType(0x7000), value: &[] }]);
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.error_code().unwrap().code, 420);
        assert_eq!(message.unknown_attributes().unwrap().iter().collect::<Vec<_>>(), [AttributeType(0x7000)]);
    }

    #[test]
    fn everything_but_a_binding_request_is_met_with_silence() {
        let mut out = [0; 600];
        let mut silent = |bytes: &[u8]| respond_behaviour(bytes, address(SOURCE), origin(), &mut out).is_none();
        assert!(silent(b"") && silent(b"GET / HTTP/1.1\r\n\r\n"));
        let (_, own) = ask(&[]);
        assert!(silent(&own), "an answer is not answered");
        let mut sealed = vec![0; 100];
        let mut writer = Writer::new(&mut sealed, Class::Request, Method::BINDING, TransactionId([3; 12]));
        writer.fingerprint().unwrap();
        let len = writer.finish();
        sealed.truncate(len);
        assert!(!silent(&sealed));
        sealed[len - 1] ^= 1;
        assert!(silent(&sealed));
    }
}
