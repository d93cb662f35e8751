//! How much one name, one source and all may have of the server.

mod server_kit;

use peerage_base::path::{LocalId, Path};
use peerage_base::time::Duration;
use peerage_stun::attribute::Attribute;
use peerage_stun::attribute::address::AddressFamily;
use peerage_stun::header::Method;
use peerage_turn::server::config::{Config, Quota, Traffic};
use peerage_turn::server::counters::Drop;
use server_kit::{Login, UDP, UNIX, World, channel_data, config, seconds};

const DUAL: Attribute<'static> = Attribute::AdditionalAddressFamily(AddressFamily::V6);

fn from(ip: &str, port: u16) -> Path {
    Path { local: LocalId(1), remote: format!("{ip}:{port}").parse().unwrap() }
}

fn room(n: u32) -> Login {
    Login::issued(&format!("room/{n}"), UNIX.as_secs() + 100_000)
}

fn limited(set: impl FnOnce(&mut Quota)) -> Config {
    let mut config = config();
    set(&mut config.quota);
    config
}

/// How many of a hundred allocations are made, and the codes of the rest.
fn flood(world: &mut World, mut who: impl FnMut(u32) -> (Path, Login)) -> (usize, Vec<u16>) {
    let codes: Vec<_> = (0..100)
        .map(|n| {
            let (path, login) = who(n);
            world.ask(path, &login, Method::ALLOCATE, &[UDP]).code()
        })
        .collect();
    let mut refused: Vec<_> = codes.iter().copied().filter(|code| *code != 0).collect();
    let made = codes.len() - refused.len();
    refused.dedup();
    (made, refused)
}

#[test]
fn a_room_has_as_many_relays_as_its_quota_wherever_they_are_asked_from() {
    let mut world = World::new(config());
    assert_eq!(flood(&mut world, |n| (from(&format!("9.0.0.{n}"), 5000), room(1))), (32, vec![486]));
    assert_eq!(world.server.counters().refused(486), 68);
    // By other credentials of the room as well, and other rooms are not hit.
    let again = Login::issued("room/1", UNIX.as_secs() + 5000);
    assert_eq!(world.ask(from("9.1.0.1", 1024), &again, Method::ALLOCATE, &[UDP]).code(), 486);
    world.allocate(from("9.1.0.1", 1025), &room(2));
}

#[test]
fn a_source_has_as_many_relays_as_its_quota_whatever_rooms_it_asks_for() {
    let mut world = World::new(config());
    assert_eq!(flood(&mut world, |n| (from("9.0.0.1", 5000 + n as u16), room(n))), (64, vec![486]));
    let mut world = World::new(config());
    let network = |n| (from(&format!("[2a00:0:0:1::{n:x}]"), 5000), room(n));
    assert_eq!(flood(&mut world, network), (64, vec![486]), "a /64 is one source");
    world.allocate(from("[2a00:0:0:2::1]", 5000), &room(1000));
    // A mapped source is the IPv4 source.
    let mut world = World::new(limited(|quota| quota.per_source = 1));
    world.allocate(from("9.0.0.1", 5000), &room(1));
    assert_eq!(world.ask(from("[::ffff:9.0.0.1]", 5001), &room(2), Method::ALLOCATE, &[UDP]).code(), 486);
}

#[test]
fn the_server_has_a_limit_in_all() {
    let mut world = World::new(limited(|quota| quota.total = 10));
    assert_eq!(flood(&mut world, |n| (from(&format!("9.0.0.{n}"), 5000), room(n))), (10, vec![508]));
    assert_eq!((world.server.counters().relays, world.sockets.len()), (10, 10));
    world.wait(seconds(600));
    assert_eq!((world.server.counters().relays, world.sockets.len()), (0, 0));
    assert_eq!(flood(&mut world, |n| (from(&format!("9.0.0.{n}"), 5000), room(n))).0, 10);
}

#[test]
fn each_way_to_end_gives_the_quota_back() {
    let mut world = World::new(limited(|quota| quota.per_name = 2));
    let (path, login) = (from("9.0.0.1", 5000), room(1));
    for round in 0..40 {
        let answer = world.ask(path, &login, Method::ALLOCATE, &[UDP, DUAL]);
        assert_eq!((answer.code(), answer.relayed().len()), (0, 2), "{round}");
        assert_eq!(world.ask(from("9.0.0.1", 6000), &login, Method::ALLOCATE, &[UDP]).code(), 486);
        match round % 4 {
            0 => _ = world.refresh(path, &login, 0),
            1 => world.server.disconnected(world.now, path),
            2 => world.wait(seconds(600)),
            _ => {
                world.server.revoke(world.now, "room/1");
                world.server.set_live(world.now, "room/1", UNIX + seconds(1_000_000));
            }
        }
        assert_eq!(world.server.counters().relays, 0);
    }
}

#[test]
fn the_second_family_is_left_out_where_the_quota_has_room_for_one() {
    let mut world = World::new(limited(|quota| quota.per_name = 1));
    let answer = world.ask(from("9.0.0.1", 5000), &room(1), Method::ALLOCATE, &[UDP, DUAL]);
    assert_eq!((answer.code(), answer.relayed().len()), (0, 1));
    let told = answer.message().attributes().any(
        |attribute| matches!(attribute, Attribute::AddressErrorCode(AddressFamily::V6, error) if error.code == 508),
    );
    assert!(told);
}

#[test]
fn refused_binds_cost_no_quota() {
    let mut world = World::new(limited(|quota| quota.per_name = 1));
    for _ in 0..10 {
        world.refuse = vec![Some(peerage_turn::server::event::BindError::Port)];
        assert_eq!(world.ask(from("9.0.0.1", 5000), &room(1), Method::ALLOCATE, &[UDP]).code(), 508);
    }
    world.allocate(from("9.0.0.1", 5000), &room(1));
}

/// A world with a channel to 9.9.9.9:1, and what the rate lets through in ten seconds of 1000 bytes per millisecond in
/// each direction.
fn throughput(config: Config) -> (World, u64) {
    let mut world = World::new(config);
    let path = from("9.0.0.1", 5000);
    world.allocate(path, &room(1));
    assert_eq!(world.bind_channel(path, &room(1), 0x4000, "9.9.9.9:1"), 0);
    let relay = world.sockets[0].0;
    let mut through = 0;
    for _ in 0..10_000 {
        through += world.give(path, &channel_data(0x4000, &[0; 1000])).0.map_or(0, |_| 1000);
        through += world.receive(relay, "9.9.9.9:1", &[0; 1000]).map_or(0, |_| 1000);
        world.now += Duration::from_millis(1);
    }
    (world, through)
}

#[test]
fn bytes_per_second_count_in_both_directions_for_name_source_and_all() {
    let rate = Traffic { bytes_per_second: Some(500_000), bytes_per_hour: None };
    for set in [
        (|quota: &mut Quota, rate| quota.traffic = rate) as fn(&mut Quota, Traffic),
        |quota, rate| quota.traffic_per_name = rate,
        |quota, rate| quota.traffic_per_source = rate,
    ] {
        let (world, through) = throughput(limited(|quota| set(quota, rate)));
        assert!((5_490_000..=5_510_000).contains(&through), "{through}");
        assert_eq!(world.dropped(Drop::Rate), (20_000_000 - through) / 1000);
        let counters = world.server.counters();
        assert_eq!(counters.bytes_to_peers + counters.bytes_from_peers, through);
    }
}

#[test]
fn bytes_per_hour_come_back_with_the_next_hour_and_not_with_a_new_allocation() {
    let volume = Traffic { bytes_per_second: None, bytes_per_hour: Some(3_000_000) };
    let (mut world, through) = throughput(limited(|quota| quota.traffic_per_name = volume));
    assert_eq!((through, world.dropped(Drop::Volume)), (3_000_000, 17_000));
    let (path, data) = (from("9.0.0.1", 5000), channel_data(0x4000, &[0; 1000]));
    world.refresh(path, &room(1), 0);
    world.allocate(path, &room(1));
    world.bind_channel(path, &room(1), 0x4000, "9.9.9.9:1");
    assert_eq!(world.give(path, &data).0, None);
    world.allocate(from("9.0.0.1", 5001), &room(2));
    world.bind_channel(from("9.0.0.1", 5001), &room(2), 0x4000, "9.9.9.9:1");
    assert!(world.give(from("9.0.0.1", 5001), &data).0.is_some());
    for _ in 0..8 {
        world.wait(seconds(450));
        assert_eq!(world.refresh(path, &room(1), 600).code(), 0);
    }
    world.bind_channel(path, &room(1), 0x4000, "9.9.9.9:1");
    assert!(world.give(path, &data).0.is_some());
}

#[test]
fn a_long_life_of_changing_clients_leaves_nothing_behind() {
    let mut world = World::new(config());
    for n in 0..2_000u32 {
        let path = from(&format!("9.{}.{}.1", n >> 8 & 0xFF, n & 0xFF), 5000);
        let login = room(n);
        world.allocate(path, &login);
        world.permit(path, &login, &["9.9.9.9:1"]);
        assert!(world.send(path, "9.9.9.9:1", b"x").is_some());
        if n % 2 == 0 {
            world.refresh(path, &login, 0);
        }
        world.wait(seconds(1));
        assert!(world.server.counters().relays <= 301);
    }
    world.wait(seconds(3600));
    let counters = world.server.counters();
    assert_eq!((counters.relays, counters.allocations, world.sockets.len()), (0, 0, 0));
    assert_eq!((counters.released, counters.expired), (1000, 1000));
    assert_eq!(world.server.poll_timeout(), None);
}
