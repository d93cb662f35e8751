//! The transports to TURN servers: UDP, TCP and TLS. The server here refuses everybody, which shows that requests leave
//! and answers arrive; that relays carry data is tested where there is a whole server.

mod common;

use std::sync::Arc;

use common::{endpoint_with, within};
use peerage::{Configuration, DataChannelInit, Endpoint, IceServer, PeerConnection};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};
use tokio_rustls::TlsAcceptor;

/// RFC 8489 §6.3.4: an error answer to a request, `403` with no reason.
fn refusal(request: &[u8]) -> Vec<u8> {
    let mut answer = vec![request[0] | 1, request[1] | 0x10, 0, 8];
    answer.extend(&request[4..20]);
    answer.extend([0, 9, 0, 4, 0, 0, 4, 3]);
    answer
}

async fn refuse_all(mut io: impl AsyncRead + AsyncWrite + Unpin) {
    let mut header = [0; 20];
    while io.read_exact(&mut header).await.is_ok() {
        let mut body = vec![0; usize::from(u16::from_be_bytes([header[2], header[3]]))];
        if io.read_exact(&mut body).await.is_err() || io.write_all(&refusal(&header)).await.is_err() {
            return;
        }
        let _ = io.flush().await;
    }
}

/// A connection that gathers with one server.
async fn gathering(endpoint: &Endpoint, url: String) -> PeerConnection {
    let mut configuration = Configuration::default();
    let mut server = IceServer::new(url);
    (server.username, server.credential) = ("name".into(), "secret".into());
    configuration.ice_servers = vec![server];
    let pc = endpoint.peer_connection(configuration).unwrap();
    pc.create_data_channel("data", DataChannelInit::default()).unwrap();
    pc.set_local_description(None).await.unwrap();
    pc
}

/// Why the relay at `url` is of no use, in words.
async fn failure(endpoint: &Endpoint, url: String) -> String {
    let pc = gathering(endpoint, url.clone()).await;
    pc.gathering_complete().await;
    let explanation = pc.explain();
    let words: Vec<String> = explanation.causes.iter().map(|cause| format!("{cause:?}")).collect();
    let found = words.iter().find(|words| words.starts_with("Relay {"));
    found.unwrap_or_else(|| panic!("{url}: {words:?}")).clone()
}

#[tokio::test]
async fn a_refusal_arrives_over_udp_tcp_and_tls() {
    within(async {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tls = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ports = [udp.local_addr(), tcp.local_addr(), tls.local_addr()].map(|address| address.unwrap().port());
        tokio::spawn(async move {
            let mut buffer = [0; 1500];
            loop {
                let (_, from) = udp.recv_from(&mut buffer).await.unwrap();
                udp.send_to(&refusal(&buffer), from).await.unwrap();
            }
        });
        tokio::spawn(async move {
            loop {
                tokio::spawn(refuse_all(tcp.accept().await.unwrap().0));
            }
        });
        tokio::spawn(async move {
            loop {
                let (io, _) = tls.accept().await.unwrap();
                if let Ok(io) = acceptor.accept(io).await {
                    tokio::spawn(refuse_all(io));
                }
            }
        });
        let trusting = endpoint_with(|settings| settings.tls.extra_roots.push(made.cert.der().to_vec()));
        for url in [
            format!("turn:127.0.0.1:{}", ports[0]),
            format!("turn:127.0.0.1:{}?transport=tcp", ports[1]),
            format!("turns:127.0.0.1:{}?transport=tcp", ports[2]),
            format!("turns:localhost:{}?transport=tcp", ports[2]),
        ] {
            let words = failure(&trusting, url.clone()).await;
            assert!(words.contains("403"), "{url}: {words}");
        }
        // A certificate that nobody vouches for.
        let words = failure(&endpoint_with(|_| {}), format!("turns:127.0.0.1:{}?transport=tcp", ports[2])).await;
        assert!(words.contains("Unreachable"), "{words}");
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told() {
    within(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let words = failure(&endpoint_with(|_| {}), format!("turn:127.0.0.1:{port}?transport=tcp")).await;
        assert!(words.contains("Unreachable"), "{words}");
    })
    .await;
}

#[tokio::test]
async fn transports_are_closed_with_their_connection() {
    within(async {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("turn:127.0.0.1:{}?transport=tcp", tcp.local_addr().unwrap().port());
        let pc = gathering(&endpoint_with(|_| {}), url).await;
        let (mut io, _) = tcp.accept().await.unwrap();
        io.read_exact(&mut [0; 20]).await.unwrap();
        pc.close().await;
        let mut rest = Vec::new();
        io.read_to_end(&mut rest).await.unwrap();
    })
    .await;
}
