//! Back-pressure, and messages that leave at once.

mod common;

use std::time::Duration;

use common::{connect, endpoint, endpoint_with, within};
use peerage::{DataChannel, ErrorKind, Message};

const MESSAGE: usize = 16 << 10;

/// Sends until there is no room, and has not been for a while: the pace of the path makes some more.
async fn fill(channel: &DataChannel) {
    let mut refused = 0;
    while refused < 50 {
        refused = if channel.try_send(vec![0xFF; MESSAGE]).is_ok() { 0 } else { refused + 1 };
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The receiver reads nothing at first, so that all windows and the buffer are full and everybody waits.
#[tokio::test]
async fn senders_that_wait_get_room_in_turn_and_a_cancelled_one_is_left_out() {
    const SENDERS: u8 = 6;
    const EACH: u8 = 20;
    let left = endpoint_with(|settings| settings.send_buffer = 64 << 10);
    let right = endpoint_with(|settings| settings.receive_window = 64 << 10);
    let pair = within(connect(&left, &right)).await;
    fill(&pair.at_a).await;
    let cancelled = pair.at_a.send(vec![0xEE; MESSAGE]);
    assert!(tokio::time::timeout(Duration::from_millis(20), cancelled).await.is_err());
    let mut tasks = Vec::new();
    for sender in 0..SENDERS {
        let channel = pair.at_a.clone();
        tasks.push(tokio::spawn(async move {
            for n in 0..EACH {
                let mut message = vec![sender; MESSAGE];
                message[1] = n;
                channel.send(message).await.unwrap();
            }
        }));
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    let refused = pair.at_a.try_send(vec![0]).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Operation, "nobody overtakes those who wait");
    let (mut next, mut got) = ([0_u8; SENDERS as usize], 0);
    while got < u32::from(SENDERS) * u32::from(EACH) {
        let Some(Message::Binary(bytes)) = within(pair.at_b.recv()).await else { panic!("closed") };
        match bytes[0] {
            0xFF => {}
            0xEE => panic!("what was cancelled was sent"),
            sender => {
                let of = &mut next[usize::from(sender)];
                assert_eq!(bytes[1], *of, "one sender's messages stay in order");
                *of += 1;
                got += 1;
                let (least, most) = (next.iter().min().unwrap(), next.iter().max().unwrap());
                assert!(most - least <= 3, "all get their turn: {next:?}");
            }
        }
    }
    for task in tasks {
        within(task).await.unwrap();
    }
}

#[tokio::test]
async fn those_who_wait_for_room_learn_that_the_channel_closed() {
    let left = endpoint_with(|settings| settings.send_buffer = 64 << 10);
    let right = endpoint_with(|settings| settings.receive_window = 64 << 10);
    let pair = within(connect(&left, &right)).await;
    fill(&pair.at_a).await;
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let channel = pair.at_a.clone();
            tokio::spawn(async move { channel.send(vec![0; MESSAGE]).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(20)).await;
    pair.a.close().await;
    for task in waiting {
        assert_eq!(within(task).await.unwrap().unwrap_err().kind(), ErrorKind::InvalidState);
    }
}

/// On a runtime of one thread no other task can have run in between.
#[tokio::test]
async fn a_message_on_an_idle_connection_leaves_before_sending_returns() {
    let (left, right) = (endpoint(), endpoint());
    let pair = within(connect(&left, &right)).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = pair.a.transport_stats().data.unwrap().packets_sent;
    pair.at_a.try_send("at once").unwrap();
    assert_eq!(pair.a.transport_stats().data.unwrap().packets_sent, before + 1);
    // What follows at once is left to the driver, which joins it.
    for _ in 0..10 {
        pair.at_a.try_send("later").unwrap();
    }
    assert_eq!(pair.a.transport_stats().data.unwrap().packets_sent, before + 1);
    for _ in 0..11 {
        within(pair.at_b.recv()).await.unwrap();
    }
    assert!(pair.a.transport_stats().data.unwrap().packets_sent <= before + 3);
}
