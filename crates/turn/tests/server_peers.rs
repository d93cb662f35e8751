//! Whom the server relays to, and how: RFC 8656 §9 to §12, and every spelling of what it must not touch.

mod server_kit;

use peerage_stun::attribute::Attribute;
use peerage_stun::header::{Class, Method};
use peerage_turn::server::counters::Drop;
use peerage_turn::server::event::{Forward, Icmp};
use server_kit::{Login, RELAY_V4, RELAY_V6, UDP, World, build, channel_data, client, config, peer, seconds};

const DUAL: Attribute<'static> =
    Attribute::AdditionalAddressFamily(peerage_stun::attribute::address::AddressFamily::V6);

/// A world with a dual allocation of client 1.
fn dual(config: peerage_turn::server::config::Config) -> (World, Login) {
    let (mut world, alice) = (World::new(config), Login::alice());
    assert_eq!(world.ask(client(1), &alice, Method::ALLOCATE, &[UDP, DUAL]).code(), 0);
    (world, alice)
}

/// What comes of an address at each place where it can be named: CreatePermission, ChannelBind, Send and a packet from
/// it.
fn tries(world: &mut World, alice: &Login, address: &str) -> (u16, u16, bool, bool) {
    let permission = world.permit(client(1), alice, &[address]);
    let number = 0x4000 + world.id().0[11] as u16 + 256 * (world.id().0[10] as u16 & 7);
    let channel = world.bind_channel(client(1), alice, number, address);
    let sent = world.send(client(1), address, b"x").is_some();
    let relay = world.sockets.iter().find(|(_, bound)| bound.is_ipv4() == peer(address).is_ipv4()).unwrap().0;
    (permission, channel, sent, world.receive(relay, address, b"x").is_some())
}

#[test]
fn no_spelling_of_a_forbidden_address_is_relayed_to_or_from() {
    let (mut world, alice) = dual(config());
    for ip in [
        "127.0.0.1",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "198.18.0.1",
        "240.0.0.1",
        "[::]",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[::ffff:10.0.0.1]",
        "[::ffff:0:0]",
        "[::ffff:169.254.169.254]",
        "[::ffff:0:127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b::8.8.8.8]",
        "[64:ff9b::10.0.0.1]",
        "[64:ff9b:1::10.0.0.1]",
        "[64:ff9b:1:a00:0:100::]",
        "[2002:7f00:1::]",
        "[2002:a00:1::1]",
        "[2001:0:a00:1::1]",
        "[2001::f5ff:fffe]",
        "[fe80::1]",
        "[fc00::1]",
        "[fd00::1]",
        "[ff02::1]",
        "[2001:db8::1]",
        "[100::1]",
        "[fec0::1]",
    ] {
        let address = format!("{ip}:3478");
        assert_eq!(tries(&mut world, &alice, &address), (403, 403, false, false), "{ip}");
    }
}

#[test]
fn the_public_internet_is_relayed_to() {
    let (mut world, alice) = dual(config());
    for ip in ["9.9.9.9", "1.1.1.1", "[2a00::9]", "[2606:4700::1111]"] {
        assert_eq!(tries(&mut world, &alice, &format!("{ip}:3478")), (0, 0, true, true), "{ip}");
    }
}

#[test]
fn a_mapped_address_is_the_ipv4_peer_it_spells() {
    let (mut world, alice) = dual(config());
    assert_eq!(world.permit(client(1), &alice, &["[::ffff:9.9.9.9]:1"]), 0);
    let forward = world.send(client(1), "[::ffff:9.9.9.9]:7", b"x").unwrap();
    assert!(
        matches!(forward, Forward::Peer { relay, peer: to, .. } if to == peer("9.9.9.9:7") && relay == world.sockets[0].0)
    );
    // With no IPv4 relay there is no way to it.
    world.ask(
        client(1),
        &alice,
        Method::REFRESH,
        &[
            Attribute::RequestedAddressFamily(peerage_stun::attribute::address::AddressFamily::V4),
            Attribute::Lifetime(0),
        ],
    );
    assert_eq!(world.permit(client(1), &alice, &["[::ffff:9.9.9.9]:1"]), 443);
    assert_eq!(world.send(client(1), "[::ffff:9.9.9.9]:7", b"x"), None);
}

#[test]
fn the_servers_own_ports_are_out_of_reach_in_every_spelling() {
    let (mut world, alice) = dual(config());
    for host in
        [RELAY_V4.to_owned(), format!("[{RELAY_V6}]"), format!("[::ffff:{RELAY_V4}]"), format!("[::{RELAY_V4}]")]
    {
        let address = format!("{host}:3478");
        // The address as such is where relays are; the port is not.
        assert_eq!(world.permit(client(1), &alice, &[&address]), 0, "{host}");
        assert_eq!(world.bind_channel(client(1), &alice, 0x4000, &address), 403, "{host}");
        assert_eq!(world.send(client(1), &address, b"x"), None, "{host}");
        let relay =
            world.sockets.iter().find(|(_, bound)| bound.is_ipv4() == (host != format!("[{RELAY_V6}]"))).unwrap().0;
        assert_eq!(world.receive(relay, &address, b"x"), None, "{host}");
    }
    assert_eq!(world.dropped(Drop::Forbidden), 8);
}

#[test]
fn a_relay_talks_to_another_relay_of_the_server_in_memory() {
    let (mut world, alice) = (World::new(config()), Login::alice());
    let (a, b) = (world.allocate(client(1), &alice), world.allocate(client(2), &alice));
    let (a, b) = (a.to_string(), b.to_string());
    assert_eq!(world.permit(client(1), &alice, &[&b]), 0);
    assert_eq!(world.bind_channel(client(2), &alice, 0x4007, &a), 0);
    let forward = world.send(client(1), &b, b"over").unwrap();
    let Forward::Relay { from, to, .. } = forward else { panic!("{forward:?}") };
    assert_eq!((from, to), (peer(&a), world.relay(peer(&b))));
    let (path, packet) = world.receive(to, &a, b"over").unwrap();
    assert_eq!((path, packet), (client(2), channel_data(0x4007, b"over")));
    let packet = channel_data(0x4007, b"back");
    let (forward, _) = world.give(client(2), &packet);
    assert_eq!(forward, Some(Forward::Relay { from: peer(&b), to: world.relay(peer(&a)), range: 4..8 }));
    // The one that is gone is the server again.
    let relay = world.relay(peer(&b));
    world.refresh(client(1), &alice, 0);
    assert_eq!(world.give(client(2), &packet), (None, None));
    assert_eq!(world.receive(relay, &a, b"late"), None);
    assert_eq!(world.dropped(Drop::Forbidden), 2);
}

#[test]
fn relays_on_a_host_that_is_not_said_to_be_own_are_still_the_servers() {
    let mut config = config();
    config.own.clear();
    let (mut world, alice) = (World::new(config), Login::alice());
    world.allocate(client(1), &alice);
    let address = format!("{RELAY_V4}:22");
    assert_eq!(world.permit(client(1), &alice, &[&address]), 0);
    assert_eq!(world.send(client(1), &address, b"x"), None);
    assert_eq!(world.bind_channel(client(1), &alice, 0x4000, &address), 403);
}

#[test]
fn an_address_that_the_server_gets_later_is_out_of_reach_from_then_on() {
    let (mut world, alice) = dual(config());
    assert_eq!(world.permit(client(1), &alice, &["9.9.9.9:7"]), 0);
    assert!(world.send(client(1), "9.9.9.9:7", b"x").is_some());
    world.server.set_own(&["9.9.9.9".parse().unwrap()]);
    assert_eq!(world.send(client(1), "9.9.9.9:7", b"x"), None);
    assert_eq!(world.permit(client(1), &alice, &["9.9.9.9:7"]), 403);
    world.server.set_own(&[]);
    assert!(world.send(client(1), "9.9.9.9:7", b"x").is_some());
}

#[test]
fn the_operator_allows_and_denies() {
    let mut config = config();
    config.allow = vec!["10.0.0.0/8".parse().unwrap(), format!("{RELAY_V4}/32").parse().unwrap()];
    config.deny = vec!["10.9.0.0/16".parse().unwrap(), "9.9.9.9".parse().unwrap()];
    let (mut world, alice) = dual(config);
    assert_eq!(tries(&mut world, &alice, "10.0.0.1:80"), (0, 0, true, true));
    assert_eq!(tries(&mut world, &alice, "10.9.0.1:80"), (403, 403, false, false));
    assert_eq!(tries(&mut world, &alice, "9.9.9.9:80"), (403, 403, false, false));
    assert_eq!(tries(&mut world, &alice, "[::ffff:9.9.9.9]:80"), (403, 403, false, false));
    assert_eq!(tries(&mut world, &alice, &format!("{RELAY_V4}:80")), (0, 0, true, true));
}

#[test]
fn what_the_operator_denies_is_not_reached_although_it_is_a_live_relay() {
    let mut config = config();
    config.deny = vec![RELAY_V4.parse().unwrap()];
    let (mut world, alice) = (World::new(config), Login::alice());
    let (_, b) = (world.allocate(client(1), &alice), world.allocate(client(2), &alice));
    assert_eq!(tries(&mut world, &alice, &b.to_string()), (403, 403, false, false));
}

#[test]
fn one_forbidden_peer_among_several_installs_none() {
    let (mut world, alice) = dual(config());
    assert_eq!(world.permit(client(1), &alice, &["9.9.9.9:1", "10.0.0.1:1"]), 403);
    assert_eq!(world.send(client(1), "9.9.9.9:1", b"x"), None);
    assert_eq!(world.permit(client(1), &alice, &[]), 400);
    assert_eq!(world.permit(client(1), &alice, &["9.9.9.9:0", "9.9.9.9:1", "1.1.1.1:1", "[2a00::9]:1"]), 0);
    for to in ["9.9.9.9:7", "1.1.1.1:8", "[2a00::9]:9"] {
        assert!(world.send(client(1), to, b"x").is_some());
    }
    assert_eq!(world.send(client(1), "9.9.9.9:0", b"x"), None);
}

#[test]
fn a_peer_of_the_other_family_does_not_match() {
    let (mut world, alice) = (World::new(config()), Login::alice());
    world.allocate(client(1), &alice);
    assert_eq!(world.permit(client(1), &alice, &["[2a00::9]:1"]), 443);
    assert_eq!(world.bind_channel(client(1), &alice, 0x4000, "[2a00::9]:1"), 443);
    assert_eq!(world.receive(world.sockets[0].0, "[2a00::9]:1", b"x"), None);
    assert_eq!(world.dropped(Drop::Family), 1);
}

#[test]
fn a_permission_is_for_an_address_whatever_the_port_and_lasts_five_minutes() {
    let (mut world, alice) = dual(config());
    let relay = world.sockets[0].0;
    assert_eq!(world.receive(relay, "9.9.9.9:1", b"x"), None);
    assert_eq!(world.send(client(1), "9.9.9.9:1", b"x"), None);
    assert_eq!(world.dropped(Drop::NoPermission), 2);
    world.permit(client(1), &alice, &["9.9.9.9:1"]);
    world.wait(seconds(299));
    assert!(world.send(client(1), "9.9.9.9:2", b"x").is_some());
    assert!(world.receive(relay, "9.9.9.9:3", b"x").is_some());
    assert_eq!(world.receive(relay, "9.9.9.8:3", b"x"), None);
    world.wait(seconds(1));
    assert_eq!(world.send(client(1), "9.9.9.9:2", b"x"), None, "data does not refresh it");
    assert_eq!(world.receive(relay, "9.9.9.9:3", b"x"), None);
    world.bind_channel(client(1), &alice, 0x4000, "9.9.9.9:5");
    assert!(world.receive(relay, "9.9.9.9:3", b"x").is_some(), "a channel installs one");
}

#[test]
fn permissions_are_bounded_and_lapsed_ones_give_way() {
    let (mut world, alice) = dual(config());
    let ips: Vec<_> = (0..65).map(|n| format!("9.9.{n}.1:1")).collect();
    let all: Vec<_> = ips.iter().map(String::as_str).collect();
    assert_eq!(world.permit(client(1), &alice, &all), 508);
    assert_eq!(world.permit(client(1), &alice, &all[..64]), 0);
    assert_eq!(world.permit(client(1), &alice, &all[..64]), 0, "refreshed");
    assert_eq!(world.permit(client(1), &alice, &all[64..]), 508);
    assert_eq!(world.bind_channel(client(1), &alice, 0x4000, all[64]), 508);
    assert_eq!(world.permit(client(1), &alice, &[all[0]; 20]), 0);
    assert_eq!(world.permit(client(1), &alice, &[all[0]; 129]), 508, "too many in one message");
    world.wait(seconds(300));
    assert_eq!(world.permit(client(1), &alice, &all[64..]), 0);
}

#[test]
fn a_channel_number_is_in_range_and_goes_with_one_peer() {
    let (mut world, alice) = dual(config());
    for (number, code) in [(0x3FFF, 400), (0x8000, 400), (0, 400), (0xFFFF, 400), (0x4000, 0), (0x7FFF, 0)] {
        assert_eq!(
            world.bind_channel(client(1), &alice, number, &format!("9.9.9.9:{}", number & 0xFFF | 1)),
            code,
            "{number:#x}"
        );
    }
    assert_eq!(world.bind_channel(client(1), &alice, 0x4000, "9.9.9.9:1"), 0, "again");
    assert_eq!(world.bind_channel(client(1), &alice, 0x4000, "9.9.9.9:2"), 400);
    assert_eq!(world.bind_channel(client(1), &alice, 0x4001, "9.9.9.9:1"), 400);
    assert_eq!(world.bind_channel(client(1), &alice, 0x4001, "[::ffff:9.9.9.9]:1"), 400, "the same peer");
    assert_eq!(world.bind_channel(client(1), &alice, 0x4001, "9.9.9.9:0"), 400);
    assert_eq!(world.ask(client(1), &alice, Method::CHANNEL_BIND, &[Attribute::ChannelNumber(0x4002)]).code(), 400);
    let peer_alone = [Attribute::XorPeerAddress(peer("9.9.9.9:4"))];
    assert_eq!(world.ask(client(1), &alice, Method::CHANNEL_BIND, &peer_alone).code(), 400);
}

#[test]
fn a_channel_lasts_ten_minutes_and_rests_five() {
    let (mut world, alice) = dual(config());
    let data = channel_data(0x4000, b"x");
    assert_eq!(world.bind_channel(client(1), &alice, 0x4000, "9.9.9.9:1"), 0);
    world.refresh(client(1), &alice, 3600);
    world.wait(seconds(599));
    assert!(world.give(client(1), &data).0.is_some());
    world.wait(seconds(1));
    assert_eq!(world.give(client(1), &data), (None, None));
    assert_eq!(world.dropped(Drop::NoChannel), 1);
    assert_eq!(world.bind_channel(client(1), &alice, 0x4000, "9.9.9.9:2"), 400);
    assert_eq!(world.bind_channel(client(1), &alice, 0x4001, "9.9.9.9:1"), 400);
    world.wait(seconds(299));
    assert_eq!(world.bind_channel(client(1), &alice, 0x4000, "9.9.9.9:2"), 400);
    world.wait(seconds(1));
    assert_eq!(world.bind_channel(client(1), &alice, 0x4000, "9.9.9.9:2"), 0);
    assert_eq!(world.bind_channel(client(1), &alice, 0x4001, "9.9.9.9:1"), 0);
    world.wait(seconds(700));
    assert_eq!(world.bind_channel(client(1), &alice, 0x4001, "9.9.9.9:1"), 0, "its own peer gets it back at once");
}

#[test]
fn channels_are_bounded_and_rested_ones_give_way() {
    let (mut world, alice) = dual(config());
    world.refresh(client(1), &alice, 3600);
    for n in 0..64 {
        assert_eq!(world.bind_channel(client(1), &alice, 0x4000 + n, &format!("9.9.9.9:{}", n + 1)), 0);
    }
    assert_eq!(world.bind_channel(client(1), &alice, 0x4100, "9.9.9.9:100"), 508);
    world.wait(seconds(899));
    assert_eq!(world.bind_channel(client(1), &alice, 0x4100, "9.9.9.9:100"), 508);
    world.wait(seconds(1));
    assert_eq!(world.bind_channel(client(1), &alice, 0x4100, "9.9.9.9:100"), 0);
}

#[test]
fn channel_data_goes_both_ways_with_its_length_checked() {
    let (mut world, alice) = dual(config());
    world.bind_channel(client(1), &alice, 0x4000, "9.9.9.9:1");
    let relay = world.sockets[0].0;
    for data in [&b""[..], b"x", b"four", &[7; 1200]] {
        let packet = channel_data(0x4000, data);
        let forward = Forward::Peer { relay, peer: peer("9.9.9.9:1"), range: 4..4 + data.len(), dont_fragment: false };
        assert_eq!(world.give(client(1), &packet), (Some(forward.clone()), None));
        let padded = [&packet[..], &[0; 3]].concat();
        assert_eq!(world.give(client(1), &padded), (Some(forward), None), "padding is not data");
        assert_eq!(world.receive(relay, "9.9.9.9:1", data), Some((client(1), packet)));
    }
    let mut short = channel_data(0x4000, b"four");
    short.pop();
    assert_eq!(world.give(client(1), &short), (None, None));
    assert_eq!(world.give(client(2), &channel_data(0x4000, b"x")), (None, None), "of another client");
    assert_eq!(world.give(client(1), &channel_data(0x4001, b"x")), (None, None));
}

#[test]
fn without_a_channel_a_peer_is_heard_by_data_indications() {
    let (mut world, alice) = dual(config());
    world.permit(client(1), &alice, &["9.9.9.9:1", "[2a00::9]:1"]);
    world.bind_channel(client(1), &alice, 0x4000, "9.9.9.9:1");
    for (socket, from) in [(0, "9.9.9.9:2"), (1, "[2a00::9]:2")] {
        for data in [&b""[..], b"x", b"xyz", b"four", &[7; 1201]] {
            let relay = world.sockets[socket].0;
            let (path, packet) = world.receive(relay, from, data).unwrap();
            let indication = peerage_stun::message::Message::parse(&packet).unwrap();
            assert_eq!((path, indication.class(), indication.method()), (client(1), Class::Indication, Method::DATA));
            assert_eq!((indication.xor_peer_address(), indication.data()), (Some(peer(from)), Some(data)));
            assert_eq!(
                packet[packet.len() - (data.len().next_multiple_of(4) - data.len())..].iter().max().unwrap_or(&0),
                &0
            );
        }
    }
}

#[test]
fn a_send_indication_needs_a_peer_and_data_and_nothing_unknown() {
    let (mut world, alice) = dual(config());
    world.permit(client(1), &alice, &["9.9.9.9:1"]);
    let (to, data) = (Attribute::XorPeerAddress(peer("9.9.9.9:1")), Attribute::Data(b"x"));
    let unknown = Attribute::Unknown { kind: peerage_stun::attribute::kind::AttributeType(0x7777), value: &[] };
    for (attributes, relayed) in [
        (&[to, data][..], Some(false)),
        (&[data, to], Some(false)),
        (&[to, Attribute::DontFragment, data], Some(true)),
        (&[to], None),
        (&[data], None),
        (&[], None),
        (&[to, data, unknown], None),
    ] {
        let packet = build(Class::Indication, Method::SEND, world.id(), attributes, None);
        let (forward, answer) = world.give(client(1), &packet);
        assert_eq!(answer, None);
        let df = forward.map(|forward| matches!(forward, Forward::Peer { dont_fragment: true, .. }));
        assert_eq!(df, relayed, "{attributes:?}");
    }
}

#[test]
fn a_packet_without_room_for_its_wrapping_is_dropped() {
    let (mut world, alice) = dual(config());
    world.permit(client(1), &alice, &["9.9.9.9:1"]);
    let mut buf = [0; 64];
    let mut slot = peerage_base::slot::Slot::new(&mut buf, 35, 3, 9);
    slot.fill(9);
    assert_eq!(world.server.handle_peer(world.now, world.sockets[0].0, peer("9.9.9.9:1"), &mut slot), None);
    assert_eq!(world.dropped(Drop::Size), 1);
    assert_eq!(world.receive(world.sockets[0].0, "9.9.9.9:0", b"x"), None);
}

#[test]
fn errors_of_the_network_are_told_to_who_has_a_permission() {
    let (mut world, alice) = dual(config());
    world.permit(client(1), &alice, &["9.9.9.9:1", "[2a00::9]:1"]);
    let (v4, v6) = (world.sockets[0].0, world.sockets[1].0);
    for (relay, of, kind, told) in [
        (v4, "9.9.9.9:7", 3, true),
        (v4, "9.9.9.9:0", 11, true),
        (v4, "9.9.9.9:7", 8, false),
        (v4, "9.9.9.8:7", 3, false),
        (v6, "[2a00::9]:7", 2, true),
        (v6, "[2a00::9]:7", 128, false),
        (v6, "9.9.9.9:7", 3, false),
    ] {
        world.server.handle_icmp(world.now, relay, peer(of), Icmp { kind, code: 4, data: 1280 });
        let answer = world.answer();
        assert_eq!(answer.is_some(), told, "{of} {kind}");
        if let Some((path, answer)) = answer {
            let message = answer.message();
            assert_eq!((path, message.class(), message.method()), (client(1), Class::Indication, Method::DATA));
            assert_eq!((message.xor_peer_address(), message.data()), (Some(peer(of)), None));
            let icmp = message.attributes().last().unwrap();
            assert_eq!(icmp, Attribute::Icmp { kind, code: 4, data: 1280 });
        }
    }
}

#[test]
fn data_costs_no_allocation() {
    let (mut world, alice) = dual(config());
    world.permit(client(1), &alice, &["9.9.9.9:1"]);
    world.bind_channel(client(1), &alice, 0x4000, "9.9.9.9:1");
    let relay = world.sockets[0].0;
    let mut data = channel_data(0x4000, &[1; 1000]);
    let attributes = [Attribute::XorPeerAddress(peer("9.9.9.9:2")), Attribute::Data(&[1; 1000])];
    let mut send = build(Class::Indication, Method::SEND, world.id(), &attributes, None);
    let mut buf = [0; 1100];
    let (now, server) = (world.now, &mut world.server);
    let mut done = 0;
    let allocated = allocation_counter::measure(|| {
        for _ in 0..1000 {
            let udp = peerage_turn::server::event::Transport::Udp;
            done += usize::from(server.handle_client(now, udp, client(1), &mut data).is_some());
            done += usize::from(server.handle_client(now, udp, client(1), &mut send).is_some());
            for from in ["9.9.9.9:1", "9.9.9.9:2"] {
                let mut slot = peerage_base::slot::Slot::new(&mut buf, 48, 3, 1000);
                slot.fill(1000);
                done += usize::from(server.handle_peer(now, relay, from.parse().unwrap(), &mut slot).is_some());
            }
        }
    });
    assert_eq!((done, allocated.count_total), (4000, 0));
    let counters = world.server.counters();
    assert_eq!((counters.packets_to_peers, counters.bytes_to_peers), (2000, 2_000_000));
    assert_eq!((counters.packets_from_peers, counters.bytes_from_peers), (2000, 2_000_000));
}
