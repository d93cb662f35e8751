//! An offer and its answer over plain HTTP, sealed between those who have the code.
//!
//! [`offer`] hands in a text and gives the answer to it; [`take`] gives a text that somebody hands in, to be
//! [answered](Taken::answer). Either side may come first; a connection that is cut is made again behind the scenes.

use super::connect::ConnectError;
use super::dial::{first_line, status_line};
use super::drive::backoff;
use super::http::{Answer, Place};
use super::tls::TlsOptions;
use crate::access::AccessToken;
use crate::code::Code;
use crate::id::{OfferId, PeerId};
use crate::link::ServerAddress;
use crate::message::IceServer;
use crate::seal::{Opener, Sealer, TooLong};
use core::time::Duration;
use hyper::Method;
use peerage_base::rng::Rng;
use serde::Deserialize;
use tokio::time::{Instant, sleep};

/// Whom an offer is sealed for: whoever takes it is not known yet.
const TAKER: PeerId = PeerId::from_bytes(*b"exchange-offer-1");
/// How long one request waits: less than what lies between would cut off.
const WAIT: Duration = Duration::from_secs(25);
/// The answer to an offer that does not open: as it does not open either, it tells the other side that the codes differ.
const WRONG: &str = "-";
/// How long to go on after an offer that does not open: a stranger must not keep those apart who have the same code.
const WRONG_WAIT: Duration = Duration::from_secs(5);
/// The longest time that a server may ask to be left alone for, in seconds.
const RETRY_MAX: u64 = 60;

/// Where to exchange what, and how.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ExchangeOptions {
    /// Where the server is.
    pub server: ServerAddress,
    /// Its room is the name of the exchange, its secret what seals.
    pub code: Code,
    /// What lets us begin on a server that does not let everybody. To be shown to a server of our own choice alone. Default
    /// none.
    pub access_token: Option<AccessToken>,
    /// Program and version, for the server. Default `peerage/VERSION`.
    pub agent: String,
    /// What to believe in a TLS handshake.
    pub tls: TlsOptions,
    /// Where identities and jitter come from.
    pub rng: Rng,
    /// Time for a connection: name resolution, TCP and TLS; and for an answer beyond the time that is waited for it. Default
    /// 15 s.
    pub connect_timeout: Duration,
    /// How long to go on trying when the server gets out of reach. Default one hour.
    pub give_up_after: Duration,
}

impl ExchangeOptions {
    /// Options with every default. `rng` must be seeded from the system's entropy, as
    /// [`entropy::rng`](crate::entropy::rng) is: the identity drawn from it keeps sealing keys from being used twice.
    pub fn new(server: ServerAddress, code: Code, rng: Rng) -> Self {
        Self {
            server,
            code,
            access_token: None,
            agent: concat!("peerage/", env!("CARGO_PKG_VERSION")).to_owned(),
            tls: TlsOptions::default(),
            rng,
            connect_timeout: Duration::from_secs(15),
            give_up_after: Duration::from_secs(3600),
        }
    }
}

/// Why nothing was exchanged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// The server cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The server is older than the exchange.
    #[error("this server does not exchange offers and answers over plain HTTP: use another one, or its rooms")]
    Unsupported,
    /// The server refused, and why.
    #[error("the server refused: {0}")]
    Refused(String),
    /// The other side has another secret.
    #[error("wrong code: whoever is at the other end has another one; compare both codes to the last character")]
    WrongCode,
    /// Somebody else answered, or whoever made the offer has given up.
    #[error("the offer was answered by somebody else, or has expired: take the next one")]
    Late,
    /// What is to be said is too long.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// The server stayed out of reach for too long.
    #[error("the server stayed out of reach")]
    Unreachable,
}

/// Hands in `text` as an offer, and gives the answer to it, however long that takes.
///
/// # Errors
/// [`ExchangeError`]. Before the server has answered once, nothing is tried again.
pub async fn offer(options: ExchangeOptions, text: &str) -> Result<String, ExchangeError> {
    let mut line = Line::new(options)?;
    let (me, path) = (line.me, line.path.clone());
    let sealed = line.seal(TAKER, text)?;
    loop {
        // The same offer again is the same offer: it lives on, and whatever was missed is heard now.
        let answer = line.ask(Method::POST, &path, Some(sealed.clone()), WAIT).await?;
        match answer.status {
            200 => return line.open(me, &answer.body).map(|(_, text)| text).ok_or(ExchangeError::WrongCode),
            202 => {}
            _ => return Err(refused(&answer)),
        }
    }
}

/// Waits for an offer, however long that takes.
///
/// # Errors
/// As for [`offer`].
pub async fn take(options: ExchangeOptions) -> Result<Taken, ExchangeError> {
    let mut line = Line::new(options)?;
    let path = line.path.clone();
    let mut wrong: Option<Instant> = None;
    loop {
        let left = wrong.map(|since| WRONG_WAIT.saturating_sub(since.elapsed()));
        if left.is_some_and(|left| left.is_zero()) {
            return Err(ExchangeError::WrongCode);
        }
        let answer = line.ask(Method::GET, &path, None, left.unwrap_or(WAIT)).await?;
        match answer.status {
            200 => {
                let id = answer.location.as_deref().and_then(|path| OfferId::parse(path.rsplit('/').next()?));
                let id = id.ok_or_else(|| line.strange("it names no offer"))?;
                let path = format!("{path}/{id}");
                match line.open(TAKER, &answer.body) {
                    Some((from, offer)) => return Ok(Taken { line, path, from, offer }),
                    None => {
                        line.ask(Method::POST, &path, Some(WRONG.to_owned()), Duration::ZERO).await?;
                        wrong.get_or_insert_with(Instant::now);
                    }
                }
            }
            204 => {}
            _ => return Err(refused(&answer)),
        }
    }
}

/// What ICE should use, as the server tells everybody: no relay, as that is for two who have met in a room.
///
/// # Errors
/// As for [`offer`].
pub async fn ice_servers(options: &ExchangeOptions) -> Result<Vec<IceServer>, ExchangeError> {
    #[derive(Deserialize)]
    struct Config {
        ice_servers: Vec<IceServer>,
    }
    let mut line = Line::new(options.clone())?;
    let path = format!("{}config", options.server.path());
    let answer = line.ask(Method::GET, &path, None, Duration::ZERO).await?;
    if answer.status != 200 {
        return Err(refused(&answer));
    }
    let config: Config = serde_json::from_str(&answer.body).map_err(|error| line.strange(&error.to_string()))?;
    Ok(config.ice_servers)
}

/// An offer that somebody with the same code handed in.
#[derive(Debug)]
pub struct Taken {
    line: Line,
    path: String,
    from: PeerId,
    offer: String,
}

impl Taken {
    /// The offer.
    pub fn offer(&self) -> &str {
        &self.offer
    }

    /// Answers it; done once the server has the answer.
    ///
    /// # Errors
    /// As for [`offer`], and [`ExchangeError::Late`].
    pub async fn answer(mut self, text: &str) -> Result<(), ExchangeError> {
        let sealed = self.line.seal(self.from, text)?;
        let answer = self.line.ask(Method::POST, &self.path, Some(sealed), Duration::ZERO).await?;
        match answer.status {
            204 => Ok(()),
            404 | 409 | 410 => Err(ExchangeError::Late),
            _ => Err(refused(&answer)),
        }
    }
}

/// One name at one server.
#[derive(Debug)]
struct Line {
    place: Place,
    path: String,
    code: Code,
    token: Option<AccessToken>,
    me: PeerId,
    rng: Rng,
    give_up_after: Duration,
    /// The server has answered before.
    stood: bool,
}

impl Line {
    fn new(options: ExchangeOptions) -> Result<Self, ExchangeError> {
        let ExchangeOptions { server, code, access_token, agent, tls, rng, connect_timeout, give_up_after } = options;
        let tls = if server.is_tls() { Some(tls.client_config().map_err(ConnectError::from)?) } else { None };
        let path = format!("{}exchange/{}", server.path(), code.room());
        let place = Place { server, tls, agent, patience: connect_timeout };
        let me = PeerId::generate(&mut rng.split("exchange"));
        let rng = rng.split("backoff");
        Ok(Self { place, path, code, token: access_token, me, rng, give_up_after, stood: false })
    }

    /// Asks until there is an answer that means something, or the server stays out of reach.
    async fn ask(
        &mut self,
        method: Method,
        path: &str,
        body: Option<String>,
        wait: Duration,
    ) -> Result<Answer, ExchangeError> {
        let (mut attempt, mut lost) = (1, None);
        // The first answer is wanted at once: it shows that the server is there, and does what is asked of it.
        let wait = if self.stood { wait } else { Duration::ZERO };
        let path = format!("{path}?wait={}", wait.as_secs_f64().ceil());
        loop {
            let asked = self.place.request(method.clone(), &path, self.token.as_ref(), body.clone(), wait).await;
            let pause = match asked {
                // Too much at once, or something on the way that has lost the server.
                Ok(answer) if matches!(answer.status, 429 | 502 | 503 | 504) => {
                    if !self.stood {
                        return Err(refused(&answer));
                    }
                    answer.retry_after.map(|seconds| Duration::from_secs(seconds.clamp(1, RETRY_MAX)))
                }
                Ok(answer) => {
                    self.stood = true;
                    return Ok(answer);
                }
                Err(error) if !self.stood => return Err(error.into()),
                Err(error) => {
                    tracing::debug!(%error, "cannot ask the exchange");
                    None
                }
            };
            if lost.get_or_insert_with(Instant::now).elapsed() >= self.give_up_after {
                return Err(ExchangeError::Unreachable);
            }
            sleep(pause.unwrap_or_else(|| backoff(attempt, &mut self.rng))).await;
            attempt = attempt.saturating_add(1);
        }
    }

    /// `FROM.DATA`, as `docs/signalling.md` says. One text goes to each receiver at most, as keys are good for one.
    fn seal(&self, to: PeerId, text: &str) -> Result<String, TooLong> {
        let data = Sealer::new(&self.code, self.me, to).seal(text.as_bytes())?;
        Ok(format!("{}.{data}", self.me))
    }

    /// Who says what to `to`; nothing if that was sealed under another code.
    fn open(&self, to: PeerId, sealed: &str) -> Option<(PeerId, String)> {
        let (from, data) = sealed.trim().split_once('.')?;
        let from = PeerId::parse(from)?;
        let opened = Opener::new(&self.code, from, to).open(data).ok()?;
        Some((from, String::from_utf8(opened).ok()?))
    }

    fn strange(&self, why: &str) -> ConnectError {
        ConnectError::NotPeerage { server: self.place.server.to_string(), why: why.to_owned() }
    }
}

/// What a status means that nobody wanted.
fn refused(answer: &Answer) -> ExchangeError {
    match answer.status {
        404 | 405 => ExchangeError::Unsupported,
        400..=599 if !answer.body.trim().is_empty() => ExchangeError::Refused(first_line(&answer.body)),
        status => ExchangeError::Refused(status_line(status, &answer.body)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(seed: u64, code: &str) -> Line {
        let server = ServerAddress::parse("http://127.0.0.1:1/p").unwrap();
        Line::new(ExchangeOptions::new(server, Code::parse(code).unwrap(), Rng::from_u64(seed))).unwrap()
    }

    #[test]
    fn only_the_other_side_opens_what_is_sealed_and_nothing_opens_twice_in_another_place() {
        let code = "k7m2xq-0123456789abcdefghjk";
        let (a, b) = (line(1, code), line(2, code));
        let offer = a.seal(TAKER, "the offer").unwrap();
        assert!(offer.len() < 100 && !offer.contains("offer"), "{offer}");
        assert_eq!(b.open(TAKER, &format!("{offer}\n")), Some((a.me, "the offer".to_owned())));
        let answer = b.seal(a.me, "the answer").unwrap();
        assert_eq!(a.open(a.me, &answer), Some((b.me, "the answer".to_owned())));
        // Neither is taken for the other, nor by anybody else.
        assert_eq!((b.open(TAKER, &answer), a.open(a.me, &offer)), (None, None));
        assert_eq!(b.open(b.me, &answer), None);
        for other in ["k7m2xq-0123456789abcdefghjm", "k7m2xr-0123456789abcdefghjk"] {
            assert_eq!(line(3, other).open(TAKER, &offer), None, "{other}");
        }
        for bad in ["", ".", "-", WRONG, "x.y", &offer[1..], &offer[..offer.len() - 1]] {
            assert_eq!(b.open(TAKER, bad), None, "{bad}");
        }
        assert!(a.seal(TAKER, &"x".repeat(50_000)).is_err());
        assert_eq!(a.path, "/p/exchange/k7m2xq");
    }
}
