//! The wish that everything end.

use tokio::sync::watch;

/// Completes once the server is to stop, or has been dropped.
pub(crate) async fn requested(watch: &mut watch::Receiver<bool>) {
    let _ = watch.wait_for(|stop| *stop).await;
}
