//! Ctrl-C and termination: the first one ends the run in order, the second one at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Hears of the first signal.
#[derive(Clone)]
pub struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Takes over Ctrl-C and SIGTERM.
    pub fn listen() -> std::io::Result<Self> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (heard, receiver) = watch::channel(false);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                if heard.send_replace(true) {
                    std::process::exit(130);
                }
            }
        });
        Ok(Self(receiver))
    }

    /// Waits for the first signal.
    pub async fn heard(&mut self) {
        if self.0.wait_for(|heard| *heard).await.is_err() {
            std::future::pending().await
        }
    }
}
