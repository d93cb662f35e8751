//! After the handshake: data, updates of keys, tickets, and what is left of the rest.

use alloc::vec::Vec;

use peerage_base::time::{Duration, Instant};

use super::world::{World, millis, opener, sealer};
use crate::alert::Alert;
use crate::config::Role;
use crate::message::kind::HandshakeType;
use crate::suite::{Epoch, Version};
use crate::transport::{Expects, Input, Transport};

fn connected(version: Version) -> World {
    let mut world = World::new(version, 1200, 0);
    world.start();
    world.run_to_end();
    assert!(world.is_complete());
    (world.client.received, world.server.received) = (Vec::new(), Vec::new());
    (world.client.inputs, world.server.inputs) = (Vec::new(), Vec::new());
    world
}

fn open(end: &mut super::world::End, now: Instant, packet: &[u8]) -> Option<Vec<u8>> {
    let mut packet = packet.to_vec();
    end.transport.handle_datagram(now, &mut packet, &mut end.inbox);
    let data = end.inbox.pop(&mut packet).map(|data| data.to_vec());
    end.read(now);
    data
}

fn update_keys(world: &mut World, epoch: Epoch) {
    let transport = &mut world.client.transport;
    transport.begin_flight();
    transport.push(epoch, HandshakeType::KEY_UPDATE, alloc::vec![0]);
    transport.flush(world.now, Expects::Ack);
}

#[test]
fn data_flows_both_ways_and_once() {
    for version in [Version::Dtls13, Version::Dtls12] {
        let mut world = connected(version);
        let now = world.now;
        let packet = world.client.seal(b"ping");
        assert_eq!(open(&mut world.server, now, &packet).unwrap(), b"ping");
        assert_eq!(open(&mut world.server, now, &packet), None);
        let packet = world.server.seal(b"pong");
        assert_eq!(open(&mut world.client, now, &packet).unwrap(), b"pong");
        assert_eq!(world.server.transport.counters().replayed, 1);
        assert_eq!(world.client.transport.counters().sealed, 1);
        assert_eq!((world.client.transport.poll_timeout(), world.server.transport.poll_timeout()), (None, None));
    }
}

#[test]
fn data_that_overtakes_the_last_flight_is_held_until_the_peer_is_known() {
    let mut world = World::new(Version::Dtls13, 1200, 0);
    world.start();
    world
        .run(|world| !world.client.received.is_empty() && world.client.transport.sending_epoch() == Epoch::APPLICATION);
    let now = world.now;
    let data = world.client.seal(b"early");
    assert_eq!(open(&mut world.server, now, &data), None, "no Finished yet");
    world.run(World::is_complete);
    assert_eq!(world.server.inbox.pop(&mut []), None, "the run took it");
    assert_eq!(world.server.transport.counters().opened, 1);
}

#[test]
fn an_update_of_keys_is_sent_until_it_is_acknowledged() {
    let mut world = connected(Version::Dtls13);
    let lost = world.left[1];
    world.lose = alloc::vec![(true, world.left[0]), (false, lost)];
    update_keys(&mut world, Epoch::APPLICATION);
    assert!(world.client.transport.is_flight_outstanding());
    world.run_to_end();
    assert_eq!(world.client.transport.counters().resent, 2, "the update was lost, and an ACK");
    assert_eq!(world.client.inputs, [Input::Acknowledged]);
    assert_eq!(world.server.received.len(), 1, "delivered once");
    assert!(!world.client.transport.is_flight_outstanding());
    assert_eq!(world.client.transport.poll_timeout(), None);
}

#[test]
fn old_keys_open_what_was_under_way_for_a_few_seconds_after_the_new_ones_were_used() {
    let mut world = connected(Version::Dtls13);
    let old = [world.client.seal(b"late"), world.client.seal(b"later"), world.client.seal(b"too late")];
    update_keys(&mut world, Epoch::APPLICATION);
    world.run_to_end();
    let (now, next) = (world.now + Duration::from_secs(100), Epoch(4));
    world.server.transport.install_opener(next, opener(Version::Dtls13, Role::Client, next));
    world.client.transport.install_sealer(next, sealer(Version::Dtls13, Role::Client, next));
    assert_eq!(world.client.transport.sending_epoch(), next);
    assert_eq!(open(&mut world.server, now, &old[0]).unwrap(), b"late", "the peer may not have the ACK yet");
    let new = world.client.seal(b"new");
    assert_eq!(open(&mut world.server, now, &new).unwrap(), b"new");
    assert_eq!(open(&mut world.server, now + millis(4900), &old[1]).unwrap(), b"later");
    assert_eq!(open(&mut world.server, now + millis(5100), &old[2]), None);
    // Epoch 7 has the low bits of epoch 3: the latest that fit count.
    let mut last = next;
    for epoch in [5, 6, 7].map(Epoch) {
        update_keys(&mut world, last);
        world.run_to_end();
        world.server.transport.install_opener(epoch, opener(Version::Dtls13, Role::Client, epoch));
        world.client.transport.install_sealer(epoch, sealer(Version::Dtls13, Role::Client, epoch));
        let new = world.client.seal(b"new");
        assert_eq!(open(&mut world.server, world.now + millis(6000), &new).unwrap(), b"new");
        last = epoch;
    }
}

#[test]
fn updates_that_cross_are_both_acknowledged() {
    let mut world = connected(Version::Dtls13);
    update_keys(&mut world, Epoch::APPLICATION);
    let transport = &mut world.server.transport;
    transport.begin_flight();
    transport.push(Epoch::APPLICATION, HandshakeType::KEY_UPDATE, alloc::vec![0]);
    transport.flush(world.now, Expects::Ack);
    world.run_to_end();
    assert_eq!(
        (&world.client.inputs[..], &world.server.inputs[..]),
        (&[Input::Acknowledged][..], &[Input::Acknowledged][..])
    );
    assert_eq!(world.client.transport.counters().resent + world.server.transport.counters().resent, 0);
}

#[test]
fn an_update_of_the_peers_is_acknowledged_whatever_this_side_waits_for() {
    let mut world = connected(Version::Dtls13);
    let now = world.now;
    update_keys(&mut world, Epoch::APPLICATION);
    let mut update = world.client.poll_all(now);
    world.server.handle(now, &mut update[0]);
    // The answer is an update too, made before the ACK could leave.
    let transport = &mut world.server.transport;
    transport.begin_flight();
    transport.push(Epoch::APPLICATION, HandshakeType::KEY_UPDATE, alloc::vec![0]);
    transport.flush(now, Expects::Ack);
    assert_eq!(world.server.poll_all(now).len(), 2);
    // Both are lost, and the client's comes again.
    let later = world.client.transport.poll_timeout().unwrap();
    world.client.transport.handle_timeout(later);
    let mut again = world.client.poll_all(later);
    world.server.handle(later, &mut again[0]);
    let mut acks = world.server.poll_all(later);
    assert_eq!((acks.len(), world.server.transport.counters().resent), (1, 0), "an ACK, and not the update");
    world.client.handle(later, &mut acks[0]);
    assert_eq!(world.client.inputs, [Input::Acknowledged]);
    world.now = later;
    world.run_to_end();
    assert_eq!(world.server.inputs, [Input::Acknowledged]);
}

#[test]
fn of_the_epochs_that_a_record_may_mean_the_latest_counts() {
    let mut world = connected(Version::Dtls13);
    for epoch in [4, 5, 6, 7].map(Epoch) {
        world.server.transport.install_opener(epoch, opener(Version::Dtls13, Role::Client, epoch));
    }
    assert_eq!(world.server.transport.epochs.count().1, 4, "no more than headers tell apart");
    let last = Epoch(7);
    world.client.transport.install_sealer(last, sealer(Version::Dtls13, Role::Client, last));
    let (packet, now) = (world.client.seal(b"seven"), world.now);
    assert_eq!(open(&mut world.server, now, &packet).unwrap(), b"seven");
}

#[test]
fn an_update_before_the_last_flight_is_acknowledged_does_not_displace_it() {
    let mut world = World::new(Version::Dtls13, 1200, 0);
    world.start();
    // The client's last flight is its third datagram.
    world.lose = alloc::vec![(true, 2)];
    world.run(|world| world.client.transport.sending_epoch() == Epoch::APPLICATION);
    update_keys(&mut world, Epoch::APPLICATION);
    world.client.sent.push((HandshakeType::KEY_UPDATE, alloc::vec![0]));
    world.run(World::is_complete);
    assert!(world.is_complete());
}

#[test]
fn a_ticket_is_delivered_and_acknowledged() {
    let mut world = connected(Version::Dtls13);
    let transport = &mut world.server.transport;
    transport.begin_flight();
    transport.push(Epoch::APPLICATION, HandshakeType::NEW_SESSION_TICKET, alloc::vec![9; 3000]);
    transport.flush(world.now, Expects::Ack);
    world.run_to_end();
    assert_eq!(world.server.inputs, [Input::Acknowledged]);
    assert_eq!((world.client.received.len(), world.client.received[0].body.len()), (1, 3000));
    assert_eq!(world.client.received[0].epoch, Epoch::APPLICATION);
}

#[test]
fn the_keys_of_the_handshake_answer_a_late_last_flight_and_go_in_the_end() {
    let mut world = World::new(Version::Dtls13, 1200, 0);
    world.start();
    world.run(|world| world.client.transport.sending_epoch() == Epoch::APPLICATION);
    let mut last = world.client.transport.flight().next().unwrap().to_vec();
    // The first is on its way; this is another one, whose ACK will be late.
    world.client.transport.handle_timeout(world.now + millis(400));
    let again = world.client.poll_all(world.now + millis(400));
    let now = world.now;
    world.server.handle(now, &mut last);
    assert!(world.server.is_done);
    assert_eq!(world.server.poll_all(now).len(), 1);
    world.server.handle(now + Duration::from_secs(200), &mut again[0].clone());
    assert_eq!(world.server.poll_all(now).len(), 1, "acknowledged again");
    assert_eq!(world.server.transport.poll_timeout(), None, "no timer waits for that");
    world.client.transport.handle_timeout(now + millis(1200));
    let third = world.client.poll_all(now + millis(1200));
    world.server.handle(now + Duration::from_secs(241), &mut third[0].clone());
    assert_eq!(world.server.poll_all(now).len(), 0);
}

#[test]
fn nothing_behind_a_close_notify_is_delivered() {
    let mut world = connected(Version::Dtls13);
    let before = world.client.seal(b"before");
    world.client.transport.send_alert(Alert::CLOSE);
    let now = world.now;
    let close = world.client.poll(now).unwrap();
    let behind = world.client.seal(b"behind");
    assert_eq!(open(&mut world.server, now, &close), None);
    assert_eq!(world.server.inputs, [Input::Alert { alert: Alert::CLOSE, authenticated: true }]);
    assert_eq!(open(&mut world.server, now, &behind), None);
    assert_eq!(open(&mut world.server, now, &before).unwrap(), b"before");
}

#[test]
fn a_renegotiation_comes_up_to_be_refused() {
    let mut world = connected(Version::Dtls12);
    let now = world.now;
    // A handshake that begins anew counts its messages anew.
    let mut transport = Transport::new(super::world::limits(Role::Client, 1200));
    transport.set_version(Version::Dtls12);
    for _ in 0..20 {
        transport.begin_flight();
    }
    let mut sealer = sealer(Version::Dtls12, Role::Client, Epoch::FINISHED);
    for _ in 0..100 {
        let mut slot_buf = [0; 64];
        let mut slot = peerage_base::slot::Slot::new(&mut slot_buf, 21, 16, 27);
        slot.fill(1);
        sealer.seal(crate::wire::ContentType::APPLICATION_DATA, &mut slot).unwrap();
    }
    transport.install_sealer(Epoch::FINISHED, sealer);
    transport.push(Epoch::FINISHED, HandshakeType::CLIENT_HELLO, alloc::vec![1; 60]);
    transport.flush(now, Expects::Nothing);
    let packet = transport.flight().next().unwrap().to_vec();
    assert_eq!(open(&mut world.server, now, &packet), None);
    assert_eq!(world.server.received.len(), 1);
    assert_eq!(
        (world.server.received[0].kind, world.server.received[0].epoch),
        (HandshakeType::CLIENT_HELLO, Epoch::FINISHED)
    );
}

#[test]
fn little_is_left_after_the_handshake() {
    assert!(size_of::<Transport>() <= 640, "{} bytes", size_of::<Transport>());
    for version in [Version::Dtls13, Version::Dtls12] {
        let mut world = World::new(version, 1200, 0);
        (world.client.certificate, world.server.certificate) = (16_000, 16_000);
        world.start();
        world.run_to_end();
        assert!(world.is_complete());
        // What was due to go goes with the next datagram.
        let now = world.now + Duration::from_secs(241);
        let packets = [world.client.seal(b"data"), world.server.seal(b"data")];
        open(&mut world.server, now, &packets[0]);
        open(&mut world.client, now, &packets[1]);
        for transport in [&world.client.transport, &world.server.transport] {
            assert!(transport.flight.is_none(), "{version:?}");
            assert_eq!(transport.epochs.count(), (1, 1), "{version:?}");
            assert_eq!(transport.inputs.capacity() + transport.outbox.capacity() + transport.alerts.capacity(), 0);
            assert_eq!(transport.assembly.capacity() + transport.acks.capacity() + transport.early.capacity(), 0);
        }
    }
}

#[test]
fn a_peer_that_never_acknowledges_is_not_bothered_for_ever() {
    let mut world = connected(Version::Dtls13);
    world.link.loss = 1000;
    update_keys(&mut world, Epoch::APPLICATION);
    let before = world.now;
    world.run_to_end();
    assert_eq!(world.client.transport.counters().resent, 32);
    assert!(world.now > before + Duration::from_secs(25));
    assert!(world.client.transport.is_flight_outstanding(), "and no other update may be sent");
    assert!(world.client.inputs.is_empty());
}
