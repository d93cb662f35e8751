//! Who is told credentials, when, and when they end.

use crate::access::{AccessList, AccessToken};
use crate::room::tests::{World, peer};
use crate::room::{ConnId, Settings};
use peerage_base::limit::Rate;
use peerage_base::time::Duration;
use serde_json::{Value, json};

const INTERVAL: Duration = Duration::from_secs(300);

fn world(change: impl FnOnce(&mut Settings)) -> World {
    World::new(|settings| {
        settings.grant_interval = Some(INTERVAL);
        change(settings);
    })
}

fn enter(world: &mut World, how: &str, who: u8) -> ConnId {
    let conn = world.connect();
    world.say(conn, json!({"type": how, "room": "abcd", "peer": peer(who), "accepts": ["ice_servers"]}));
    conn
}

fn types(world: &mut World, conn: ConnId) -> Vec<String> {
    world.told(conn).types().into_iter().map(str::to_owned).collect()
}

/// Two present members, and the token of the first.
fn two() -> (World, ConnId, ConnId, Value) {
    let mut world = world(|_| {});
    let a = enter(&mut world, "open", 1);
    let token = world.told(a).frames[0]["token"].clone();
    let b = enter(&mut world, "join", 2);
    world.drain();
    (world, a, b, token)
}

#[test]
fn one_that_is_alone_is_told_nothing_and_the_second_brings_credentials_for_both() {
    let mut world = world(|_| {});
    let a = enter(&mut world, "open", 1);
    world.wait(INTERVAL * 3);
    assert_eq!(types(&mut world, a), ["joined"]);
    let b = enter(&mut world, "join", 2);
    let told = world.drain();
    assert_eq!(told[&b].types(), ["joined", "ice_servers"]);
    assert_eq!(told[&a].types(), ["ice_servers", "peer_joined"], "before anything can come of the newcomer");
    assert_eq!(told[&a].frames[0]["room"], "abcd");
    let c = enter(&mut world, "join", 3);
    let told = world.drain();
    assert_eq!((told[&c].types(), told[&a].types()), (vec!["joined", "ice_servers"], vec!["peer_joined"]));
}

#[test]
fn credentials_are_renewed_as_long_as_two_are_present() {
    let (mut world, a, b, _) = two();
    for _ in 0..3 {
        world.wait(INTERVAL - Duration::from_millis(1));
        assert!(world.drain().is_empty());
        world.wait(Duration::from_millis(1));
        let told = world.drain();
        assert_eq!((told[&a].types(), told[&b].types()), (vec!["ice_servers"], vec!["ice_servers"]));
    }
    world.say(b, json!({"type": "leave"}));
    world.drain();
    world.wait(INTERVAL * 2);
    assert!(world.drain().is_empty(), "one is left");
}

#[test]
fn one_that_is_away_does_not_count_and_coming_back_brings_fresh_ones() {
    let (mut world, a, b, token) = two();
    world.rooms.handle_disconnect(world.now, a);
    world.wait(Duration::from_secs(20));
    assert_eq!(world.rooms.grants.len(), 0);
    let (a, told) = world.resume(1, &token, 0);
    assert_eq!(told.types(), ["resumed", "ice_servers", "peer_joined"], "before what is said again");
    world.wait(INTERVAL);
    let told = world.drain();
    assert_eq!((told[&a].types(), told[&b].types()), (vec!["ice_servers"], vec!["ice_servers"]));
}

#[test]
fn a_newcomer_to_a_room_whose_only_peer_is_away_gets_none_yet() {
    let mut world = world(|_| {});
    let a = enter(&mut world, "open", 1);
    world.drain();
    world.rooms.handle_disconnect(world.now, a);
    let b = enter(&mut world, "join", 2);
    assert_eq!(types(&mut world, b), ["joined"]);
}

#[test]
fn a_client_that_does_not_know_the_message_never_gets_it() {
    let mut world = world(|_| {});
    let (a, _) = world.enter("open", "abcd", 1);
    let b = enter(&mut world, "join", 2);
    let told = world.drain();
    assert_eq!((told[&a].types(), told[&b].types()), (vec!["peer_joined"], vec!["joined", "ice_servers"]));
    world.wait(INTERVAL);
    let told = world.drain();
    assert!(!told.contains_key(&a) && told[&b].types() == ["ice_servers"]);
}

#[test]
fn a_server_without_a_relay_says_nothing_of_one() {
    let mut world = world(|s| s.grant_interval = None);
    let a = enter(&mut world, "open", 1);
    let b = enter(&mut world, "join", 2);
    let told = world.drain();
    assert_eq!((told[&a].types(), told[&b].types()), (vec!["joined", "peer_joined"], vec!["joined"]));
}

#[test]
fn credentials_end_with_the_room() {
    let (mut world, a, b, _) = two();
    world.say(a, json!({"type": "leave"}));
    world.drain();
    assert!(world.revoked.is_empty(), "the other one is still there");
    world.say(b, json!({"type": "leave"}));
    world.drain();
    assert_eq!(world.revoked, ["abcd"]);

    let (mut world, a, b, _) = two();
    for conn in [a, b] {
        world.rooms.handle_disconnect(world.now, conn);
    }
    world.wait(Duration::from_secs(30));
    world.drain();
    assert!(world.revoked.is_empty(), "they may come back");
    world.wait(Duration::from_secs(3600));
    world.drain();
    assert_eq!(world.revoked, ["abcd"]);
}

#[test]
fn a_room_that_never_had_credentials_has_none_to_end() {
    let mut world = world(|_| {});
    let a = enter(&mut world, "open", 1);
    world.say(a, json!({"type": "leave"}));
    world.drain();
    assert!(world.revoked.is_empty());
}

#[test]
fn an_empty_room_that_makes_way_takes_its_credentials_along() {
    let mut world = world(|s| s.rooms = 1);
    let a = enter(&mut world, "open", 1);
    let b = enter(&mut world, "join", 2);
    for conn in [a, b] {
        world.rooms.handle_disconnect(world.now, conn);
    }
    world.wait(Duration::from_secs(30));
    let (_, told) = world.enter("open", "efgh", 1);
    assert_eq!((told.types(), world.revoked.as_slice()), (vec!["joined"], &["abcd".to_owned()][..]));
}

#[test]
fn an_interval_of_nothing_does_not_spin() {
    let mut world = world(|s| s.grant_interval = Some(Duration::ZERO));
    let a = enter(&mut world, "open", 1);
    enter(&mut world, "join", 2);
    world.drain();
    world.wait(Duration::from_secs(2));
    assert_eq!(types(&mut world, a), ["ice_servers"]);
}

#[test]
fn only_who_shows_the_token_opens_a_room_and_anybody_enters_one_that_is_there() {
    const TOKEN: &str = "correct-horse-battery";
    let mut world = world(|s| {
        s.access = AccessList::new([&AccessToken::parse(TOKEN).unwrap()]);
        s.entry_rate = Rate::new(100, 1);
    });
    let open = |world: &mut World, who: u8, token: Value| {
        let conn = world.connect();
        world.say(conn, json!({"type": "open", "room": "abcd", "peer": peer(who), "access_token": token}));
        world.told(conn)
    };
    for wrong in ["correct-horse-batterz", "correct-horse-battery-staple"] {
        assert_eq!(open(&mut world, 1, json!(wrong)).error(), "forbidden");
    }
    assert_eq!(open(&mut world, 1, json!(7)).error(), "bad_request");
    let (_, told) = world.enter("open", "abcd", 1);
    assert_eq!(told.error(), "forbidden");
    assert!(told.frames[0]["message"].as_str().unwrap().contains("access token"));
    assert_eq!(world.enter("join", "abcd", 1).1.error(), "unavailable");
    assert_eq!(world.rooms.room_count(), 0);
    assert_eq!(open(&mut world, 1, json!(TOKEN)).types(), ["joined"]);
    assert_eq!(world.enter("join", "abcd", 2).1.types(), ["joined"]);
    assert_eq!(world.enter("open", "abcd", 3).1.types(), ["joined"]);
}

#[test]
fn guessing_tokens_is_slow() {
    let list = AccessList::new([&AccessToken::parse("correct-horse-battery").unwrap()]);
    let mut world = world(|s| {
        s.access = list;
        s.entry_rate = Rate::new(3, 1);
    });
    for _ in 0..3 {
        assert_eq!(world.enter("open", "abcd", 1).1.error(), "forbidden");
    }
    assert_eq!(world.enter("open", "abcd", 1).1.error(), "rate_limited");
}
