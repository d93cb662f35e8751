//! Every rule of the nameplates, by raw frames.

use crate::access::{AccessList, AccessToken};
use crate::room::ConnId;
use crate::room::tests::{Told, World, peer};
use peerage_base::limit::Rate;
use peerage_base::time::Duration;
use serde_json::{Value, json};

const TOKEN: &str = "correct-horse-battery";
const HOUR: Duration = Duration::from_secs(3600);

fn world() -> World {
    World::new(|_| {})
}

impl World {
    fn allocate(&mut self, who: u8) -> (ConnId, Told) {
        let conn = self.connect();
        self.say(conn, json!({"type": "allocate", "peer": peer(who)}));
        let told = self.told(conn);
        (conn, told)
    }

    fn claim(&mut self, side: &str, plate: &Value, who: u8) -> (ConnId, Told) {
        let conn = self.connect();
        self.say(conn, json!({"type": "claim", "nameplate": plate, "peer": peer(who), "side": side}));
        let told = self.told(conn);
        (conn, told)
    }

    fn refused(&mut self, side: &str, plate: &Value, who: u8) -> String {
        self.claim(side, plate, who).1.error().to_owned()
    }

    /// Comes back to a nameplate.
    fn back(&mut self, claimed: &Value, who: u8) -> (ConnId, Told) {
        let conn = self.connect();
        let (room, token) = (&claimed["room"], &claimed["token"]);
        self.say(conn, json!({"type": "resume", "room": room, "peer": peer(who), "token": token, "received": 0}));
        let told = self.told(conn);
        (conn, told)
    }

    fn lose(&mut self, conn: ConnId) {
        self.rooms.handle_disconnect(self.now, conn);
    }

    fn nothing_is_left(&mut self) {
        // Everybody is sent away, and then that is forgotten, too.
        for _ in 0..2 {
            self.wait(26 * HOUR);
            self.drain();
        }
        assert_eq!((self.rooms.room_count(), self.rooms.nameplate_count(), self.rooms.queued_bytes()), (0, 0, 0));
        assert_eq!(self.rooms.poll_timeout(), None);
    }
}

#[test]
fn a_host_is_given_a_number_and_the_guest_that_names_it_is_introduced() {
    let mut world = world();
    let (host, told) = world.allocate(1);
    let [claimed] = &told.frames[..] else { panic!("{told:?}") };
    assert_eq!((&claimed["type"], &claimed["grace_ms"]), (&json!("claimed"), &json!(3_600_000)));
    assert!((1..=99).contains(&claimed["nameplate"].as_u64().unwrap()), "{claimed}");
    assert_eq!(claimed["room"].as_str().unwrap().len(), 20);
    let (guest, told) = world.claim("guest", &claimed["nameplate"], 2);
    assert_eq!(told.types(), ["claimed", "peer_joined"]);
    assert_eq!((&told.frames[1]["peer"], &told.frames[1]["seq"]), (&json!(peer(1)), &json!(1)));
    world.signal(guest, 1, 1, "AAAA");
    world.signal(host, 1, 2, "BBBB");
    let told = world.drain();
    assert_eq!(told[&host].types(), ["signal"], "the introduction was drained before");
    assert_eq!(told[&guest].frames[0]["data"], "BBBB");
    world.say(host, json!({"type": "leave"}));
    assert_eq!(world.told(guest).types(), ["peer_left"]);
    world.wait(Duration::from_secs(29));
    assert_eq!(world.told(guest), Told::default());
    world.wait(Duration::from_secs(1));
    assert_eq!(world.told(guest).error(), "spent", "nobody stays where nothing is left to be said");
    world.nothing_is_left();
}

#[test]
fn whoever_lost_its_connection_still_hears_what_the_other_one_said_before_it_left() {
    let mut world = world();
    let (host, told) = world.allocate(1);
    let (guest, told) = world.claim("guest", &told.frames[0]["nameplate"], 2);
    world.lose(guest);
    world.signal(host, 1, 2, "BBBB");
    world.say(host, json!({"type": "leave"}));
    world.wait(Duration::from_secs(20));
    let (_, told) = world.back(&told.frames[0], 2);
    assert_eq!(told.types(), ["resumed", "peer_joined", "signal", "peer_left"]);
    world.nothing_is_left();
}

#[test]
fn a_guest_that_comes_first_waits_for_the_host_of_a_chosen_number() {
    let mut world = world();
    let (guest, told) = world.claim("guest", &json!(7), 2);
    assert_eq!(told.types(), ["claimed"]);
    let (_, told) = world.claim("host", &json!(7), 1);
    assert_eq!(told.types(), ["claimed", "peer_joined"]);
    assert_eq!(world.told(guest).types(), [""; 0], "told at once, and drained with the host's answer");
}

#[test]
fn a_third_is_refused_as_taken_and_a_late_one_as_spent_until_it_is_forgotten() {
    let mut world = world();
    let (host, told) = world.allocate(1);
    let plate = told.frames[0]["nameplate"].clone();
    assert_eq!(world.refused("host", &plate, 9), "taken", "the number belongs to whom it was given");
    let (guest, _) = world.claim("guest", &plate, 2);
    assert_eq!(world.refused("guest", &plate, 3), "taken");
    assert_eq!(world.refused("host", &plate, 3), "taken");
    world.say(guest, json!({"type": "leave"}));
    assert_eq!(world.refused("guest", &plate, 3), "spent");
    world.say(host, json!({"type": "leave"}));
    assert_eq!(world.refused("host", &plate, 3), "spent");
    world.drain();
    world.wait(Duration::from_secs(3599));
    assert_eq!(world.refused("guest", &plate, 3), "spent");
    world.wait(Duration::from_secs(1));
    assert_eq!(world.claim("guest", &plate, 3).1.types(), ["claimed"]);
    world.nothing_is_left();
}

#[test]
fn nobody_speaks_before_the_other_one_is_there_and_nobody_says_much() {
    let mut world = world();
    let (host, _) = world.claim("host", &json!(7), 1);
    world.signal(host, 1, 2, "AAAA");
    assert_eq!(world.told(host).error(), "bad_request");
    for (seq, data, code) in [(1, "A".repeat(257), "too_large"), (9, "A".into(), "too_large")] {
        let mut world = World::new(|_| {});
        let (host, _) = world.claim("host", &json!(7), 1);
        world.claim("guest", &json!(7), 2);
        world.signal(host, seq, 2, &data);
        assert_eq!(world.told(host).error(), code);
    }
}

#[test]
fn nobody_enters_the_room_behind_a_nameplate_by_its_name() {
    let mut world = world();
    let (_, told) = world.claim("host", &json!(7), 1);
    let room = told.frames[0]["room"].as_str().unwrap().to_owned();
    for how in ["open", "join"] {
        assert_eq!(world.enter(how, &room, 3).1.error(), "unavailable");
    }
}

#[test]
fn a_host_that_sleeps_keeps_its_nameplate_for_an_hour_and_meets_the_guest_when_it_is_back() {
    let mut world = world();
    let (host, told) = world.allocate(1);
    let claimed = told.frames[0].clone();
    world.lose(host);
    world.wait(Duration::from_secs(3500));
    let (guest, told) = world.claim("guest", &claimed["nameplate"], 2);
    assert_eq!(told.types(), ["claimed"], "nobody to be introduced to");
    let (host, told) = world.back(&claimed, 1);
    assert_eq!(told.types(), ["resumed", "peer_joined"]);
    assert_eq!(told.frames[0]["peers"], json!([]));
    world.lose(host);
    world.wait(Duration::from_secs(31));
    assert_eq!(world.told(guest).types(), ["peer_left"], "once they have met, half a minute is all");
    assert_eq!(world.refused("guest", &claimed["nameplate"], 3), "spent");
}

#[test]
fn without_its_host_a_number_that_was_given_out_means_nothing() {
    for sleeps in [false, true] {
        let mut world = world();
        let (host, told) = world.allocate(1);
        let plate = told.frames[0]["nameplate"].clone();
        let waiting = sleeps.then(|| {
            world.lose(host);
            world.claim("guest", &plate, 2).0
        });
        match waiting {
            Some(guest) => {
                world.wait(HOUR);
                assert_eq!(world.told(guest).error(), "expired");
            }
            None => world.say(host, json!({"type": "leave"})),
        }
        assert_eq!(world.refused("guest", &plate, 3), "expired");
        world.nothing_is_left();
    }
}

#[test]
fn a_chosen_number_is_free_again_when_nobody_met_at_it() {
    for side in ["host", "guest"] {
        let mut world = world();
        let (conn, _) = world.claim(side, &json!(7), 1);
        world.say(conn, json!({"type": "leave"}));
        world.drain();
        assert_eq!((world.rooms.room_count(), world.rooms.nameplate_count()), (0, 0));
        assert_eq!(world.claim(side, &json!(7), 1).1.types(), ["claimed"]);
    }
}

#[test]
fn a_program_that_was_killed_and_comes_again_does_not_meet_itself() {
    for (side, other) in [("guest", "host"), ("host", "guest")] {
        let mut world = world();
        let (killed, _) = world.claim(side, &json!(7), 1);
        assert_eq!(world.refused(side, &json!(7), 2), "taken", "as long as it is there");
        world.lose(killed);
        let (again, told) = world.claim(side, &json!(7), 2);
        assert_eq!(told.types(), ["claimed"]);
        let (_, told) = world.claim(other, &json!(7), 3);
        assert_eq!(told.frames[1]["peer"], peer(2));
        world.lose(again);
        world.nothing_is_left();
    }
}

#[test]
fn whoever_waits_for_a_day_is_told_that_it_is_over() {
    let mut world = world();
    let (host, told) = world.allocate(1);
    let plate = told.frames[0]["nameplate"].clone();
    world.wait(Duration::from_secs(24 * 3600 - 1));
    assert_eq!(world.told(host), Told::default());
    world.wait(Duration::from_secs(1));
    assert_eq!(world.told(host).error(), "expired");
    assert_eq!(world.refused("guest", &plate, 3), "expired");
    world.nothing_is_left();
}

#[test]
fn only_hosts_need_an_access_token() {
    let token = AccessToken::parse(TOKEN).unwrap();
    let mut world = World::new(|settings| settings.access = AccessList::new([&token]));
    assert_eq!(world.allocate(1).1.error(), "forbidden");
    assert_eq!(world.refused("host", &json!(7), 1), "forbidden");
    let (_, told) = world.claim("guest", &json!(7), 2);
    assert_eq!(told.types(), ["claimed"]);
    let conn = world.connect();
    let claim = json!({"type": "claim", "nameplate": 7, "peer": peer(1), "side": "host", "access_token": TOKEN});
    world.say(conn, claim);
    assert_eq!(world.told(conn).types(), ["claimed", "peer_joined"]);
    let conn = world.connect();
    world.say(conn, json!({"type": "allocate", "peer": peer(1), "access_token": TOKEN}));
    assert_eq!(world.told(conn).types(), ["claimed"]);
}

#[test]
fn guesses_from_one_address_run_out_and_come_back_slowly() {
    let mut world = world();
    for plate in 1..=20 {
        assert_eq!(world.claim("guest", &json!(plate), 1).1.types(), ["claimed"]);
    }
    assert_eq!(world.refused("guest", &json!(21), 1), "rate_limited");
    world.wait(Duration::from_secs(6));
    assert_eq!(world.claim("guest", &json!(21), 1).1.types(), ["claimed"]);
    assert_eq!(world.refused("guest", &json!(22), 1), "rate_limited");
    assert_eq!(world.allocate(1).1.types(), ["claimed"], "who makes codes guesses none");
}

#[test]
fn nameplates_and_what_is_remembered_of_them_are_bounded() {
    let unlimited = Rate::new(1000, 1000);
    let mut world = World::new(|s| (s.nameplates, s.claim_rate, s.entry_rate) = (4, unlimited, unlimited));
    for plate in [1, 2] {
        assert_eq!(world.claim("guest", &json!(plate), 1).1.types(), ["claimed"]);
    }
    assert_eq!(world.refused("guest", &json!(3), 1), "unavailable", "half is for hosts");
    let mut hosts: Vec<(ConnId, Value)> = Vec::new();
    for _ in 0..2 {
        let (conn, told) = world.allocate(1);
        hosts.push((conn, told.frames[0]["nameplate"].clone()));
    }
    assert_eq!(world.allocate(1).1.error(), "unavailable");
    assert_eq!(world.refused("host", &json!(3), 1), "unavailable");
    assert_eq!(world.claim("host", &json!(1), 9).1.types(), ["claimed", "peer_joined"], "a guest's host finds it");
    for _ in 0..10 {
        for (host, _) in hosts.drain(..) {
            world.say(host, json!({"type": "leave"}));
        }
        let (conn, told) = world.allocate(1);
        hosts.push((conn, told.frames[0]["nameplate"].clone()));
    }
    world.drain();
    assert!(world.rooms.room_count() <= 4);
    world.nothing_is_left();
}

#[test]
fn numbers_grow_longer_only_when_the_short_ones_are_taken() {
    let unlimited = Rate::new(5000, 1000);
    let mut world = World::new(|s| s.entry_rate = unlimited);
    let mut numbers: Vec<u64> =
        (0..120).map(|_| world.allocate(1).1.frames[0]["nameplate"].as_u64().unwrap()).collect();
    assert!(numbers[..99].iter().all(|number| *number <= 99), "{numbers:?}");
    assert!(numbers[99..].iter().all(|number| (100..=999).contains(number)), "{numbers:?}");
    assert!(!numbers.is_sorted());
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 120);
}

#[test]
fn the_relay_is_not_for_those_at_a_nameplate() {
    let mut world = World::new(|settings| settings.grant_interval = Some(Duration::from_secs(5)));
    let (_, told) = world.claim("host", &json!(7), 1);
    assert_eq!(told.types(), ["claimed"]);
    let (_, told) = world.claim("guest", &json!(7), 2);
    assert_eq!(told.types(), ["claimed", "peer_joined"]);
    assert!(world.revoked.is_empty());
}
