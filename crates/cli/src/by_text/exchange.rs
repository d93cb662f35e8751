//! Texts by plain HTTP: a server's exchange carries them, sealed under a code.

use std::time::Duration;

use peerage_signal::client::exchange::{ExchangeError, ExchangeOptions, Taken, offer, take as take_offer};
use peerage_signal::client::pair::Carrier;
use peerage_signal::code::Code;
use peerage_signal::compact::description::Description;
use peerage_signal::compact::find::find;
use peerage_signal::link::AnyCode;
use peerage_signal::plain::Role;
use tokio::time::timeout;

use super::{Invitation, Offer, check_purpose, newest, now};
use crate::args::client::{AccessArgs, ClientArgs};
use crate::args::text::Via;
use crate::connect::refused;
use crate::ending::{Ending, Kind, Outcome};
use crate::meet::rng;
use crate::receive::any_place;
use crate::report::Report;

/// Where our text goes.
pub enum Back {
    /// It is an offer, of whoever is here for that.
    Offer(Role, Box<ExchangeOptions>),
    /// It is the answer to what was taken.
    Answer(Box<Taken>, Box<ExchangeOptions>),
}

impl Back {
    /// Where and under which code.
    pub fn options(&self) -> &ExchangeOptions {
        match self {
            Self::Offer(_, options) | Self::Answer(_, options) => options,
        }
    }

    /// Carries our text there, and if it is an offer the answer back.
    pub async fn carry(
        self,
        carrier: &mut Carrier,
        ours: &Description,
        wait: Duration,
        report: &Report,
    ) -> Outcome<()> {
        let text = ours.to_text().map_err(Ending::from(Kind::Usage))?;
        let (role, options) = match self {
            Self::Offer(role, options) => (role, options),
            Self::Answer(taken, _) => return taken.answer(&text).await.map_err(|error| told(&error)),
        };
        let (code, link) = (options.code.to_string(), options.code.link(&options.server.to_string()));
        report.code(&code, &link, &format!("peerage {} --via http \"{link}\"", verb(role)), true);
        let answered = timeout(wait, offer(*options, &text)).await;
        let late = |_| Ending::new(Kind::Code, "nobody answered in time; run the same command again for a new code");
        let answer = answered.map_err(late)?.map_err(|error| told(&error))?;
        let found = find(&answer).and_then(|found| found.answer_to(ours.tag(), now(), wait.as_secs()).cloned());
        carrier.answer(&found.map_err(Ending::from(Kind::Code))?);
        Ok(())
    }
}

/// Where an offer is to be left, and under which code.
pub fn options(client: &ClientArgs, access: &AccessArgs, code: Option<AnyCode>) -> Outcome<ExchangeOptions> {
    let mut rng = rng()?;
    let server = client.server().map_err(Ending::from(Kind::Usage))?.ok_or_else(|| {
        Ending::new(Kind::Usage, "--via http needs a server: name one with --server URL or PEERAGE_SERVER")
    })?;
    let code = match code {
        Some(AnyCode::Room(code)) => code,
        Some(AnyCode::Words(_)) => return Err(Ending::new(Kind::Usage, NO_WORDS)),
        None => Code::generate(&mut rng),
    };
    let mut options = ExchangeOptions::new(server, code, rng);
    options.tls.fingerprint = client.server_fingerprint;
    options.access_token = access.token().map_err(Ending::from(Kind::Usage))?;
    Ok(options)
}

/// Takes the offer that a code or a link leads to.
pub async fn take(role: Role, place: &str, client: &ClientArgs) -> Outcome<Invitation> {
    let (server, code) = any_place(place, client, Via::Http).await?;
    let AnyCode::Room(code) = code else { return Err(Ending::new(Kind::Usage, NO_WORDS)) };
    let mut options = ExchangeOptions::new(server, code, rng()?);
    options.tls.fingerprint = client.server_fingerprint;
    let taken = take_offer(options.clone()).await.map_err(|error| told(&error))?;
    let description = find(taken.offer()).and_then(|found| newest(&found)).map_err(Ending::from(Kind::Code))?;
    check_purpose(role, &description)?;
    let back = Some(Back::Answer(Box::new(taken), Box::new(options)));
    Ok(Invitation::Offer(Box::new(Offer { description, back })))
}

const NO_WORDS: &str = "codes of words need a room, as both sides have to speak at once; --via http takes ROOM-SECRET";

/// The command of the other side.
fn verb(role: Role) -> &'static str {
    match role {
        Role::Send => "receive",
        Role::Forward => "connect",
        Role::Call => "call",
        _ => "pipe",
    }
}

/// What an exchange that fails means for the run.
pub fn told(error: &ExchangeError) -> Ending {
    let kind = match error {
        ExchangeError::Connect(error) => return refused(error),
        ExchangeError::WrongCode | ExchangeError::Late => Kind::Code,
        ExchangeError::Refused(_) => Kind::Refused,
        ExchangeError::Unsupported | ExchangeError::TooLong(_) => Kind::Usage,
        _ => Kind::Path,
    };
    Ending::new(kind, error.to_string())
}
