//! A sender and its receiver.

use super::{Bottleneck, Fate, MILLISECOND, PACKET, SECOND};
use crate::congestion::{Ack, Controller, RateSample, Sent};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use peerage_base::time::{Duration, Instant};

/// Packets delivered after one that is missing until that is taken for lost.
const MISSES: u64 = 3;
/// How long a receiver waits for a second packet to acknowledge with the first.
const SACK_DELAY: u64 = 20 * MILLISECOND;

/// A packet on its way, with what delivery-rate samples need.
#[derive(Clone, Copy)]
struct Packet {
    departure: u64,
    sent_at: u64,
    delivered: u64,
    delivered_at: u64,
    first_sent_at: u64,
    lost: u64,
    in_flight: usize,
    arrives: bool,
    marked: bool,
}

pub(super) struct Flow {
    controller: Box<dyn Controller>,
    now: u64,
    next_send: u64,
    packets: VecDeque<Packet>,
    holes: VecDeque<Packet>,
    /// When a SACK comes, and up to which departure it acknowledges.
    sacks: VecDeque<(u64, u64)>,
    /// A packet that was received and waits to be acknowledged with the next: when it arrived, and its departure.
    unacknowledged: Option<(u64, u64)>,
    last_arrival: u64,
    departures: u64,
    in_flight: usize,
    delivered: u64,
    delivered_at: u64,
    first_sent_at: u64,
    lost: u64,
    sent: u64,
    /// The losses of packets up to this departure are one episode.
    repair: Option<u64>,
    smoothed: u64,
    least: u64,
    /// When a tail-loss probe or the retransmission timer is due.
    timer: u64,
    probed: bool,
    timeouts: u32,
}

impl Flow {
    pub(super) fn new(controller: Box<dyn Controller>, start: u64) -> Self {
        Self {
            controller,
            now: start,
            next_send: start,
            packets: VecDeque::new(),
            holes: VecDeque::new(),
            sacks: VecDeque::new(),
            unacknowledged: None,
            last_arrival: 0,
            departures: 0,
            in_flight: 0,
            delivered: 0,
            delivered_at: start,
            first_sent_at: start,
            lost: 0,
            sent: 0,
            repair: None,
            smoothed: 0,
            least: u64::MAX,
            timer: u64::MAX,
            probed: false,
            timeouts: 0,
        }
    }

    pub(super) fn delivered(&self) -> u64 {
        self.delivered
    }

    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    pub(super) fn missed(&self) -> u64 {
        self.lost
    }

    pub(super) fn timeouts(&self) -> u32 {
        self.timeouts
    }

    pub(super) fn next_event(&self) -> u64 {
        let sack = self.sacks.front().map_or(u64::MAX, |(at, _)| *at);
        let send = if self.may_send() { self.next_send.max(self.now) } else { u64::MAX };
        sack.min(send).min(self.timer).min(self.unacknowledged.map_or(u64::MAX, |(at, _)| at + SACK_DELAY))
    }

    pub(super) fn act(&mut self, now: u64, link: &mut Bottleneck) {
        self.now = now;
        if let Some((at, departure)) = self.unacknowledged
            && at + SACK_DELAY <= now
        {
            self.acknowledge(at + SACK_DELAY, departure, link);
        }
        while let Some((_, departure)) = self.sacks.front().copied().filter(|(at, _)| *at <= now) {
            self.sacks.pop_front();
            self.on_sack(departure);
        }
        if self.timer <= now {
            self.on_timer(link);
        }
        if self.next_send <= now {
            self.send_run(link);
        }
    }

    fn may_send(&self) -> bool {
        self.in_flight < self.controller.window()
    }

    /// Sends what the window and the pacer allow: a millisecond of the rate in one run, and what a late wake-up missed.
    fn send_run(&mut self, link: &mut Bottleneck) {
        match self.controller.pacing_rate() {
            None => {
                while self.may_send() {
                    self.send(link);
                }
                self.next_send = self.now;
            }
            Some(rate) => {
                let run = (rate.0 / 1000).max(2 * PACKET as u64);
                let mut left = 0;
                while self.may_send() && left < run {
                    self.send(link);
                    left += PACKET as u64;
                }
                let gap = (u128::from(left) * u128::from(SECOND) / u128::from(rate.0.max(1))) as u64;
                self.next_send = self.next_send.max(self.now.saturating_sub(2 * MILLISECOND)) + gap;
            }
        }
    }

    fn send(&mut self, link: &mut Bottleneck) {
        if self.in_flight == 0 {
            self.first_sent_at = self.now;
            self.delivered_at = self.now;
        }
        self.departures += 1;
        self.in_flight += PACKET;
        self.sent += PACKET as u64;
        let fate = link.send(self.now, PACKET as u64);
        let (arrives, marked) = match fate {
            Fate::Dropped => (false, false),
            Fate::Arrives(at, marked) => {
                self.receive(at, link);
                (true, marked)
            }
        };
        self.packets.push_back(Packet {
            departure: self.departures,
            sent_at: self.now,
            delivered: self.delivered,
            delivered_at: self.delivered_at,
            first_sent_at: self.first_sent_at,
            lost: self.lost,
            in_flight: self.in_flight,
            arrives,
            marked,
        });
        self.restart_timer();
        let now = Instant::from_nanos(self.now);
        self.controller.sent(&Sent { now, bytes: PACKET, in_flight: self.in_flight, app_limited: false });
    }

    /// The packet that left last arrives at `at`: every second one is acknowledged, and each while something is missing.
    fn receive(&mut self, at: u64, link: &mut Bottleneck) {
        let at = at.max(self.last_arrival);
        self.last_arrival = at;
        let departure = self.departures;
        if let Some((first, previous)) = self.unacknowledged {
            if first + SACK_DELAY < at {
                self.acknowledge(first + SACK_DELAY, previous, link);
                self.unacknowledged = Some((at, departure));
            } else {
                self.acknowledge(at, departure, link);
            }
        } else if self.repair.is_some() {
            self.acknowledge(at, departure, link);
        } else {
            self.unacknowledged = Some((at, departure));
        }
    }

    fn acknowledge(&mut self, at: u64, departure: u64, link: &Bottleneck) {
        self.unacknowledged = None;
        let back = link.back(at);
        self.sacks.push_back((back.max(self.sacks.back().map_or(0, |(at, _)| *at)), departure));
    }

    fn on_sack(&mut self, departure: u64) {
        let (in_flight_before, lost_before) = (self.in_flight, self.lost);
        let (mut bytes, mut marks) = (0, 0);
        let mut newest: Option<Packet> = None;
        while let Some(packet) = self.packets.front().copied().filter(|p| p.departure <= departure) {
            self.packets.pop_front();
            if packet.arrives {
                bytes += PACKET;
                marks += u32::from(packet.marked);
                self.in_flight -= PACKET;
                newest = Some(packet);
            } else {
                self.holes.push_back(packet);
            }
        }
        let Some(newest) = newest else { return };
        self.delivered += bytes as u64;
        self.delivered_at = self.now;
        self.first_sent_at = newest.sent_at;
        self.probed = false;
        if self.repair.is_some_and(|exit| newest.departure > exit) {
            self.repair = None;
        }
        while self.holes.front().is_some_and(|hole| hole.departure + MISSES <= departure) {
            self.holes.pop_front();
            self.lose();
        }
        let rtt = self.now - newest.sent_at;
        self.least = self.least.min(rtt);
        self.smoothed = if self.smoothed == 0 { rtt } else { (self.smoothed * 7 + rtt) / 8 };
        let interval = (newest.sent_at - newest.first_sent_at).max(self.now - newest.delivered_at);
        let rate = RateSample {
            delivered: self.delivered - newest.delivered,
            interval: Duration::from_nanos(interval),
            prior_delivered: newest.delivered,
            in_flight_at_send: newest.in_flight,
            lost_since_send: self.lost - newest.lost,
            app_limited: false,
        };
        let ack = Ack {
            now: Instant::from_nanos(self.now),
            bytes,
            lost: (self.lost - lost_before) as usize,
            in_flight_before,
            in_flight: self.in_flight,
            rtt: Some(Duration::from_nanos(rtt)),
            delivered: self.delivered,
            rate: (interval >= self.least).then_some(rate),
            marks,
            in_recovery: self.repair.is_some(),
        };
        self.controller.acknowledged(&ack);
        self.restart_timer();
    }

    fn lose(&mut self) {
        self.in_flight -= PACKET;
        self.lost += PACKET as u64;
        if self.repair.is_none() {
            self.repair = Some(self.departures);
        }
    }

    fn restart_timer(&mut self) {
        let wait = if self.smoothed == 0 { SECOND } else { 2 * self.smoothed + 2 * SACK_DELAY };
        self.timer = if self.in_flight == 0 { u64::MAX } else { self.now + if self.probed { 2 * wait } else { wait } };
    }

    /// A tail-loss probe, then the retransmission timer.
    fn on_timer(&mut self, link: &mut Bottleneck) {
        if !self.probed {
            self.send(link);
            self.probed = true;
            self.restart_timer();
            return;
        }
        self.timeouts += 1;
        let before = self.in_flight;
        while self.holes.pop_front().is_some() {
            self.lose();
        }
        // What is still on its way is the network's doing, and arrives for nothing.
        while self.packets.pop_front().is_some() {
            self.lose();
        }
        self.sacks.clear();
        self.unacknowledged = None;
        self.repair = None;
        self.probed = false;
        self.timer = u64::MAX;
        self.controller.timed_out(Instant::from_nanos(self.now), before);
    }
}
