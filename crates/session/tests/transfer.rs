//! What travels over channels, whatever the network does.

mod common;

use bytes::Bytes;
use common::{A, B, Duo, MS, SEC, Setup, local, messages};
use peerage_base::path::{LocalId, Path, PathChange};
use peerage_base::time::Duration;
use peerage_session::event::{ConnectionState, Event, IceConnectionState};
use peerage_session::face::{ChannelId, ChannelInit, ChannelState};
use peerage_sim::link::{Link, Loss};
use peerage_testkit::fixtures;

/// Queues `total` bytes each way over one channel; answers what each side should hold in the end.
fn both_ways(duo: &mut Duo, id: ChannelId, total: usize) -> [Vec<Bytes>; 2] {
    let other = duo.incoming(B);
    let (there, back) = (messages(total, 50_000, 0x55), messages(total, 9_000, 0xAA));
    there.iter().for_each(|m| duo.send(A, id, m.clone()));
    back.iter().for_each(|m| duo.send(B, other, m.clone()));
    [back, there]
}

fn expect_both(duo: &mut Duo, id: ChannelId, expected: &[Vec<Bytes>; 2], limit: Duration) {
    let other = duo.incoming(B);
    duo.expect(B, other, &expected[B], limit);
    duo.expect(A, id, &expected[A], limit);
}

#[test]
fn loss_reordering_and_repetition_lose_nothing() {
    for seed in 1..=4 {
        let link =
            Link { jitter: 5 * MS, loss: Loss::Random(0.1), reorder: 0.1, duplicate: 0.1, ..Link::with_delay(10 * MS) };
        let (mut duo, id) = Duo::connected(Setup::new(seed, link));
        let expected = both_ways(&mut duo, id, 2 << 20);
        expect_both(&mut duo, id, &expected, 600 * SEC);
    }
}

#[test]
fn a_clean_line_carries_much_in_runs() {
    let (mut duo, id) = Duo::connected(Setup::new(5, fixtures::lan()));
    let expected = both_ways(&mut duo, id, 4 << 20);
    expect_both(&mut duo, id, &expected, 60 * SEC);
    let traffic = duo.peer(A).session.stats().traffic;
    assert!(traffic.bytes_sent > 4 << 20 && traffic.packets_sent > 3000, "{traffic:?}");
}

#[test]
fn larger_datagrams_are_used_where_they_are_allowed() {
    let mut setup = Setup::new(6, fixtures::lan());
    setup.config.max_datagram = 1400;
    let (mut duo, id) = Duo::connected(setup);
    let before = duo.peer(A).session.stats().traffic;
    let sent = messages(1 << 20, 60_000, 1);
    sent.iter().for_each(|m| duo.send(A, id, m.clone()));
    let other = duo.incoming(B);
    duo.expect(B, other, &sent, 60 * SEC);
    let after = duo.peer(A).session.stats().traffic;
    let mean = (after.bytes_sent - before.bytes_sent) / (after.packets_sent - before.packets_sent);
    assert!(mean > 1300, "{mean} bytes per datagram");
}

#[test]
fn hundreds_of_channels_open_at_once_and_each_carries_its_own() {
    let mut duo = Duo::new(7);
    let ids: Vec<_> = (0..300).map(|n| duo.open([A, B][n % 2], &format!("channel {n}"))).collect();
    for (n, id) in ids.iter().enumerate() {
        duo.send([A, B][n % 2], *id, format!("message {n}").into_bytes());
    }
    duo.offer(A);
    duo.connect();
    let done = duo.until(20 * SEC, |duo| {
        [A, B].iter().all(|side| duo.peer(*side).channels.len() == 150 && duo.peer(*side).inbox.len() == 150)
    });
    assert!(done, "{} {}", duo.peer(A).inbox.len(), duo.peer(B).inbox.len());
    for side in [A, B] {
        let peer = duo.peer(side);
        for id in &peer.channels {
            let label = &peer.session.channel_info(*id).unwrap().init.label;
            let expected = label.replace("channel", "message");
            assert_eq!(peer.inbox[id], [Bytes::from(expected)]);
        }
    }
}

#[test]
fn an_unreliable_channel_never_holds_up_and_never_repeats() {
    let link = Link { loss: Loss::Random(0.2), ..Link::with_delay(10 * MS) };
    let mut setup = Setup::new(8, link);
    setup.config.send_buffer = 64 << 20;
    let (mut duo, _) = Duo::connected(setup);
    let init = ChannelInit { ordered: false, max_retransmits: Some(0), ..ChannelInit::new("lossy") };
    let id = duo.open_with(A, init);
    let kept = duo.open(A, "kept");
    assert!(duo.until(30 * SEC, |duo| duo.peer(B).channels.len() == 3));
    let sent = messages(1000 * 500, 1000, 3);
    for message in &sent {
        duo.send(A, id, message.clone());
        duo.run(2 * MS);
    }
    assert!(duo.until(60 * SEC, |duo| duo.peer(A).session.buffered_amount(id) == 0 && duo.peer(A).to_send.is_empty()));
    duo.send(A, kept, &b"last"[..]);
    assert!(duo.until(30 * SEC, |duo| duo.peer(B).inbox.values().any(|m| m.iter().any(|m| &m[..] == b"last"))));
    let lossy = duo
        .peer(B)
        .channels
        .iter()
        .find(|id| duo.peer(B).session.channel_info(**id).is_some_and(|info| !info.init.ordered));
    let received = &duo.peer(B).inbox[lossy.unwrap()];
    assert!((300..500).contains(&received.len()), "{} of 500 came through 20 % loss", received.len());
    let mut unique: Vec<_> = received.iter().collect();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), received.len(), "nothing comes twice");
    assert!(received.iter().all(|m| sent.contains(m)), "nothing is mixed up");
}

#[test]
fn a_closed_channel_is_closed_on_both_sides_and_its_stream_used_again() {
    let (mut duo, _) = Duo::connected(Setup::new(9, Link::with_delay(10 * MS)));
    let mut streams = Vec::new();
    for round in 0..5 {
        let id = duo.open([A, B][round % 2], "short");
        let (near, far) = ([A, B][round % 2], [B, A][round % 2]);
        let count = duo.peer(far).channels.len();
        duo.send(near, id, &b"before the end"[..]);
        assert!(duo.until(5 * SEC, |duo| duo.peer(far).channels.len() > count));
        let other = duo.incoming(far);
        streams.push(duo.peer(near).session.stream_id(id).unwrap());
        // Closed by the opener, or by the one it was opened to.
        let now = duo.now();
        if round < 3 {
            duo.session(near).close_channel(now, id)
        } else {
            duo.session(far).close_channel(now, other)
        }
        let closed = |duo: &Duo, side: usize, id| duo.peer(side).count(|e| *e == Event::ChannelClosed(id)) == 1;
        assert!(duo.until(5 * SEC, |duo| closed(duo, near, id) && closed(duo, far, other)), "round {round}");
        assert_eq!(duo.channel_state(near, id), ChannelState::Closed);
        assert_eq!(duo.channel_state(far, other), ChannelState::Closed);
        if round < 3 {
            assert_eq!(duo.peer(far).inbox[&other], [Bytes::from_static(b"before the end")]);
        }
    }
    assert_eq!((streams[0], streams[1]), (streams[2], streams[3]), "ids are used again: {streams:?}");
    assert_eq!(streams[0] % 2, 1 - streams[1] % 2, "each side has its parity");
}

#[test]
fn a_buffer_that_drains_is_told_without_another_input() {
    let (mut duo, id) = Duo::connected(Setup::new(10, Link::with_delay(10 * MS)));
    let low = |duo: &Duo| duo.peer(A).count(|e| *e == Event::ChannelBufferedAmountLow(id));
    let before = low(&duo);
    duo.send(A, id, vec![1; 4000]);
    // No time passes: the message leaves at once, and nothing has come back.
    duo.run(Duration::from_nanos(1));
    assert_eq!(low(&duo), before + 1);
    assert_eq!(duo.peer(A).session.buffered_amount(id), 0);
}

#[test]
fn wrong_wishes_are_refused_by_their_kind() {
    use peerage_session::error::SessionError;
    let mut duo = Duo::new(11);
    let now = duo.now();
    let init = |change: fn(&mut ChannelInit)| {
        let mut init = ChannelInit::new("x");
        change(&mut init);
        init
    };
    let both = init(|i| (i.max_retransmits, i.max_packet_life_time) = (Some(1), Some(1)));
    assert!(matches!(duo.session(A).create_data_channel(now, both), Err(SessionError::Type(_))));
    let seven = init(|i| i.negotiated = Some(7));
    duo.session(A).create_data_channel(now, seven.clone()).unwrap();
    assert!(matches!(duo.session(A).create_data_channel(now, seven), Err(SessionError::Operation(_))));
    duo.session(A).close(now);
    assert!(matches!(duo.session(A).create_data_channel(now, init(|_| {})), Err(SessionError::InvalidState(_))));
}

#[test]
fn a_restart_in_mid_transfer_loses_nothing() {
    for restarter in [A, B] {
        let link = Link { rate: Some(20_000_000), loss: Loss::Random(0.01), ..Link::with_delay(10 * MS) };
        let (mut duo, id) = Duo::connected(Setup::new(12, link));
        let expected = both_ways(&mut duo, id, 3 << 20);
        duo.run(300 * MS);
        let ufrags = [A, B].map(|side| duo.peer(side).session.local_ufrag().to_owned());
        for _ in 0..2 {
            assert!(duo.peer(B).received() < 3 << 20, "still in the middle");
            duo.restart(restarter);
            duo.run(200 * MS);
        }
        expect_both(&mut duo, id, &expected, 120 * SEC);
        for side in [A, B] {
            assert_ne!(duo.peer(side).session.local_ufrag(), ufrags[side]);
            assert_eq!(duo.peer(side).connection_states().last(), Some(&ConnectionState::Connected));
            assert_eq!(duo.peer(side).count(|e| *e == Event::LocalUfrags), 2);
        }
        duo.run(60 * SEC);
        assert!(duo.are_connected(), "the new generation lives on after the old one is gone");
    }
}

#[test]
fn another_offer_changes_nothing_that_runs() {
    let (mut duo, id) = Duo::connected(Setup::new(13, Link::with_delay(10 * MS)));
    let expected = both_ways(&mut duo, id, 1 << 20);
    for side in [A, B, A] {
        let ufrag = duo.peer(side).session.local_ufrag().to_owned();
        duo.offer(side);
        duo.run(100 * MS);
        assert_eq!(duo.peer(side).session.local_ufrag(), ufrag);
    }
    expect_both(&mut duo, id, &expected, 60 * SEC);
    assert_eq!(duo.errors, []);
    assert!([A, B].iter().all(|side| duo.peer(*side).connection_states().len() == 2), "never left connected");
}

#[test]
fn another_address_takes_over_when_one_goes_away() {
    let mut setup = Setup::new(14, Link { rate: Some(20_000_000), ..Link::with_delay(10 * MS) });
    setup.hosts[A].push(local(fixtures::v4(11, 5001)));
    let (mut duo, id) = Duo::connected(setup);
    duo.run(SEC);
    let expected = both_ways(&mut duo, id, 3 << 20);
    duo.run(200 * MS);
    let first = duo.peer(A).session.stats().selected.unwrap().local_address;
    let gone = u32::from(first != fixtures::v4(1, 5000));
    let now = duo.now();
    duo.world.get_mut(duo.ids[A]).unbind(LocalId(gone));
    duo.session(A).remove_local(now, LocalId(gone));
    expect_both(&mut duo, id, &expected, 60 * SEC);
    let second = duo.peer(A).session.stats().selected.unwrap().local_address;
    assert_ne!(first, second);
    assert!(duo.are_connected());
}

#[test]
fn a_transport_that_is_full_gets_no_data_until_it_is_writable_and_checks_go_on() {
    let (mut duo, id) = Duo::connected(Setup::new(19, fixtures::lan()));
    let remote = duo.peer(A).session.stats().selected.unwrap().remote_address;
    let path = Path { local: LocalId(0), remote };
    let now = duo.now();
    duo.session(A).handle_path(now, path, PathChange::Writable(0));
    let sent = messages(200_000, 50_000, 9);
    sent.iter().for_each(|m| duo.send(A, id, m.clone()));
    let before = duo.peer(A).session.stats();
    duo.run(10 * SEC);
    let after = duo.peer(A).session.stats();
    assert_eq!(after.data.unwrap().packets_sent, before.data.unwrap().packets_sent);
    assert!(after.traffic.packets_sent > before.traffic.packets_sent, "consent is asked for all the same");
    assert!(duo.are_connected());
    let now = duo.now();
    duo.session(A).handle_path(now, path, PathChange::Writable(1));
    let other = duo.incoming(B);
    duo.expect(B, other, &sent, 10 * SEC);
}

#[test]
fn all_addresses_may_go_and_come_back() {
    let (mut duo, id) = Duo::connected(Setup::new(15, Link { rate: Some(20_000_000), ..Link::with_delay(10 * MS) }));
    let expected = both_ways(&mut duo, id, 2 << 20);
    duo.run(200 * MS);
    let now = duo.now();
    duo.world.get_mut(duo.ids[A]).unbind(LocalId(0));
    duo.session(A).remove_local(now, LocalId(0));
    duo.run(10 * SEC);
    assert!(!duo.peer(A).is_connected());
    assert!(duo.peer(B).received() < 2 << 20);
    let now = duo.now();
    let address = local(fixtures::v4(1, 5009));
    let back = duo.session(A).add_local(now, address.clone());
    duo.world.get_mut(duo.ids[A]).bind(back, address.address);
    duo.session(A).local_addresses_done(now);
    duo.restart(A);
    expect_both(&mut duo, id, &expected, 60 * SEC);
    assert!(duo.until(10 * SEC, Duo::are_connected));
}

#[test]
fn a_long_outage_is_survived_by_a_restart() {
    let (mut duo, id) = Duo::connected(Setup::new(16, Link::with_delay(10 * MS)));
    duo.run(SEC);
    duo.set_loss(Loss::Random(1.0));
    duo.send(A, id, &b"through the dark"[..]);
    duo.run(120 * SEC);
    for side in [A, B] {
        let states = duo.peer(side).connection_states();
        let expected = [
            ConnectionState::Connecting,
            ConnectionState::Connected,
            ConnectionState::Disconnected,
            ConnectionState::Failed,
        ];
        assert_eq!(states, expected);
        assert_eq!(duo.peer(side).ice_states().last(), Some(&IceConnectionState::Failed));
        assert_eq!(duo.peer(side).closed(), None, "a restart may still help");
    }
    duo.set_loss(Loss::None);
    duo.restart(B);
    let other = duo.incoming(B);
    duo.expect(B, other, &[Bytes::from_static(b"through the dark")], 30 * SEC);
    assert!(duo.until(SEC, Duo::are_connected));
}
