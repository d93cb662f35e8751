//! A channel that nobody reads, beside one that somebody does.

mod common;

use common::{connect, endpoint, endpoint_with, within};
use peerage::configuration::OnShareExceeded;
use peerage::{DataChannelInit, ErrorKind};

const SHARE: usize = 1 << 20;

#[tokio::test]
async fn a_channel_that_is_not_read_is_closed_with_the_reason_where_the_settings_say_so() {
    within(async {
        let reader = endpoint_with(|settings| {
            settings.channel_share = (100 * SHARE).div_ceil(settings.receive_window) as u8;
            settings.on_share_exceeded = OnShareExceeded::CloseChannel;
        });
        let pair = connect(&endpoint(), &reader).await;
        // Agreed on by both, as the events of both are taken by what carries their candidates.
        let agreed = || DataChannelInit { negotiated: Some(11), ..DataChannelInit::default() };
        let other = pair.a.create_data_channel("other", agreed()).unwrap();
        let other_at_b = pair.b.create_data_channel("other", agreed()).unwrap();
        // Nobody reads this one.
        for _ in 0..2 * SHARE / 10_000 {
            if pair.at_a.send(vec![1; 10_000]).await.is_err() {
                break;
            }
        }
        pair.at_a.closed().await;
        pair.at_b.closed().await;
        assert_eq!(pair.at_b.error().map(|error| error.kind()), Some(ErrorKind::Operation));
        assert_eq!(pair.at_b.recv().await, None);
        assert!(pair.at_a.error().is_none(), "the peer's wish, seen from there");
        other.send("still here").await.unwrap();
        assert_eq!(other_at_b.recv().await, Some("still here".into()));
        assert!(other_at_b.error().is_none());
    })
    .await;
}
