//! What checks and their answers carry for the owner (draft-hancke-webrtc-sped), and how little of it goes astray.

mod common;

use common::{A, B, World, addr};
use peerage_base::datagram::Datagram;
use peerage_base::ecn::Ecn;
use peerage_base::path::{LocalId, Path};
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};
use peerage_ice::attachment::{
    Attachments, LIKELY, MAX_EARLY, MAX_LOADS, MAX_PACKET, MAX_PACKETS, MAX_UNPROVEN, Packet, Received,
};
use peerage_ice::candidate::Candidate;
use peerage_ice::config::{Config, Role};
use peerage_ice::event::{Event, State};
use peerage_stun::attribute::Attribute;
use peerage_stun::attribute::dtls_in_stun::DtlsInStun;
use peerage_stun::attribute::dtls_in_stun_ack::DtlsInStunAck;
use peerage_stun::credentials::Key;
use peerage_stun::header::{Class, Method, TransactionId};
use peerage_stun::message::Message;
use peerage_stun::write::Writer;

const SECOND: Duration = Duration::from_secs(1);
const FLOOR: Duration = Duration::from_millis(5);

/// A packet as DTLS begins them, told from others by its tag.
fn packet(tag: u32, len: usize) -> Packet {
    let mut bytes = vec![22; len];
    bytes[1..5].copy_from_slice(&tag.to_be_bytes());
    Packet { tag, bytes }
}

fn attachments(tags: impl IntoIterator<Item = u32>) -> Option<Attachments> {
    let packets = tags.into_iter().map(|tag| packet(tag, MAX_PACKET)).collect();
    Some(Attachments { packets, unfinished: true, ..Attachments::default() })
}

/// What a message carries: `None` if it says nothing, else the tag of the packet if there is one.
fn load(bytes: &[u8]) -> Option<Option<u32>> {
    let message = Message::parse(bytes).unwrap();
    assert_eq!(message.dtls_in_stun().is_some(), message.dtls_in_stun_ack().is_some());
    let packet = message.dtls_in_stun()?.as_bytes();
    Some(packet.get(1..5).map(|tag| u32::from_be_bytes(tag.try_into().unwrap())))
}

/// What left for an address, of one class: when, and what it carried.
fn sent(world: &World, side: usize, class: Class, remote: &str) -> Vec<(Duration, Option<Option<u32>>)> {
    let began = Instant::from_millis(1_000);
    let of = |(_, path, bytes): &&(Instant, Path, Vec<u8>)| {
        path.remote == addr(remote) && Message::parse(bytes).unwrap().class() == class
    };
    world.sides[side].sent.iter().filter(of).map(|(at, _, bytes)| (at.since(began), load(bytes))).collect()
}

fn received(world: &World, side: usize) -> Vec<&Received> {
    let events = world.sides[side].events.iter();
    events
        .filter_map(|(_, event)| if let Event::Attachment(received) = event { Some(received) } else { None })
        .collect()
}

/// Both sides with one host each, nothing told yet.
fn hosts(seed: u64, a: Config, b: Config) -> World {
    let mut world = World::with(seed, a, b, [Role::Controlling, Role::Controlled]);
    (world.longest, world.trickle) = (1200, None);
    world.host(A, 0, "192.0.2.1:5000");
    world.host(B, 0, "192.0.2.2:6000");
    world
}

/// Everything is told at this moment.
fn begin(world: &mut World) {
    world.exchange();
    world.carry(A);
    world.carry(B);
    world.finish_candidates();
}

#[test]
fn a_flight_of_three_leaves_five_milliseconds_apart_and_arrives_whole() {
    let mut world = hosts(1, Config::default(), Config::default());
    world.delay = Duration::from_millis(50);
    world.sides[A].agent.attach(attachments([1, 2, 3]));
    world.sides[B].agent.attach(attachments([]));
    begin(&mut world);
    world.run(Duration::from_millis(99));
    let checks = sent(&world, A, Class::Request, "192.0.2.2:6000");
    let expected = [(0, 1), (5, 2), (10, 3)].map(|(ms, tag)| (Duration::from_millis(ms), Some(Some(tag))));
    assert_eq!(checks[..3], expected);
    // B has nothing to carry: its checks keep to their turns, and say that more is to come.
    let checks = sent(&world, B, Class::Request, "192.0.2.1:5000");
    assert!(checks[0] == (Duration::ZERO, Some(None)) && checks.len() <= 2, "{checks:?}");
    let tags: Vec<u32> = received(&world, B)
        .iter()
        .map(|received| received.packet.as_ref().unwrap())
        .map(|bytes| u32::from_be_bytes(bytes[1..5].try_into().unwrap()))
        .collect();
    assert_eq!(tags[..3], [1, 2, 3]);
    assert!(received(&world, B).iter().all(|received| received.acks.as_ref().is_some_and(|acks| acks.is_empty())));
    let path = Path { local: LocalId(0), remote: addr("192.0.2.2:6000") };
    let last = world.sides[A].agent.carried_at(path, 3).unwrap();
    assert!(last >= Instant::from_millis(1_010) && world.sides[A].agent.carried_at(path, 4).is_none());
    assert_eq!(world.sides[A].agent.stats().total() + world.sides[B].agent.stats().total(), 0);
}

#[test]
fn an_answer_carries_what_the_check_that_it_answers_has_brought_about() {
    let mut world = hosts(2, Config::default(), Config::default());
    world.sides[A].agent.attach(attachments([1]));
    world.sides[B].agent.attach(attachments([]));
    begin(&mut world);
    let arrived = |world: &World| received(world, B).iter().any(|r| r.packet.as_ref().is_some_and(|p| !p.is_empty()));
    // The owner is quicker than the answer, as where it acts on events before it asks for what to send.
    let path = Path { local: LocalId(0), remote: addr("192.0.2.1:5000") };
    let (_, _, mut check) = world.sides[A].sent[0].clone();
    world.sides[B]
        .agent
        .handle_datagram(world.now, Datagram { path, ecn: Ecn::NotEct, received_at: world.now, payload: &mut check });
    let mut reply = attachments([7, 8]).unwrap();
    reply.acks.push(1);
    world.sides[B].agent.attach(Some(reply));
    world.settle();
    assert!(arrived(&world));
    assert_eq!(sent(&world, B, Class::Success, "192.0.2.1:5000"), [(Duration::ZERO, Some(Some(7)))]);
    world.run(Duration::from_millis(15));
    let heard = received(&world, A);
    assert!(heard.iter().any(|r| r.acks.as_deref() == Some(&[1][..]) && r.packet == Some(packet(7, MAX_PACKET).bytes)));
    assert!(heard.iter().any(|r| r.packet == Some(packet(8, MAX_PACKET).bytes)), "the triggered check has the next");
}

#[test]
fn a_pair_that_never_answers_carries_no_more_than_the_bound() {
    let mut world = hosts(3, Config::default(), Config::default());
    world.sides[A].agent.attach(attachments(1..=MAX_PACKETS as u32));
    world.dead.insert(addr("192.0.2.2:6000"));
    begin(&mut world);
    world.run(60 * SECOND);
    let checks = sent(&world, A, Class::Request, "192.0.2.2:6000");
    let loaded: Vec<_> = checks.iter().filter(|(_, load)| load.unwrap().is_some()).collect();
    assert_eq!(loaded.len(), 1 + MAX_EARLY as usize, "its first check, and those ahead of their turn");
    assert!(loaded.len() <= MAX_LOADS as usize);
    for (number, (at, load)) in loaded.into_iter().enumerate() {
        assert_eq!((*at, *load), (FLOOR * number as u32, Some(Some(1 + number as u32))));
    }
    // What is repeated goes without, as far as the path may carry it.
    let repeated = checks.iter().filter(|(_, load)| load.unwrap().is_none()).count();
    assert_eq!(repeated, 6, "the other six of Rc transmissions");
}

#[test]
fn many_addresses_that_never_answer_get_no_more_than_the_bound_together() {
    let mut world = hosts(4, Config::default(), Config::default());
    world.host(A, 1, "198.51.100.77:5000");
    world.sides[A].agent.attach(attachments(1..=MAX_PACKETS as u32));
    world.exchange();
    for host in 1..=60 {
        let line = format!("candidate:{host} 1 udp {} 203.0.113.{host} 9999 typ host", 2_130_706_431 - host);
        world.sides[A].agent.add_remote(world.now, line.parse::<Candidate>().unwrap()).unwrap();
    }
    world.finish_candidates();
    world.run(30 * SECOND);
    let loaded = |(_, _, bytes): &&(Instant, Path, Vec<u8>)| load(bytes).is_some_and(|load| load.is_some());
    let sent = &world.sides[A].sent;
    assert_eq!(sent.iter().filter(loaded).count(), MAX_UNPROVEN as usize);
    assert!(sent.iter().filter(|s| !loaded(s)).count() > 100, "the checks themselves go on");
    // Two checks are never closer than the floor, and only few pairs have checks ahead of their turn.
    let firsts: Vec<_> = sent.iter().filter(loaded).collect();
    assert!(firsts.windows(2).all(|pair| pair[1].0.since(pair[0].0) >= FLOOR));
    let mut paths: Vec<Path> = firsts.iter().map(|(_, path, _)| *path).collect();
    paths.sort();
    let most = paths.chunk_by(|a, b| a == b).map(<[Path]>::len).filter(|loads| *loads > 1).count();
    assert!((1..=LIKELY).contains(&most), "{most} pairs");
}

#[test]
fn requests_in_the_name_of_many_addresses_are_answered_with_no_more_than_the_bound() {
    let mut world = hosts(5, Config::default(), Config::default());
    world.exchange();
    world.sides[B].agent.attach(attachments(1..=MAX_PACKETS as u32));
    world.dead.insert(addr("192.0.2.1:5000"));
    for number in 0..2_000_u64 {
        let path = Path { local: LocalId(0), remote: addr(&format!("203.0.113.{}:9999", 1 + number % 250)) };
        let mut request = request(&world, A, number, Some(&[]), None);
        world.deliver(B, path, &mut request);
        world.settle();
        if number % 40 == 0 {
            world.run(SECOND / 10);
        }
    }
    let loaded = |(_, _, bytes): &&(Instant, Path, Vec<u8>)| load(bytes).is_some_and(|load| load.is_some());
    let count = world.sides[B].sent.iter().filter(loaded).count();
    assert!((1..=MAX_UNPROVEN as usize).contains(&count), "{count}");
    assert!(world.sides[B].sent.iter().filter(|s| !loaded(s)).count() >= 2_000);
}

/// A check of `from`, with attachments if `packet` says so.
fn request(world: &World, from: usize, number: u64, packet: Option<&[u8]>, password: Option<&str>) -> Vec<u8> {
    let ours = world.sides[from].agent.local_credentials();
    let theirs = world.sides[1 - from].agent.local_credentials();
    let mut id = [0; 12];
    id[..8].copy_from_slice(&number.to_be_bytes());
    let mut buf = [0; 2000];
    let mut writer = Writer::new(&mut buf, Class::Request, Method::BINDING, TransactionId(id));
    writer.attribute(&Attribute::Username(&format!("{}:{}", theirs.ufrag, ours.ufrag))).unwrap();
    writer.attribute(&Attribute::Priority(1_853_824_767)).unwrap();
    writer.attribute(&Attribute::IceControlling(u64::MAX)).unwrap();
    if let Some(packet) = packet {
        writer.attribute(&Attribute::DtlsInStunAck(DtlsInStunAck::from_bytes(&[0; 4]).unwrap())).unwrap();
        writer.attribute(&Attribute::DtlsInStun(DtlsInStun::from_bytes(packet).unwrap())).unwrap();
    }
    writer.integrity(&Key::short_term(password.unwrap_or(&theirs.pwd))).unwrap().fingerprint().unwrap();
    let len = writer.finish();
    buf[..len].to_vec()
}

#[test]
fn only_authentic_messages_are_heard() {
    let mut world = hosts(6, Config::default(), Config::default());
    world.exchange();
    world.sides[B].agent.attach(attachments([]));
    let path = Path { local: LocalId(0), remote: addr("192.0.2.1:5000") };
    let mut forged = request(&world, A, 1, Some(&[22; 300]), Some("what an attacker has to guess"));
    world.deliver(B, path, &mut forged);
    world.settle();
    assert!(received(&world, B).is_empty() && world.sides[B].sent.is_empty());
    assert_eq!(world.sides[B].agent.stats().integrity, 1);
    // Behind the integrity anyone can add what he likes.
    let plain = request(&world, A, 2, None, None);
    let mut added = plain[..plain.len() - 8].to_vec();
    added.extend([0xC0, 0x70, 0, 4, 22, 1, 2, 3]);
    let len = added.len() as u16 - 20 + 8;
    added[2..4].copy_from_slice(&len.to_be_bytes());
    let crc = peerage_base::crc::crc32(&added) ^ 0x5354_554E;
    added.extend([0x80, 0x28, 0, 4]);
    added.extend(crc.to_be_bytes());
    world.deliver(B, path, &mut added);
    world.settle();
    let [heard] = received(&world, B)[..] else { panic!() };
    assert_eq!((&heard.packet, &heard.acks), (&None, &None));
    let mut honest = request(&world, A, 3, Some(&[22; 300]), None);
    world.deliver(B, path, &mut honest);
    world.settle();
    assert_eq!(received(&world, B)[1].packet.as_deref(), Some(&[22; 300][..]));
}

#[test]
fn a_check_before_the_peers_description_is_heard_and_answered_in_kind() {
    // The answerer's check overtakes its answer: the offerer knows its own credentials only.
    let mut world = hosts(7, Config::default(), Config::default());
    world.sides[B].agent.attach(attachments([]));
    let path = Path { local: LocalId(0), remote: addr("192.0.2.1:5000") };
    let mut early = request(&world, A, 1, Some(&[22; 900]), None);
    world.deliver(B, path, &mut early);
    world.settle();
    assert_eq!(received(&world, B)[0].packet.as_deref(), Some(&[22; 900][..]));
    assert_eq!(sent(&world, B, Class::Success, "192.0.2.1:5000"), [(Duration::ZERO, Some(None))]);
    assert!(sent(&world, B, Class::Request, "192.0.2.1:5000").is_empty());
    // Once it knows more, it checks back at once, and carries what it has.
    world.sides[B].agent.attach(attachments([5]));
    world.exchange();
    assert_eq!(sent(&world, B, Class::Request, "192.0.2.1:5000"), [(Duration::ZERO, Some(Some(5)))]);
}

#[test]
fn a_repeated_check_is_heard_again_and_its_answer_goes_without_a_packet() {
    let mut world = hosts(8, Config::default(), Config::default());
    world.exchange();
    world.sides[B].agent.attach(attachments([1, 2, 3]));
    let path = Path { local: LocalId(0), remote: addr("192.0.2.1:5000") };
    for _ in 0..2 {
        let mut check = request(&world, A, 1, Some(&[22; 300]), None);
        world.deliver(B, path, &mut check);
        world.settle();
    }
    assert_eq!(received(&world, B).len(), 2);
    let answers: Vec<_> = sent(&world, B, Class::Success, "192.0.2.1:5000").iter().map(|(_, load)| *load).collect();
    assert_eq!(answers, [Some(Some(1)), Some(None)]);
}

#[test]
fn who_carries_nothing_is_answered_with_nothing() {
    let mut world = hosts(9, Config::default(), Config::default());
    world.exchange();
    world.sides[B].agent.attach(attachments([1]));
    let path = Path { local: LocalId(0), remote: addr("192.0.2.1:5000") };
    let mut plain = request(&world, A, 1, None, None);
    world.deliver(B, path, &mut plain);
    world.settle();
    assert_eq!(sent(&world, B, Class::Success, "192.0.2.1:5000"), [(Duration::ZERO, None)]);
    let [heard] = received(&world, B)[..] else { panic!() };
    assert_eq!((&heard.packet, &heard.acks), (&None, &None), "the owner learns that the peer does not know of it");
}

#[test]
fn what_is_not_wanted_too_long_or_too_much_is_dropped_and_counted() {
    let mut world = hosts(10, Config::default(), Config::default());
    world.exchange();
    let path = Path { local: LocalId(0), remote: addr("192.0.2.1:5000") };
    let mut check = request(&world, A, 1, Some(&[22; 300]), None);
    world.deliver(B, path, &mut check);
    assert_eq!(world.sides[B].agent.stats().attachment, 1, "nobody asked for it");
    world.sides[B].agent.attach(attachments([]));
    let mut check = request(&world, A, 2, Some(&[22; 1501]), None);
    world.deliver(B, path, &mut check);
    assert_eq!(world.sides[B].agent.stats().attachment, 2);
    for number in 0..40 {
        let mut check = request(&world, A, 3 + number, Some(&[22; 300]), None);
        world.deliver(B, path, &mut check);
    }
    assert_eq!(world.sides[B].agent.stats().attachment, 2 + 24, "the owner looks at its events too rarely");
    world.settle();
    assert_eq!(received(&world, B).len(), 16);
    let mut check = request(&world, A, 50, Some(&[22; 300]), None);
    world.deliver(B, path, &mut check);
    world.settle();
    assert_eq!(received(&world, B).len(), 17, "now it has");
    world.sides[B].agent.attach(None);
    let mut check = request(&world, A, 51, Some(&[22; 300]), None);
    world.deliver(B, path, &mut check);
    world.settle();
    assert_eq!(received(&world, B).len(), 17);
}

#[test]
fn a_lite_agent_carries_packets_in_its_answers_to_checks_that_ask_for_them() {
    let mut lite = Config::default();
    lite.lite = true;
    let mut world = hosts(11, Config::default(), lite);
    world.delay = Duration::from_millis(50);
    world.sides[A].agent.set_remote_lite(true);
    world.sides[A].agent.attach(attachments([1, 2]));
    world.sides[B].agent.attach(attachments([7, 8, 9]));
    begin(&mut world);
    assert!(world.run_until(SECOND, World::is_agreed));
    assert!(sent(&world, B, Class::Request, "192.0.2.1:5000").is_empty());
    // Its answers are all that the lite agent has: it is asked for more than there is to tell it.
    let ahead: Vec<_> = sent(&world, A, Class::Request, "192.0.2.2:6000")[..5].to_vec();
    // The last one comes so late that it may as well carry the first packet again.
    let loads = [Some(1), Some(2), None, None, Some(1)];
    let expected: Vec<_> = (0..).zip(loads).map(|(number, load)| (FLOOR * number, Some(load))).collect();
    assert_eq!(ahead, expected);
    let answers: Vec<_> = sent(&world, B, Class::Success, "192.0.2.1:5000").iter().map(|(_, load)| *load).collect();
    assert_eq!(answers[..3], [7, 8, 9].map(|tag| Some(Some(tag))));
    assert!(heard_all(&world, A, &[7, 8, 9]) && heard_all(&world, B, &[1, 2]));
}

#[test]
fn where_the_path_carries_short_packets_only_the_checks_get_through_nonetheless() {
    let mut world = hosts(12, Config::default(), Config::default());
    world.mtu = 600;
    world.sides[A].agent.attach(attachments([1, 2]));
    world.sides[B].agent.attach(attachments([7, 8]));
    begin(&mut world);
    let took = world.now;
    assert!(world.run_until(3 * SECOND, World::is_connected), "{:?}", world.states(A));
    assert!(world.now.since(took) < Duration::from_millis(600), "one timeout later: {:?}", world.now.since(took));
    assert!(world.run_until(SECOND, World::is_agreed), "{:?}", world.states(A));
    world.run(120 * SECOND);
    for side in [A, B] {
        assert_eq!(world.states(side), [State::Checking, State::Connected, State::Completed]);
    }
}

#[test]
fn where_the_slot_has_no_room_for_the_packet_the_message_goes_without() {
    let mut world = hosts(13, Config::default(), Config::default());
    world.sides[A].agent.attach(attachments([1]));
    world.trickle = Some(Duration::ZERO);
    world.tell_credentials(A);
    let line = "candidate:1 1 udp 2130706431 192.0.2.9 9 typ host".parse::<Candidate>().unwrap();
    let mut agent =
        core::mem::replace(&mut world.sides[A].agent, World::new(1).sides.into_iter().next().unwrap().agent);
    agent.add_remote(world.now, line).unwrap();
    let mut buf = [0; 548];
    let mut slot = Slot::new(&mut buf, 0, 0, 548);
    assert!(agent.poll_transmit(world.now, &mut slot).is_some());
    let message = Message::parse(slot.packet()).unwrap();
    assert_eq!(message.dtls_in_stun(), Some(DtlsInStun::NOTHING));
    assert!(message.has_integrity() && message.check_fingerprint());
    let path = Path { local: LocalId(0), remote: addr("192.0.2.9:9") };
    assert_eq!(agent.carried_at(path, 1), None, "it is yet to be carried");
    assert_eq!(agent.stats().total(), 0);
}

#[test]
fn packets_that_are_taken_back_or_too_long_are_not_carried() {
    let mut world = hosts(14, Config::default(), Config::default());
    let long = Attachments { packets: vec![packet(1, MAX_PACKET + 1), packet(2, 0x200)], ..Attachments::default() };
    world.sides[A].agent.attach(Some(long));
    world.delay = Duration::from_millis(50);
    begin(&mut world);
    assert_eq!(sent(&world, A, Class::Request, "192.0.2.2:6000"), [(Duration::ZERO, Some(Some(2)))]);
    world.sides[A].agent.attach(attachments([3]));
    world.run(FLOOR);
    world.sides[A].agent.attach(Some(Attachments { acks: [9].into_iter().collect(), ..Attachments::default() }));
    world.run(Duration::from_millis(40));
    let checks = sent(&world, A, Class::Request, "192.0.2.2:6000");
    assert_eq!(checks[1..], [(FLOOR, Some(Some(3)))]);
    // Finished: the acknowledgement alone.
    world.run(Duration::from_millis(20));
    let (_, _, answer) =
        world.sides[A].sent.iter().find(|(_, _, b)| Message::parse(b).unwrap().class() == Class::Success).unwrap();
    assert!(Message::parse(answer).unwrap().dtls_in_stun_ack().is_none(), "B knows nothing of it");
}

/// Whether the side heard all these packets.
fn heard_all(world: &World, side: usize, tags: &[u32]) -> bool {
    let heard = |bytes: Vec<u8>| received(world, side).iter().any(|received| received.packet.as_ref() == Some(&bytes));
    tags.iter().all(|tag| heard(packet(*tag, MAX_PACKET).bytes))
}

#[test]
fn under_loss_pairs_are_found_as_soon_as_without_and_most_flights_get_across_meanwhile() {
    let (mut times, mut whole) = ([Duration::ZERO; 2], 0);
    for seed in 0..60 {
        for (carries, time) in times.iter_mut().enumerate() {
            let mut world = hosts(100 + seed, Config::default(), Config::default());
            (world.loss, world.delay) = (300, Duration::from_millis(20));
            if carries == 1 {
                world.sides[A].agent.attach(attachments([1, 2]));
                world.sides[B].agent.attach(attachments([7, 8, 9]));
            }
            begin(&mut world);
            let began = world.now;
            assert!(world.run_until(30 * SECOND, World::is_connected), "seed {seed}");
            *time += world.now.since(began);
            whole += usize::from(heard_all(&world, A, &[7, 8, 9])) + usize::from(heard_all(&world, B, &[1, 2]));
        }
    }
    assert!(times[1] < times[0] * 11 / 10, "{times:?}");
    assert!(whole > 60, "{whole} of 120");
}
