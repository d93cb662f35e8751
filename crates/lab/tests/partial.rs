//! Messages that expire, on lines that are too slow for them (RFC 3758): what a live stream is like.

use peerage_base::time::Duration;
use peerage_lab::wan::flow::Progress;
use peerage_lab::wan::ours::Ours;
use peerage_lab::wan::race::Race;
use peerage_lab::wan::scene::{Change, Scene};

const RATE: u64 = 2_000_000;
const MESSAGE: usize = 1_000;
const LIFE: Duration = Duration::from_millis(200);

/// A stream of so many times what the line carries, each message given up after [`LIFE`].
fn live(load: f64) -> Ours {
    let every = Duration::from_secs_f64(8.0 * MESSAGE as f64 / (RATE as f64 * load));
    let life_time = u16::try_from(LIFE.as_millis()).ok();
    Ours { message: MESSAGE, every: Some(every), life_time, ..Ours::default() }
}

/// The most that waited; from the third second on, the greatest age of the newest message that had arrived; what became of all.
fn stream(scene: &Scene, ours: &Ours, seed: u64) -> (usize, Duration, Progress) {
    let every = ours.every.expect("messages come at times");
    let (mut queued, mut age) = (0, Duration::ZERO);
    let mut race = Race::new(scene, seed);
    race.add(ours);
    let record = race.run_with(Duration::from_secs(12), |at, sample| {
        let flow = &sample.flows[0];
        queued = queued.max(flow.sender.queued);
        if at >= Duration::from_secs(2) {
            age = age.max(at.saturating_sub(every * u32::try_from(flow.next).unwrap_or(u32::MAX)));
        }
    });
    (queued, age, record.last(0))
}

#[test]
fn a_stream_that_the_line_cannot_carry_stays_fresh_and_its_queue_short() {
    for (queue, loss, seed) in [(1.0, 0.0, 1), (4.0, 0.0, 2), (1.0, 0.01, 3)] {
        let scene = Scene::new(RATE, Duration::from_millis(40)).with_queue(queue).with_loss(loss);
        let ours = live(2.0);
        let (queued, age, last) = stream(&scene, &ours, seed);
        let what = format!("queue {queue}, loss {loss}: {queued} bytes queued, {age:?} old, {last:?}");
        // What is offered within a life, and what comes until the next packet leaves and what is too old is found.
        let most = 1.5 * 2.0 * RATE as f64 / 8.0 * LIFE.as_secs_f64();
        assert!((queued as f64) < most, "{what}");
        // A life, the way there with a queue, and a message that is being repaired.
        assert!(age < LIFE + Duration::from_millis(200), "{what}");
        assert!(last.sender.given_up > 1_000, "{what}");
        // The line is busy with what arrives in time, and not with what is thrown away half sent.
        let share = last.delivered as f64 * 8.0 / 12.0 / RATE as f64;
        assert!(share > 0.75, "{share:.3} of the line: {what}");
    }
}

#[test]
fn a_stream_that_the_line_carries_loses_nothing_but_what_the_line_does() {
    let scene = Scene::new(RATE, Duration::from_millis(40));
    let (queued, age, last) = stream(&scene, &live(0.7), 4);
    assert!(last.sender.given_up == 0 && queued < 20_000 && age < LIFE, "{queued} {age:?} {last:?}");
    let (_, age, last) = stream(&scene.with_loss(0.01), &live(0.7), 5);
    // A repair takes a round trip and a half of the life, so nearly everything is repaired in time.
    assert!(last.sender.given_up < 40 && age < 2 * LIFE, "{age:?} {last:?}");
}

#[test]
fn after_an_outage_what_is_old_is_not_sent() {
    let second = Duration::from_secs(1);
    let scene = Scene::new(RATE, Duration::from_millis(40)).at(4 * second, Change::Cut).at(6 * second, Change::Restore);
    let ours = live(0.7);
    let every = ours.every.expect("messages come at times");
    let mut race = Race::new(&scene, 6);
    race.add(&ours);
    let mut fresh = None;
    let record = race.run_with(10 * second, |at, sample| {
        let flow = &sample.flows[0];
        let age = at.saturating_sub(every * u32::try_from(flow.next).unwrap_or(u32::MAX));
        if at >= 6 * second && fresh.is_none() && age < 2 * LIFE {
            fresh = Some(at - 6 * second);
        }
    });
    let last = record.last(0);
    // The timer had backed off; the first packet that it sends finds the line whole.
    assert!(fresh.is_some_and(|after| after < 3 * second / 2), "fresh again after {fresh:?}: {last:?}");
    assert!(last.sender.queued < 20_000, "{last:?}");
    assert!(last.sender.given_up > 200, "two seconds of messages are gone: {last:?}");
}
