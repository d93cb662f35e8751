//! A server before it has chosen a version.

use alloc::boxed::Box;

use crate::alert::AlertDescription;
use crate::config::Config;
use crate::handshake::context::Context;
use crate::handshake::failure::Failure;
use crate::handshake::negotiate;
use crate::handshake::server12::Server12;
use crate::handshake::server13::Server13;
use crate::message::client_hello::ClientHello;
use crate::message::kind::HandshakeType;
use crate::suite::Version;
use crate::transport::Message;

/// Nothing has come yet that could be answered.
pub(crate) struct WaitClientHello;

/// What a ClientHello leads to.
pub(crate) enum Chosen {
    /// It was refused.
    Neither,
    /// DTLS 1.2.
    Dtls12(Box<Server12>),
    /// DTLS 1.3.
    Dtls13(Box<Server13>),
}

impl WaitClientHello {
    /// Takes a message, which a refused one leaves no trace of but its alert.
    pub(crate) fn handle(&self, message: &Message, cx: &mut Context<'_>) -> Chosen {
        match answer(message, cx) {
            Ok(chosen) => chosen,
            Err(failure) => {
                cx.refuse(failure);
                Chosen::Neither
            }
        }
    }
}

/// Either answers a ClientHello or changes nothing.
fn answer(message: &Message, cx: &mut Context<'_>) -> Result<Chosen, Failure> {
    if message.kind != HandshakeType::CLIENT_HELLO {
        return Err(Failure::unexpected(message.kind, "ClientHello"));
    }
    let hello = ClientHello::parse(&message.body)?;
    match choose_version(&hello, cx.config)? {
        Version::Dtls12 => Ok(Chosen::Dtls12(Box::new(Server12::new(&hello, message, cx)?))),
        Version::Dtls13 => Ok(Chosen::Dtls13(Box::new(Server13::new(&hello, message, cx)?))),
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
