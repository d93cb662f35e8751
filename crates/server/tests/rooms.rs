//! Native clients meet through a real server on loopback.

mod common;

use common::{Cutter, PATIENCE, code, enter, expect, get, options, start};
use core::time::Duration;
use peerage_base::limit::Rate;
use peerage_server::Tls;
use peerage_signal::access::{AccessList, AccessToken};
use peerage_signal::client::ConnectError;
use peerage_signal::client::event::{CloseReason, DescriptionKind, RoomEvent};
use peerage_signal::client::options::Intent;
use peerage_signal::client::room::Room;
use peerage_signal::code::Code;
use peerage_signal::id::PeerId;
use peerage_signal::link::ServerAddress;
use peerage_signal::message::ErrorCode;
use peerage_signal::plain::{Candidate, Plain, Role};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

fn hello(event: &RoomEvent) -> Option<(PeerId, bool)> {
    match event {
        RoomEvent::PeerHello { peer, role: Role::Pipe, first, .. } => Some((*peer, *first)),
        _ => None,
    }
}

fn candidate(text: &str) -> Plain {
    Plain::Candidate(Candidate { candidate: text.into(), mid: Some("0".into()), ufrag: None })
}

async fn pair(a: core::net::SocketAddr, b: core::net::SocketAddr) -> (Room, PeerId, Room, PeerId) {
    let code = code();
    let mut first = enter(a, &code, Intent::Open).await;
    let mut second = enter(b, &code, Intent::Join).await;
    let (to_second, offers) = expect(&mut first, hello).await;
    assert!(offers, "whoever was here first offers");
    let (to_first, offers) = expect(&mut second, hello).await;
    assert!(!offers);
    (first, to_second, second, to_first)
}

#[tokio::test]
async fn two_clients_meet_talk_and_part() {
    let server = start(|_| {}).await;
    let (mut a, to_b, mut b, to_a) = pair(server.http, server.http).await;
    a.send(to_b, &Plain::Offer { sdp: "v=0\r\n".into() }).unwrap();
    let offer = RoomEvent::Description { peer: to_a, kind: DescriptionKind::Offer, sdp: "v=0\r\n".into() };
    expect(&mut b, |e| (*e == offer).then_some(())).await;
    b.send(to_a, &Plain::Answer { sdp: "v=0\r\n".into() }).unwrap();
    let answer = RoomEvent::Description { peer: to_b, kind: DescriptionKind::Answer, sdp: "v=0\r\n".into() };
    expect(&mut a, |e| (*e == answer).then_some(())).await;
    b.send(to_a, &Plain::Bye { reason: "done".into() }).unwrap();
    b.leave().await;
    expect(&mut a, |e| matches!(e, RoomEvent::Bye { reason, .. } if reason == "done").then_some(())).await;
    expect(&mut a, |e| (*e == RoomEvent::PeerLeft { peer: to_b }).then_some(())).await;
}

#[tokio::test]
async fn the_joined_event_names_the_servers_own_stun() {
    let server = start(|c| c.ice_servers = vec!["stun:stun.example.org:3478".into()]).await;
    let mut room = enter(server.http, &code(), Intent::Open).await;
    let urls = expect(&mut room, |e| match e {
        RoomEvent::Joined { ice_servers, .. } => Some(ice_servers[0].urls.clone()),
        _ => None,
    })
    .await;
    assert_eq!(urls, [format!("stun:{}", server.stun[0]), "stun:stun.example.org:3478".into()]);
}

#[tokio::test]
async fn a_websocket_outlives_the_time_limits_of_http() {
    let server = start(|c| {
        c.http_timeout = Duration::from_millis(100);
        c.head_timeout = Duration::from_millis(200);
    })
    .await;
    let (a, to_b, mut b, _) = pair(server.http, server.http).await;
    sleep(Duration::from_millis(800)).await;
    a.send(to_b, &candidate("late")).unwrap();
    expect(&mut b, |e| match e {
        RoomEvent::Candidate { .. } => Some(()),
        RoomEvent::Reconnecting => panic!("the connection was cut"),
        _ => None,
    })
    .await;
}

#[tokio::test]
async fn nine_peers_do_not_fit_a_room() {
    let server = start(|_| {}).await;
    let code = code();
    let mut rooms = vec![enter(server.http, &code, Intent::Open).await];
    for _ in 1..8 {
        rooms.push(enter(server.http, &code, Intent::Join).await);
    }
    let ninth = Room::connect(options(server.http, &code, Intent::Join)).await;
    assert!(matches!(ninth, Err(ConnectError::Unavailable)));
    // Everybody greets everybody, and of each pair exactly one was first.
    let mut firsts = 0;
    for room in &mut rooms {
        for _ in 1..8 {
            firsts += usize::from(expect(room, hello).await.1);
        }
    }
    assert_eq!(firsts, 28);
}

#[tokio::test]
async fn a_dropped_room_is_left() {
    let server = start(|_| {}).await;
    let (mut a, to_b, b, _) = pair(server.http, server.http).await;
    drop(b);
    expect(&mut a, |e| (*e == RoomEvent::PeerLeft { peer: to_b }).then_some(())).await;
}

#[tokio::test]
async fn a_connection_cut_again_and_again_loses_and_repeats_nothing() {
    let server = start(|c| {
        c.rooms.entry_rate = Rate::new(1000, 100);
        c.rooms.signal_rate = Rate::new(1000, 1000);
    })
    .await;
    let cutter = Cutter::start(server.http).await;
    let (mut a, to_b, mut b, to_a) = pair(server.http, cutter.address).await;
    const COUNT: usize = 120;
    let texts = |event: &RoomEvent| match event {
        RoomEvent::Candidate { candidate, .. } => Some(candidate.candidate.clone()),
        _ => None,
    };
    let (mut from_a, mut from_b) = (Vec::new(), Vec::new());
    let exchange = async {
        for i in 0..COUNT {
            a.send(to_b, &candidate(&format!("a{i}"))).unwrap();
            b.send(to_a, &candidate(&format!("b{i}"))).unwrap();
            if i % 20 == 10 {
                cutter.cut();
            }
            sleep(Duration::from_millis(5)).await;
        }
        while from_a.len() < COUNT || from_b.len() < COUNT {
            tokio::select! {
                event = a.next_event() => from_b.extend(event.as_ref().and_then(texts)),
                event = b.next_event() => from_a.extend(event.as_ref().and_then(texts)),
            }
        }
    };
    timeout(PATIENCE, exchange).await.expect("everything arrives");
    assert_eq!(from_a, (0..COUNT).map(|i| format!("a{i}")).collect::<Vec<_>>());
    assert_eq!(from_b, (0..COUNT).map(|i| format!("b{i}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_outage_within_the_grace_period_goes_unnoticed_by_the_other_side() {
    let server = start(|_| {}).await;
    let cutter = Cutter::start(server.http).await;
    let (mut a, to_b, mut b, to_a) = pair(server.http, cutter.address).await;
    cutter.set_open(false);
    cutter.cut();
    expect(&mut b, |e| (*e == RoomEvent::Reconnecting).then_some(())).await;
    a.send(to_b, &candidate("meanwhile")).unwrap();
    b.send(to_a, &candidate("kept")).unwrap();
    sleep(Duration::from_millis(500)).await;
    cutter.set_open(true);
    expect(&mut b, |e| (*e == RoomEvent::Resumed).then_some(())).await;
    let said = |text: &'static str| {
        move |e: &RoomEvent| match e {
            RoomEvent::Candidate { candidate, .. } if candidate.candidate == text => Some(()),
            RoomEvent::PeerLeft { .. } => panic!("the outage was noticed"),
            _ => None,
        }
    };
    expect(&mut b, said("meanwhile")).await;
    expect(&mut a, said("kept")).await;
}

#[tokio::test]
async fn an_outage_beyond_the_grace_period_begins_a_new_stay() {
    let server = start(|c| c.rooms.grace = Duration::from_millis(200)).await;
    let cutter = Cutter::start(server.http).await;
    let (mut a, to_b, mut b, _) = pair(server.http, cutter.address).await;
    cutter.set_open(false);
    cutter.cut();
    expect(&mut a, |e| (*e == RoomEvent::PeerLeft { peer: to_b }).then_some(())).await;
    cutter.set_open(true);
    let (again, first) = expect(&mut a, hello).await;
    assert!(first && again != to_b, "a new identity");
    assert!(!expect(&mut b, hello).await.1);
}

#[tokio::test]
async fn a_silent_server_counts_as_lost() {
    let server = start(|_| {}).await;
    let code = code();
    // Nothing but the greeting gets through: a tunnel that swallows everything after 400 bytes.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut client, _)) = listener.accept().await {
            let mut upstream = tokio::net::TcpStream::connect(server.http).await.unwrap();
            kept.push(tokio::spawn(async move {
                let swallow = tokio::io::copy_bidirectional(&mut client, &mut upstream);
                let _ = timeout(Duration::from_millis(300), swallow).await;
                sleep(Duration::from_secs(60)).await;
                drop((client, upstream));
            }));
        }
    });
    let mut options = options(address, &code, Intent::Open);
    options.ping_interval = Duration::from_millis(100);
    options.silence = Duration::from_millis(500);
    let mut room = Room::connect(options).await.unwrap();
    expect(&mut room, |e| (*e == RoomEvent::Reconnecting).then_some(())).await;
    expect(&mut room, |e| (*e == RoomEvent::Resumed).then_some(())).await;
}

#[tokio::test]
async fn the_server_drops_a_client_that_does_not_answer_pings() {
    let server = start(|c| {
        c.ping_interval = Duration::from_millis(50);
        c.silence = Duration::from_millis(200);
        c.rooms.grace = Duration::from_millis(100);
    })
    .await;
    let code = code();
    let mut a = enter(server.http, &code, Intent::Open).await;
    let mut stream = tokio::net::TcpStream::connect(server.http).await.unwrap();
    let upgrade = format!(
        "GET /ws HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        server.http
    );
    stream.write_all(upgrade.as_bytes()).await.unwrap();
    let body = format!(r#"{{"type":"join","room":"{}","peer":"AQEBAQEBAQEBAQEBAQEBAQ"}}"#, code.room());
    // One masked text frame, with a mask of zeros (RFC 6455 §5.2).
    let mut frame = vec![0x81, 0x80 | u8::try_from(body.len()).unwrap(), 0, 0, 0, 0];
    frame.extend_from_slice(body.as_bytes());
    stream.write_all(&frame).await.unwrap();
    let mute = PeerId::parse("AQEBAQEBAQEBAQEBAQEBAQ").unwrap();
    expect(&mut a, |e| (*e == RoomEvent::PeerLeft { peer: mute }).then_some(())).await;
}

#[tokio::test]
async fn a_wrong_code_ends_the_newcomer_alone() {
    let server = start(|_| {}).await;
    let code = code();
    let mut a = enter(server.http, &code, Intent::Open).await;
    let other = Code::parse(&format!("{}-zyxwvtsrqpnmkjhgfedc", code.room())).unwrap();
    let mut stranger = enter(server.http, &other, Intent::Join).await;
    expect(&mut stranger, |e| (*e == RoomEvent::Closed(CloseReason::WrongCode)).then_some(())).await;
    assert_eq!(stranger.next_event().await, None);
    expect(&mut a, |e| matches!(e, RoomEvent::WrongCode { .. }).then_some(())).await;
    let mut b = enter(server.http, &code, Intent::Join).await;
    expect(&mut a, hello).await;
    expect(&mut b, hello).await;
}

#[tokio::test]
async fn failures_to_enter_say_what_is_wrong() {
    let server = start(|c| c.rooms.entry_rate = Rate::new(2, 1)).await;
    let code = code();
    let join = |address| Room::connect(options(address, &code, Intent::Join));
    assert!(matches!(join(server.http).await, Err(ConnectError::Unavailable)));
    assert!(matches!(join(server.http).await, Err(ConnectError::Unavailable)));
    assert!(matches!(join(server.http).await, Err(ConnectError::Refused { code: ErrorCode::RateLimited, .. })));

    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let error = join(address).await.unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error}");

    let mut missing = options(server.http, &code, Intent::Join);
    missing.server = ServerAddress::parse("http://nowhere.invalid").unwrap();
    let error = Room::connect(missing).await.unwrap_err();
    assert!(matches!(error, ConnectError::Resolve { .. }), "{error}");

    let mut secure = options(server.http, &code, Intent::Join);
    secure.server = ServerAddress::parse(&format!("https://{}", server.http)).unwrap();
    let error = Room::connect(secure).await.unwrap_err();
    assert!(matches!(error, ConnectError::Tls { .. }), "{error}");
}

#[tokio::test]
async fn rooms_are_opened_with_the_access_token_and_entered_without() {
    let token = AccessToken::parse("correct-horse-battery").unwrap();
    let server = start(|c| c.rooms.access = AccessList::new([&token])).await;
    let code = code();
    let refused = Room::connect(options(server.http, &code, Intent::Open)).await.unwrap_err();
    let ConnectError::Refused { code: ErrorCode::Forbidden, message } = refused else { panic!("{refused}") };
    assert!(message.contains("access token"), "{message}");
    let mut opener = options(server.http, &code, Intent::Open);
    opener.access_token = Some(token);
    let mut first = Room::connect(opener).await.unwrap();
    let mut second = enter(server.http, &code, Intent::Join).await;
    expect(&mut first, hello).await;
    expect(&mut second, hello).await;
    let answer = get(server.http, "/config", "").await;
    assert!(answer.contains(r#""open_needs_token":true"#), "{answer}");
}

#[tokio::test]
async fn something_else_that_answers_is_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut answers = ["HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "SSH-2.0-OpenSSH\r\n"].into_iter();
        while let (Ok((mut stream, _)), Some(answer)) = (listener.accept().await, answers.next()) {
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
        // The third one hears nothing at all.
        sleep(PATIENCE).await;
    });
    let code = code();
    for _ in 0..2 {
        let error = Room::connect(options(address, &code, Intent::Join)).await.unwrap_err();
        assert!(matches!(error, ConnectError::NotPeerage { .. }), "{error}");
    }
    let mut impatient = options(address, &code, Intent::Join);
    impatient.connect_timeout = Duration::from_millis(300);
    let error = Room::connect(impatient).await.unwrap_err();
    assert!(matches!(error, ConnectError::Timeout { .. } | ConnectError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_self_signed_server_is_accepted_by_its_fingerprint_alone() {
    let server = start(|c| c.tls = Tls::SelfSigned).await;
    let code = code();
    let secure = |fingerprint| {
        let mut options = options(server.http, &code, Intent::Open);
        options.server = ServerAddress::parse(&format!("https://{}", server.http)).unwrap();
        options.tls.fingerprint = fingerprint;
        Room::connect(options)
    };
    let error = secure(None).await.unwrap_err();
    assert!(matches!(error, ConnectError::Tls { .. }), "{error}");
    let error = secure(Some([7; 32])).await.unwrap_err();
    assert!(matches!(error, ConnectError::Tls { .. }), "{error}");
    let mut room = secure(server.hash).await.unwrap();
    expect(&mut room, |e| matches!(e, RoomEvent::Joined { .. }).then_some(())).await;
}

#[tokio::test]
async fn a_certificate_of_a_given_authority_is_accepted_for_its_names() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let server = start(|c| c.tls = Tls::Files { cert: cert.clone(), key }).await;
    let code = code();
    let secure = |host: &str| {
        let mut options = options(server.http, &code, Intent::Open);
        options.server = ServerAddress::parse(&format!("https://{host}:{}", server.http.port())).unwrap();
        options.tls.add_pem_file(&cert).unwrap();
        Room::connect(options)
    };
    secure("localhost").await.unwrap();
    let error = secure("127.0.0.1").await.unwrap_err();
    assert!(matches!(error, ConnectError::Tls { .. }), "{error}");
}

#[tokio::test]
async fn shutting_down_is_quick_and_a_new_server_is_found_again() {
    let server = start(|_| {}).await;
    let cutter = Cutter::start(server.http).await;
    let (mut a, _, mut b, _) = pair(cutter.address, cutter.address).await;
    server.handle.shutdown();
    timeout(Duration::from_secs(3), server.task).await.expect("it ends in time").unwrap();
    expect(&mut a, |e| (*e == RoomEvent::Reconnecting).then_some(())).await;
    let again = start(|c| c.listen = vec![server.http]).await;
    assert_eq!(again.http, server.http);
    expect(&mut a, hello).await;
    expect(&mut b, hello).await;
}
