use super::request::{Media, Text};
use super::*;
use crate::access::AccessList;
use core::time::Duration;

const TOKEN: &str = "correct-horse-battery";

struct World {
    now: Instant,
    exchange: Exchange,
}

impl World {
    fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings { request_rate: peerage_base::limit::Rate::new(1000, 1000), ..Settings::default() };
        change(&mut settings);
        Self { now: Instant::from_millis(1), exchange: Exchange::new(settings, Rng::from_u64(1)) }
    }

    fn ask_from(&mut self, source: u8, request: Request) -> RequestId {
        self.exchange.handle_request(self.now, [192, 0, 2, source].into(), request)
    }

    fn offer(&mut self, text: &str, wait: u64) -> RequestId {
        self.ask_from(1, offer(text, wait, None))
    }

    fn take(&mut self, wait: u64) -> RequestId {
        self.ask_from(2, take(wait, None))
    }

    fn answer(&mut self, to: OfferId, text: &str) -> RequestId {
        self.ask_from(2, Request::Answer { name: name(), offer: to, answer: plain(text) })
    }

    fn pass(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while let Some(due) = self.exchange.poll_timeout().filter(|due| *due <= end) {
            self.now = due.max(self.now);
            self.exchange.handle_timeout(self.now);
            assert!(self.exchange.poll_timeout().is_none_or(|due| due > self.now), "a deadline stayed");
        }
        self.now = end;
    }

    fn replies(&mut self) -> Vec<(RequestId, Reply)> {
        core::iter::from_fn(|| self.exchange.poll_output()).collect()
    }

    /// The one reply, which is to this request.
    fn reply(&mut self, to: RequestId) -> Reply {
        let mut replies = self.replies();
        assert!(replies.len() == 1 && replies[0].0 == to, "{replies:?}");
        replies.remove(0).1
    }

    /// Leaves an offer and does not wait.
    fn kept(&mut self, text: &str) -> OfferId {
        let id = self.offer(text, 0);
        let Reply::Kept(offer) = self.reply(id) else { panic!("it was not kept") };
        offer
    }

    /// Takes an offer that is there.
    fn taken(&mut self) -> (OfferId, String) {
        let id = self.take(0);
        let Reply::Offer(offer, text) = self.reply(id) else { panic!("there was none") };
        (offer, text.text.to_string())
    }
}

fn name() -> RoomName {
    RoomName::parse("k7m2xq").unwrap()
}

fn plain(text: &str) -> Text {
    Text { media: Media::Plain, text: text.into() }
}

fn offer(text: &str, wait: u64, token: Option<AccessToken>) -> Request {
    Request::Offer { name: name(), offer: plain(text), wait: Duration::from_secs(wait), token }
}

fn take(wait: u64, token: Option<AccessToken>) -> Request {
    Request::Take { name: name(), wait: Duration::from_secs(wait), token }
}

fn answered(text: &str) -> impl Fn(Reply) -> bool {
    move |reply| matches!(reply, Reply::Answer(_, answer) if &*answer.text == text)
}

#[test]
fn either_side_comes_first() {
    let mut world = World::new(|_| ());
    let offering = world.offer("o", 30);
    assert!(world.replies().is_empty(), "it waits");
    let (offer, text) = world.taken();
    assert_eq!(text, "o");
    let answering = world.answer(offer, "a");
    let [(first, done), (second, told)] = &world.replies()[..] else { panic!("two replies") };
    assert_eq!((*first, done), (answering, &Reply::Answered));
    assert_eq!((*second, told), (offering, &Reply::Answer(offer, plain("a"))));

    let mut world = World::new(|_| ());
    let taking = world.take(30);
    let offering = world.offer("o", 30);
    let Reply::Offer(offer, _) = world.reply(taking) else { panic!("an offer") };
    world.answer(offer, "a");
    assert!(world.replies().into_iter().any(|(to, reply)| to == offering && answered("a")(reply)));
}

#[test]
fn who_comes_back_finds_the_answer_by_its_address_and_by_the_same_offer() {
    let mut world = World::new(|_| ());
    let offer = world.kept("o");
    assert_eq!(world.kept("o"), offer, "the same offer is the same offer");
    let id = world.ask_from(1, Request::Await { name: name(), offer, wait: Duration::from_secs(5) });
    world.pass(5);
    assert_eq!(world.reply(id), Reply::Kept(offer), "nobody answered in that time");
    let (taken, _) = world.taken();
    world.answer(taken, "a");
    world.replies();
    for _ in 0..2 {
        let id = world.offer("o", 30);
        assert!(answered("a")(world.reply(id)));
        let id = world.ask_from(1, Request::Await { name: name(), offer, wait: Duration::ZERO });
        assert!(answered("a")(world.reply(id)));
    }
    world.pass(61);
    let id = world.ask_from(1, Request::Await { name: name(), offer, wait: Duration::ZERO });
    assert_eq!(world.reply(id), Reply::Refused(Refusal::Expired), "it was fetched long ago");
    assert_ne!(world.kept("o"), offer, "this is another one");
}

#[test]
fn an_offer_takes_one_answer_and_the_same_one_again() {
    let mut world = World::new(|_| ());
    world.kept("o");
    let (offer, _) = world.taken();
    for (answer, reply) in [
        ("a", Reply::Answered),
        ("a", Reply::Answered),
        ("b", Reply::Refused(Refusal::Answered)),
        (" \n", Reply::Refused(Refusal::Empty)),
    ] {
        let id = world.answer(offer, answer);
        assert_eq!(world.reply(id), reply, "{answer}");
    }
    let other = Request::Answer { name: RoomName::parse("zzzz").unwrap(), offer, answer: plain("a") };
    let id = world.ask_from(2, other);
    assert_eq!(world.reply(id), Reply::Refused(Refusal::Unknown), "it is not under that name");
}

#[test]
fn what_is_not_answered_goes_to_the_next_one() {
    let mut world = World::new(|_| ());
    world.kept("o");
    let (offer, _) = world.taken();
    let next = world.take(100);
    world.pass(59);
    assert!(world.replies().is_empty(), "the first one has a minute");
    world.pass(1);
    assert_eq!(world.reply(next), Reply::Offer(offer, plain("o")));
    // Given to a request that was gone already, it is free at once.
    world.exchange.handle_undelivered(world.now, offer);
    assert_eq!(world.taken().0, offer);
    // Whoever had it first may still be the one to answer.
    let id = world.answer(offer, "a");
    assert_eq!(world.reply(id), Reply::Answered);
    let id = world.take(0);
    assert_eq!(world.reply(id), Reply::Nobody, "what is answered is not given out");
}

#[test]
fn an_offer_that_somebody_waits_for_goes_before_one_that_was_left() {
    let mut world = World::new(|_| ());
    world.kept("left by a run that was killed");
    world.offer("awaited", 30);
    assert_eq!(world.taken().1, "awaited");
    assert_eq!(world.taken().1, "left by a run that was killed");
}

#[test]
fn waiting_ends_in_time_when_given_up_and_when_it_is_too_long() {
    let mut world = World::new(|_| ());
    let (offering, taking) = (
        world.offer("o", 10),
        world.ask_from(
            2,
            Request::Take { name: RoomName::parse("zzzz").unwrap(), wait: Duration::from_secs(1_000_000), token: None },
        ),
    );
    world.pass(10);
    assert!(matches!(world.reply(offering), Reply::Kept(_)));
    world.pass(109);
    assert!(world.replies().is_empty());
    world.pass(1);
    assert_eq!(world.reply(taking), Reply::Nobody, "two minutes at most");
    let gone = world.take(30);
    assert!(matches!(world.reply(gone), Reply::Offer(..)), "the offer that was left");
    let gone = world.take(30);
    world.exchange.handle_cancel(gone);
    world.exchange.handle_cancel(gone);
    assert_eq!(world.exchange.wait_count(), 0);
    world.offer("p", 30);
    assert!(world.replies().is_empty(), "nobody was there to be given it");
}

#[test]
fn offers_expire_and_are_withdrawn_and_forgotten() {
    let mut world = World::new(|_| ());
    let offer = world.kept("o");
    let withdraw = Request::Withdraw { name: name(), offer };
    world.pass(29 * 60);
    assert_eq!(world.kept("o"), offer, "whoever asks again keeps it alive");
    let waiting = world.offer("o", 30);
    let id = world.ask_from(2, withdraw.clone());
    let replies = world.replies();
    assert!(replies.contains(&(id, Reply::Withdrawn)));
    assert!(replies.contains(&(waiting, Reply::Refused(Refusal::Withdrawn))));
    let late = world.answer(offer, "a");
    assert_eq!(world.reply(late), Reply::Refused(Refusal::Withdrawn));
    let again = world.ask_from(2, withdraw);
    assert_eq!(world.reply(again), Reply::Refused(Refusal::Withdrawn));

    let offer = world.kept("p");
    world.pass(30 * 60);
    let late = world.answer(offer, "a");
    assert_eq!(world.reply(late), Reply::Refused(Refusal::Expired));
    world.pass(10 * 60);
    let late = world.answer(offer, "a");
    assert_eq!(world.reply(late), Reply::Refused(Refusal::Unknown));
    assert_eq!(world.exchange.held(), (0, 0, 0));
    assert_eq!(world.exchange.poll_timeout(), None);
}

#[test]
fn whoever_may_not_begin_goes_on_under_a_name_that_is_in_use() {
    let token = || AccessToken::parse(TOKEN).ok();
    let mut world = World::new(|settings| settings.access = AccessList::new(token().iter()));
    for request in [offer("o", 0, None), take(0, None)] {
        let id = world.ask_from(1, request);
        assert_eq!(world.reply(id), Reply::Refused(Refusal::Forbidden));
    }
    let id = world.ask_from(1, take(5, token()));
    world.pass(5);
    assert_eq!(world.reply(id), Reply::Nobody);
    world.pass(29 * 60);
    world.kept("o");
    world.pass(31 * 60 + 600);
    let id = world.offer("o", 0);
    assert_eq!(world.reply(id), Reply::Refused(Refusal::Forbidden), "the name is free again");
    assert_eq!(world.exchange.held(), (0, 0, 0));
}

#[test]
fn floods_are_refused_and_leave_nothing_behind() {
    let mut world = World::new(|settings| {
        (settings.offers_per_name, settings.offers_per_source, settings.offers) = (3, 4, 6);
        (settings.waits_per_name, settings.waits, settings.names, settings.bytes) = (2, 3, 4, 100);
    });
    let under = |label: &str, text: &str| Request::Offer {
        name: RoomName::parse(label).unwrap(),
        offer: plain(text),
        wait: Duration::ZERO,
        token: None,
    };
    let mut refusal = |source, request| {
        let id = world.ask_from(source, request);
        match world.reply(id) {
            Reply::Refused(why) => Some(why),
            _ => None,
        }
    };
    for text in ["1", "2", "3"] {
        assert_eq!(refusal(1, under("aaaa", text)), None);
    }
    assert_eq!(refusal(1, under("aaaa", "4")), Some(Refusal::Full), "three under a name");
    assert_eq!(refusal(1, under("bbbb", "1")), None);
    assert_eq!(refusal(1, under("bbbb", "2")), Some(Refusal::TooMany), "four of a source");
    assert_eq!(refusal(2, under("cccc", &"x".repeat(97))), Some(Refusal::Full), "more bytes than there is room for");
    assert_eq!(refusal(2, under("cccc", "1")), None);
    assert_eq!(refusal(2, under("dddd", "1")), None);
    assert_eq!(refusal(3, under("bbbb", "3")), Some(Refusal::Full), "six in all");
    assert_eq!(refusal(3, under("eeee", "3")), Some(Refusal::Full), "four names");
    assert_eq!(refusal(3, under("aaaa", &"x".repeat(TEXT_MAX + 1))), Some(Refusal::TooLong));
    let waits = |world: &mut World| {
        let (name, wait) = (RoomName::parse("aaaa").unwrap(), Duration::from_secs(9));
        world.ask_from(1, Request::Offer { name, offer: plain("1"), wait, token: None })
    };
    let _ = (waits(&mut world), waits(&mut world));
    assert!(world.replies().is_empty());
    let third = waits(&mut world);
    assert_eq!(world.reply(third), Reply::Refused(Refusal::Full), "two wait under a name");
    world.pass(3600);
    assert_eq!((world.exchange.held(), world.exchange.wait_count()), ((0, 0, 0), 0));
}

#[test]
fn who_asks_too_often_is_told_to_wait() {
    let mut world = World::new(|settings| settings.request_rate = peerage_base::limit::Rate::new(3, 1));
    for _ in 0..3 {
        let id = world.take(0);
        assert_eq!(world.reply(id), Reply::Nobody);
    }
    let id = world.take(0);
    assert_eq!(world.reply(id), Reply::Refused(Refusal::TooMany));
    world.pass(1);
    let id = world.take(0);
    assert_eq!(world.reply(id), Reply::Nobody);
}
