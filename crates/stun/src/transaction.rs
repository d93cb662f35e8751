//! The client's side of one request: when to send it again and when to give up (RFC 8489 §6.2).

use crate::header::{Class, Method, TransactionId};
use crate::message::Message;
use peerage_base::time::{Duration, Instant};

/// How often and how long a request is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timing {
    /// Wait between the first transmission and the second; doubled each time. Default 500 ms, as the standard asks for
    /// where the round-trip time is not known; lower values load a congested path.
    pub rto: Duration,
    /// Most that the wait grows to. Default 16 s, which 7 transmissions from 500 ms just reach; lower values try more
    /// often late.
    pub max_rto: Duration,
    /// Transmissions in all (`Rc`). Default 7; 0 counts as 1.
    pub transmissions: u32,
    /// Wait after the last transmission, in units of `rto` (`Rm`). Default 16.
    pub last_wait: u32,
}

impl Default for Timing {
    fn default() -> Self {
        Self { rto: Duration::from_millis(500), max_rto: Duration::from_secs(16), transmissions: 7, last_wait: 16 }
    }
}

impl Timing {
    /// For TCP and TLS, which repeat by themselves: one transmission, given up after 39.5 s (`Ti`, RFC 8489 §6.2.2).
    pub fn reliable() -> Self {
        Self { rto: Duration::from_millis(39_500), transmissions: 1, last_wait: 1, ..Self::default() }
    }
}

/// What is to be done about a request now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Step {
    /// Nothing before [`Transaction::poll_timeout`].
    Wait,
    /// Send the request, with the same transaction id and the same bytes.
    Transmit,
    /// No response came. The transaction is over.
    TimedOut,
}

/// A request that waits for its response.
#[derive(Clone, Debug)]
pub struct Transaction {
    id: TransactionId,
    method: Method,
    timing: Timing,
    sent: u32,
    /// The current wait.
    rto: Duration,
    first_sent: Option<Instant>,
    /// `None` once it is over.
    deadline: Option<Instant>,
}

impl Transaction {
    /// A transaction whose first transmission is due at `now`.
    pub fn new(id: TransactionId, method: Method, timing: Timing, now: Instant) -> Self {
        Self { id, method, timing, sent: 0, rto: timing.rto, first_sent: None, deadline: Some(now) }
    }

    /// Says what is due. Early and repeated calls are harmless: each transmission is asked for once.
    pub fn handle_timeout(&mut self, now: Instant) -> Step {
        match self.deadline {
            Some(deadline) if deadline <= now => {}
            _ => return Step::Wait,
        }
        let transmissions = self.timing.transmissions.max(1);
        if self.sent >= transmissions {
            self.deadline = None;
            return Step::TimedOut;
        }
        self.sent += 1;
        self.first_sent.get_or_insert(now);
        let wait =
            if self.sent == transmissions { self.timing.rto.saturating_mul(self.timing.last_wait) } else { self.rto };
        self.rto = self.rto.saturating_mul(2).min(self.timing.max_rto.max(self.timing.rto));
        self.deadline = Some(now + wait);
        Step::Transmit
    }

    /// Whether `response` answers this request. Its integrity is the caller's to check first, where there is a key; a
    /// forged answer must not end the transaction.
    pub fn matches(&self, response: &Message<'_>) -> bool {
        matches!(response.class(), Class::Success | Class::Error)
            && response.method() == self.method
            && response.transaction_id() == self.id
    }

    /// No further transmissions, but responses are still waited for: what ICE calls cancelling (RFC 8445 §7.3.1.4).
    pub fn cancel(&mut self, now: Instant) {
        if self.deadline.is_some() {
            self.sent = self.timing.transmissions.max(1);
            self.deadline = Some(now + self.timing.rto.saturating_mul(self.timing.last_wait));
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    /// The id of the request.
    pub fn id(&self) -> TransactionId {
        self.id
    }

    /// How often the request was sent.
    pub fn transmissions(&self) -> u32 {
        self.sent
    }

    /// The round-trip time if a response came now. `None` after a retransmission, where it is not known which one was
    /// answered.
    pub fn round_trip(&self, now: Instant) -> Option<Duration> {
        self.first_sent.filter(|_| self.sent == 1).map(|sent| now.since(sent))
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Instant, Step, Timing, Transaction};
    use crate::header::{Class, Method, TransactionId};
    use crate::message::Message;
    use crate::write::Writer;
    use alloc::vec::Vec;

    const ID: TransactionId = TransactionId([3; 12]);

    /// The milliseconds of all transmissions, and of giving up.
    fn run(timing: Timing) -> (Vec<u64>, u64) {
        let mut transaction = Transaction::new(ID, Method::BINDING, timing, Instant::ORIGIN);
        let mut sent = Vec::new();
        while let Some(deadline) = transaction.poll_timeout() {
            let millis = deadline.as_nanos() / 1_000_000;
            match transaction.handle_timeout(deadline) {
                Step::Transmit => sent.push(millis),
                Step::TimedOut => return (sent, millis),
                Step::Wait => panic!("nothing was due at its own deadline"),
            }
            assert_eq!(transaction.handle_timeout(deadline), Step::Wait);
        }
        panic!("it ended without saying so");
    }

    #[test]
    fn the_default_timing_is_that_of_the_example_in_rfc_8489() {
        assert_eq!(run(Timing::default()), ([0, 500, 1500, 3500, 7500, 15500, 31500].to_vec(), 39500));
    }

    #[test]
    fn a_reliable_transport_sends_once() {
        assert_eq!(run(Timing::reliable()), ([0].to_vec(), 39500));
    }

    #[test]
    fn the_wait_stops_growing_at_its_limit() {
        let timing = Timing { max_rto: Duration::from_secs(1), transmissions: 4, last_wait: 2, ..Timing::default() };
        assert_eq!(run(timing), ([0, 500, 1500, 2500].to_vec(), 3500));
    }

    #[test]
    fn a_cancelled_transaction_sends_no_more_and_still_ends() {
        let mut transaction = Transaction::new(ID, Method::BINDING, Timing::default(), Instant::ORIGIN);
        assert_eq!(transaction.handle_timeout(Instant::ORIGIN), Step::Transmit);
        transaction.cancel(Instant::from_millis(100));
        assert_eq!(transaction.handle_timeout(Instant::from_millis(8099)), Step::Wait);
        assert_eq!(transaction.handle_timeout(Instant::from_millis(8100)), Step::TimedOut);
        assert_eq!(transaction.poll_timeout(), None);
        transaction.cancel(Instant::from_millis(9000));
        assert_eq!(transaction.poll_timeout(), None);
    }

    #[test]
    fn the_round_trip_is_known_only_without_retransmission() {
        let mut transaction = Transaction::new(ID, Method::BINDING, Timing::default(), Instant::ORIGIN);
        assert_eq!(transaction.round_trip(Instant::ORIGIN), None);
        let _ = transaction.handle_timeout(Instant::ORIGIN);
        assert_eq!(transaction.round_trip(Instant::from_millis(40)), Some(Duration::from_millis(40)));
        let _ = transaction.handle_timeout(Instant::from_millis(500));
        assert_eq!(transaction.round_trip(Instant::from_millis(540)), None);
    }

    #[test]
    fn only_a_response_of_the_same_method_and_id_matches() {
        let transaction = Transaction::new(ID, Method::BINDING, Timing::default(), Instant::ORIGIN);
        let matches = |class, method, id| {
            let mut buf = [0; 20];
            let len = Writer::new(&mut buf, class, method, id).finish();
            transaction.matches(&Message::parse(&buf[..len]).unwrap())
        };
        assert!(matches(Class::Success, Method::BINDING, ID));
        assert!(matches(Class::Error, Method::BINDING, ID));
        assert!(!matches(Class::Request, Method::BINDING, ID));
        assert!(!matches(Class::Indication, Method::BINDING, ID));
        assert!(!matches(Class::Success, Method::ALLOCATE, ID));
        assert!(!matches(Class::Success, Method::BINDING, TransactionId([4; 12])));
    }
}
