//! What two peers need to find and reach each other, in one process: STUN and a TURN relay, rooms over WebSocket,
//! offers and answers over plain HTTP, and the web page; and who publishes by WHIP is sent on to many viewers by WHEP.
//!
//! ```no_run
//! # async fn example() -> Result<(), peerage_server::BindError> {
//! use peerage_server::{Server, ServerConfig};
//!
//! let server = Server::bind(ServerConfig::default()).await?;
//! println!("{}", server.urls().local);
//! let handle = server.handle(); // handle.shutdown() ends `run`
//! server.run().await;
//! # drop(handle);
//! # Ok(())
//! # }
//! ```
//!
//! Everything here is hostile-facing: connections, messages, rates and time are bounded, `Host` and `Origin` are
//! checked against DNS rebinding and foreign pages, and what peers say to each other is sealed before it arrives.
//! The relay serves members of rooms and whoever shares its secret, and relays to nobody's private network. Out of
//! scope: accounts.

mod accept;
mod address;
mod admission;
mod assets;
mod bearer;
pub mod bind;
mod body;
mod client;
pub mod config;
mod exchange;
mod guard;
mod headers;
mod http;
mod hub;
pub mod local;
mod metrics;
mod proxy;
mod refusal;
pub mod server;
mod site;
mod stop;
mod stun;
pub mod tls;
pub mod turn;
pub mod urls;
mod websocket;
pub mod whip;

pub use bind::BindError;
pub use config::{ServerConfig, Stun, Tls};
pub use server::{Server, ServerHandle};
pub use tls::TlsError;
pub use turn::config::TurnConfig;
pub use urls::Urls;
pub use whip::config::WhipConfig;
