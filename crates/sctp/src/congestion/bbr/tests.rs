use super::model::Round;
use super::*;
use crate::congestion::RateSample;
use peerage_base::time::Duration;

const ROUND: Round = Round { ended: false, app_limited: false };

fn ack(at: u64, rtt: u64) -> Ack {
    Ack {
        now: Instant::from_millis(at),
        bytes: 1200,
        lost: 0,
        in_flight_before: 2400,
        in_flight: 1200,
        rtt: Some(Duration::from_millis(rtt)),
        delivered: at,
        rate: None,
        marks: 0,
        in_recovery: false,
    }
}

fn sample(in_flight_at_send: usize, lost_since_send: u64) -> RateSample {
    let interval = Duration::from_millis(50);
    RateSample {
        delivered: 60_000,
        interval,
        prior_delivered: 0,
        in_flight_at_send,
        lost_since_send,
        app_limited: false,
    }
}

/// One that has found a rate.
fn found() -> Bbr {
    let mut bbr = Bbr::new(1200, 10);
    bbr.plateau.reached = true;
    bbr
}

#[test]
fn a_path_that_was_near_and_is_far_now_is_believed_to_be_within_ten_seconds() {
    let mut bbr = found();
    for (at, rtt) in [(1000, 1), (2000, 50), (7000, 50), (9000, 50), (12_000, 50)] {
        let ack = ack(at, rtt);
        bbr.round_trip.update(&ack, ROUND);
        bbr.enter_probe_rtt_if_due(&ack);
        let known = if at < 11_000 { 1_000_000 } else { 50_000_000 };
        assert_eq!((bbr.round_trip.least(), bbr.state), (Some(known), State::Startup), "{at}");
    }
}

#[test]
fn a_probe_that_loses_too_much_bounds_the_flight_to_what_it_was() {
    let mut bbr = found();
    bbr.state = State::Up;
    bbr.check_cycle(&Ack { rate: Some(sample(100_000, 1000)), ..ack(1000, 50) }, ROUND);
    assert_eq!((bbr.state, bbr.bounds.high), (State::Up, usize::MAX));
    bbr.check_cycle(&Ack { rate: Some(sample(100_000, 50_000)), ..ack(1010, 50) }, ROUND);
    assert_eq!((bbr.state, bbr.bounds.high), (State::Down, 100_000));
}

#[test]
fn after_measuring_the_round_trip_the_window_is_what_it_was() {
    let mut bbr = found();
    bbr.window = 50_000;
    bbr.round_trip.update(&ack(1000, 50), ROUND);
    bbr.enter_probe_rtt_if_due(&ack(7000, 60));
    assert_eq!(bbr.state, State::ProbeRtt);
    bbr.window = 4800;
    for at in [7010, 7100, 7300] {
        bbr.check_probe_rtt(&ack(at, 60));
    }
    assert_eq!((bbr.state, bbr.window), (State::Cruise, 50_000));
}

#[test]
fn an_episode_of_loss_that_was_none_leaves_the_window_as_it_was_before() {
    let mut bbr = found();
    bbr.window = 50_000;
    bbr.note_losses(&Ack { in_recovery: true, lost: 1200, ..ack(1000, 50) }, ROUND);
    bbr.window = 4800;
    bbr.note_losses(&Ack { in_recovery: true, lost: 1200, ..ack(1010, 50) }, ROUND);
    bbr.spurious(Instant::from_millis(1020));
    assert_eq!(bbr.window, 50_000);
}

#[test]
fn rounds_in_which_the_application_had_no_more_to_send_do_not_end_the_start() {
    let mut bbr = Bbr::new(1200, 10);
    let ack = Ack { rate: Some(sample(12_000, 0)), ..ack(1000, 50) };
    bbr.model.update(&ack, 1, 12_000, None);
    for _ in 0..10 {
        bbr.check_startup(&ack, Round { ended: true, app_limited: true });
    }
    assert!(!bbr.plateau.reached && bbr.state == State::Startup);
    for _ in 0..4 {
        bbr.check_startup(&ack, Round { ended: true, app_limited: false });
    }
    assert!(bbr.plateau.reached);
}
