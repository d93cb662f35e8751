//! Data through a whole TURN server: both peers use nothing but relays, over UDP, TCP and TLS.

mod common;

use common::{connect_both, endpoint_with, within};
use peerage::configuration::IceTransportPolicy;
use peerage::{Configuration, Endpoint, IceServer, Message, PeerConnection};
use peerage_server::{Server, ServerConfig, Stun, Tls};

/// A connection that uses nothing but the relay at `url`.
fn relayed(endpoint: &Endpoint, url: &str, (username, credential): (String, String)) -> PeerConnection {
    let mut server = IceServer::new(url);
    (server.username, server.credential) = (username, credential);
    let mut configuration = Configuration::default();
    configuration.ice_servers = vec![server];
    configuration.ice_transport_policy = IceTransportPolicy::Relay;
    endpoint.peer_connection(configuration).unwrap()
}

#[tokio::test]
async fn data_goes_through_relays_over_udp_tcp_and_tls() {
    within(async {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let (cert, key) = (folder.path().join("cert"), folder.path().join("key"));
        std::fs::write(&cert, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let any = || vec!["127.0.0.1:0".parse().unwrap()];
        let mut config = ServerConfig::default();
        (config.listen, config.stun) = (any(), Stun::At(any()));
        config.tls = Tls::Files { cert, key };
        config.turn.as_mut().unwrap().tls = any();
        let server = Server::bind(config).await.unwrap();
        let (plain, tls) = (server.stun_addrs()[0], server.turn_tls_addrs()[0]);
        let turn = server.turn().unwrap();
        let credentials = || {
            let made = turn.credentials("127.0.0.1", "room");
            (made.username, made.password)
        };
        tokio::spawn(server.run());
        let endpoint = || endpoint_with(|settings| settings.tls.certificate = Some(made.cert.der().to_vec()));
        let urls =
            [format!("turn:{plain}"), format!("turn:{plain}?transport=tcp"), format!("turns:{tls}?transport=tcp")];
        // Each with itself, and the first with the last.
        for (left, right) in [(0, 0), (1, 1), (2, 2), (0, 2)] {
            let a = relayed(&endpoint(), &urls[left], credentials());
            let b = relayed(&endpoint(), &urls[right], credentials());
            let pair = connect_both(a, b, |candidate| candidate.contains(" typ relay ")).await;
            const COUNT: u32 = 60;
            let sender = tokio::spawn(async move {
                for n in 0..COUNT {
                    let mut message = vec![0u8; 16 << 10];
                    message[..4].copy_from_slice(&n.to_be_bytes());
                    pair.at_a.send(message).await.unwrap();
                }
                pair.at_a
            });
            for n in 0..COUNT {
                let Some(Message::Binary(message)) = pair.at_b.recv().await else { panic!("ended at {n}") };
                assert_eq!((message.len(), &message[..4]), (16 << 10, &n.to_be_bytes()[..]), "{left} {right}");
            }
            drop(sender.await.unwrap());
            pair.a.close().await;
            pair.b.close().await;
        }
    })
    .await;
}
