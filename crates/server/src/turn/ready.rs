//! Which sockets are to be looked at: a waker per socket puts it on a list, so that thousands that are silent cost
//! nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};
use tokio::sync::Notify;

/// A socket, by its table and its place there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Token {
    /// A UDP socket that clients send to.
    Listener(usize),
    /// A TCP socket that clients connect to.
    Acceptor(usize),
    /// A connection.
    Stream(usize),
    /// A relayed address.
    Relay(usize),
}

/// The list.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    tokens: Mutex<Vec<Token>>,
    filled: Notify,
}

/// One socket's way onto the list. It is there once at most.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    flag: Arc<Flag>,
    waker: Waker,
}

#[derive(Debug)]
struct Flag {
    token: Token,
    listed: AtomicBool,
    ready: Arc<Ready>,
}

impl Ready {
    /// Completes once something is on the list, or was since the last time.
    pub async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Moves the list into `tokens`, which is empty.
    pub fn take(&self, tokens: &mut Vec<Token>) {
        core::mem::swap(&mut *self.tokens.lock().unwrap_or_else(PoisonError::into_inner), tokens);
    }
}

impl Source {
    pub fn new(ready: &Arc<Ready>, token: Token) -> Self {
        let flag = Arc::new(Flag { token, listed: AtomicBool::new(false), ready: ready.clone() });
        Self { waker: Waker::from(flag.clone()), flag }
    }

    /// For polling the socket.
    pub fn context(&self) -> Context<'_> {
        Context::from_waker(&self.waker)
    }

    /// The socket was taken off the list. Comes before it is polled, lest news in between be lost.
    pub fn taken(&self) {
        self.flag.listed.store(false, Ordering::Release);
    }

    /// Puts the socket onto the list, if it is not there.
    pub fn list(&self) {
        self.waker.wake_by_ref();
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.listed.swap(true, Ordering::AcqRel) {
            self.ready.tokens.lock().unwrap_or_else(PoisonError::into_inner).push(self.token);
            self.ready.filled.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_is_listed_once_until_it_is_taken() {
        let ready = Arc::new(Ready::default());
        let (a, b) = (Source::new(&ready, Token::Relay(1)), Source::new(&ready, Token::Stream(2)));
        a.list();
        b.context().waker().wake_by_ref();
        a.list();
        ready.filled().await;
        let mut tokens = Vec::new();
        ready.take(&mut tokens);
        assert_eq!(tokens, [Token::Relay(1), Token::Stream(2)]);
        tokens.clear();
        a.list();
        ready.take(&mut tokens);
        assert_eq!(tokens, [], "not before it was taken");
        a.taken();
        a.list();
        ready.take(&mut tokens);
        assert_eq!(tokens, [Token::Relay(1)]);
    }
}
