//! A server in the middle: passes on pages and signalling, and alters what is sealed.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;

use crate::bidi::Result;

/// Which of the signals that a client is to hear are altered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alter {
    /// None: the way is a straight one.
    Nothing,
    /// All of them.
    Everything,
    /// All but the first of each peer, its greeting.
    AfterGreeting,
}

/// Listens in front of `server` (an `http://` URL) and returns its own URL. Ends with the runtime.
pub async fn between(server: &str, alter: Alter) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|e| e.to_string())?;
    let port = listener.local_addr().map_err(|e| e.to_string())?.port();
    let server = server.strip_prefix("http://").ok_or("not an http URL")?.trim_end_matches('/').to_owned();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let server = server.clone();
            tokio::spawn(async move {
                // Either side may hang up at any time.
                let _ = pass(stream, &server, alter).await;
            });
        }
    });
    Ok(format!("http://127.0.0.1:{port}"))
}

async fn pass(mut client: TcpStream, server: &str, alter: Alter) -> Result<()> {
    let mut start = [0; 7];
    while client.peek(&mut start).await.map_err(|e| e.to_string())? < start.len() {
        tokio::task::yield_now().await;
    }
    if &start == b"GET /ws" {
        return websocket(client, server, alter).await;
    }
    let mut upstream = TcpStream::connect(server).await.map_err(|e| e.to_string())?;
    tokio::io::copy_bidirectional(&mut client, &mut upstream).await.map(drop).map_err(|e| e.to_string())
}

async fn websocket(client: TcpStream, server: &str, alter: Alter) -> Result<()> {
    let client = tokio_tungstenite::accept_async(client).await.map_err(|e| e.to_string())?;
    let (upstream, _) =
        tokio_tungstenite::connect_async(format!("ws://{server}/ws")).await.map_err(|e| e.to_string())?;
    let (mut to_client, mut from_client) = client.split();
    let (mut to_server, mut from_server) = upstream.split();
    let mut greeted = Vec::new();
    loop {
        tokio::select! {
            frame = from_client.next() => {
                let Some(Ok(frame)) = frame else { return Ok(()) };
                to_server.send(frame).await.map_err(|e| e.to_string())?;
            }
            frame = from_server.next() => {
                let Some(Ok(frame)) = frame else { return Ok(()) };
                let frame = match frame {
                    Message::Text(text) => Message::text(altered(&text, alter, &mut greeted)),
                    other => other,
                };
                to_client.send(frame).await.map_err(|e| e.to_string())?;
            }
        }
    }
}

fn altered(text: &str, alter: Alter, greeted: &mut Vec<String>) -> String {
    let Ok(mut frame) = serde_json::from_str::<Value>(text) else { return text.to_owned() };
    let (Some("signal"), Some(from), Some(data)) =
        (frame["type"].as_str(), frame["from"].as_str(), frame["data"].as_str())
    else {
        return text.to_owned();
    };
    let is_greeting = !greeted.iter().any(|peer| peer == from);
    greeted.push(from.to_owned());
    if alter == Alter::Nothing || alter == Alter::AfterGreeting && is_greeting {
        return text.to_owned();
    }
    // One bit of what is sealed, behind the counter, which is in the clear.
    let at = data.len() / 2;
    let other = if data.as_bytes().get(at) == Some(&b'A') { "B" } else { "A" };
    let mut data = data.to_owned();
    data.replace_range(at..=at, other);
    frame["data"] = data.into();
    frame.to_string()
}
