//! A WebDriver BiDi client: commands by JSON over a WebSocket (W3C WebDriver BiDi §3).

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Message, protocol::WebSocketConfig};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// What went wrong, in words.
pub type Result<T> = std::result::Result<T, String>;

/// How long one command may take.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(180);

/// A connection to a browser's BiDi endpoint.
pub struct Bidi {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    next_id: u64,
}

impl Bidi {
    /// Connects to a `ws://` URL.
    pub async fn connect(url: &str) -> Result<Self> {
        let config = WebSocketConfig::default().max_message_size(Some(64 << 20)).max_frame_size(Some(64 << 20));
        let (socket, _) = tokio_tungstenite::connect_async_with_config(url, Some(config), true)
            .await
            .map_err(|e| format!("cannot connect to {url}: {e}"))?;
        Ok(Self { socket, next_id: 1 })
    }

    /// Runs one command and returns its result.
    pub async fn command(&mut self, method: &str, params: Value) -> Result<Value> {
        let run = self.exchange(method, params);
        tokio::time::timeout(COMMAND_TIMEOUT, run).await.map_err(|_| format!("{method} took too long"))?
    }

    async fn exchange(&mut self, method: &str, params: Value) -> Result<Value> {
        let id = self.next_id;
        self.next_id += 1;
        let text = json!({"id": id, "method": method, "params": params}).to_string();
        self.socket.send(Message::text(text)).await.map_err(|e| format!("{method}: {e}"))?;
        loop {
            let message =
                self.socket.next().await.ok_or("the browser hung up")?.map_err(|e| format!("{method}: {e}"))?;
            let Message::Text(text) = message else { continue };
            let mut reply: Value = serde_json::from_str(&text).map_err(|e| format!("{method}: {e}"))?;
            if reply["id"] != id {
                continue;
            }
            if reply["type"] == "error" {
                return Err(format!("{method}: {}: {}", reply["error"], reply["message"]));
            }
            return Ok(reply["result"].take());
        }
    }
}
