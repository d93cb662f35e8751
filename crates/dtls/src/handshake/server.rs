//! A server before it has chosen a version.

use alloc::boxed::Box;

use crate::alert::AlertDescription;
use crate::config::Config;
use crate::handshake::context::Context;
use crate::handshake::cookie::CookieKey;
use crate::handshake::failure::Failure;
use crate::handshake::negotiate;
use crate::handshake::server12::Server12;
use crate::handshake::server13::Server13;
use crate::message::client_hello::ClientHello;
use crate::message::kind::HandshakeType;
use crate::suite::Version;
use crate::transport::Message;

/// Nothing has come yet that could be answered, or that was sent back with its cookie.
#[derive(Default)]
pub(crate) struct WaitClientHello {
    /// Made when a cookie is.
    cookies: Option<CookieKey>,
}

/// What a ClientHello leads to.
pub(crate) enum Chosen {
    /// Nothing yet: it was refused, or is to come again with a cookie.
    Neither,
    /// DTLS 1.2.
    Dtls12(Box<Server12>),
    /// DTLS 1.3.
    Dtls13(Box<Server13>),
}

impl WaitClientHello {
    /// Takes a message, which a refused one leaves no trace of but its alert.
    pub(crate) fn handle(&mut self, message: &Message, cx: &mut Context<'_>) -> Chosen {
        match self.answer(message, cx) {
            Ok(chosen) => chosen,
            Err(failure) => {
                cx.refuse(failure);
                Chosen::Neither
            }
        }
    }

    /// Either answers a ClientHello or changes nothing.
    fn answer(&mut self, message: &Message, cx: &mut Context<'_>) -> Result<Chosen, Failure> {
        if message.kind != HandshakeType::CLIENT_HELLO {
            return Err(Failure::unexpected(message.kind, "ClientHello"));
        }
        let hello = ClientHello::parse(&message.body)?;
        let version = choose_version(&hello, cx.config)?;
        let (server12, server13) = if cx.config.cookie {
            let cookies = self.cookies.get_or_insert_with(|| CookieKey::new(cx.rng));
            match version {
                Version::Dtls12 => (Server12::behind_cookie(&hello, message, cookies, cx)?, None),
                Version::Dtls13 => (None, Server13::behind_cookie(&hello, message, cookies, cx)?),
            }
        } else {
            match version {
                Version::Dtls12 => (Some(Server12::new(&hello, message, cx)?), None),
                Version::Dtls13 => (None, Some(Server13::new(&hello, message, cx)?)),
            }
        };
        let server12 = server12.map(|state| Chosen::Dtls12(Box::new(state)));
        let server13 = server13.map(|state| Chosen::Dtls13(Box::new(state)));
        Ok(server12.or(server13).unwrap_or(Chosen::Neither))
    }
}

/// The highest version in common (RFC 8446 §4.2.1). A hello without the extension says by its legacy version that it
/// knows of DTLS 1.2; versions count downwards.
fn choose_version(hello: &ClientHello<'_>, config: &Config) -> Result<Version, Failure> {
    let offers = |version, number| {
        let offered = match hello.extensions.supported_versions {
            Some(versions) => versions.contains(number),
            None => version == Version::Dtls12 && (0xFE00..=number).contains(&hello.legacy_version),
        };
        offered && negotiate::speaks(config, version)
    };
    if offers(Version::Dtls13, negotiate::DTLS13) {
        Ok(Version::Dtls13)
    } else if offers(Version::Dtls12, negotiate::DTLS12) {
        Ok(Version::Dtls12)
    } else {
        Err(Failure::new(AlertDescription::PROTOCOL_VERSION, "the client offers no version in common"))
    }
}
