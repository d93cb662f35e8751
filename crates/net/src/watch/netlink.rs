//! The kernel's news of links, addresses and routes: rtnetlink(7).

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// `RTMGRP_LINK`, `RTMGRP_IPV4_IFADDR`, `RTMGRP_IPV4_ROUTE`, `RTMGRP_IPV6_IFADDR` and `RTMGRP_IPV6_ROUTE`.
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;
/// Length of `struct nlmsghdr`, and what messages are aligned to.
const HEADER: usize = 16;
const ALIGN: usize = 4;
/// `NLMSG_OVERRUN`.
const OVERRUN: u16 = 4;
/// `RTM_NEWLINK`, `RTM_DELLINK`, `RTM_NEWADDR`, `RTM_DELADDR`, `RTM_NEWROUTE` and `RTM_DELROUTE`.
const NEWS: [u16; 6] = [16, 17, 20, 21, 24, 25];
/// Room for what the kernel sends at once.
const BUFFER: usize = 16 << 10;
/// Most reads before others have their turn.
const READS: usize = 64;

/// A socket that the kernel sends its news to.
#[derive(Debug)]
pub(super) struct Netlink {
    socket: AsyncFd<OwnedFd>,
    /// Made for the first news: most endpoints never hear any.
    buffer: Vec<u8>,
}

impl Netlink {
    pub(super) fn open() -> io::Result<Self> {
        // Protocol 0 is `NETLINK_ROUTE`.
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
        // SAFETY: an `OwnedFd` names one open descriptor for as long as it lives, and `AsyncFd` owns it.
        #[expect(unsafe_code, reason = "tokio asks for a promise about the descriptor")]
        let socket = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) }?;
        Ok(Self { socket, buffer: Vec::new() })
    }

    /// Waits for news of a change.
    pub(super) async fn heard(&mut self) -> io::Result<()> {
        loop {
            let mut ready = self.socket.readable_mut().await?;
            self.buffer.resize(BUFFER, 0);
            match read(ready.get_inner(), &mut self.buffer) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Reads away what else is there.
    pub(super) fn discard(&mut self) {
        for _ in 0..READS {
            if read(self.socket.get_ref(), &mut self.buffer).is_err() {
                return;
            }
        }
    }
}

/// Reads once. `true`: there is news, or some of it was lost.
fn read(socket: &OwnedFd, buffer: &mut [u8]) -> Result<bool, Errno> {
    match recv(socket, &mut *buffer, RecvFlags::DONTWAIT) {
        Ok((len, _)) => Ok(tells_change(buffer.get(..len).unwrap_or_default())),
        // The kernel had more to say than the socket holds.
        Err(Errno::NOBUFS) => Ok(true),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether one of the messages is of a kind that matters here.
pub(crate) fn tells_change(mut messages: &[u8]) -> bool {
    while let Some((header, _)) = messages.split_first_chunk::<HEADER>() {
        let [a, b, c, d, e, f, ..] = *header;
        let (len, kind) = (u32::from_ne_bytes([a, b, c, d]), u16::from_ne_bytes([e, f]));
        if NEWS.contains(&kind) || kind == OVERRUN {
            return true;
        }
        let Some(len) = usize::try_from(len).ok().filter(|len| *len >= HEADER) else { return false };
        let next = len.checked_next_multiple_of(ALIGN).and_then(|next| messages.get(next..));
        let Some(rest) = next else { return false };
        messages = rest;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{HEADER, tells_change};

    fn message(kind: u16, body: usize) -> Vec<u8> {
        let mut out = u32::try_from(HEADER + body).unwrap().to_ne_bytes().to_vec();
        out.extend(kind.to_ne_bytes());
        out.resize((HEADER + body).next_multiple_of(4), 0);
        out
    }

    #[test]
    fn links_addresses_and_routes_matter_wherever_they_stand() {
        for kind in [16, 17, 20, 21, 24, 25, 4] {
            assert!(tells_change(&message(kind, 5)), "{kind}");
            assert!(tells_change(&[message(1, 7), message(28, 0), message(kind, 1)].concat()), "{kind}");
        }
        assert!(!tells_change(&[message(28, 3), message(3, 0)].concat()));
    }

    #[test]
    fn a_malformed_message_ends_the_search() {
        let news = message(20, 8);
        for len in [0u32, 1, 15, u32::MAX, 1000] {
            let mut bad = message(28, 8);
            bad[..4].copy_from_slice(&len.to_ne_bytes());
            assert!(!tells_change(&[bad, news.clone()].concat()), "{len}");
        }
        for cut in 0..HEADER {
            assert!(!tells_change(&news[..cut]));
        }
    }
}
