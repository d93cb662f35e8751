//! A server before it has chosen a version.

use crate::alert::AlertDescription;
use crate::handshake::context::Context;
use crate::handshake::failure::Failure;
use crate::handshake::negotiate;
use crate::handshake::server12::Server12;
use crate::handshake::server13::Server13;
use crate::message::HandshakeType;
use crate::message::client_hello::ClientHello;
use crate::suite::Version;
use crate::transport::Message;

/// Nothing has come yet that could be answered.
pub(crate) struct WaitClientHello;

/// What a ClientHello leads to.
pub(crate) enum Chosen {
    /// It was refused.
    Neither,
    /// DTLS 1.2.
    Dtls12(Server12),
    /// DTLS 1.3.
    Dtls13(Server13),
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
    match choose_version(&hello, cx)? {
        Version::Dtls12 => Ok(Chosen::Dtls12(Server12::new(&hello, message, cx)?)),
        Version::Dtls13 => Ok(Chosen::Dtls13(Server13::new(&hello, message, cx)?)),
    }
}
