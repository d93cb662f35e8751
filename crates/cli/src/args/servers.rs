//! Servers that tell this machine's addresses and relay for it.

use clap::{Args, ValueHint};

use super::client::{AccessArgs, ClientArgs};
use super::value::fingerprint;

/// Which servers to ask.
#[derive(Debug, Args)]
pub struct ServersArgs {
    /// A server to ask: stun:HOST, turn:HOST, turns:HOST, or the https://HOST of a Peerage server; may be repeated
    #[arg(long, value_name = "URL", env = "PEERAGE_SERVER", value_hint = ValueHint::Url)]
    pub server: Vec<String>,
    /// The SHA-256 of the Peerage server's certificate, if it is self-signed
    #[arg(long, value_name = "SHA256", value_parser = fingerprint)]
    pub server_fingerprint: Option<[u8; 32]>,
    /// User name at the turn: and turns: servers that are named
    #[arg(long, value_name = "NAME")]
    pub turn_user: Option<String>,
    /// The password to it. Others on this machine see it in the list of programs: PEERAGE_TURN_PASSWORD keeps it from them
    #[arg(
        long,
        value_name = "PASSWORD",
        env = "PEERAGE_TURN_PASSWORD",
        hide_env_values = true,
        requires = "turn_user"
    )]
    pub turn_password: Option<String>,
    #[command(flatten)]
    pub access: AccessArgs,
}

impl ServersArgs {
    /// The server that a client names to meet at, to be asked for no more than addresses and a relay.
    pub fn named(client: &ClientArgs, access: &AccessArgs) -> Self {
        let (server, server_fingerprint) = (client.server.iter().cloned().collect(), client.server_fingerprint);
        Self { server, server_fingerprint, turn_user: None, turn_password: None, access: access.clone() }
    }
}
