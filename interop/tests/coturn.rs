//! The relay client against `coturn`: every transport and both kinds of credentials, a server that redirects, that
//! refuses, and that dies.

use std::net::SocketAddr;
use std::time::Duration;

use peerage::configuration::IceTransportPolicy;
use peerage::event::{ConnectionState, PairProtocol, SelectedPair};
use peerage::{Configuration, Endpoint, IceServer, PeerConnection, Settings};
use peerage_interop::bidi::Result;
use peerage_interop::browser::Kind;
use peerage_interop::coturn::{self, Coturn, Transport};
use peerage_interop::expect::{self, installed};
use peerage_interop::natives::{Natives, negotiate, transfer_with, until};
use peerage_interop::pair::{Offerer, Pair, Setup, words};
use peerage_turn::server::credentials;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

const SIZE: usize = 16 << 20;

/// Whether there is a server to test against.
fn ready(what: &str) -> bool {
    installed(what, &["turnserver", "openssl"])
}

/// Settings that believe the server.
fn settings(server: &Coturn) -> Settings {
    let mut settings = Settings::default();
    settings.addresses = vec![coturn::host()];
    settings.tls.extra_roots = vec![server.authority().to_vec()];
    settings
}

fn configuration(ice_server: IceServer, policy: IceTransportPolicy) -> Configuration {
    let mut configuration = Configuration::default();
    configuration.ice_servers = vec![ice_server];
    configuration.ice_transport_policy = policy;
    configuration
}

fn connection(settings: Settings, ice_server: IceServer, policy: IceTransportPolicy) -> Result<PeerConnection> {
    let endpoint = Endpoint::new(settings).map_err(words)?;
    endpoint.peer_connection(configuration(ice_server, policy)).map_err(words)
}

/// A connection that uses nothing but the relay.
fn relayed(server: &Coturn, ice_server: IceServer) -> Result<PeerConnection> {
    connection(settings(server), ice_server, IceTransportPolicy::Relay)
}

/// The pair in use, which must leave here through the relay, over this transport.
fn through_the_relay(pc: &PeerConnection, transport: Transport) -> Result<SelectedPair> {
    let pair = pc.transport_stats().selected.ok_or("no pair")?;
    let protocol = match transport {
        Transport::Udp => PairProtocol::Udp,
        Transport::Tcp => PairProtocol::Tcp,
        Transport::Tls => PairProtocol::Tls,
    };
    if pair.local.token() == "relay" && pair.protocol == protocol { Ok(pair) } else { Err(format!("uses {pair:?}")) }
}

async fn between_natives(server: &Coturn, transports: [Transport; 2], servers: [IceServer; 2]) -> Result<()> {
    let [left, right] = servers;
    let pair = Natives::connect(relayed(server, left)?, relayed(server, right)?, |_| true).await?;
    pair.exchange(SIZE).await?;
    let paths = [(&pair.a, transports[0]), (&pair.b, transports[1])];
    paths.into_iter().try_for_each(|(pc, transport)| through_the_relay(pc, transport).map(drop))?;
    let told = pair.a.explain().to_string();
    if told == "connected through a relay" { Ok(()) } else { Err(told) }
}

#[tokio::test(flavor = "multi_thread")]
async fn data_between_two_relayed_peers_over_every_transport() -> Result<()> {
    if !ready("relaying by coturn") {
        return Ok(());
    }
    let server = Coturn::start().await?;
    for left in Transport::ALL {
        for right in Transport::ALL {
            let servers = [left, right].map(|transport| server.ice_server(transport));
            let result = between_natives(&server, [left, right], servers).await;
            expect::judge(&format!("coturn/{left:?}-{right:?}"), result);
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_made_of_a_shared_secret_are_taken() -> Result<()> {
    if !ready("coturn's credentials of a secret") {
        return Ok(());
    }
    const SECRET: &str = "known to both servers";
    let server = Coturn::start_with_secret(SECRET).await?;
    #[expect(clippy::disallowed_methods, reason = "the server looks at the same clock")]
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_err(words)?.as_secs();
    let made = || credentials::issue(SECRET.as_bytes(), "somebody", now + 600);
    for transport in Transport::ALL {
        let servers = [0; 2].map(|_| server.ice_server_as(transport, made()));
        between_natives(&server, [transport; 2], servers).await.map_err(|e| format!("{transport:?}: {e}"))?;
    }
    // They end when they say.
    let expired = credentials::issue(SECRET.as_bytes(), "somebody", now - 600);
    let told = refused(&server, server.ice_server_as(Transport::Udp, expired)).await?;
    if told.contains("does not accept the credentials") { Ok(()) } else { Err(told) }
}

/// What is told of a relay that is of no use.
async fn refused(server: &Coturn, ice_server: IceServer) -> Result<String> {
    refused_with(settings(server), ice_server).await
}

async fn refused_with(settings: Settings, ice_server: IceServer) -> Result<String> {
    let pc = connection(settings, ice_server, IceTransportPolicy::Relay)?;
    let other = Endpoint::new(Settings::default()).map_err(words)?;
    let other = other.peer_connection(Configuration::default()).map_err(words)?;
    let _channel = pc.create_data_channel("data", peerage::DataChannelInit::default()).map_err(words)?;
    negotiate(&pc, &other).await?;
    tokio::time::timeout(Duration::from_secs(30), pc.gathering_complete())
        .await
        .map_err(|_| format!("still gathering: {}", pc.explain()))?;
    Ok(pc.explain().to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_in_words() -> Result<()> {
    if !ready("coturn and a wrong password") {
        return Ok(());
    }
    let server = Coturn::start().await?;
    for transport in Transport::ALL {
        let mut ice_server = server.ice_server(transport);
        ice_server.credential.push('!');
        let told = refused(&server, ice_server.clone()).await?;
        eprintln!("{told}");
        let right = told.starts_with(&format!("not connected: {}", ice_server.urls[0]))
            && told.contains("does not accept the credentials")
            && told.ends_with("check the user name and the password, and that the clocks of both machines are right");
        if !right {
            return Err(format!("{transport:?}: {told}"));
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_an_unknown_authority_is_not_believed() -> Result<()> {
    if !ready("coturn's certificate") {
        return Ok(());
    }
    let server = Coturn::start().await?;
    let mut settings = settings(&server);
    settings.tls.extra_roots.clear();
    let told = refused_with(settings, server.ice_server(Transport::Tls)).await?;
    eprintln!("{told}");
    if told.contains("turns:127.0.0.1") { Ok(()) } else { Err(told) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirected_client_allocates_at_the_other_server() -> Result<()> {
    if !ready("coturn's redirection") {
        return Ok(());
    }
    // By its ports it is told from the one that redirects.
    const PORTS: std::ops::RangeInclusive<u16> = 42_000..=42_200;
    let (first, last) = (format!("--min-port={}", PORTS.start()), format!("--max-port={}", PORTS.end()));
    let second = Coturn::start_with(&[&first, &last]).await?;
    let redirect = format!("--alternate-server={}", second.address());
    let server = Coturn::start_with(&[&redirect]).await?;
    for transport in [Transport::Udp, Transport::Tcp] {
        let [a, b] = [0; 2].map(|_| relayed(&server, server.ice_server(transport)));
        let pair = Natives::connect(a?, b?, |_| true).await?;
        pair.exchange(SIZE / 4).await?;
        for pc in [&pair.a, &pair.b] {
            let used = through_the_relay(pc, transport)?;
            if !PORTS.contains(&used.local_address.port()) {
                return Err(format!("relayed elsewhere: {used:?}"));
            }
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_direct_path_takes_over_when_the_server_dies_in_mid_transfer() -> Result<()> {
    if !ready("the death of coturn") {
        return Ok(());
    }
    for transport in Transport::ALL {
        let mut server = Coturn::start().await?;
        let [a, b] =
            [0; 2].map(|_| connection(settings(&server), server.ice_server(transport), IceTransportPolicy::All));
        // Direct candidates wait until the relay is gone.
        let pair = Natives::connect(a?, b?, |candidate| candidate.contains(" typ relay ")).await?;
        let uses_relay = |pc: &PeerConnection| {
            let pair = pc.transport_stats().selected;
            pair.is_some_and(|pair| pair.local.token() == "relay" || pair.remote.token() == "relay")
        };
        if !uses_relay(&pair.a) {
            return Err(format!("{transport:?}: not relayed at first: {:?}", pair.a.transport_stats().selected));
        }
        let moved = transfer_with(&pair.at_a, &pair.at_b, SIZE, async || {
            server.kill().await?;
            pair.let_through();
            Ok(())
        });
        moved.await.map_err(|e| format!("{transport:?}: {e}; {}", pair.a.explain()))?;
        if uses_relay(&pair.a) || uses_relay(&pair.b) {
            return Err(format!("{transport:?}: still {:?}", pair.a.transport_stats().selected));
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn relayed_peers_whose_server_dies_are_told_why_they_stop() -> Result<()> {
    if !ready("the death of coturn") {
        return Ok(());
    }
    for transport in Transport::ALL {
        let mut server = Coturn::start().await?;
        let [a, b] = [0; 2].map(|_| relayed(&server, server.ice_server(transport)));
        let pair = Natives::connect(a?, b?, |_| true).await?;
        server.kill().await?;
        until(&pair.a, &[ConnectionState::Disconnected, ConnectionState::Failed]).await?;
        // That a server over UDP is silent shows after all repetitions of a request.
        let url = &server.ice_server(transport).urls[0];
        let told = async {
            while !pair.a.explain().to_string().starts_with(&format!("not connected: {url}")) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let told = tokio::time::timeout(Duration::from_secs(45), told).await;
        told.map_err(|_| format!("{transport:?}: {}; all: {:?}", pair.a.explain(), pair.a.explain().causes))?;
        eprintln!("{transport:?}: {}", pair.a.explain());
    }
    Ok(())
}

/// A way to the server over TCP, all of whose connections can be cut.
async fn cuttable(server: &Coturn) -> Result<(SocketAddr, watch::Sender<()>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(words)?;
    let address = listener.local_addr().map_err(words)?;
    let (cut, cuts) = watch::channel(());
    let server = server.address();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let (mut cuts, server) = (cuts.clone(), server.clone());
            cuts.mark_unchanged();
            tokio::spawn(async move {
                let Ok(mut far) = TcpStream::connect(server).await else { return };
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                    _ = cuts.changed() => {}
                }
            });
        }
    });
    Ok((address, cut))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_to_the_server_that_breaks_is_made_anew() -> Result<()> {
    if !ready("a broken connection to coturn") {
        return Ok(());
    }
    let server = Coturn::start().await?;
    let (address, cut) = cuttable(&server).await?;
    let mut ice_server = server.ice_server(Transport::Tcp);
    ice_server.urls = vec![format!("turn:{address}?transport=tcp")];
    let (a, b) = (relayed(&server, ice_server)?, relayed(&server, server.ice_server(Transport::Udp))?);
    let pair = Natives::connect(a, b, |_| true).await?;
    let before = through_the_relay(&pair.a, Transport::Tcp)?;
    let moved = transfer_with(&pair.at_a, &pair.at_b, SIZE, async || {
        cut.send_replace(());
        Ok(())
    });
    moved.await.map_err(|e| format!("{e}; {}; all: {:?}", pair.a.explain(), pair.a.explain().causes))?;
    let after = through_the_relay(&pair.a, Transport::Tcp)?;
    // With the connection went the allocation.
    if before.local_address == after.local_address { Err(format!("still {after:?}")) } else { Ok(()) }
}

/// A browser with all its candidates, and our side with nothing but the relay.
async fn with_browser(server: &Coturn, kind: Kind, offerer: Offerer, transport: Transport) -> Result<()> {
    let mut setup = Setup::new(kind, offerer);
    setup.settings = settings(server);
    setup.configuration = configuration(server.ice_server(transport), IceTransportPolicy::Relay);
    let mut pair = Pair::connect_with(setup).await?;
    pair.exchange(SIZE).await?;
    through_the_relay(&pair.pc, transport)?;
    let offered = pair.pc.local_description().ok_or("no description")?.sdp;
    let direct = |line: &&str| line.starts_with("a=candidate:") && !line.contains(" typ relay ");
    match offered.lines().find(direct) {
        Some(line) => Err(format!("it tells {line}")),
        None => Ok(()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_and_a_relayed_native_peer() -> Result<()> {
    browsers(Kind::Chromium).await
}

#[tokio::test(flavor = "multi_thread")]
async fn firefox_and_a_relayed_native_peer() -> Result<()> {
    browsers(Kind::Firefox).await
}

async fn browsers(kind: Kind) -> Result<()> {
    let program = match kind {
        Kind::Chromium => "chromedriver",
        Kind::Firefox => "firefox",
    };
    let what = format!("{kind:?} and a relayed native peer");
    if !ready(&what) || !installed(&what, &[program]) {
        return Ok(());
    }
    let server = Coturn::start().await?;
    let cases =
        [(Offerer::Native, Transport::Udp), (Offerer::Browser, Transport::Tcp), (Offerer::Native, Transport::Tls)];
    for (offerer, transport) in cases {
        let result = with_browser(&server, kind, offerer, transport).await;
        expect::judge(&format!("coturn-browser/{kind:?}/{offerer:?}/{transport:?}"), result);
    }
    Ok(())
}
