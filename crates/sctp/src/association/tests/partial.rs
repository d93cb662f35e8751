//! Partial reliability under load: a path that is too narrow, channels of every kind, and messages that expire.

use super::*;
use crate::chunk;
use crate::config::CongestionControl;
use crate::packet::Packet;

const MESSAGES: usize = 600;

fn load(seed: u64, interleaving: bool) -> (World, [ChannelId; 4]) {
    // The line has no rate of its own: a window that falls with each loss makes it narrow.
    let config =
        Config { send_buffer: 300_000, congestion: CongestionControl::Cubic, interleaving, ..Config::default() };
    let link = Link { loss: 0.03, delay: Duration::from_millis(40), ..Link::default() };
    let mut w = World::with(link, seed, [config, Config::default()]);
    w.connect();
    let kinds = [
        ChannelInit { max_packet_life_time: Some(150), ..ChannelInit::new("0") },
        ChannelInit { max_packet_life_time: Some(150), ordered: false, ..ChannelInit::new("1") },
        ChannelInit { max_retransmits: Some(0), ..ChannelInit::new("2") },
        ChannelInit::new("3"),
    ];
    let ids = kinds.map(|init| w.open(0, init));
    w.run_until(Duration::from_secs(2), |_| false);
    w.log.clear();
    (w, ids)
}

fn numbers(w: &World, n: usize) -> Vec<usize> {
    let theirs = w.ends[1].peer_channel(&std::format!("{n}")).unwrap();
    let messages = w.ends[1].inbox.get(&theirs).into_iter().flatten();
    messages.map(|m| u32::from_be_bytes(m.payload[..4].try_into().unwrap()) as usize).collect()
}

#[test]
fn what_expires_makes_room_at_once_and_is_told_in_few_words() {
    expire(false, chunk::FORWARD_TSN, chunk::DATA, 10);
}

#[test]
fn what_expires_among_interleaved_messages_makes_room_and_is_told_in_few_words() {
    // What is given up lies scattered among what is not.
    expire(true, chunk::I_FORWARD_TSN, chunk::I_DATA, 4);
}

/// A FORWARD TSN for `share` chunks of data at most.
fn expire(interleaving: bool, forward: u8, data: u8, share: usize) {
    let (mut w, ids) = load(1, interleaving);
    let mut refused = 0;
    let mut reliable = 0;
    for n in 0..MESSAGES {
        for (kind, id) in ids.iter().enumerate() {
            let mut payload = (n as u32).to_be_bytes().to_vec();
            payload.extend_from_slice(&pattern(n, 2500));
            // The reliable one sends as much as is left to it.
            let sent = w.ends[0].sctp.send(w.now, *id, Kind::Binary, payload.into()).is_ok();
            refused += usize::from(!sent);
            reliable += usize::from(sent && kind == 3);
        }
        w.run_until(Duration::from_millis(4), |_| false);
    }
    w.settle(MINUTE * 5);
    let stats = w.ends[0].sctp.stats();
    assert!(refused > MESSAGES / 4, "the path is too narrow for all: {refused}");
    assert!(stats.messages_abandoned > 100, "{stats:?}");
    assert_eq!((w.ends[0].sctp.sender.held(), w.ends[1].sctp.receiver.held()), (0, 0));
    for n in [0, 2, 3] {
        assert!(numbers(&w, n).windows(2).all(|pair| pair[0] < pair[1]), "channel {n} is out of order");
    }
    assert_eq!(numbers(&w, 3).len(), reliable, "what is reliable arrives, whatever expires beside it");
    assert!((0..3).all(|n| numbers(&w, n).len() > 50));
    let chunks = |kind| {
        let all = w.log.iter().flat_map(|packet| Packet::parse(packet).unwrap().chunks().flatten());
        all.filter(|raw| raw.kind == kind).count()
    };
    let (told, data) = (chunks(forward), chunks(data));
    assert!(told > 0 && told * share < data, "{told} FORWARD TSNs beside {data} chunks of data");
}
