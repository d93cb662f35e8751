//! Publishing and viewing by HTTP, with peers of our own on loopback.

mod common;

use common::{PATIENCE, Running, raw, start, status};
use core::net::SocketAddr;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::time::Duration;
use peerage::configuration::{IceServer, IceTransportPolicy, Settings};
use peerage::media::sender::EncoderEvent;
use peerage::peer_connection::SdpType;
use peerage::{
    Configuration, Direction, EncodedFrame, Endpoint, MediaKind, PeerConnection, ReceivedFrame, RtpReceiver, RtpSender,
    RtpTransceiverInit, SessionDescription,
};
use peerage_server::WhipConfig;
use peerage_signal::access::AccessToken;
use std::sync::Arc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, interval, sleep, timeout};

const TOKEN: &str = "correct-horse-battery";
const BEARER: &str = "Authorization: Bearer correct-horse-battery\r\n";
const SDP: &str = "Content-Type: application/sdp\r\n";
const FRAGMENT: &str = "Content-Type: application/trickle-ice-sdpfrag\r\n";

fn token(text: &str) -> AccessToken {
    AccessToken::parse(text).unwrap()
}

async fn server(change: impl FnOnce(&mut WhipConfig)) -> Running {
    start(|config| {
        let whip = config.whip.as_mut().unwrap();
        whip.publish = vec![token(TOKEN)];
        whip.limits.requests_per_minute = 1000;
        change(whip);
    })
    .await
}

async fn send(server: &Running, method: &str, path: &str, headers: &str, body: &str) -> String {
    let (host, len) = (server.http, body.len());
    let length =
        if method == "GET" || method == "OPTIONS" { String::new() } else { format!("Content-Length: {len}\r\n") };
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}{length}Connection: close\r\n\r\n");
    raw(server.http, &format!("{head}{body}")).await
}

async fn post(server: &Running, path: &str, body: &str) -> String {
    send(server, "POST", path, &format!("{BEARER}{SDP}"), body).await
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next()?;
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

/// A peer of this machine.
fn peer() -> PeerConnection {
    peer_with(Configuration::default())
}

fn peer_with(configuration: Configuration) -> PeerConnection {
    let mut settings = Settings::default();
    settings.include_loopback = Some(true);
    settings.addresses = vec!["127.0.0.1".parse().unwrap()];
    settings.port_mapping = false;
    Endpoint::new(settings).unwrap().peer_connection(configuration).unwrap()
}

/// What a peer offers, with all its candidates.
async fn offer(peer: &PeerConnection) -> String {
    peer.set_local_description(peer.create_offer().await.unwrap()).await.unwrap();
    timeout(PATIENCE, peer.gathering_complete()).await.unwrap();
    peer.local_description().unwrap().sdp
}

async fn accept(peer: &PeerConnection, answer: &str) {
    let answer = SessionDescription::new(SdpType::Answer, answer.to_owned());
    peer.set_remote_description(answer).await.unwrap();
    timeout(PATIENCE, peer.connected()).await.unwrap().unwrap();
}

/// VP8 whose first bytes tell a key frame of 320 by 240 and upwards, its encoding and its number.
fn picture(encoding: usize, number: u32, len: usize, is_key: bool) -> Vec<u8> {
    let mut bytes = vec![7; len];
    let (width, height) = (320_u16 << encoding, 240_u16 << encoding);
    bytes[..6].copy_from_slice(&[u8::from(!is_key), 0, 0, 0x9D, 0x01, 0x2A]);
    bytes[6..8].copy_from_slice(&width.to_le_bytes());
    bytes[8..10].copy_from_slice(&height.to_le_bytes());
    bytes[10..14].copy_from_slice(&number.to_be_bytes());
    bytes[14] = encoding as u8;
    bytes
}

fn number(frame: &ReceivedFrame) -> u32 {
    u32::from_be_bytes(frame.payload[10..14].try_into().unwrap())
}

/// Publishes until it is dropped.
struct Publisher {
    peer: PeerConnection,
    location: String,
    tag: String,
    task: JoinHandle<()>,
    pauses: Arc<AtomicBool>,
    /// How often it was asked for a key frame.
    asked: Arc<AtomicUsize>,
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn publish(server: &Running, name: &str, rids: &[&str]) -> Publisher {
    let peer = peer();
    let mut audio = RtpTransceiverInit::new(Direction::SendOnly);
    audio.streams = vec!["stage".into()];
    let mut video = audio.clone();
    video.rids = rids.iter().map(ToString::to_string).collect();
    let audio = peer.add_transceiver(MediaKind::Audio, audio).unwrap().sender();
    let video = peer.add_transceiver(MediaKind::Video, video).unwrap().sender();
    let answer = post(server, &format!("/whip/{name}"), &offer(&peer).await).await;
    assert_eq!(status(&answer), 201, "{answer}");
    accept(&peer, body(&answer)).await;
    let pauses = Arc::new(AtomicBool::new(false));
    let asked = Arc::new(AtomicUsize::new(0));
    let task = tokio::spawn(talk(audio, video, rids.len().max(1), pauses.clone(), asked.clone()));
    let (location, tag) =
        (header(&answer, "location").unwrap().to_owned(), header(&answer, "etag").unwrap().to_owned());
    Publisher { peer, location, tag, task, pauses, asked }
}

/// Sound every 20 ms and a picture every 40, of each encoding four times the bytes of the one below.
async fn talk(audio: RtpSender, video: RtpSender, encodings: usize, pauses: Arc<AtomicBool>, asked: Arc<AtomicUsize>) {
    let mut tick = interval(Duration::from_millis(20));
    let mut keys = vec![true; encodings];
    for number in 0_u32.. {
        tick.tick().await;
        if pauses.load(Ordering::Relaxed) {
            continue;
        }
        let mut sound = vec![0x78; 80];
        sound[10..14].copy_from_slice(&number.to_be_bytes());
        let _ = audio.try_send_frame(0, EncodedFrame::new(sound, number.wrapping_mul(960)));
        while let Some(event) = video.try_encoder_event() {
            if let EncoderEvent::KeyFrame { encoding } = event {
                keys[encoding] = true;
                asked.fetch_add(1, Ordering::Relaxed);
            }
        }
        if number % 2 == 1 {
            continue;
        }
        for (encoding, wants) in keys.iter_mut().enumerate() {
            let is_key = core::mem::take(wants);
            let len = 400 << (2 * encoding);
            let frame = EncodedFrame::new(picture(encoding, number / 2, len, is_key), number.wrapping_mul(1800));
            let _ = video.try_send_frame(encoding, if is_key { frame.key() } else { frame });
        }
    }
}

/// A viewer, and what it hears and sees.
struct Viewer {
    peer: PeerConnection,
    audio: RtpReceiver,
    video: RtpReceiver,
    location: String,
}

async fn view(server: &Running, name: &str, change: impl FnOnce(String) -> String) -> Viewer {
    view_by(peer(), server, name, change).await
}

async fn view_by(peer: PeerConnection, server: &Running, name: &str, change: impl FnOnce(String) -> String) -> Viewer {
    let add = |kind| peer.add_transceiver(kind, RtpTransceiverInit::new(Direction::RecvOnly)).unwrap().receiver();
    let (audio, video) = (add(MediaKind::Audio), add(MediaKind::Video));
    let answer = send(server, "POST", &format!("/whep/{name}"), SDP, &change(offer(&peer).await)).await;
    assert_eq!(status(&answer), 201, "{answer}");
    accept(&peer, body(&answer)).await;
    let location = header(&answer, "location").unwrap().to_owned();
    Viewer { peer, audio, video, location }
}

/// The next frames of a receiver.
async fn frames(receiver: &RtpReceiver, count: usize) -> Vec<ReceivedFrame> {
    let mut frames = Vec::new();
    while frames.len() < count {
        let next = timeout(PATIENCE, receiver.recv_frame()).await;
        let so_far = frames.len();
        frames.push(next.unwrap_or_else(|_| panic!("{so_far} of {count} frames came")).expect("the track goes on"));
    }
    frames
}

#[tokio::test]
async fn what_one_publishes_five_view_frame_by_frame() {
    let server = server(|_| ()).await;
    let publisher = publish(&server, "stage", &[]).await;
    let mut viewers = Vec::new();
    for _ in 0..5 {
        viewers.push(view(&server, "stage", |offer| offer).await);
    }
    for (at, viewer) in viewers.iter().enumerate() {
        let pictures = frames(&viewer.video, 50).await;
        assert!(pictures[0].is_key, "viewer {at} begins with a key frame");
        let numbers: Vec<u32> = pictures.iter().map(number).collect();
        let expected: Vec<u32> = (numbers[0]..numbers[0] + 50).collect();
        assert_eq!(numbers, expected, "viewer {at} gets every picture");
        assert_eq!(pictures[10].payload.len(), 400);
        let sounds = frames(&viewer.audio, 50).await;
        assert_eq!(number(&sounds[49]) - number(&sounds[0]), 49, "viewer {at} gets every sound");
    }
    // A viewer that leaves, leaves the others be; it is gone for good.
    let gone = viewers.pop().unwrap();
    assert_eq!(status(&send(&server, "DELETE", &gone.location, "", "").await), 200);
    assert_eq!(status(&send(&server, "DELETE", &gone.location, "", "").await), 404);
    while timeout(PATIENCE, gone.video.recv_frame()).await.unwrap().is_some() {}
    frames(&viewers[0].video, 10).await;
    // The publisher ends, and everybody hears of it.
    let without = send(&server, "DELETE", &publisher.location, "", "").await;
    assert_eq!(status(&without), 401, "{without}");
    assert_eq!(status(&send(&server, "DELETE", &publisher.location, BEARER, "").await), 200);
    for viewer in &viewers {
        while timeout(PATIENCE, viewer.video.recv_frame()).await.unwrap().is_some() {}
    }
    drop(publisher);
    let late = send(&server, "POST", "/whep/stage", SDP, "").await;
    assert!(status(&late) == 404 && header(&late, "retry-after").is_some(), "{late}");
}

#[tokio::test]
async fn viewers_that_come_at_once_share_key_frames_and_none_waits_for_long() {
    let server = Arc::new(server(|_| ()).await);
    let publisher = publish(&server, "stage", &[]).await;
    frames(&view(&server, "stage", |offer| offer).await.video, 25).await;
    let (before, began) = (publisher.asked.load(Ordering::Relaxed), Instant::now());
    let mut viewing = JoinSet::new();
    for n in 0..12 {
        let server = server.clone();
        viewing.spawn(async move {
            sleep(Duration::from_millis(120 * n)).await;
            let viewer = view(&server, "stage", |offer| offer).await;
            let connected = Instant::now();
            let first = frames(&viewer.video, 1).await.remove(0);
            assert!(first.is_key);
            (connected.elapsed(), viewer)
        });
    }
    let mut viewers = Vec::new();
    while let Some(seen) = viewing.join_next().await {
        let (waited, viewer) = seen.unwrap();
        // Not more than once a second, and there is the way there and back.
        assert!(waited < Duration::from_millis(2_500), "{waited:?} without a picture");
        viewers.push(viewer);
    }
    let (asked, time) = (publisher.asked.load(Ordering::Relaxed) - before, began.elapsed());
    assert!(asked >= 1 && asked as u64 <= time.as_secs() + 2, "{asked} key frames in {time:?}");
}

#[tokio::test]
async fn a_viewer_gets_the_encoding_that_its_path_carries() {
    let server = server(|_| ()).await;
    // 80, 320 and 1,280 kbit/s.
    let _publisher = publish(&server, "stage", &["q", "h", "f"]).await;
    let wide = view(&server, "stage", |offer| offer).await;
    let limit = |offer: String| offer.replace("a=rtcp-mux\r\n", "a=rtcp-mux\r\nb=TIAS:200000\r\n");
    let narrow = view(&server, "stage", |offer| limited(&limit(offer))).await;
    let search = async {
        loop {
            let frame = wide.video.recv_frame().await.expect("it goes on");
            if frame.payload[14] == 2 {
                return frame;
            }
        }
    };
    let best = timeout(Duration::from_secs(30), search).await.expect("the largest fits");
    assert!(best.is_key, "another encoding begins with a key frame");
    // What an encoding takes is known once it has been measured for a while; until then a larger one may be tried.
    let settles = async { while narrow.video.recv_frame().await.expect("it goes on").payload[14] != 0 {} };
    timeout(PATIENCE, settles).await.expect("the small one is found");
    let pictures = frames(&narrow.video, 100).await;
    let encodings: Vec<u8> = pictures.iter().map(|frame| frame.payload[14]).collect();
    assert!(encodings.iter().all(|encoding| *encoding == 0), "the small one fits, and no other: {encodings:?}");
    let followed = pictures.windows(2).filter(|pair| number(&pair[1]) == number(&pair[0]) + 1).count();
    assert!(followed >= 97, "{followed} of 99");
}

/// `b=` stands above the attributes of its section (RFC 8866 §5).
fn limited(offer: &str) -> String {
    offer.replace("b=TIAS:200000\r\n", "").replace("c=IN IP4 0.0.0.0\r\n", "c=IN IP4 0.0.0.0\r\nb=TIAS:200000\r\n")
}

#[tokio::test]
async fn whoever_gets_no_udp_through_views_by_the_relay_of_the_server() {
    let server = server(|_| ()).await;
    let _publisher = publish(&server, "stage", &[]).await;
    let credentials = server.turn.as_ref().unwrap().credentials("127.0.0.1", "test");
    let relay = IceServer {
        urls: vec![format!("turn:{}?transport=tcp", server.stun[0])],
        username: credentials.username.clone(),
        credential: credentials.password.clone(),
    };
    let mut configuration = Configuration::default();
    (configuration.ice_servers, configuration.ice_transport_policy) = (vec![relay], IceTransportPolicy::Relay);
    let viewer = view_by(peer_with(configuration), &server, "stage", |offer| offer).await;
    let pictures = frames(&viewer.video, 20).await;
    assert_eq!(number(&pictures[19]) - number(&pictures[0]), 19);
}

#[tokio::test]
async fn ice_begins_anew_on_request() {
    let server = server(|_| ()).await;
    let publisher = publish(&server, "stage", &[]).await;
    let viewer = view(&server, "stage", |offer| offer).await;
    frames(&viewer.video, 5).await;
    publisher.peer.restart_ice();
    let fresh = offer(&publisher.peer).await;
    let keep = ["a=ice-ufrag:", "a=ice-pwd:", "m=audio", "a=mid:0", "a=candidate:", "a=end-of-candidates"];
    let mut fragment = String::new();
    for line in fresh.lines().take_while(|line| !line.starts_with("m=video")) {
        if keep.iter().any(|wanted| line.starts_with(wanted)) {
            fragment += &format!("{line}\r\n");
        }
    }
    let tagged = format!("{BEARER}{FRAGMENT}If-Match: {}\r\n", publisher.tag);
    let refused = send(&server, "PATCH", &publisher.location, &tagged, &fragment).await;
    assert_eq!(status(&refused), 422, "the tag is of the generation before: {refused}");
    let any = format!("{BEARER}{FRAGMENT}If-Match: *\r\n");
    let restarted = send(&server, "PATCH", &publisher.location, &any, &fragment).await;
    assert_eq!(status(&restarted), 200, "{restarted}");
    assert_eq!(header(&restarted, "content-type"), Some("application/trickle-ice-sdpfrag"));
    assert_ne!(header(&restarted, "etag"), Some(&*publisher.tag));
    for line in ["a=ice-ufrag:", "a=ice-pwd:", "a=candidate:", "a=end-of-candidates"] {
        assert!(body(&restarted).contains(line), "{line} in {restarted}");
    }
    let old = send(&server, "PATCH", &publisher.location, &tagged, "").await;
    assert_eq!(status(&old), 412, "{old}");
    frames(&viewer.video, 10).await;
}

#[tokio::test]
async fn candidates_may_follow_the_offer() {
    let server = server(|_| ()).await;
    let peer = peer();
    let video = peer.add_transceiver(MediaKind::Video, RtpTransceiverInit::new(Direction::SendOnly)).unwrap();
    peer.set_local_description(peer.create_offer().await.unwrap()).await.unwrap();
    let early = peer.local_description().unwrap().sdp;
    let without: String = early.lines().filter(|l| !l.contains("candidate")).map(|l| format!("{l}\r\n")).collect();
    let answer = post(&server, "/whip/stage", &without).await;
    assert_eq!(status(&answer), 201, "{answer}");
    let (location, tag) = (header(&answer, "location").unwrap(), header(&answer, "etag").unwrap());
    timeout(PATIENCE, peer.gathering_complete()).await.unwrap();
    let all = peer.local_description().unwrap().sdp;
    let wanted = ["m=", "a=mid:", "a=ice-ufrag", "a=ice-pwd", "a=candidate", "a=end-of-candidates"];
    let kept = all.lines().filter(|line| wanted.iter().any(|start| line.starts_with(start)));
    let fragment: String = kept.map(|line| format!("{line}\r\n")).collect();
    for (headers, expected) in [
        (FRAGMENT.to_owned(), 401),
        (format!("{BEARER}If-Match: {tag}\r\n{SDP}"), 415),
        (format!("{BEARER}{FRAGMENT}"), 428),
        (format!("{BEARER}{FRAGMENT}If-Match: \"other\"\r\n"), 412),
        (format!("{BEARER}{FRAGMENT}If-Match: {tag}\r\n"), 204),
        (format!("{BEARER}{FRAGMENT}If-Match: \"x\", {tag}\r\n"), 204),
    ] {
        let patched = send(&server, "PATCH", location, &headers, &fragment).await;
        assert_eq!(status(&patched), expected, "{headers}: {patched}");
        assert!(expected != 204 || (header(&patched, "etag").is_none() && body(&patched).is_empty()), "{patched}");
    }
    let tagged = format!("{BEARER}{FRAGMENT}If-Match: {tag}\r\n");
    let malformed = send(&server, "PATCH", location, &tagged, "hello").await;
    assert!(status(&malformed) == 400 && body(&malformed).contains("line 1"), "{malformed}");
    accept(&peer, body(&answer)).await;
    timeout(PATIENCE, video.sender().ready()).await.unwrap().unwrap();
}

#[tokio::test]
async fn every_wrong_request_gets_its_status() {
    let server = server(|whip| whip.limits.description = 20_000).await;
    let peer = peer();
    peer.add_transceiver(MediaKind::Video, RtpTransceiverInit::new(Direction::SendOnly)).unwrap();
    let good = offer(&peer).await;
    let both = format!("{BEARER}{SDP}");
    let wrong = "Authorization: Bearer correct-horse-batterx\r\n";
    for (method, path, headers, offer, expected, words) in [
        ("POST", "/whip/a", SDP.to_owned(), &*good, 401, "needs a token"),
        ("POST", "/whip/a", format!("{wrong}{SDP}"), &good, 401, "not a token of this server"),
        ("POST", "/whip/a", BEARER.to_owned(), &good, 415, "application/sdp"),
        ("POST", "/whip/a", format!("{BEARER}Content-Type: text/plain\r\n"), &good, 415, "application/sdp"),
        ("POST", "/whip/a", format!("{both}Accept: text/html\r\n"), &good, 406, "Accept"),
        ("POST", "/whip/a%20b", both.clone(), &good, 404, "a name has"),
        ("POST", "/whip/a", both.clone(), &"x".repeat(20_001), 413, "20000 bytes"),
        ("POST", "/whip/a", both.clone(), "hello", 422, "line 1"),
        ("POST", "/whip/a", both.clone(), &good.replace("sendonly", "recvonly"), 422, "a=sendonly"),
        ("POST", "/whip/a", both.clone(), &good.replace("a=fingerprint", "a=x"), 422, "fingerprint"),
        ("POST", "/whip/a", both.clone(), &good.replace("90000", "80000"), 406, "none of the offered"),
        ("PUT", "/whip/a", both.clone(), "", 405, "POST"),
        ("DELETE", "/whip/a", both.clone(), "", 405, "POST"),
        ("PATCH", "/whep/a", both.clone(), "", 405, "POST"),
        ("GET", "/whip/a", String::new(), "", 204, ""),
        ("GET", "/whep/a", String::new(), "", 204, ""),
        ("POST", "/whep/a", SDP.to_owned(), &good, 404, "nobody publishes"),
        ("PATCH", "/whip/a/0", BEARER.to_owned(), "", 404, "no such session"),
        ("DELETE", "/whip/a/00000000000000000000000000000000", BEARER.to_owned(), "", 404, "no such session"),
        ("DELETE", "/whip/a/00000000000000000000000000000000", String::new(), "", 401, "needs a token"),
    ] {
        let answer = send(&server, method, path, &headers, offer).await;
        assert_eq!(status(&answer), expected, "{method} {path} {headers}: {answer}");
        assert!(body(&answer).contains(words), "{method} {path} {headers}: {answer}");
        assert_eq!(header(&answer, "access-control-allow-origin"), Some("*"), "{answer}");
        let challenged = header(&answer, "www-authenticate").is_some_and(|value| value.starts_with("Bearer"));
        assert_eq!(challenged, expected == 401, "{answer}");
        let allowed = header(&answer, "allow").is_some();
        assert_eq!(allowed, expected == 405, "{answer}");
    }
    let answer = post(&server, "/whip/a", &good).await;
    assert_eq!(status(&answer), 201, "nothing of what was refused is left: {answer}");
    let taken = post(&server, "/whip/a", &good).await;
    assert!(status(&taken) == 409 && header(&taken, "retry-after").is_some(), "{taken}");
    let path = header(&answer, "location").unwrap();
    assert_eq!(status(&send(&server, "POST", path, &both, &good).await), 405);
    assert_eq!(status(&send(&server, "GET", path, BEARER, "").await), 204);
    let elsewhere = path.replace("/whip/a/", "/whip/b/");
    assert_eq!(status(&send(&server, "DELETE", &elsewhere, BEARER, "").await), 404, "it is another name's");
    assert_eq!(status(&send(&server, "DELETE", &path.replace("whip", "whep"), "", "").await), 404);
}

#[tokio::test]
async fn the_answer_says_what_the_standard_asks_for() {
    let server = server(|_| ()).await;
    let peer = peer();
    for kind in [MediaKind::Audio, MediaKind::Video] {
        peer.add_transceiver(kind, RtpTransceiverInit::new(Direction::SendOnly)).unwrap();
    }
    let answer = post(&server, "/whip/stage", &offer(&peer).await).await;
    assert_eq!(header(&answer, "content-type"), Some("application/sdp"));
    assert!(header(&answer, "location").unwrap().starts_with("/whip/stage/"));
    assert!(header(&answer, "etag").is_some_and(|tag| tag.starts_with('"') && tag.ends_with('"')));
    let exposed = header(&answer, "access-control-expose-headers").unwrap();
    assert!(["Location", "Link", "ETag"].iter().all(|name| exposed.contains(name)), "{exposed}");
    let stun = format!("link: <stun:{}>; rel=\"ice-server\"", server.stun[0]);
    assert!(answer.contains(&stun), "{stun} in {answer}");
    let sdp = body(&answer);
    assert_eq!(sdp.matches("a=setup:passive\r\n").count(), 2, "{sdp}");
    assert_eq!(sdp.matches("a=recvonly\r\n").count(), 2, "{sdp}");
    assert_eq!(sdp.matches("a=rtcp-mux\r\n").count(), 2, "{sdp}");
    assert!(sdp.contains("a=group:BUNDLE 0 1\r\n") && sdp.contains("a=candidate:"), "{sdp}");
    assert!(sdp.contains("typ host") && sdp.contains("127.0.0.1"), "{sdp}");
    assert_eq!(sdp.matches("VP8/90000").count() + sdp.matches("VP9/90000").count(), 1, "one format: {sdp}");
}

#[tokio::test]
async fn pages_of_any_origin_may_ask_first() {
    let server = server(|_| ()).await;
    let asks = "Origin: https://example.org\r\nAccess-Control-Request-Method: POST\r\n\
        Access-Control-Request-Headers: authorization,content-type\r\n";
    let answer = send(&server, "OPTIONS", "/whip/a", asks, "").await;
    assert_eq!(status(&answer), 204);
    assert_eq!(header(&answer, "access-control-allow-origin"), Some("*"));
    assert_eq!(header(&answer, "accept-post"), Some("application/sdp"));
    assert!(header(&answer, "access-control-allow-methods").unwrap().contains("POST"));
    let allowed = header(&answer, "access-control-allow-headers").unwrap();
    assert!(["Authorization", "Content-Type", "If-Match"].iter().all(|name| allowed.contains(name)), "{allowed}");
    let session = send(&server, "OPTIONS", "/whep/a/0", asks, "").await;
    assert!(header(&session, "access-control-allow-methods").unwrap().contains("PATCH"));
    assert_eq!(header(&session, "accept-patch"), Some("application/trickle-ice-sdpfrag"));
    let from_a_page = send(&server, "POST", "/whip/a", "Origin: https://example.org\r\n", "").await;
    assert_eq!(status(&from_a_page), 401, "not 403");
}

#[tokio::test]
async fn a_viewer_without_the_format_learns_so() {
    let server = server(|_| ()).await;
    let _publisher = publish(&server, "stage", &[]).await;
    let peer = peer();
    peer.add_transceiver(MediaKind::Video, RtpTransceiverInit::new(Direction::RecvOnly)).unwrap();
    let offer = offer(&peer).await;
    let other = offer.replace("VP8/90000", "VP7/90000");
    let answer = send(&server, "POST", "/whep/stage", SDP, &other).await;
    assert!(status(&answer) == 406 && body(&answer).contains("is among VP8"), "{answer}");
    // Sound is of no use to who takes pictures, and is not needed either.
    let answer = send(&server, "POST", "/whep/stage", SDP, &offer).await;
    assert_eq!(status(&answer), 201, "{answer}");
    assert!(body(&answer).contains("a=sendonly") && !body(&answer).contains("m=audio"), "{answer}");
}

#[tokio::test]
async fn limits_are_kept_and_told() {
    let server = server(|whip| {
        whip.limits.publishers = 1;
        whip.limits.viewers_per_name = 1;
        whip.view = vec![token("another-token-of-ours")];
    })
    .await;
    let _publisher = publish(&server, "a", &[]).await;
    let peer = peer();
    peer.add_transceiver(MediaKind::Video, RtpTransceiverInit::new(Direction::SendOnly)).unwrap();
    let send_offer = offer(&peer).await;
    let full = post(&server, "/whip/b", &send_offer).await;
    assert!(status(&full) == 503 && header(&full, "retry-after").is_some(), "{full}");
    let receive_offer = send_offer.replace("sendonly", "recvonly");
    assert_eq!(status(&send(&server, "POST", "/whep/a", SDP, &receive_offer).await), 401, "viewing is private");
    let viewer = format!("Authorization: Bearer another-token-of-ours\r\n{SDP}");
    assert_eq!(status(&send(&server, "POST", "/whep/a", &viewer, &receive_offer).await), 201);
    let full = send(&server, "POST", "/whep/a", &viewer, &receive_offer).await;
    assert!(status(&full) == 503 && header(&full, "retry-after").is_some(), "{full}");
}

#[tokio::test]
async fn who_asks_too_often_waits() {
    let server = server(|whip| whip.limits.requests_per_minute = 3).await;
    for _ in 0..3 {
        assert_eq!(status(&send(&server, "POST", "/whip/a", SDP, "").await), 401);
    }
    let limited = send(&server, "POST", "/whip/a", SDP, "").await;
    assert!(status(&limited) == 429 && header(&limited, "retry-after") == Some("20"), "{limited}");
    assert_eq!(status(&send(&server, "OPTIONS", "/whip/a", "", "").await), 204, "preflights are not counted");
}

#[tokio::test]
async fn who_never_connects_or_sends_nothing_is_ended() {
    let server = server(|whip| {
        whip.limits.connect = Duration::from_millis(500);
        whip.limits.idle = Duration::from_secs(1);
    })
    .await;
    let peer = peer();
    peer.add_transceiver(MediaKind::Video, RtpTransceiverInit::new(Direction::SendOnly)).unwrap();
    let never = post(&server, "/whip/never", &offer(&peer).await).await;
    let path = header(&never, "location").unwrap();
    let publisher = publish(&server, "quiet", &[]).await;
    let viewer = view(&server, "quiet", |offer| offer).await;
    frames(&viewer.video, 3).await;
    sleep(Duration::from_millis(600)).await;
    assert_eq!(status(&send(&server, "GET", path, BEARER, "").await), 404);
    assert_eq!(status(&send(&server, "GET", &publisher.location, BEARER, "").await), 204, "that one goes on");
    publisher.pauses.store(true, Ordering::Relaxed);
    while timeout(PATIENCE, viewer.video.recv_frame()).await.unwrap().is_some() {}
    assert_eq!(status(&send(&server, "GET", &publisher.location, BEARER, "").await), 404);
    drop(viewer.peer);
}

#[tokio::test]
async fn a_token_is_made_where_none_is_named_and_all_can_be_switched_off() {
    let config = |change: fn(&mut peerage_server::ServerConfig)| {
        let mut config = peerage_server::ServerConfig::default();
        config.listen = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
        config.stun = peerage_server::Stun::Off;
        change(&mut config);
        config
    };
    let made = peerage_server::Server::bind(config(|_| ())).await.unwrap();
    assert_eq!(made.whip_token().map(str::len), Some(32));
    let off = start(|config| config.whip = None).await;
    assert_eq!(
        status(&send(&off, "POST", "/whip/a", &format!("{BEARER}{SDP}"), "").await),
        405,
        "there is only the page"
    );
    let named = peerage_server::Server::bind(config(|config| {
        config.whip.as_mut().unwrap().publish = vec![token(TOKEN)];
    }));
    assert_eq!(named.await.unwrap().whip_token(), None);
}
