//! Both browsers start and run scripts.

use peerage_interop::browser::{Browser, Kind};

#[tokio::test]
async fn both_browsers_start_and_have_peer_connections() {
    for kind in [Kind::Chromium, Kind::Firefox] {
        let mut browser = Browser::start(kind).await.unwrap_or_else(|e| panic!("{kind:?}: {e}"));
        let offer = browser
            .run("(async () => { const pc = new RTCPeerConnection(); pc.createDataChannel('x'); return (await pc.createOffer()).sdp })()")
            .await
            .unwrap();
        assert!(offer.as_str().unwrap().contains("webrtc-datachannel"), "{offer}");
    }
}
