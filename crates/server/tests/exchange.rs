//! Offers and answers over plain HTTP: by `curl`, as `docs/signalling.md` shows it, by hand, and by our own client.

mod common;

use common::{Cutter, PATIENCE, Running, code, get, raw, rng, start, status};
use core::net::SocketAddr;
use core::time::Duration;
use peerage_base::limit::Rate;
use peerage_signal::access::{AccessList, AccessToken};
use peerage_signal::client::ConnectError;
use peerage_signal::client::exchange::{ExchangeError, ExchangeOptions, Taken, ice_servers, offer, take};
use peerage_signal::code::Code;
use peerage_signal::link::ServerAddress;
use std::path::Path;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

const DOCS: &str = include_str!("../../../docs/signalling.md");
const SDP: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";
const TOKEN: &str = "correct-horse-battery";

/// A server whose requests are not counted: all come from one address.
async fn server() -> Running {
    start(|config| {
        config.exchange.request_rate = Rate::new(10_000, 10_000);
        config.metrics = vec!["127.0.0.1:0".parse().unwrap()];
    })
    .await
}

async fn post(server: &Running, path: &str, headers: &str, body: &str) -> String {
    let (host, len) = (server.http, body.len());
    let head = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\n{headers}Content-Length: {len}\r\n\r\n");
    raw(server.http, &format!("{head}{body}")).await
}

async fn delete(server: &Running, path: &str) -> String {
    raw(server.http, &format!("DELETE {path} HTTP/1.1\r\nHost: {}\r\n\r\n", server.http)).await
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next()?;
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

fn address(answer: &str) -> String {
    header(answer, "location").unwrap_or_else(|| panic!("no address in {answer}")).to_owned()
}

fn options(address: SocketAddr, code: &Code) -> ExchangeOptions {
    let server = ServerAddress::parse(&format!("http://{address}")).unwrap();
    ExchangeOptions::new(server, code.clone(), rng())
}

/// Waits until as many requests wait as there should be.
async fn waiting(server: &Running, wanted: &str) {
    let end = Instant::now() + PATIENCE;
    let wanted = format!("peerage_exchange_waiting {wanted}\n");
    loop {
        let page = get(server.metrics[0], "/metrics", "").await;
        if page.contains(&wanted) {
            return;
        }
        assert!(Instant::now() < end, "{wanted} in {page}");
        sleep(Duration::from_millis(20)).await;
    }
}

async fn shell(script: &str, folder: &Path) -> String {
    let ran = Command::new("sh").args(["-eu", "-c", script]).current_dir(folder).output().await.unwrap();
    let told = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
    assert!(ran.status.success(), "{script}\n{told}");
    told
}

/// The commands of the section, in order, for a server on loopback.
fn commands(server: &Running) -> Vec<String> {
    let (_, section) = DOCS.split_once("## Over plain HTTP\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let blocks = section.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap());
    blocks.map(|block| block.replace("https://example.org", &format!("http://{}", server.http))).collect()
}

#[tokio::test]
async fn what_the_documentation_shows_works() {
    let server = server().await;
    let [offering, answering] = &commands(&server)[..] else { panic!("two blocks of commands") };
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(a.path().join("offer.sdp"), SDP).unwrap();
    std::fs::write(b.path().join("answer.sdp"), SDP.replace("o=- 1", "o=- 2")).unwrap();
    let both = async { tokio::join!(shell(answering, b.path()), shell(offering, a.path())) };
    timeout(PATIENCE, both).await.unwrap();
    assert_eq!(std::fs::read_to_string(b.path().join("offer.sdp")).unwrap(), SDP);
    assert_eq!(std::fs::read_to_string(a.path().join("answer.sdp")).unwrap(), SDP.replace("o=- 1", "o=- 2"));
    // Run again, the first command finds its answer where it is.
    std::fs::remove_file(a.path().join("answer.sdp")).unwrap();
    timeout(PATIENCE, shell(offering, a.path())).await.unwrap();
    assert!(a.path().join("answer.sdp").exists());
}

#[tokio::test]
async fn either_side_comes_first_and_types_are_kept() {
    let server = server().await;
    let left = post(&server, "/exchange/aaaa?wait=0", "Content-Type: application/sdp\r\n", SDP).await;
    assert_eq!(status(&left), 202, "{left}");
    let taken = get(server.http, "/exchange/aaaa", "").await;
    assert_eq!((status(&taken), body(&taken)), (200, SDP));
    assert_eq!((header(&taken, "content-type"), address(&taken)), (Some("application/sdp"), address(&left)));
    assert!(taken.contains("x-content-type-options: nosniff") && taken.contains("cache-control: no-store"));
    let (at, json) = (address(&taken), "Content-Type: application/json\r\n");
    let (waited, answered) = tokio::join!(get(server.http, &at, ""), post(&server, &at, json, r#"{"type":"answer"}"#));
    assert_eq!((status(&answered), status(&waited)), (204, 200), "{answered} {waited}");
    assert_eq!((header(&waited, "content-type"), body(&waited)), (Some("application/json"), r#"{"type":"answer"}"#));

    let (http, prefers) = (server.http, "Prefer: wait=20\r\n");
    let taking = tokio::spawn(async move { get(http, "/exchange/bbbb", prefers).await });
    waiting(&server, "1").await;
    let (offered, ()) = tokio::join!(post(&server, "/exchange/bbbb", prefers, "o"), async {
        let taken = taking.await.unwrap();
        assert_eq!((status(&taken), body(&taken)), (200, "o"));
        assert_eq!(status(&post(&server, &address(&taken), "", "a").await), 204);
    });
    assert_eq!((status(&offered), body(&offered)), (200, "a"));
}

#[tokio::test]
async fn refusals_say_what_is_wrong() {
    let server = server().await;
    let left = address(&post(&server, "/exchange/aaaa?wait=0", "", "o").await);
    assert_eq!(status(&post(&server, &left, "", "a").await), 204);
    let nowhere = format!("/exchange/aaaa/{}", "A".repeat(22));
    let long = "x".repeat(65_537);
    let html = "Content-Type: text/html\r\n";
    for (path, headers, text, code, says) in [
        (&*left, "", "a", 204, ""),
        (&*left, "", "b", 409, "somebody has answered"),
        (&*nowhere, "", "a", 404, "no such offer"),
        ("/exchange/aaaa/short", "", "a", 404, "no such offer"),
        ("/exchange/other/AAAAAAAAAAAAAAAAAAAAAA", "", "a", 404, "a name has 4 to 32"),
        ("/exchange/aaa", "", "o", 404, "a name has 4 to 32"),
        ("/exchange/UPPER", "", "o", 404, "a name has 4 to 32"),
        ("/exchange/aaaa?wait=0", "", " \n", 400, "no text in the body"),
        ("/exchange/aaaa?wait=soon", "", "o", 400, "a number of seconds"),
        ("/exchange/aaaa?wait=0", html, "<script>", 415, "text/plain"),
        ("/exchange/aaaa?wait=0", "", &long, 413, "longer than 65536 bytes"),
    ] {
        let answer = post(&server, path, headers, text).await;
        assert!(status(&answer) == code && body(&answer).contains(says), "{path}: {answer}");
    }
    for method in ["PUT", "HEAD", "PATCH"] {
        let answer = raw(server.http, &format!("{method} /exchange/aaaa HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        assert_eq!((status(&answer), header(&answer, "allow")), (405, Some("GET, OPTIONS, POST")), "{method}");
    }
    let left = address(&post(&server, "/exchange/bbbb?wait=0", "", "o").await);
    assert_eq!(status(&delete(&server, &left).await), 204);
    for answer in [delete(&server, &left).await, get(server.http, &left, "").await, post(&server, &left, "", "a").await]
    {
        assert!(status(&answer) == 410 && body(&answer).contains("withdrawn"), "{answer}");
    }
    assert_eq!(status(&get(server.http, "/exchange/bbbb?wait=0", "").await), 204);
}

#[tokio::test]
async fn pages_of_other_origins_take_part_if_they_may() {
    let server = start(|config| config.allow_origin = vec!["https://friend.example".into()]).await;
    let options = |origin: &str| {
        format!("OPTIONS /exchange/aaaa HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}\r\nConnection: close\r\n\r\n")
    };
    let friend = raw(server.http, &options("https://friend.example")).await;
    assert_eq!(status(&friend), 204);
    assert_eq!(header(&friend, "access-control-allow-origin"), Some("https://friend.example"));
    assert_eq!(header(&friend, "access-control-allow-methods"), Some("GET, OPTIONS, POST"));
    assert_eq!(status(&raw(server.http, &options("https://evil.example")).await), 403);
    let evil = get(server.http, "/exchange/aaaa?wait=0", "Origin: https://evil.example\r\n").await;
    assert!(status(&evil) == 403 && header(&evil, "access-control-allow-origin").is_none(), "{evil}");
    let friend = post(&server, "/exchange/aaaa?wait=0", "Origin: https://friend.example\r\n", "o").await;
    assert_eq!((status(&friend), header(&friend, "vary")), (202, Some("Origin")));
}

#[tokio::test]
async fn offers_and_answers_expire() {
    let server = start(|config| {
        config.exchange.life = Duration::from_secs(3);
        config.exchange.afterwards = Duration::from_millis(100);
    })
    .await;
    let unanswered = address(&post(&server, "/exchange/aaaa?wait=0", "", "o").await);
    // Who waits for its answer is told in the same moment.
    let told = get(server.http, &format!("{unanswered}?wait=20"), "").await;
    assert!(status(&told) == 410 && body(&told).contains("expired"), "{told}");
    let answered = address(&post(&server, "/exchange/bbbb?wait=0", "", "o").await);
    assert_eq!(status(&post(&server, &answered, "", "a").await), 204);
    let end = Instant::now() + PATIENCE;
    loop {
        let told = get(server.http, &answered, "").await;
        match status(&told) {
            200 => assert!(Instant::now() < end, "it never ends"),
            code => break assert_eq!(code, 410, "{told}"),
        }
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn floods_are_refused_and_told_when_to_come_again() {
    let server = start(|config| {
        config.exchange.request_rate = Rate { burst: 6, interval: Duration::from_secs(3600) };
        config.exchange.offers_per_name = 2;
    })
    .await;
    for text in ["1", "2"] {
        assert_eq!(status(&post(&server, "/exchange/aaaa?wait=0", "", text).await), 202);
    }
    let full = post(&server, "/exchange/aaaa?wait=0", "", "3").await;
    assert_eq!((status(&full), header(&full, "retry-after")), (503, Some("5")), "{full}");
    for _ in 0..3 {
        get(server.http, "/exchange/bbbb?wait=0", "").await;
    }
    let often = get(server.http, "/exchange/bbbb?wait=0", "").await;
    assert_eq!((status(&often), header(&often, "retry-after")), (429, Some("5")), "{often}");
}

#[tokio::test]
async fn who_is_gone_is_forgotten_and_the_offer_goes_to_the_next_one() {
    let server = server().await;
    let mut gone = TcpStream::connect(server.http).await.unwrap();
    gone.write_all(b"GET /exchange/aaaa?wait=100 HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    waiting(&server, "1").await;
    drop(gone);
    waiting(&server, "0").await;
    let left = post(&server, "/exchange/aaaa?wait=0", "", "o").await;
    let taken = get(server.http, "/exchange/aaaa?wait=0", "").await;
    assert_eq!((status(&taken), address(&taken)), (200, address(&left)));
    let page = get(server.metrics[0], "/metrics", "").await;
    assert!(page.contains("peerage_exchange_offers 1\n"), "{page}");
    assert!(page.contains("peerage_exchange_replies_total{given=\"offer\"} 1\n"), "{page}");
}

#[tokio::test]
async fn whoever_waits_is_told_that_the_server_stops() {
    let server = server().await;
    let http = server.http;
    let asking = tokio::spawn(async move { get(http, "/exchange/aaaa?wait=100", "").await });
    waiting(&server, "1").await;
    server.handle.shutdown();
    let told = timeout(PATIENCE, asking).await.unwrap().unwrap();
    assert!(status(&told) == 503 && body(&told).contains("stopping"), "{told}");
    timeout(PATIENCE, server.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_wait_ends_with_the_time_of_its_connection() {
    let server = start(|config| config.http_timeout = Duration::from_millis(300)).await;
    let told = get(server.http, "/exchange/aaaa?wait=100", "").await;
    assert_eq!((status(&told), header(&told, "connection")), (204, Some("close")), "{told}");
}

#[tokio::test]
async fn only_holders_of_a_token_begin() {
    let token = AccessToken::parse(TOKEN).unwrap();
    let list = AccessList::new([&token]);
    let server = start(|config| {
        config.rooms.access = list;
        config.metrics = vec!["127.0.0.1:0".parse().unwrap()];
    })
    .await;
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    for headers in ["", "Authorization: Bearer another-token-of-mine\r\n", "Authorization: Bearer short\r\n"] {
        let told = post(&server, "/exchange/aaaa?wait=0", headers, "o").await;
        assert!(status(&told) == 401 && header(&told, "www-authenticate").is_some(), "{told}");
        assert_eq!(status(&get(server.http, "/exchange/aaaa?wait=0", headers).await), 401);
    }
    assert_eq!(status(&get(server.http, "/exchange/aaaa?wait=0", &bearer).await), 204);
    assert_eq!(status(&post(&server, "/exchange/aaaa?wait=0", "", "o").await), 202, "somebody has begun");

    let code = code();
    let without = offer(options(server.http, &code), "o").await;
    assert!(matches!(&without, Err(ExchangeError::Refused(why)) if why.contains("access token")), "{without:?}");
    let mut with = options(server.http, &code);
    with.access_token = Some(token);
    let offering = tokio::spawn(offer(with, "o"));
    waiting(&server, "1").await;
    answer_one(options(server.http, &code)).await.unwrap();
    assert_eq!(offering.await.unwrap().unwrap(), "answer to o");
}

/// Takes an offer and answers it with what was made of it.
async fn answer_one(options: ExchangeOptions) -> Result<String, ExchangeError> {
    let taken: Taken = take(options).await?;
    let offer = taken.offer().to_owned();
    taken.answer(&format!("answer to {offer}")).await?;
    Ok(offer)
}

#[tokio::test]
async fn our_two_ends_exchange_and_the_server_learns_nothing() {
    let server = server().await;
    for late in [0, 1] {
        let code = code();
        let pause = async |who| sleep(Duration::from_millis(if who == late { 200 } else { 0 })).await;
        let (answer, taken) = tokio::join!(
            async {
                pause(0).await;
                offer(options(server.http, &code), SDP).await
            },
            async {
                pause(1).await;
                answer_one(options(server.http, &code)).await
            }
        );
        assert_eq!((answer.unwrap(), taken.unwrap()), (format!("answer to {SDP}"), SDP.to_owned()));
    }
    let told = ice_servers(&options(server.http, &code())).await.unwrap();
    assert_eq!(told[0].urls, [format!("stun:{}", server.stun[0])]);
    let code = code();
    let offering = tokio::spawn(offer(options(server.http, &code), "the secret of the offer"));
    let seen = get(server.http, &format!("/exchange/{}?wait=20", code.room()), "").await;
    assert!(status(&seen) == 200 && !seen.contains("secret"), "{seen}");
    offering.abort();
}

#[tokio::test]
async fn both_sides_are_told_that_their_codes_differ() {
    let server = server().await;
    let code = code();
    let secret = code.to_string();
    let flipped = if secret.ends_with('7') { '8' } else { '7' };
    let other = Code::parse(&format!("{}{flipped}", &secret[..secret.len() - 1])).unwrap();
    let (offered, taken) = tokio::join!(
        timeout(PATIENCE, offer(options(server.http, &code), "o")),
        timeout(PATIENCE, take(options(server.http, &other)))
    );
    assert!(matches!(offered.unwrap(), Err(ExchangeError::WrongCode)));
    assert!(matches!(taken.unwrap().map(|_| ()), Err(ExchangeError::WrongCode)));
}

#[tokio::test]
async fn a_stranger_does_not_keep_apart_those_who_have_the_same_code() {
    let server = server().await;
    let code = code();
    let name = format!("/exchange/{}", code.room());
    let taking = tokio::spawn(answer_one(options(server.http, &code)));
    let stranger = post(&server, &format!("{name}?wait=20"), "", "an offer of somebody else").await;
    assert_eq!((status(&stranger), body(&stranger)), (200, "-"));
    let answer = timeout(PATIENCE, offer(options(server.http, &code), "o")).await.unwrap();
    assert_eq!(answer.unwrap(), "answer to o");
    assert_eq!(taking.await.unwrap().unwrap(), "o");
}

#[tokio::test]
async fn a_connection_that_is_cut_is_made_again() {
    let server = server().await;
    let cutter = Cutter::start(server.http).await;
    let code = code();
    let offering = tokio::spawn(offer(options(cutter.address, &code), "o"));
    waiting(&server, "1").await;
    cutter.cut();
    answer_one(options(server.http, &code)).await.unwrap();
    assert_eq!(timeout(PATIENCE, offering).await.unwrap().unwrap().unwrap(), "answer to o");

    waiting(&server, "0").await;
    let taking = tokio::spawn(answer_one(options(cutter.address, &code)));
    waiting(&server, "1").await;
    cutter.cut();
    let answer = timeout(PATIENCE, offer(options(server.http, &code), "again")).await.unwrap();
    assert_eq!(answer.unwrap(), "answer to again");
    assert_eq!(taking.await.unwrap().unwrap(), "again");

    // A server that is gone for good is given up.
    let mut impatient = options(cutter.address, &code);
    impatient.give_up_after = Duration::from_millis(500);
    let taking = tokio::spawn(take(impatient));
    waiting(&server, "1").await;
    cutter.set_open(false);
    cutter.cut();
    let given_up = timeout(PATIENCE, taking).await.unwrap().unwrap().map(|_| ());
    assert!(matches!(given_up, Err(ExchangeError::Unreachable)), "{given_up:?}");
}

#[tokio::test]
async fn who_cannot_be_reached_is_said() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = unused.local_addr().unwrap();
    drop(unused);
    let failed = offer(options(address, &code()), "o").await;
    assert!(matches!(failed, Err(ExchangeError::Connect(ConnectError::Unreachable { .. }))), "{failed:?}");
    let server = server().await;
    let failed = offer(options(server.http, &code()), &"x".repeat(50_000)).await;
    assert!(matches!(failed, Err(ExchangeError::TooLong(_))), "{failed:?}");
}
