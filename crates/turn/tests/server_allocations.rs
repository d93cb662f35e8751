//! Allocations of the server: RFC 8656 §7 and §8, by simulated time.

mod server_kit;

use peerage_stun::attribute::Attribute;
use peerage_stun::attribute::address::AddressFamily;
use peerage_stun::attribute::kind::AttributeType;
use peerage_stun::header::{Class, Method};
use peerage_turn::server::counters::Drop;
use peerage_turn::server::event::{BindError, Port, Transport};
use server_kit::{Login, RELAY_V4, RELAY_V6, UDP, World, build, client, config, peer, seconds};

const DUAL: Attribute<'static> = Attribute::AdditionalAddressFamily(AddressFamily::V6);
const WANT_V6: Attribute<'static> = Attribute::RequestedAddressFamily(AddressFamily::V6);

fn world() -> World {
    World::new(config())
}

#[test]
fn an_allocation_is_told_its_addresses_and_its_lifetime() {
    let (mut world, alice) = (world(), Login::alice());
    let answer = world.ask(client(1), &alice, Method::ALLOCATE, &[UDP]);
    assert_eq!((answer.code(), answer.lifetime()), (0, 600));
    assert_eq!(answer.relayed(), [world.sockets[0].1]);
    assert_eq!(answer.message().xor_mapped_address(), Some(client(1).remote));
    assert!(answer.is_sealed_by(&alice));
    assert_eq!((world.server.counters().allocations, world.server.counters().allocated), (1, 1));
}

#[test]
fn a_lifetime_lies_between_the_default_and_the_longest() {
    for (asked, granted) in [(0, 600), (30, 600), (1000, 1000), (3600, 3600), (u32::MAX, 3600)] {
        let mut world = world();
        let answer = world.ask(client(1), &Login::alice(), Method::ALLOCATE, &[UDP, Attribute::Lifetime(asked)]);
        assert_eq!(answer.lifetime(), granted, "{asked}");
    }
}

#[test]
fn an_allocation_ends_with_its_lifetime_unless_it_is_refreshed() {
    let (mut world, alice) = (world(), Login::alice());
    let relayed = world.allocate(client(1), &alice);
    let relay = world.relay(relayed);
    world.wait(seconds(599));
    assert_eq!(world.refresh(client(1), &alice, 600).lifetime(), 600);
    world.wait(seconds(599));
    assert_eq!(world.sockets.len(), 1);
    world.wait(seconds(1));
    assert!(world.sockets.is_empty());
    assert_eq!(world.server.counters().expired, 1);
    assert_eq!(world.refresh(client(1), &alice, 600).code(), 437);
    assert_eq!(world.receive(relay, "9.9.9.9:1", b"late"), None);
    assert_eq!(world.dropped(Drop::NoRelay), 1);
    world.allocate(client(1), &alice);
}

#[test]
fn a_refresh_with_no_lifetime_ends_the_allocation_and_again_is_a_mismatch() {
    let (mut world, alice) = (world(), Login::alice());
    world.allocate(client(1), &alice);
    assert_eq!(world.refresh(client(1), &alice, 0).lifetime(), 0);
    assert!(world.sockets.is_empty());
    assert_eq!(world.refresh(client(1), &alice, 0).code(), 437);
    assert_eq!((world.server.counters().released, world.server.counters().allocations), (1, 0));
}

#[test]
fn a_retransmitted_allocate_is_answered_alike_and_another_one_is_a_mismatch() {
    let (mut world, alice) = (world(), Login::alice());
    let id = world.id();
    let even = Attribute::EvenPort { reserve: true };
    let request = world.request(client(1), &alice, Method::ALLOCATE, id, &[UDP, even]);
    let first = world.give(client(1), &request).1.unwrap();
    world.wait(seconds(3));
    assert_eq!(world.give(client(1), &request).1.unwrap(), first);
    assert_eq!(world.sockets.len(), 2);
    assert_eq!(world.ask(client(1), &alice, Method::ALLOCATE, &[UDP]).code(), 437);
    // The same id by another user is another request.
    let bob = Login::issued("bob", u64::MAX >> 1);
    let request = world.request(client(1), &bob, Method::ALLOCATE, id, &[UDP]);
    assert_eq!(world.give(client(1), &request).1.unwrap().code(), 437);
}

#[test]
fn a_retransmission_while_the_relay_is_being_bound_waits_for_the_one_answer() {
    let (mut world, alice) = (world(), Login::alice());
    world.binds = false;
    let id = world.id();
    let request = world.request(client(1), &alice, Method::ALLOCATE, id, &[UDP]);
    for _ in 0..3 {
        assert_eq!(world.give(client(1), &request), (None, None));
    }
    assert_eq!((world.wishes.len(), world.dropped(Drop::Pending)), (1, 2));
    // Nothing else works before.
    assert_eq!(world.refresh(client(1), &alice, 600).code(), 437);
    let (relay, v4, port) = world.wishes[0];
    world.bind(relay, v4, port);
    assert_eq!(world.answer().unwrap().1.code(), 0);
    assert!(world.answer().is_none());
}

#[test]
fn a_driver_that_does_not_answer_costs_a_client_ten_seconds() {
    let (mut world, alice) = (world(), Login::alice());
    world.binds = false;
    let id = world.id();
    let request = world.request(client(1), &alice, Method::ALLOCATE, id, &[UDP]);
    world.give(client(1), &request);
    let (relay, v4, port) = world.wishes[0];
    world.now += seconds(10);
    world.server.handle_timeout(world.now);
    assert_eq!(world.answer().unwrap().1.code(), 508);
    assert!(world.wishes.is_empty(), "the wish was taken back");
    world.bind(relay, v4, port);
    assert!(world.answer().is_none(), "late");
    assert_eq!((world.server.counters().allocations, world.server.counters().relays), (0, 0));
}

#[test]
fn what_cannot_be_is_refused_by_its_code() {
    let token = Attribute::ReservationToken([1; 8]);
    let even = |reserve| Attribute::EvenPort { reserve };
    let unknown = Attribute::Unknown { kind: AttributeType(0x7777), value: &[] };
    let family = |n| Attribute::RequestedAddressFamily(AddressFamily(n));
    for (attributes, code) in [
        (&[][..], 400),
        (&[Attribute::RequestedTransport(6)], 442),
        (&[UDP, token, even(false)], 400),
        (&[UDP, token, WANT_V6], 400),
        (&[UDP, token, DUAL], 400),
        (&[UDP, token], 508),
        (&[UDP, WANT_V6, DUAL], 400),
        (&[UDP, Attribute::AdditionalAddressFamily(AddressFamily::V4)], 400),
        (&[UDP, even(true), DUAL], 400),
        (&[UDP, family(3)], 440),
        (&[UDP, unknown], 420),
        (&[UDP, Attribute::ConnectionId(1)], 420),
        (&[UDP, Attribute::ChangeRequest { ip: true, port: true }], 420),
        (&[UDP, Attribute::DontFragment], 0),
        (&[UDP, WANT_V6], 0),
        (&[UDP, even(false), DUAL], 0),
    ] {
        let (mut world, alice) = (world(), Login::alice());
        let answer = world.ask(client(1), &alice, Method::ALLOCATE, attributes);
        assert_eq!(answer.code(), code, "{attributes:?}");
        assert!(answer.is_sealed_by(&alice));
        assert_eq!(world.server.counters().refused(code), u64::from(code != 0));
        let expected = if code == 0 { attributes.contains(&DUAL) as usize + 1 } else { 0 };
        assert_eq!(world.sockets.len(), expected, "{attributes:?}");
    }
}

#[test]
fn dont_fragment_is_an_unknown_attribute_to_a_server_that_cannot() {
    let mut config = config();
    config.dont_fragment = false;
    let (mut world, alice) = (World::new(config), Login::alice());
    let answer = world.ask(client(1), &alice, Method::ALLOCATE, &[UDP, Attribute::DontFragment]);
    assert_eq!(answer.code(), 420);
    let unknown: Vec<_> = answer.message().unknown_attributes().unwrap().iter().collect();
    assert_eq!(unknown, [AttributeType::DONT_FRAGMENT]);
    world.allocate(client(1), &alice);
    world.permit(client(1), &alice, &["9.9.9.9:1"]);
    let attributes = [Attribute::XorPeerAddress(peer("9.9.9.9:1")), Attribute::DontFragment, Attribute::Data(b"x")];
    let packet = build(Class::Indication, Method::SEND, world.id(), &attributes, None);
    assert_eq!(world.give(client(1), &packet), (None, None));
}

#[test]
fn families_that_are_not_offered_are_refused_or_told_of() {
    let mut only_v4 = config();
    only_v4.relay_v6 = false;
    let mut only_v6 = config();
    only_v6.relay_v4 = false;
    for (config, family, code) in [(only_v4, AddressFamily::V6, 0), (only_v6, AddressFamily::V4, 440)] {
        let mut world = World::new(config);
        let alice = Login::alice();
        assert_eq!(world.ask(client(1), &alice, Method::ALLOCATE, &[UDP]).code(), code);
        let v6 = world.ask(client(2), &alice, Method::ALLOCATE, &[UDP, WANT_V6]).code();
        assert_eq!(v6, 440 - code);
        let answer = world.ask(client(3), &alice, Method::ALLOCATE, &[UDP, DUAL]);
        assert_eq!((answer.code(), answer.relayed().len()), (0, 1));
        let told = answer.message().attributes().find_map(|attribute| match attribute {
            Attribute::AddressErrorCode(family, error) => Some((family, error.code)),
            _ => None,
        });
        assert_eq!(told, Some((family, 440)));
    }
}

#[test]
fn a_dual_allocation_has_both_families_or_says_why_not() {
    let alice = Login::alice();
    let (family, port) = (Some(BindError::Family), Some(BindError::Port));
    for (refuse, code, relays, told) in [
        (vec![], 0, vec![RELAY_V4, RELAY_V6], None),
        (vec![None, family], 0, vec![RELAY_V4], Some((AddressFamily::V6, 440))),
        (vec![None, port], 0, vec![RELAY_V4], Some((AddressFamily::V6, 508))),
        (vec![port, None], 0, vec![RELAY_V6], Some((AddressFamily::V4, 508))),
        (vec![family, family], 440, vec![], None),
        (vec![family, port], 508, vec![], None),
        (vec![port, family], 508, vec![], None),
    ] {
        let mut world = world();
        world.refuse = refuse.clone();
        let answer = world.ask(client(1), &alice, Method::ALLOCATE, &[UDP, DUAL]);
        let hosts: Vec<_> = answer.relayed().iter().map(|address| address.ip().to_string()).collect();
        let found = answer.message().attributes().find_map(|attribute| match attribute {
            Attribute::AddressErrorCode(family, error) => Some((family, error.code)),
            _ => None,
        });
        assert_eq!(
            (answer.code(), hosts, found),
            (code, relays.iter().map(|ip| ip.to_string()).collect(), told),
            "{refuse:?}"
        );
        assert_eq!(world.server.counters().relays, relays.len() as u64);
    }
}

#[test]
fn the_families_of_a_dual_allocation_live_and_end_by_themselves() {
    let (mut world, alice) = (world(), Login::alice());
    let relayed = world.ask(client(1), &alice, Method::ALLOCATE, &[UDP, DUAL]).relayed();
    assert_eq!(world.permit(client(1), &alice, &["9.9.9.9:1", "[2a00::9]:1"]), 0);
    assert_eq!(world.bind_channel(client(1), &alice, 0x4000, "9.9.9.9:1"), 0);
    assert_eq!(world.bind_channel(client(1), &alice, 0x4001, "[2a00::9]:1"), 0);
    world.wait(seconds(200));
    let refresh = |world: &mut World, family, lifetime| {
        let attributes = [Attribute::RequestedAddressFamily(family), Attribute::Lifetime(lifetime)];
        world.ask(client(1), &alice, Method::REFRESH, &attributes).code()
    };
    assert_eq!(refresh(&mut world, AddressFamily::V4, 0), 0);
    assert_eq!(world.sockets.iter().map(|(_, address)| *address).collect::<Vec<_>>(), [relayed[1]]);
    assert_eq!(world.send(client(1), "9.9.9.9:1", b"x"), None);
    assert!(world.send(client(1), "[2a00::9]:1", b"x").is_some());
    assert_eq!(refresh(&mut world, AddressFamily::V4, 600), 443);
    assert_eq!(refresh(&mut world, AddressFamily(9), 600), 443);
    assert_eq!(world.permit(client(1), &alice, &["9.9.9.9:1"]), 443);
    assert_eq!(world.bind_channel(client(1), &alice, 0x4005, "9.9.9.9:1"), 443);
    assert_eq!(refresh(&mut world, AddressFamily::V6, 600), 0);
    world.wait(seconds(599));
    assert_eq!(world.sockets.len(), 1);
    world.wait(seconds(1));
    assert_eq!((world.sockets.len(), world.server.counters().allocations), (0, 0));
}

#[test]
fn an_even_port_is_even_and_its_successor_is_kept_for_who_has_the_token() {
    let (mut world, alice) = (world(), Login::alice());
    let answer = world.ask(client(1), &alice, Method::ALLOCATE, &[UDP, Attribute::EvenPort { reserve: false }]);
    assert!(answer.relayed()[0].port().is_multiple_of(2));
    assert_eq!((answer.message().reservation_token(), world.sockets.len()), (None, 1));
    let answer = world.ask(client(2), &alice, Method::ALLOCATE, &[UDP, Attribute::EvenPort { reserve: true }]);
    let (port, token) = (answer.relayed()[0].port(), answer.message().reservation_token().unwrap());
    assert!(port.is_multiple_of(2));
    assert_eq!(world.sockets.len(), 3);
    assert_eq!(world.receive(world.sockets[2].0, "9.9.9.9:1", b"early"), None);
    // Nobody else takes it, and nothing but the token does.
    let bob = Login::issued("bob", u64::MAX >> 1);
    let token = Attribute::ReservationToken(token);
    assert_eq!(world.ask(client(3), &bob, Method::ALLOCATE, &[UDP, token]).code(), 508);
    let wrong = Attribute::ReservationToken([0; 8]);
    assert_eq!(world.ask(client(3), &alice, Method::ALLOCATE, &[UDP, wrong]).code(), 508);
    world.wait(seconds(29));
    let claimed = world.ask(client(3), &alice, Method::ALLOCATE, &[UDP, token]);
    assert_eq!((claimed.code(), claimed.relayed()[0].port()), (0, port + 1));
    assert_eq!(world.ask(client(4), &alice, Method::ALLOCATE, &[UDP, token]).code(), 508, "once");
    // It works, and outlives the time of the reservation.
    world.permit(client(3), &alice, &["9.9.9.9:1"]);
    world.wait(seconds(60));
    assert_eq!(world.receive(world.relay(claimed.relayed()[0]), "9.9.9.9:1", b"x").unwrap().0, client(3));
}

#[test]
fn no_reserved_port_is_ever_left_behind() {
    let mut config = config();
    config.quota.per_name = 2;
    let (mut world, alice) = (World::new(config), Login::alice());
    let pair = [UDP, Attribute::EvenPort { reserve: true }];
    for round in 0..20 {
        assert_eq!(world.ask(client(1), &alice, Method::ALLOCATE, &pair).code(), 0, "{round}");
        // The reserved port counts.
        assert_eq!(world.ask(client(2), &alice, Method::ALLOCATE, &[UDP]).code(), 486);
        world.refresh(client(1), &alice, 0);
        assert_eq!(world.ask(client(2), &alice, Method::ALLOCATE, &pair).code(), 486);
        world.wait(seconds(30));
        assert_eq!(world.server.counters().relays, 0);
    }
    assert_eq!((world.sockets.len(), world.server.counters().unclaimed), (0, 20));
    // Where the successor cannot be had, nothing is.
    world.refuse = vec![None, Some(BindError::Port)];
    assert_eq!(world.ask(client(1), &alice, Method::ALLOCATE, &pair).code(), 508);
    assert_eq!((world.sockets.len(), world.server.counters().relays), (0, 0));
    assert_eq!(world.ask(client(1), &alice, Method::ALLOCATE, &pair).code(), 0);
}

#[test]
fn a_client_that_leaves_while_its_ports_are_bound_leaves_nothing() {
    for answered in 0..2 {
        let mut config = config();
        config.quota.per_name = 2;
        let (mut world, alice) = (World::new(config), Login::alice());
        world.binds = false;
        let id = world.id();
        let request =
            world.request(client(1), &alice, Method::ALLOCATE, id, &[UDP, Attribute::EvenPort { reserve: true }]);
        world.give_by(Transport::Tcp, client(1), &request);
        if answered == 1 {
            let (relay, v4, port) = world.wishes[0];
            assert_eq!(port, Port::EvenPair);
            world.bind(relay, v4, port);
            world.drive();
            assert!(matches!(world.wishes[1].2, Port::Exact(_)));
        }
        world.server.disconnected(world.now, client(1));
        world.drive();
        assert!(world.wishes.is_empty() && world.sockets.is_empty());
        assert_eq!((world.server.counters().relays, world.server.counters().allocations), (0, 0));
        world.binds = true;
        let pair = [UDP, Attribute::EvenPort { reserve: true }];
        assert_eq!(world.ask(client(1), &alice, Method::ALLOCATE, &pair).code(), 0, "the quota came back");
    }
}

#[test]
fn an_address_that_cannot_be_the_relays_own_is_not_used() {
    let (mut world, alice) = (world(), Login::alice());
    let taken = world.allocate(client(1), &alice);
    world.binds = false;
    for wrong in [taken, peer("[2a00:1450::4]:9")] {
        let id = world.id();
        let request = world.request(client(2), &alice, Method::ALLOCATE, id, &[UDP]);
        world.give(client(2), &request);
        let relay = world.wishes.last().unwrap().0;
        world.server.supply(world.now, relay, Ok(wrong));
        assert_eq!(world.answer().unwrap().1.code(), 508);
        assert_eq!(world.wishes.len(), 1, "the socket was given back");
    }
    assert_eq!(world.server.counters().relays, 1);
}

#[test]
fn a_request_for_another_users_allocation_has_wrong_credentials() {
    let (mut world, alice) = (world(), Login::alice());
    world.allocate(client(1), &alice);
    let bob = Login::issued("bob", u64::MAX >> 1);
    assert_eq!(world.refresh(client(1), &bob, 0).code(), 441);
    assert_eq!(world.permit(client(1), &bob, &["9.9.9.9:1"]), 441);
    assert_eq!(world.bind_channel(client(1), &bob, 0x4000, "9.9.9.9:1"), 441);
    assert_eq!(world.sockets.len(), 1);
}

#[test]
fn without_an_allocation_everything_is_a_mismatch() {
    let (mut world, alice) = (world(), Login::alice());
    assert_eq!(world.permit(client(1), &alice, &["9.9.9.9:1"]), 437);
    assert_eq!(world.bind_channel(client(1), &alice, 0x4000, "9.9.9.9:1"), 437);
    assert_eq!(world.refresh(client(1), &alice, 600).code(), 437);
    assert_eq!(world.send(client(1), "9.9.9.9:1", b"x"), None);
    assert_eq!(world.dropped(Drop::NoAllocation), 1);
}

#[test]
fn the_end_of_a_stream_is_the_end_of_its_allocation() {
    let (mut world, alice) = (world(), Login::alice());
    world.allocate(client(1), &alice);
    world.allocate(client(2), &alice);
    world.server.disconnected(world.now, client(1));
    world.server.disconnected(world.now, client(9));
    world.drive();
    assert_eq!((world.sockets.len(), world.server.counters().allocations), (1, 1));
}

#[test]
fn a_draining_server_serves_what_it_has() {
    let (mut world, alice) = (world(), Login::alice());
    world.ask(client(1), &alice, Method::ALLOCATE, &[UDP, Attribute::EvenPort { reserve: true }]);
    assert!(!world.server.is_drained());
    world.server.drain(world.now);
    world.drive();
    assert_eq!(world.sockets.len(), 1, "reserved ports are for allocations to come");
    assert_eq!(world.ask(client(2), &alice, Method::ALLOCATE, &[UDP]).code(), 508);
    assert_eq!(world.permit(client(1), &alice, &["9.9.9.9:1"]), 0);
    assert!(world.send(client(1), "9.9.9.9:1", b"x").is_some());
    assert_eq!(world.refresh(client(1), &alice, 600).code(), 0);
    assert!(!world.server.is_drained());
    world.refresh(client(1), &alice, 0);
    assert!(world.server.is_drained());
    assert_eq!(world.sockets.len(), 0);
}
