//! One TCP or TLS connection that carries packets.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use peerage_base::framing::{Deframer, FrameError, Framing};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::Config;
use super::tls::{TlsClient, TlsError, server_name};

/// Room that the queue keeps once it was used and is empty again, in bytes.
const KEPT: usize = 16 << 10;

/// Why a stream is over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// It was not connected in time.
    #[error("not connected in time")]
    TimedOut,
    /// The other side closed it.
    #[error("closed by the other side")]
    Closed,
    /// What arrived cannot be told apart into packets.
    #[error("unusable: {0}")]
    Frame(#[from] FrameError),
    /// The certificate cannot be checked.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// What the system, or TLS, says.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What became of a packet to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It has left or will.
    Queued,
    /// There is no room for it: it is dropped, whole.
    Full,
}

/// A connection that carries packets.
///
/// Call [`poll_connect`](Self::poll_connect) until it is ready. Then, whenever the waker was woken:
/// [`poll_flush`](Self::poll_flush), and in turns [`next_packet`](Self::next_packet) until there is none and
/// [`poll_read`](Self::poll_read) until it is pending. Dropped, it closes; over TLS the other side is told.
pub struct Stream {
    io: Io,
    deframer: Deframer,
    out: Queue,
    remote: SocketAddr,
    local: Option<SocketAddr>,
    max_queue: usize,
}

type Connecting = Pin<Box<dyn Future<Output = Result<Io, StreamError>> + Send>>;

enum Io {
    Connecting(Connecting),
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Over,
}

/// Framed packets on their way out, the first of which may have left in part.
#[derive(Default)]
struct Queue {
    bytes: Vec<u8>,
    sent: usize,
}

impl Stream {
    /// Begins to connect to `remote`, from the address `from` or one that the system chooses; its port is 0 for any, or one
    /// that is shared with a listener, as [`Config::share_port`] says.
    ///
    /// # Panics
    /// When polled outside a tokio runtime with I/O and time enabled.
    pub fn connect(remote: SocketAddr, from: Option<SocketAddr>, framing: Framing, config: Config) -> Self {
        Self::connecting(remote, framing, &config, async move { Ok(Io::Plain(open(remote, from, &config).await?)) })
    }

    /// Begins to connect over TLS. The certificate must be for `host`, a name or an address.
    ///
    /// # Panics
    /// As [`connect`](Self::connect).
    pub fn connect_tls(
        remote: SocketAddr,
        from: Option<SocketAddr>,
        tls: &TlsClient,
        host: &str,
        framing: Framing,
        config: Config,
    ) -> Self {
        let connector = TlsConnector::from(tls.config());
        let name = server_name(host);
        Self::connecting(remote, framing, &config, async move {
            let name = name?;
            let io = open(remote, from, &config).await?;
            Ok(Io::Tls(Box::new(connector.connect(name, io).await?.into())))
        })
    }

    /// Carries packets on a connection that was accepted from `remote`.
    ///
    /// # Errors
    /// If the system refuses the options of the connection.
    pub fn accept(io: TcpStream, remote: SocketAddr, framing: Framing, config: Config) -> io::Result<Self> {
        set_up(&io, &config)?;
        let local = io.local_addr().ok();
        let mut stream = Self::new(Io::Plain(io), remote, framing, &config);
        stream.local = local;
        Ok(stream)
    }

    /// As [`accept`](Self::accept), over TLS: the handshake goes on in [`poll_connect`](Self::poll_connect), and must be
    /// over within the time for connecting.
    ///
    /// # Errors
    /// As [`accept`](Self::accept).
    pub fn accept_tls(
        io: TcpStream,
        remote: SocketAddr,
        tls: TlsAcceptor,
        framing: Framing,
        config: Config,
    ) -> io::Result<Self> {
        set_up(&io, &config)?;
        let handshake = async move { Ok(Io::Tls(Box::new(tls.accept(io).await?.into()))) };
        Ok(Self::connecting(remote, framing, &config, handshake))
    }

    fn connecting(
        remote: SocketAddr,
        framing: Framing,
        config: &Config,
        connect: impl Future<Output = Result<Io, StreamError>> + Send + 'static,
    ) -> Self {
        let limit = config.connect_timeout;
        let connect = async move { tokio::time::timeout(limit, connect).await.unwrap_or(Err(StreamError::TimedOut)) };
        Self::new(Io::Connecting(Box::pin(connect)), remote, framing, config)
    }

    fn new(io: Io, remote: SocketAddr, framing: Framing, config: &Config) -> Self {
        let deframer = Deframer::new(framing, config.max_packet);
        Self { io, deframer, out: Queue::default(), remote, local: None, max_queue: config.queue }
    }

    /// Goes on connecting. Ready at once for a stream that is connected.
    ///
    /// # Errors
    /// [`StreamError`]; the stream is over then.
    pub fn poll_connect(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        match &mut self.io {
            Io::Connecting(connecting) => match ready!(connecting.as_mut().poll(cx)) {
                Ok(io) => {
                    self.local = io.tcp().and_then(|tcp| tcp.local_addr().ok());
                    self.io = io;
                    Poll::Ready(Ok(()))
                }
                Err(error) => {
                    self.io = Io::Over;
                    Poll::Ready(Err(error))
                }
            },
            Io::Plain(_) | Io::Tls(_) => Poll::Ready(Ok(())),
            Io::Over => Poll::Ready(Err(StreamError::Closed)),
        }
    }

    /// Takes one packet in its frame and sends what the system takes of it. What is queued before the connection stands
    /// leaves first.
    ///
    /// A connection that breaks shows in the next [`poll_flush`](Self::poll_flush) or [`poll_read`](Self::poll_read).
    pub fn write(&mut self, framed: &[u8]) -> Written {
        if self.out.len() + framed.len() > self.max_queue {
            return Written::Full;
        }
        // TLS joins what lies in the queue into one record, plain TCP is given it without a copy.
        let sent = match (&mut self.io, self.out.is_empty()) {
            (Io::Plain(io), true) => io.try_write(framed).unwrap_or(0),
            _ => 0,
        };
        self.out.push(framed.get(sent..).unwrap_or_default());
        Written::Queued
    }

    /// Sends what is queued. Ready when nothing is left.
    ///
    /// # Errors
    /// [`StreamError`]; the stream is over then.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        while !self.out.is_empty() {
            let bytes = self.out.bytes.get(self.out.sent..).unwrap_or_default();
            let written = match &mut self.io {
                Io::Connecting(_) => return Poll::Pending,
                Io::Plain(io) => ready!(Pin::new(io).poll_write(cx, bytes)),
                Io::Tls(io) => ready!(Pin::new(io.as_mut()).poll_write(cx, bytes)),
                Io::Over => return Poll::Ready(Err(StreamError::Closed)),
            };
            match written {
                Ok(0) => return Poll::Ready(Err(self.over(StreamError::Closed))),
                Ok(n) => self.out.consume(n),
                Err(error) => return Poll::Ready(Err(self.over(error.into()))),
            }
        }
        // TLS keeps records of its own.
        if let Io::Tls(io) = &mut self.io
            && let Err(error) = ready!(Pin::new(io.as_mut()).poll_flush(cx))
        {
            return Poll::Ready(Err(self.over(error.into())));
        }
        Poll::Ready(Ok(()))
    }

    /// Reads once. Ready when something came that [`next_packet`](Self::next_packet) may find a packet in.
    ///
    /// # Errors
    /// [`StreamError`]; the stream is over then.
    pub fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        let mut buffer = ReadBuf::new(self.deframer.room());
        let read = match &mut self.io {
            Io::Connecting(_) => return Poll::Pending,
            Io::Plain(io) => ready!(Pin::new(io).poll_read(cx, &mut buffer)),
            Io::Tls(io) => ready!(Pin::new(io.as_mut()).poll_read(cx, &mut buffer)),
            Io::Over => return Poll::Ready(Err(StreamError::Closed)),
        };
        let n = buffer.filled().len();
        Poll::Ready(match read {
            Ok(()) if n == 0 => Err(self.over(StreamError::Closed)),
            Ok(()) => {
                self.deframer.filled(n);
                Ok(())
            }
            Err(error) => Err(self.over(error.into())),
        })
    }

    /// The next packet of what was read, without its frame, in place.
    ///
    /// # Errors
    /// [`StreamError::Frame`] if what arrived is not packets: the stream must be dropped.
    pub fn next_packet(&mut self) -> Result<Option<&mut [u8]>, StreamError> {
        Ok(self.deframer.next()?)
    }

    /// Whether part of a packet was read, once all whole ones were taken.
    pub fn is_partial(&self) -> bool {
        self.deframer.is_partial()
    }

    /// Whether it stands.
    pub fn is_connected(&self) -> bool {
        matches!(self.io, Io::Plain(_) | Io::Tls(_))
    }

    /// Bytes that the system has not taken yet.
    pub fn queued(&self) -> usize {
        self.out.len()
    }

    /// Where it leads.
    pub fn remote_addr(&self) -> SocketAddr {
        self.remote
    }

    /// Where it comes from, once it stands.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.local
    }

    fn over(&mut self, error: StreamError) -> StreamError {
        self.io = Io::Over;
        self.out = Queue::default();
        error
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Io::Tls(io) = &mut self.io {
            // What does not go at once does not go: the end of the TCP connection says the same, only less surely.
            let _ = Pin::new(io.as_mut()).poll_shutdown(&mut Context::from_waker(Waker::noop()));
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let io = match self.io {
            Io::Connecting(_) => "connecting",
            Io::Plain(_) => "plain",
            Io::Tls(_) => "tls",
            Io::Over => "over",
        };
        f.debug_struct("Stream").field("io", &io).field("queued", &self.out.len()).finish_non_exhaustive()
    }
}

impl Io {
    fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Self::Plain(io) => Some(io),
            Self::Tls(io) => Some(io.get_ref().0),
            Self::Connecting(_) | Self::Over => None,
        }
    }
}

impl Queue {
    fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn push(&mut self, bytes: &[u8]) {
        // What has left is cut off only where that pays for moving the rest.
        if self.sent > self.len() {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    fn consume(&mut self, n: usize) {
        self.sent = (self.sent + n).min(self.bytes.len());
        if self.is_empty() {
            self.bytes.clear();
            self.bytes.shrink_to(KEPT);
            self.sent = 0;
        }
    }
}

async fn open(remote: SocketAddr, from: Option<SocketAddr>, config: &Config) -> io::Result<TcpStream> {
    let socket = if remote.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(from) = from {
        #[cfg(unix)]
        socket.set_reuseport(config.share_port)?;
        socket.bind(from)?;
    }
    let io = socket.connect(remote).await?;
    set_up(&io, config)?;
    Ok(io)
}

#[cfg_attr(not(any(target_os = "linux", target_os = "android")), expect(unused_variables, reason = "no such option"))]
fn set_up(io: &TcpStream, config: &Config) -> io::Result<()> {
    let socket = SockRef::from(io);
    socket.set_tcp_nodelay(true)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket.set_tcp_user_timeout(Some(config.user_timeout))?;
    Ok(())
}
