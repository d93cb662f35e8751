//! WebRTC peer connections and data channels on tokio.
