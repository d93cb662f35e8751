//! The DTLS handshake inside ICE's checks, and how it does without.

mod common;

use common::{A, B, Duo, MS, SEC, Setup, Signal, messages};
use peerage_base::time::{Duration, Instant};
use peerage_session::event::{ConnectionState, Event};
use peerage_session::face::ChannelInit;
use peerage_sim::link::{Link, Loss};
use peerage_sim::network::Direction;
use peerage_stun::header::Class;
use peerage_stun::message::Message;

/// One way between the two.
const WAY: Duration = Duration::from_millis(50);

fn setup(sped: [bool; 2]) -> Setup {
    Setup { sped, ..Setup::new(1, Link::with_delay(WAY)) }
}

/// Two that hear each other's signals at once.
fn duo(setup: Setup) -> Duo {
    let mut duo = setup.build();
    (duo.signal_delay, duo.candidate_delay) = (Duration::ZERO, Duration::ZERO);
    duo
}

/// When an event came first to one side.
fn at(duo: &Duo, side: usize, is: impl Fn(&Event) -> bool) -> Option<Instant> {
    duo.peer(side).log.iter().find(|(_, event)| is(event)).map(|(at, _)| *at)
}

/// Round trips from both descriptions to a channel that is open at both sides, opened by `opener` in band, or agreed
/// beforehand.
fn trips(sped: [bool; 2], snap: bool, offerer: usize, opener: Option<usize>) -> f64 {
    let mut duo = duo(Setup { snap: [snap; 2], ..setup(sped) });
    // The offerer always has one, or there would be nothing to offer.
    let agreed = || ChannelInit { negotiated: Some(7), ..ChannelInit::new("agreed") };
    let ids = [A, B].map(|side| match opener {
        Some(opener) if opener == side => Some(duo.open(side, "first")),
        Some(_) if side != offerer => None,
        _ => Some(duo.open_with(side, agreed())),
    });
    duo.offer(offerer);
    let opens = |duo: &Duo, side: usize| match (opener, ids[side]) {
        (Some(opener), _) if opener != side => at(duo, side, |event| matches!(event, Event::Channel(_))),
        (_, id) => at(duo, side, |event| matches!(event, Event::ChannelOpen(open) if Some(*open) == id)),
    };
    assert!(duo.until(5 * SEC, |duo| [A, B].iter().all(|side| opens(duo, *side).is_some())));
    let open = [A, B].map(|side| opens(&duo, side).unwrap());
    open[0].max(open[1]).since(Instant::ORIGIN).as_secs_f64() / (2 * WAY).as_secs_f64()
}

#[test]
fn a_channel_is_open_after_two_round_trips() {
    for offerer in [A, B] {
        for opener in [Some(A), Some(B), None] {
            let trips = |sped, snap| trips([sped; 2], snap, offerer, opener);
            let [both, sped, snap, none] =
                [trips(true, true), trips(true, false), trips(false, true), trips(false, false)];
            assert!(both <= 2.2, "{both} by {offerer}'s offer and {opener:?}");
            assert!(none <= 4.5, "{none} without either");
            assert!(both < sped && both < snap && sped < none && snap < none);
        }
    }
}

/// What a message says: whether it has the attribute of packets, how long that is, and of how many packets it knows.
fn says(bytes: &[u8]) -> (Option<usize>, Option<usize>) {
    let message = Message::parse(bytes).unwrap();
    let packet = message.dtls_in_stun().map(|packet| packet.as_bytes().len());
    (packet, message.dtls_in_stun_ack().map(|acks| acks.len()))
}

/// Checks and answers of one side that carry anything.
fn carrying(duo: &Duo, side: usize) -> usize {
    duo.peer(side).checks.iter().filter(|(_, bytes)| says(bytes) != (None, None)).count()
}

#[test]
fn descriptions_name_the_option_in_both_its_spellings() {
    for sped in [[true, true], [true, false], [false, true]] {
        let mut duo = duo(setup(sped));
        duo.open(A, "first");
        duo.offer(A);
        duo.connect();
        for side in [A, B] {
            let sdp = duo.peer(side).session.local_description().unwrap().sdp;
            let options = sdp.lines().find_map(|line| line.strip_prefix("a=ice-options:")).unwrap();
            let named = ["sped", "googspedv1"].map(|name| options.split(' ').any(|option| option == name));
            assert_eq!(named, [sped[side]; 2], "{options}");
        }
    }
}

#[test]
fn the_first_check_of_a_client_carries_its_hello_and_the_exchange_ends_with_the_handshake() {
    let mut duo = duo(setup([true; 2]));
    duo.open(A, "first");
    duo.offer(A);
    duo.connect();
    let first = |side: usize| says(&duo.peer(side).checks[0].1);
    let (packet, acks) = first(B);
    assert!(packet.is_some_and(|len| len > 0) && acks == Some(0), "the answerer is the client: {packet:?}");
    assert_eq!(first(A), (Some(0), Some(0)), "the offerer has nothing to carry yet");
    assert!(duo.peer(A).checks.iter().any(|(_, bytes)| says(bytes).1 > Some(0)), "what arrived is acknowledged");
    for side in [A, B] {
        assert!(duo.peer(side).checks.iter().all(|(_, bytes)| bytes.len() <= 1200));
    }
    duo.run(5 * SEC);
    let before = [A, B].map(|side| carrying(&duo, side));
    duo.run(60 * SEC);
    assert_eq!([A, B].map(|side| carrying(&duo, side)), before, "it is over");
    assert!([A, B].iter().all(|side| duo.peer(*side).checks.len() > before[*side] + 10), "checks go on");
}

#[test]
fn who_does_not_take_it_gets_none_of_it_and_connects_as_ever() {
    for (sped, offerer) in [([true, false], A), ([true, false], B), ([false, true], A), ([false, true], B)] {
        let mut duo = duo(setup(sped));
        let id = duo.open(offerer, "first");
        duo.offer(offerer);
        duo.connect();
        duo.send(offerer, id, &b"hello"[..]);
        assert!(duo.until(SEC, |duo| duo.peer(1 - offerer).received() == 5));
        for side in [A, B] {
            assert_eq!(carrying(&duo, side), 0, "{sped:?} {offerer} {side}");
        }
    }
}

/// Has one side's descriptions name the option although the side does not take it.
fn boasting(duo: &mut Duo, liar: usize) {
    duo.tamper = Box::new(move |from, signal| match signal {
        Signal::Description(mut description) if from == liar => {
            description.sdp = description.sdp.replace("a=ice-options:", "a=ice-options:googspedv1 ");
            Some(Signal::Description(description))
        }
        signal => Some(signal),
    });
}

#[test]
fn who_names_it_and_does_not_do_it_costs_nothing() {
    for liar in [A, B] {
        for offerer in [A, B] {
            let mut times = Vec::new();
            for sped in [[false; 2], [liar != A, liar != B]] {
                let mut duo = duo(setup(sped));
                boasting(&mut duo, liar);
                duo.open(offerer, "first");
                duo.offer(offerer);
                duo.connect();
                times.push(duo.now().since(Instant::ORIGIN));
            }
            assert!(times[1] <= times[0] + 10 * MS, "{times:?}");
        }
    }
}

#[test]
fn a_lite_agent_takes_part_by_its_answers() {
    for lite in [[true, false], [false, true]] {
        for offerer in [A, B] {
            let mut times = Vec::new();
            for sped in [false, true] {
                let mut duo = duo(Setup { lite, ..setup([sped; 2]) });
                duo.open(offerer, "first");
                duo.offer(offerer);
                duo.connect();
                times.push(duo.now().since(Instant::ORIGIN));
                let lite = usize::from(lite[1]);
                let requests = duo
                    .peer(lite)
                    .checks
                    .iter()
                    .filter(|(_, bytes)| Message::parse(bytes).unwrap().class() == Class::Request);
                assert_eq!(requests.count(), 0);
                assert_eq!(carrying(&duo, lite) > 0, sped);
            }
            assert!(times[1] < times[0], "{times:?}");
        }
    }
}

#[test]
fn what_is_lost_costs_no_connection() {
    let mut sums = [Duration::ZERO; 2];
    for seed in 0..30 {
        for (sped, sum) in [false, true].into_iter().zip(&mut sums) {
            let link = Link { loss: Loss::Random(0.2), ..Link::with_delay(20 * MS) };
            let mut duo = duo(Setup { sped: [sped; 2], ..Setup::new(100 + seed, link) });
            let offerer = seed as usize % 2;
            let id = duo.open(offerer, "first");
            duo.offer(offerer);
            duo.connect();
            *sum += duo.now().since(Instant::ORIGIN);
            let sent = messages(20_000, 1000, 7);
            sent.iter().for_each(|message| duo.send(offerer, id, message.clone()));
            assert!(duo.until(60 * SEC, |duo| duo.peer(1 - offerer).received() == 20_000), "seed {seed}");
        }
    }
    assert!(sums[1] < sums[0], "{sums:?}");
}

#[test]
fn a_check_that_overtakes_the_answer_brings_the_hello_along() {
    let mut duo = duo(setup([true; 2]));
    duo.open(A, "first");
    duo.offer(A);
    duo.signal_delay = 200 * MS;
    assert!(duo.until(100 * MS, |duo| !duo.peer(A).checks.is_empty()));
    let answer = &duo.peer(A).checks[0].1;
    assert_eq!(Message::parse(answer).unwrap().class(), Class::Success);
    assert_eq!(says(answer), (Some(0), Some(1)), "it is kept, and said so");
    duo.connect();
    let took = duo.now().since(Instant::ORIGIN);
    assert!(took <= 200 * MS + 4 * WAY, "a round trip after the answer: {took:?}");
    assert_eq!(duo.peer(A).session.stats().drops.early, 0);
}

#[test]
fn without_a_pair_the_handshake_waits_as_long_as_ice_does() {
    let mut duo = duo(setup([true; 2]));
    let lines = duo.lines;
    let id = duo.open(A, "first");
    let cut = Link { loss: Loss::Random(1.0), ..Link::with_delay(WAY) };
    lines.iter().for_each(|line| duo.world.set_link(*line, Direction::Up, cut));
    duo.offer(A);
    duo.run(60 * SEC);
    assert!(
        [A, B].iter().all(|side| duo.peer(*side).closed().is_none()),
        "DTLS does not give up before ICE has a pair"
    );
    assert_eq!(duo.peer(A).session.connection_state(), ConnectionState::Failed);
    lines.iter().for_each(|line| duo.world.set_link(*line, Direction::Up, Link::with_delay(WAY)));
    duo.restart(A);
    duo.connect();
    duo.send(A, id, &b"late"[..]);
    assert!(duo.until(5 * SEC, |duo| duo.peer(B).received() == 4));
}

#[test]
fn small_datagrams_carry_small_packets() {
    for seed in 0..10 {
        let link = Link { loss: Loss::Random(if seed == 0 { 0.0 } else { 0.1 }), ..Link::with_delay(20 * MS) };
        let mut setup = Setup::new(200 + seed, link);
        setup.config.max_datagram = 548;
        let mut duo = duo(setup);
        let id = duo.open(A, "first");
        duo.offer(A);
        duo.connect();
        for side in [A, B] {
            let checks = &duo.peer(side).checks;
            assert!(checks.iter().all(|(_, bytes)| bytes.len() <= 548));
            // The client has something to carry from its first check on.
            assert!(side == A || checks.iter().any(|(_, bytes)| says(bytes).0 > Some(300)), "seed {seed}");
        }
        if seed == 0 {
            let took = duo.now().since(Instant::ORIGIN);
            assert!(took <= 2 * 40 * MS, "within two round trips all the same: {took:?}");
        }
        duo.send(A, id, &b"small"[..]);
        assert!(duo.until(30 * SEC, |duo| duo.peer(B).received() == 5));
    }
}
