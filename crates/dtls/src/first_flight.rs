//! The first datagrams of the peer, before a complete hello has come.
//!
//! The network reorders, peers fragment their hellos, and anyone may send anything. Only a complete first message goes
//! on. A client holds what overtook it, within bounds, and hands it on behind it; a server has no use for that.

use alloc::vec::Vec;

use crate::config::Role;
use crate::record::{ALERT, CLIENT_HELLO, Fragment, HELLO_VERIFY_REQUEST, Records, SERVER_HELLO};

/// Most datagrams held.
const MAX_HELD: usize = 8;
/// Longest datagram held, in bytes.
const MAX_DATAGRAM: usize = 2048;
/// Longest first message put together, in bytes: hybrid post-quantum hellos have about 1500.
const MAX_MESSAGE: usize = 4096;

/// What a datagram changes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The hello is complete: these datagrams may go on, in this order.
    Release(Vec<Vec<u8>>),
    /// The datagram is held.
    Held,
    /// The datagram is of no use, or there is no room to hold it.
    Dropped,
    /// The server refuses in plaintext. Forgeable, yet the only answer that some servers give to an offer they
    /// cannot accept; ICE vouches for the path.
    Alert(u8),
}

/// Holds back what cannot be used yet.
#[derive(Debug)]
pub(crate) struct FirstFlight {
    role: Role,
    held: Vec<Vec<u8>>,
    message: Option<Assembly>,
}

/// A fragmented first message.
#[derive(Debug)]
struct Assembly {
    kind: u8,
    body: Vec<u8>,
    present: Vec<bool>,
}

impl FirstFlight {
    /// For this side, which waits for the other's hello.
    pub(crate) fn new(role: Role) -> Self {
        Self { role, held: Vec::new(), message: None }
    }

    /// Takes one plausible datagram.
    pub(crate) fn take(&mut self, datagram: &[u8]) -> Verdict {
        if let Some(alert) = fatal_alert(datagram).filter(|_| self.role == Role::Client) {
            return Verdict::Alert(alert);
        }
        let first = Records::new(datagram).handshake().next();
        if let Some(fragment) = first.filter(|f| self.wants(f)) {
            if fragment.is_whole() {
                return self.release(datagram.to_vec());
            }
            let message = self.assemble(&fragment);
            // The fragment may be followed by records of the rest of the flight.
            self.hold(datagram);
            return message.map_or(Verdict::Held, |message| self.release(message));
        }
        if self.hold(datagram) { Verdict::Held } else { Verdict::Dropped }
    }

    /// Neither side can have sent anything before its hello, so that it is number 0.
    fn wants(&self, fragment: &Fragment<'_>) -> bool {
        let kind = match self.role {
            Role::Client => matches!(fragment.kind, SERVER_HELLO | HELLO_VERIFY_REQUEST),
            Role::Server => fragment.kind == CLIENT_HELLO,
        };
        kind && fragment.message_seq == 0
    }

    fn hold(&mut self, datagram: &[u8]) -> bool {
        let fits = self.role == Role::Client && self.held.len() < MAX_HELD && datagram.len() <= MAX_DATAGRAM;
        if fits {
            self.held.push(datagram.to_vec());
        }
        fits
    }

    /// Hands on and forgets everything.
    fn release(&mut self, first: Vec<u8>) -> Verdict {
        let mut all = Vec::with_capacity(1 + self.held.len());
        all.push(first);
        all.append(&mut self.held);
        self.message = None;
        Verdict::Release(all)
    }

    fn assemble(&mut self, fragment: &Fragment<'_>) -> Option<Vec<u8>> {
        if fragment.length > MAX_MESSAGE {
            return None;
        }
        let fits = |a: &Assembly| (a.kind, a.body.len()) == (fragment.kind, fragment.length);
        if !self.message.as_ref().is_some_and(fits) {
            self.message = Some(Assembly {
                kind: fragment.kind,
                body: alloc::vec![0; fragment.length],
                present: alloc::vec![false; fragment.length],
            });
        }
        let message = self.message.as_mut()?;
        let range = fragment.offset..fragment.offset + fragment.body.len();
        message.body.get_mut(range.clone())?.copy_from_slice(fragment.body);
        message.present.get_mut(range)?.fill(true);
        message.present.iter().all(|present| *present).then(|| {
            let whole = Fragment {
                kind: message.kind,
                length: message.body.len(),
                message_seq: 0,
                offset: 0,
                body: &message.body,
            };
            whole.to_datagram()
        })
    }
}

fn fatal_alert(datagram: &[u8]) -> Option<u8> {
    const FATAL: u8 = 2;
    let record = Records::new(datagram).next().filter(|r| r.kind == ALERT && r.epoch == 0)?;
    match record.fragment {
        &[FATAL, description] => Some(description),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn fragment(length: usize, offset: usize, body: &[u8]) -> Vec<u8> {
        let mut datagram =
            Fragment { kind: SERVER_HELLO, length: body.len(), message_seq: 0, offset: 0, body }.to_datagram();
        datagram[14..17].copy_from_slice(&(length as u32).to_be_bytes()[1..]);
        datagram[19..22].copy_from_slice(&(offset as u32).to_be_bytes()[1..]);
        datagram
    }

    #[test]
    fn what_overtook_the_server_hello_follows_it() {
        let mut first = FirstFlight::new(Role::Client);
        let early = [&[0x2F, 0, 1, 0, 20][..], &[0; 20]].concat();
        assert_eq!(first.take(&early), Verdict::Held);
        let hello = fragment(4, 0, b"body");
        assert_eq!(first.take(&hello), Verdict::Release(vec![hello.clone(), early]));
    }

    #[test]
    fn a_fragmented_server_hello_is_put_together_in_any_order() {
        let whole = fragment(9, 0, b"the hello");
        let parts = [fragment(9, 0, b"the "), fragment(9, 3, b" he"), fragment(9, 6, b"llo")];
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            let mut first = FirstFlight::new(Role::Client);
            assert_eq!(first.take(&parts[order[0]]), Verdict::Held);
            assert_eq!(first.take(&parts[order[1]]), Verdict::Held);
            let Verdict::Release(all) = first.take(&parts[order[2]]) else { panic!("incomplete") };
            assert_eq!(all[0], whole);
            assert_eq!(all.len(), 4, "records behind the fragments are kept");
        }
    }

    #[test]
    fn holding_is_bounded() {
        let mut first = FirstFlight::new(Role::Client);
        let early = [&[0x2F, 0, 1, 0, 20][..], &[0; 20]].concat();
        for _ in 0..MAX_HELD {
            assert_eq!(first.take(&early), Verdict::Held);
        }
        assert_eq!(first.take(&early), Verdict::Dropped);
        assert_eq!(first.take(&fragment(1 << 20, 0, b"x")), Verdict::Held);
        assert!(first.message.is_none(), "a megabyte is not put together");
        assert_eq!(first.held.len(), MAX_HELD);
    }

    #[test]
    fn a_server_lets_only_a_client_hello_pass() {
        let mut first = FirstFlight::new(Role::Server);
        let hello =
            |seq| Fragment { kind: CLIENT_HELLO, length: 4, message_seq: seq, offset: 0, body: b"body" }.to_datagram();
        assert_eq!(first.take(&fragment(4, 0, b"body")), Verdict::Dropped);
        assert_eq!(first.take(&hello(1)), Verdict::Dropped);
        assert_eq!(first.take(&[21, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40]), Verdict::Dropped);
        assert_eq!(first.take(&hello(0)), Verdict::Release(vec![hello(0)]));
    }

    #[test]
    fn a_forged_fragment_does_not_stay_in_the_way() {
        let mut first = FirstFlight::new(Role::Client);
        first.take(&fragment(500, 0, b"forged"));
        first.take(&fragment(9, 0, b"the "));
        first.take(&fragment(9, 3, b" he"));
        assert!(matches!(first.take(&fragment(9, 6, b"llo")), Verdict::Release(_)));
    }

    #[test]
    fn a_plaintext_refusal_is_heard() {
        let mut first = FirstFlight::new(Role::Client);
        assert_eq!(first.take(&[21, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40]), Verdict::Alert(40));
        assert_eq!(first.take(&[21, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0]), Verdict::Held);
    }
}
