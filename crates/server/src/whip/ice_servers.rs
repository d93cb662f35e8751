//! Servers that help clients to reach this one, as `Link` headers tell them (RFC 9725 §4.5).

use crate::turn::handle::TurnHandle;
use axum::http::HeaderValue;
use peerage_signal::message::IceServer;
use tokio::time::sleep;

/// The relay as one session may use it: as long as that goes on.
#[derive(Debug)]
pub(crate) struct Relay {
    turn: TurnHandle,
    room: String,
}

impl Relay {
    /// For the session at this path.
    pub fn new(turn: TurnHandle, path: &str) -> Self {
        Self { turn, room: path.to_owned() }
    }

    /// How a client uses it that reached the server as `host`.
    pub fn servers(&self, host: &str) -> Vec<IceServer> {
        self.turn.credentials(host, &self.room).ice_servers()
    }

    /// Keeps what the session has of it alive; never returns.
    pub async fn keep(&self) {
        loop {
            // The host is in the URLs alone.
            let until = self.turn.credentials("", &self.room).expires;
            self.turn.set_live(&self.room, until);
            sleep(self.turn.lifetime() / 2).await;
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.turn.revoke(&self.room);
    }
}

/// Keeps a relay alive, if there is one; never returns.
pub(crate) async fn keep(relay: Option<&Relay>) {
    match relay {
        Some(relay) => relay.keep().await,
        None => core::future::pending().await,
    }
}

/// One header for each URL; none for what cannot stand in a header.
pub(crate) fn links(servers: &[IceServer]) -> Vec<HeaderValue> {
    let of = |server: &IceServer| {
        let with = credentials(server);
        let link = move |url: &String| {
            let text = format!("<{url}>; rel=\"ice-server\"{with}");
            let mut value = HeaderValue::from_str(&text).ok().filter(|_| !url.contains(['<', '>', ' ']))?;
            value.set_sensitive(server.credential.is_some());
            Some(value)
        };
        server.urls.iter().filter_map(link).collect::<Vec<_>>()
    };
    servers.iter().flat_map(of).collect()
}

fn credentials(server: &IceServer) -> String {
    match (&server.username, &server.credential) {
        (Some(name), Some(credential)) => {
            let (name, credential) = (quoted(name), quoted(credential));
            format!("; username=\"{name}\"; credential=\"{credential}\"; credential-type=\"password\"")
        }
        _ => String::new(),
    }
}

/// As it stands between quotes (RFC 9110 §5.6.4).
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_url_is_a_link_with_its_credentials() {
        let open = IceServer::open(vec!["stun:192.0.2.1:3478".into(), "stun:bad> x".into()]);
        let relay = IceServer {
            urls: vec!["turn:h:3478?transport=udp".into()],
            username: Some("1:a".into()),
            credential: Some("x\"y\\".into()),
        };
        let links: Vec<String> =
            links(&[open, relay]).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect();
        assert_eq!(links[0], "<stun:192.0.2.1:3478>; rel=\"ice-server\"");
        assert_eq!(
            links[1],
            "<turn:h:3478?transport=udp>; rel=\"ice-server\"; username=\"1:a\"; credential=\"x\\\"y\\\\\"; \
             credential-type=\"password\""
        );
        assert_eq!(links.len(), 2, "what would break out of the brackets is left out");
    }
}
