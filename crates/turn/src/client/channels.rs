//! Channels: for transport addresses, 600 s at a time (RFC 8656 §12).

use alloc::vec::Vec;
use core::net::SocketAddr;

use peerage_base::time::{Duration, Instant};

use crate::channel::ChannelNumber;

/// What a server grants; the standard fixes it.
const LIFETIME: Duration = Duration::from_secs(600);
/// When it is asked for again: a request that is repeated to the end is over before the channel is.
const REFRESH: Duration = Duration::from_secs(540);
/// How long number and peer stay paired after the channel has run out (RFC 8656 §12).
const QUARANTINE: Duration = Duration::from_secs(300);
/// How long a refusal stands, however often the owner asks.
const REFUSED_FOR: Duration = Duration::from_secs(30);
/// The wait after a request that nobody answered.
const RETRY: Duration = Duration::from_secs(5);

/// When to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    At(Instant),
    /// A request is under way.
    Asked,
    /// It was refused, and that stands for a while.
    Refused(Instant),
    /// It is no longer wanted.
    Never,
}

#[derive(Clone, Copy, Debug)]
struct Channel {
    peer: SocketAddr,
    wanted: bool,
    bound_until: Option<Instant>,
    ask: Ask,
    /// Until when the server may take the number for this peer.
    taken_until: Instant,
}

/// The channels by number, those that are no longer used among them.
#[derive(Debug, Default)]
pub(crate) struct Channels {
    list: Vec<Channel>,
    /// When the next one is to be asked for.
    next: Option<Instant>,
}

impl Channels {
    /// Wants one for the peer; the same as before if there was one. `None` if all numbers are taken.
    pub(crate) fn want(&mut self, now: Instant, peer: SocketAddr) -> Option<ChannelNumber> {
        if let Some(at) = self.list.iter().position(|channel| channel.peer == peer) {
            let number = ChannelNumber::at(at)?;
            self.want_again(now, number);
            return Some(number);
        }
        let new = Channel { peer, wanted: true, bound_until: None, ask: Ask::At(now), taken_until: now };
        let free = |channel: &Channel| !channel.wanted && channel.ask != Ask::Asked && channel.taken_until <= now;
        let number = match self.list.iter().position(free) {
            Some(at) => {
                *self.list.get_mut(at)? = new;
                ChannelNumber::at(at)
            }
            None => {
                let number = ChannelNumber::at(self.list.len())?;
                self.list.push(new);
                Some(number)
            }
        };
        self.settle();
        number
    }

    /// Wants one that was wanted before. A refusal of half a minute before is forgotten.
    pub(crate) fn want_again(&mut self, now: Instant, number: ChannelNumber) {
        let Some(channel) = self.list.get_mut(number.index()) else { return };
        channel.wanted = true;
        let stands = match channel.ask {
            Ask::At(_) | Ask::Asked => true,
            Ask::Refused(until) => now < until,
            Ask::Never => false,
        };
        // Owners may say so with every packet.
        if !stands {
            channel.ask = Ask::At(now);
            self.settle();
        }
    }

    /// It is no longer wanted. The server keeps it for a while.
    pub(crate) fn forget(&mut self, number: ChannelNumber) {
        self.change(number, |channel| {
            (channel.wanted, channel.bound_until) = (false, None);
            if channel.ask != Ask::Asked {
                channel.ask = Ask::Never;
            }
        });
    }

    /// The next one to be asked for. It counts as asked for.
    pub(crate) fn ask(&mut self, now: Instant) -> Option<(ChannelNumber, SocketAddr)> {
        self.next.filter(|next| *next <= now)?;
        let due = |channel: &Channel| matches!(channel.ask, Ask::At(at) if at <= now);
        let number = ChannelNumber::at(self.list.iter().position(due)?)?;
        self.change(number, |channel| {
            channel.ask = Ask::Asked;
            channel.taken_until = now + LIFETIME + QUARANTINE;
        });
        self.list.get(number.index()).map(|channel| (number, channel.peer))
    }

    /// The server bound it. True if it was not bound before.
    pub(crate) fn bound(&mut self, now: Instant, number: ChannelNumber) -> bool {
        let mut new = false;
        self.change(number, |channel| {
            channel.taken_until = now + LIFETIME + QUARANTINE;
            if channel.wanted {
                new = !channel.is_bound(now);
                channel.bound_until = Some(now + LIFETIME);
                channel.ask = Ask::At(now + REFRESH);
            } else {
                channel.ask = Ask::Never;
            }
        });
        new
    }

    /// The server refused it. What is bound stays so until it runs out.
    pub(crate) fn refused(&mut self, now: Instant, number: ChannelNumber) {
        self.change(number, |channel| {
            channel.ask = if channel.wanted { Ask::Refused(now + REFUSED_FOR) } else { Ask::Never };
        });
    }

    /// Nobody answered; the last repetition may still have been heard.
    pub(crate) fn retry(&mut self, now: Instant, number: ChannelNumber) {
        self.change(number, |channel| {
            channel.taken_until = now + LIFETIME + QUARANTINE;
            channel.ask = if channel.wanted { Ask::At(now + RETRY) } else { Ask::Never };
        });
    }

    pub(crate) fn is_bound(&self, now: Instant, number: ChannelNumber) -> bool {
        self.list.get(number.index()).is_some_and(|channel| channel.is_bound(now))
    }

    /// Whose data comes by that channel. A channel that is being bound counts: data may overtake the answer.
    pub(crate) fn peer(&self, now: Instant, number: ChannelNumber) -> Option<SocketAddr> {
        let channel = self.list.get(number.index()).filter(|channel| channel.wanted)?;
        (channel.is_bound(now) || channel.ask == Ask::Asked).then_some(channel.peer)
    }

    /// When the next one is to be asked for.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }

    fn change(&mut self, number: ChannelNumber, change: impl FnOnce(&mut Channel)) {
        if let Some(channel) = self.list.get_mut(number.index()) {
            change(channel);
        }
        self.settle();
    }

    fn settle(&mut self) {
        let ask = |channel: &Channel| match channel.ask {
            Ask::At(at) => Some(at),
            Ask::Asked | Ask::Refused(_) | Ask::Never => None,
        };
        self.next = self.list.iter().filter_map(ask).min();
    }
}

impl Channel {
    fn is_bound(&self, now: Instant) -> bool {
        self.bound_until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::{Channels, Duration, Instant, SocketAddr};
    use crate::channel::ChannelNumber;

    fn peer(n: u32) -> SocketAddr {
        SocketAddr::from((core::net::Ipv4Addr::from_bits(0x0A00_0000 + n), 1000))
    }

    #[test]
    fn a_number_serves_no_other_peer_before_its_quarantine_is_over() {
        let mut channels = Channels::default();
        let start = Instant::from_millis(1000);
        let first = channels.want(start, peer(0)).unwrap();
        assert_eq!(channels.ask(start), Some((first, peer(0))));
        assert!(channels.bound(start, first));
        channels.forget(first);
        let early = start + Duration::from_millis(899_999);
        assert_ne!(channels.want(early, peer(1)), Some(first));
        assert_eq!(channels.want(early, peer(0)), Some(first), "the same peer gets the same number");
        channels.forget(first);
        assert_eq!(channels.want(start + Duration::from_secs(900), peer(2)), Some(first));
    }

    #[test]
    fn a_request_without_answer_may_have_been_heard_last_when_it_was_given_up() {
        let mut channels = Channels::default();
        let first = channels.want(Instant::ORIGIN, peer(0)).unwrap();
        channels.ask(Instant::ORIGIN);
        channels.forget(first);
        let given_up = Instant::from_millis(39_500);
        assert_ne!(channels.want(Instant::from_millis(2_000_000), peer(1)), Some(first), "still under way");
        channels.retry(given_up, first);
        assert_ne!(channels.want(given_up + Duration::from_secs(899), peer(2)), Some(first));
        assert_eq!(channels.want(given_up + Duration::from_secs(900), peer(3)), Some(first));
    }

    #[test]
    fn there_are_4096_numbers_and_no_more() {
        let mut channels = Channels::default();
        for n in 0..4096 {
            assert_eq!(channels.want(Instant::ORIGIN, peer(n)), ChannelNumber::at(n as usize));
        }
        assert_eq!(channels.want(Instant::ORIGIN, peer(4096)), None);
    }
}
