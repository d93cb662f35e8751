use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use peerage_base::framing::Framing;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::{Config, Listener, Stream, StreamError, TlsClient, TlsOptions, Written};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const FRAMING: Framing = Framing::Length;

fn framed(packet: &[u8]) -> Vec<u8> {
    let mut out = u16::try_from(packet.len()).unwrap().to_be_bytes().to_vec();
    out.extend_from_slice(packet);
    out
}

async fn next(stream: &mut Stream) -> Result<Vec<u8>, StreamError> {
    loop {
        if let Some(packet) = stream.next_packet()? {
            return Ok(packet.to_vec());
        }
        poll_fn(|cx| {
            let _ = stream.poll_flush(cx);
            stream.poll_read(cx)
        })
        .await?;
    }
}

async fn server() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A stream of ours and the socket it ended up at.
async fn connected(config: Config) -> (Stream, TcpStream) {
    let (listener, address) = server().await;
    let mut stream = Stream::connect(address, Some((LOOPBACK, 0).into()), FRAMING, config);
    let (ours, theirs) = tokio::join!(poll_fn(|cx| stream.poll_connect(cx)), listener.accept());
    ours.unwrap();
    (stream, theirs.unwrap().0)
}

#[tokio::test]
async fn packets_go_both_ways_between_a_listener_and_a_stream() {
    let listener = Listener::bind((LOOPBACK, 0).into(), FRAMING, Config::default()).unwrap();
    let mut near = Stream::connect(listener.local_addr(), None, FRAMING, Config::default());
    // Queued before the connection stands.
    assert_eq!(near.write(&framed(b"first")), Written::Queued);
    let (connected, far) = tokio::join!(poll_fn(|cx| near.poll_connect(cx)), poll_fn(|cx| listener.poll_accept(cx)));
    connected.unwrap();
    let mut far = far.unwrap();
    assert!(near.is_connected() && far.is_connected());
    assert_eq!(near.local_addr(), Some(far.remote_addr()));
    assert_eq!(far.local_addr(), Some(listener.local_addr()));
    poll_fn(|cx| near.poll_flush(cx)).await.unwrap();
    near.write(&framed(&[7; 60_000]));
    let (_, first) = tokio::join!(poll_fn(|cx| near.poll_flush(cx)), next(&mut far));
    assert_eq!(first.unwrap(), b"first");
    let (_, second) = tokio::join!(poll_fn(|cx| near.poll_flush(cx)), next(&mut far));
    assert_eq!(second.unwrap(), [7; 60_000]);
    far.write(&framed(b"back"));
    assert_eq!(next(&mut near).await.unwrap(), b"back");
    drop(far);
    assert!(matches!(next(&mut near).await, Err(StreamError::Closed)));
}

#[tokio::test]
async fn half_frames_wait_for_the_rest_and_bad_ones_end_the_stream() {
    let config = Config { max_packet: 1000, ..Config::default() };
    let (mut stream, mut peer) = connected(config).await;
    for piece in [&[0][..], &[5], b"he", b"llo", &[0, 2], b"yo\x03"] {
        peer.write_all(piece).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(next(&mut stream).await.unwrap(), b"hello");
    assert_eq!(next(&mut stream).await.unwrap(), b"yo");
    peer.write_all(&[0xE9]).await.unwrap();
    assert!(matches!(next(&mut stream).await, Err(StreamError::Frame(_))), "1001 bytes announced");
}

#[tokio::test]
async fn a_peer_that_does_not_read_costs_a_bounded_queue_and_whole_packets_alone() {
    let (mut stream, mut peer) = connected(Config::default()).await;
    let mut sent = 0u32;
    let mut dropped = 0;
    for n in 0..8000u32 {
        let mut packet = vec![0; 1200];
        packet[..4].copy_from_slice(&n.to_be_bytes());
        match stream.write(&framed(&packet)) {
            Written::Queued => sent += 1,
            Written::Full => dropped += 1,
        }
        assert!(stream.queued() <= Config::default().queue);
    }
    assert!(dropped > 0, "loopback took 9.6 MB from a peer that does not read");
    let reader = tokio::spawn(async move {
        let mut last = None;
        for _ in 0..sent {
            assert_eq!(peer.read_u16().await.unwrap(), 1200);
            let mut packet = [0; 1200];
            peer.read_exact(&mut packet).await.unwrap();
            let n = u32::from_be_bytes(packet[..4].try_into().unwrap());
            assert!(last.is_none_or(|last| last < n), "in order");
            last = Some(n);
        }
    });
    poll_fn(|cx| stream.poll_flush(cx)).await.unwrap();
    assert_eq!(stream.queued(), 0);
    reader.await.unwrap();
}

#[tokio::test]
async fn a_connection_that_is_refused_or_reset_is_told() {
    let (listener, address) = server().await;
    drop(listener);
    let mut stream = Stream::connect(address, None, FRAMING, Config::default());
    assert!(matches!(poll_fn(|cx| stream.poll_connect(cx)).await, Err(StreamError::Io(_))));
    assert!(poll_fn(|cx| stream.poll_connect(cx)).await.is_err(), "once over, over");

    let (mut stream, peer) = connected(Config::default()).await;
    peer.set_zero_linger().unwrap();
    drop(peer);
    assert!(matches!(next(&mut stream).await, Err(StreamError::Io(_))));
    assert!(poll_fn(|cx| stream.poll_read(cx)).await.is_err());
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn two_that_open_at_once_from_ports_they_listen_at_meet() {
    let config = Config { share_port: true, ..Config::default() };
    let listeners = [0, 1].map(|_| Listener::bind((LOOPBACK, 0).into(), FRAMING, config).unwrap());
    let [a, b] = [listeners[0].local_addr(), listeners[1].local_addr()];
    let mut near = Stream::connect(b, Some(a), FRAMING, config);
    let (connected, far) =
        tokio::join!(poll_fn(|cx| near.poll_connect(cx)), poll_fn(|cx| listeners[1].poll_accept(cx)));
    connected.unwrap();
    assert_eq!(near.local_addr(), Some(a));
    assert_eq!(far.unwrap().remote_addr(), a);
    // The same pair of addresses is one connection, whoever opens it.
    let mut again = Stream::connect(a, Some(b), FRAMING, config);
    assert!(poll_fn(|cx| again.poll_connect(cx)).await.is_err());
}

#[tokio::test]
async fn a_server_that_never_answers_tls_is_given_up() {
    let (listener, address) = server().await;
    let config = Config { connect_timeout: Duration::from_millis(50), ..Config::default() };
    let tls = TlsClient::new(&TlsOptions::default()).unwrap();
    let mut stream = Stream::connect_tls(address, None, &tls, "localhost", Framing::Turn, config);
    let (result, _held) = tokio::join!(poll_fn(|cx| stream.poll_connect(cx)), listener.accept());
    assert!(matches!(result, Err(StreamError::TimedOut)), "{result:?}");
}

/// What a client with `options` that wants `host` gets from a server whose certificate is for `localhost`. `trust` is
/// given the certificate.
async fn over_tls(host: &str, trust: impl Fn(&mut TlsOptions, Vec<u8>)) -> Result<Vec<u8>, StreamError> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let mut options = TlsOptions::default();
    trust(&mut options, made.cert.der().to_vec());
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let mut server_config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
    server_config.alpn_protocols = vec![b"stun.turn".to_vec()];
    let (listener, address) = server().await;
    let echo = tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(Arc::new(server_config));
        let mut io = acceptor.accept(listener.accept().await?.0).await?;
        assert_eq!(io.get_ref().1.alpn_protocol(), Some(&b"stun.turn"[..]));
        let (mut read, mut write) = tokio::io::split(&mut io);
        tokio::io::copy(&mut read, &mut write).await
    });
    let tls = TlsClient::new(&options).unwrap();
    let mut stream = Stream::connect_tls(address, None, &tls, host, Framing::Turn, Config::default());
    poll_fn(|cx| stream.poll_connect(cx)).await?;
    // ChannelData of five bytes, padded.
    stream.write(b"\x40\x00\x00\x05hello\0\0\0");
    let packet = next(&mut stream).await?;
    drop(stream);
    assert_eq!(echo.await.unwrap().unwrap(), 12, "the server saw an orderly end");
    Ok(packet)
}

#[tokio::test]
async fn tls_works_for_the_right_name_and_a_known_authority_alone() {
    let root = |options: &mut TlsOptions, der| options.extra_roots.push(der);
    assert_eq!(over_tls("localhost", root).await.unwrap(), b"\x40\x00\x00\x05hello");
    assert_eq!(over_tls("127.0.0.1", root).await.unwrap(), b"\x40\x00\x00\x05hello");
    assert!(matches!(over_tls("other.example", root).await, Err(StreamError::Io(_))));
    assert!(matches!(over_tls("localhost", |_, _| {}).await, Err(StreamError::Io(_))));
    assert!(matches!(over_tls("not a name", root).await, Err(StreamError::Tls(_))));
}

#[tokio::test]
async fn a_pinned_certificate_is_believed_under_any_name_and_no_other_is() {
    let pin = |options: &mut TlsOptions, der| options.certificate = Some(der);
    assert_eq!(over_tls("other.example", pin).await.unwrap(), b"\x40\x00\x00\x05hello");
    let wrong = |options: &mut TlsOptions, mut der: Vec<u8>| {
        *der.last_mut().unwrap() ^= 1;
        options.certificate = Some(der);
    };
    assert!(matches!(over_tls("localhost", wrong).await, Err(StreamError::Io(_))));
}
