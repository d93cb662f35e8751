//! Codes of words through a real server on loopback.

mod common;

use common::{Cutter, PATIENCE, enter, expect, rng, start};
use core::net::SocketAddr;
use core::time::Duration;
use futures_util::{SinkExt as _, StreamExt as _};
use peerage_signal::client::event::RoomEvent;
use peerage_signal::client::nameplate::{Claim, ClaimError, ClaimOptions};
use peerage_signal::client::options::Intent;
use peerage_signal::code::Code;
use peerage_signal::id::{PeerId, Side};
use peerage_signal::link::ServerAddress;
use peerage_signal::word_code::{WordCode, Words};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{accept_async, client_async};

fn server(address: SocketAddr) -> ServerAddress {
    ServerAddress::parse(&format!("http://{address}")).unwrap()
}

fn with(address: SocketAddr, side: Side, code: &str) -> ClaimOptions {
    ClaimOptions::claim(server(address), side, WordCode::parse(code).unwrap(), rng())
}

async fn claim(address: SocketAddr, side: Side, code: &str) -> Claim {
    Claim::connect(with(address, side, code)).await.unwrap()
}

async fn agreed(claim: &mut Claim) -> Result<Code, ClaimError> {
    timeout(PATIENCE, claim.agreed()).await.expect("within reason")
}

#[tokio::test]
async fn two_that_have_the_words_go_on_in_a_room_of_their_own() {
    let running = start(|_| {}).await;
    let options = ClaimOptions::allocate(server(running.http), Words::generate(2, &mut rng()), rng());
    let mut host = Claim::connect(options).await.unwrap();
    let code = host.code().to_string();
    let mut guest = claim(running.http, Side::Guest, &code).await;
    let (ours, theirs) = tokio::join!(agreed(&mut host), agreed(&mut guest));
    let (ours, theirs) = (ours.unwrap(), theirs.unwrap());
    assert_eq!(ours, theirs);
    host.leave().await;
    guest.leave().await;
    let mut first = enter(running.http, &ours, Intent::Open).await;
    let _second = enter(running.http, &theirs, Intent::Join).await;
    expect(&mut first, |event| matches!(event, RoomEvent::PeerHello { .. }).then_some(())).await;
    let late = Claim::connect(with(running.http, Side::Guest, &code)).await;
    assert!(matches!(late, Err(ClaimError::Spent)), "{late:?}");
}

#[tokio::test]
async fn a_wrong_guess_ends_it_for_both() {
    let running = start(|_| {}).await;
    let mut host = claim(running.http, Side::Host, "7-guitar-sunset").await;
    let mut guest = claim(running.http, Side::Guest, "7-guitar-sunny").await;
    let (ours, theirs) = tokio::join!(agreed(&mut host), agreed(&mut guest));
    for end in [ours, theirs] {
        assert!(matches!(&end, Err(error @ ClaimError::WrongWords) if error.is_about_code()), "{end:?}");
    }
}

#[tokio::test]
async fn a_host_whose_connection_is_cut_while_it_waits_still_meets_its_guest() {
    let running = start(|_| {}).await;
    let cutter = Cutter::start(running.http).await;
    let mut host = claim(cutter.address, Side::Host, "7-guitar-sunset").await;
    cutter.set_open(false);
    cutter.cut();
    sleep(Duration::from_millis(300)).await;
    let mut guest = claim(running.http, Side::Guest, "7-guitar-sunset").await;
    sleep(Duration::from_millis(300)).await;
    assert!(!guest.has_met(), "the host is away");
    cutter.set_open(true);
    let (ours, theirs) = tokio::join!(agreed(&mut host), agreed(&mut guest));
    assert_eq!(ours.unwrap(), theirs.unwrap());
}

#[tokio::test]
async fn somebody_who_comes_and_stays_silent_has_spent_the_code() {
    let running = start(|_| {}).await;
    let mut options = with(running.http, Side::Host, "7-guitar-sunset");
    options.exchange_timeout = Duration::from_millis(200);
    let mut host = Claim::connect(options).await.unwrap();
    let stream = TcpStream::connect(running.http).await.unwrap();
    let (mut silent, _) = client_async(format!("ws://{}/ws", running.http), stream).await.unwrap();
    let peer = PeerId::generate(&mut rng());
    let frame = format!(r#"{{"type":"claim","nameplate":7,"peer":"{peer}","side":"guest"}}"#);
    silent.send(Message::text(frame)).await.unwrap();
    let end = agreed(&mut host).await;
    assert!(matches!(end, Err(ClaimError::Vanished)), "{end:?}");
    host.leave().await;
    let late = Claim::connect(with(running.http, Side::Guest, "7-guitar-sunset")).await;
    assert!(matches!(late, Err(ClaimError::Spent)), "{late:?}");
}

#[tokio::test]
async fn a_dropped_claim_is_left() {
    let running = start(|_| {}).await;
    drop(claim(running.http, Side::Host, "7-guitar-sunset").await);
    let again = async {
        loop {
            // Taken for as long as the server has not heard.
            match Claim::connect(with(running.http, Side::Host, "7-guitar-sunset")).await {
                Ok(claim) => return claim,
                Err(ClaimError::Taken(_)) => sleep(Duration::from_millis(20)).await,
                Err(error) => panic!("{error}"),
            }
        }
    };
    timeout(PATIENCE, again).await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_older_than_nameplates_is_known_by_its_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = accept_async(stream).await.unwrap();
        socket.next().await.unwrap().unwrap();
        let refusal = r#"{"type":"error","code":"bad_request","message":"unknown variant `claim`"}"#;
        socket.send(Message::text(refusal)).await.unwrap();
        while let Some(Ok(_)) = socket.next().await {}
    });
    let refused = Claim::connect(with(address, Side::Guest, "7-guitar-sunset")).await;
    assert!(matches!(refused, Err(ClaimError::Unsupported)), "{refused:?}");
}
