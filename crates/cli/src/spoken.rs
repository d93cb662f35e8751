//! Codes of words on this side: from a nameplate to the code of a room.

use std::time::Duration;

use peerage_base::rng::Rng;
use peerage_signal::access::AccessToken;
use peerage_signal::client::nameplate::{Claim, ClaimError, ClaimOptions};
use peerage_signal::code::Code;
use peerage_signal::id::Side;
use peerage_signal::link::{AnyCode, ServerAddress};
use peerage_signal::word_code::{WordCode, Words};
use tokio::time::sleep;

use crate::args::client::CodeArgs;
use crate::connect::refused;
use crate::ending::{Ending, Kind, Outcome};
use crate::interrupt::Interrupt;
use crate::report::Report;

/// How long whoever has the other half of a code is waited for before that is said.
const SILENT: Duration = Duration::from_secs(2);

/// Where nameplates are, and who comes to them.
pub struct Place<'a> {
    /// The server.
    pub server: &'a ServerAddress,
    /// The SHA-256 of its certificate, if it is self-signed.
    pub fingerprint: Option<[u8; 32]>,
    /// Where the identity and the exchange come from.
    pub rng: &'a Rng,
}

/// A code that was made here.
pub enum Made {
    /// Of a room.
    Room(Code),
    /// For two; who is waited for has to be met first.
    Words(Claim),
}

impl Place<'_> {
    /// Makes the code that the arguments ask for.
    pub async fn make(&self, args: &CodeArgs, token: Option<AccessToken>, report: &Report) -> Outcome<Made> {
        let mut rng = self.rng.split("code");
        let options = match &args.code {
            Some(AnyCode::Room(code)) => return Ok(Made::Room(code.clone())),
            None if args.long_code => return Ok(Made::Room(Code::generate(&mut rng))),
            Some(AnyCode::Words(code)) => {
                ClaimOptions::claim(self.server.clone(), Side::Host, code.clone(), rng.split("run"))
            }
            None => {
                let words = Words::generate(args.code_words.into(), &mut rng);
                ClaimOptions::allocate(self.server.clone(), words, rng.split("run"))
            }
        };
        match self.claim(options, token).await {
            Ok(claim) => Ok(Made::Words(claim)),
            Err(ClaimError::Unsupported) if args.code.is_none() => {
                report.note("This server does not know codes of words yet");
                Ok(Made::Room(Code::generate(&mut rng)))
            }
            Err(error) => Err(ending(&error, Side::Host)),
        }
    }

    /// Takes a code of words to the code of the room that it leads to; waits for whoever made it.
    pub async fn take(&self, code: WordCode, report: &Report, interrupt: &mut Interrupt) -> Outcome<Code> {
        let options = ClaimOptions::claim(self.server.clone(), Side::Guest, code, self.rng.split("run"));
        let claim = tokio::select! {
            claim = self.claim(options, None) => claim.map_err(|error| ending(&error, Side::Guest))?,
            () = interrupt.heard() => return Err(Ending::interrupted(false)),
        };
        meet(claim, Side::Guest, report, interrupt).await
    }

    async fn claim(&self, mut options: ClaimOptions, token: Option<AccessToken>) -> Result<Claim, ClaimError> {
        options.tls.fingerprint = self.fingerprint;
        options.access_token = token;
        Claim::connect(options).await
    }
}

/// Waits until both have proved the words to each other.
pub async fn meet(mut claim: Claim, side: Side, report: &Report, interrupt: &mut Interrupt) -> Outcome<Code> {
    let mut told = side == Side::Host;
    loop {
        tokio::select! {
            agreed = claim.agreed() => match agreed {
                Ok(code) => {
                    // What was said last goes out while the room is entered.
                    tokio::spawn(claim.leave());
                    return Ok(code);
                }
                Err(error) => {
                    claim.leave().await;
                    return Err(ending(&error, side));
                }
            },
            () = interrupt.heard() => {
                claim.leave().await;
                return Err(Ending::interrupted(false));
            }
            () = sleep(SILENT), if !told => {
                told = true;
                if !claim.has_met() {
                    report.note("Waiting for whoever made this code; check the number if they have started already");
                }
            }
        }
    }
}

/// What a code that leads nowhere means for the run.
fn ending(error: &ClaimError, side: Side) -> Ending {
    let message = match (error, side) {
        (ClaimError::Connect(error), _) => return refused(error),
        (ClaimError::WrongWords, Side::Host) => {
            "somebody tried a wrong code: nobody got in, and the code is spent; run the same command again for a new one"
                .to_owned()
        }
        (ClaimError::WrongWords, Side::Guest) => {
            "wrong code: nobody got in, and it is spent now; ask for a new one".to_owned()
        }
        (ClaimError::Vanished, Side::Host) => "somebody came with the number of this code and left without proving the \
            words: nobody got in, and the code is spent; run the same command again for a new one"
            .to_owned(),
        (ClaimError::Expired, Side::Host) => {
            "nobody came with this code in time; run the same command again for a new one".to_owned()
        }
        _ => error.to_string(),
    };
    let kind = match error {
        _ if error.is_about_code() => Kind::Code,
        ClaimError::Unsupported => Kind::Usage,
        _ => Kind::Path,
    };
    Ending::new(kind, message)
}
