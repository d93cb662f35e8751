//! Ends and lines in virtual time: what happens next happens at once, and only the calls of who is measured count.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use peerage_base::rng::Rng;

use crate::clock::Meter;
use crate::load::{Load, Name};
use crate::peer::{Out, Peer, Plan, Role, Run as _};

/// How long a packet is under way.
const DELAY: Duration = Duration::from_millis(10);
/// Least time between wake-ups of a machine that asks for the past.
const LEAST: Duration = Duration::from_micros(100);
/// How long a handshake may take, in virtual time.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was counted of a line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    /// Packets of RTP that carry media for the first time.
    pub media: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Other packets of RTP: retransmissions, padding.
    pub other: u64,
    /// Everything else.
    pub control: u64,
}

/// One end, and what is on its way to it.
struct Node<P: Peer> {
    peer: P,
    role: Role,
    inbox: VecDeque<(Duration, Vec<P::Run>)>,
    deadline: Option<Duration>,
    meter: Meter,
    /// What it has sent.
    traffic: Traffic,
    /// The highest sequence number of each source: what lies below is no new media.
    newest: BTreeMap<u32, u16>,
    frames: BTreeSet<Name>,
    /// Frames that are none of ours, or came twice.
    wrong: u64,
    wanted: BTreeSet<usize>,
}

/// Ends in pairs: each odd one is the other end of that before it.
pub struct World<P: Peer> {
    nodes: Vec<Node<P>>,
    load: Load,
    streams: usize,
    now: Duration,
    /// When the next frames are sent, and their number.
    tick: (Duration, u32),
    loss: f64,
    rng: Rng,
    /// What comes out of ends is put here, so that the room for it is in nobody's figures.
    out: Out<P>,
}

impl<P: Peer> World<P> {
    /// Without ends, for this load; `loss` is the share of media that does not arrive.
    pub fn new(load: Load, streams: usize, loss: f64) -> Self {
        let (nodes, rng) = (Vec::new(), Rng::from_u64(7));
        Self { nodes, load, streams, now: Duration::ZERO, tick: (Duration::MAX, 0), loss, rng, out: Out::default() }
    }

    /// Adds a connection.
    ///
    /// # Errors
    /// The stack refuses a step.
    pub fn connect(&mut self, roles: [Role; 2]) -> Result<(), String> {
        let pair = P::pair(&Plan { kind: self.load.kind, streams: self.streams, roles })?;
        self.nodes.extend(pair.into_iter().zip(roles).map(|(peer, role)| Node {
            peer,
            role,
            inbox: VecDeque::new(),
            deadline: Some(Duration::ZERO),
            meter: Meter::default(),
            traffic: Traffic::default(),
            newest: BTreeMap::new(),
            frames: BTreeSet::new(),
            wrong: 0,
            wanted: BTreeSet::new(),
        }));
        Ok(())
    }

    /// Lets the handshakes happen.
    ///
    /// # Errors
    /// They do not end.
    pub fn settle(&mut self) -> Result<(), String> {
        for at in 0..self.nodes.len() {
            self.act(at, |_, _, _| {});
        }
        self.run(Duration::from_secs(1));
        while !self.nodes.iter().all(|node| node.peer.is_connected()) {
            if self.now > PATIENCE {
                return Err("the ends do not connect".into());
            }
            self.run(Duration::from_secs(1));
        }
        Ok(())
    }

    /// Begins to send.
    pub fn begin(&mut self) {
        self.tick.0 = self.now;
    }

    /// Begins to forward what comes in.
    pub fn select(&mut self) {
        let (ingress, rest) = self.nodes.split_at_mut(2);
        for node in rest.iter_mut().filter(|node| node.role == Role::Forwards) {
            node.peer.select(self.now, &mut ingress[1].peer);
            node.deadline = Some(self.now);
        }
        ingress[1].deadline = Some(self.now);
        ingress[0].wanted.extend(0..self.streams);
    }

    /// Counts from here on; answers the number of the next frames.
    pub fn reset(&mut self) -> u32 {
        for node in &mut self.nodes {
            (node.meter, node.traffic) = (Meter::default(), Traffic::default());
        }
        self.tick.1
    }

    /// Lets time pass.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((at, what)) = self.next().filter(|(at, _)| *at <= end) {
            self.now = self.now.max(at);
            match what {
                What::Tick => self.send(),
                What::Arrival(at) => self.arrive(at),
                What::Deadline(at) => self.act(at, |peer, now, _| peer.timeout(now)),
            }
        }
        self.now = end;
    }

    /// What the ends of a role cost.
    pub fn cost(&self, role: Role) -> Meter {
        self.of(role).fold(Meter::default(), |sum, node| sum.with(node.meter))
    }

    /// What the ends of a role have sent.
    pub fn sent(&self, role: Role) -> Traffic {
        self.of(role).fold(Traffic::default(), |sum, node| Traffic {
            media: sum.media + node.traffic.media,
            bytes: sum.bytes + node.traffic.bytes,
            other: sum.other + node.traffic.other,
            control: sum.control + node.traffic.control,
        })
    }

    /// How many of the frames in `numbers` did not reach every receiver, of how many.
    ///
    /// # Errors
    /// Something came that was not sent, or twice.
    pub fn missing(&self, numbers: std::ops::Range<u32>) -> Result<(usize, usize), String> {
        let (mut missing, mut all) = (0, 0);
        for node in self.of(Role::Receives) {
            if node.wrong > 0 {
                return Err(format!("{} frames are not what was sent, or came twice", node.wrong));
            }
            let expected = numbers.clone().flat_map(|number| (0..self.streams as u32).map(move |s| (s, number)));
            let came = expected.filter(|(stream, number)| {
                all += 1;
                node.frames.contains(&Name { stream: *stream, number: *number })
            });
            missing += numbers.len() * self.streams - came.count();
        }
        Ok((missing, all))
    }

    fn of(&self, role: Role) -> impl Iterator<Item = &Node<P>> {
        self.nodes.iter().filter(move |node| node.role == role)
    }

    fn next(&self) -> Option<(Duration, What)> {
        let arrivals = self.nodes.iter().enumerate().filter_map(|(at, node)| {
            let (due, _) = node.inbox.front()?;
            Some((*due, What::Arrival(at)))
        });
        let deadlines =
            self.nodes.iter().enumerate().filter_map(|(at, node)| Some((node.deadline?, What::Deadline(at))));
        let events = arrivals.chain(deadlines).chain([(self.tick.0, What::Tick)]);
        events.min_by_key(|(due, _)| *due)
    }

    /// A frame of each stream.
    fn send(&mut self) {
        let (due, number) = self.tick;
        self.tick = (due + self.load.kind.interval(), number + 1);
        let timestamp = number.wrapping_mul(self.load.kind.ticks());
        let frames: Vec<_> = (0..self.streams)
            .map(|stream| {
                let is_key = self.nodes[0].wanted.remove(&stream) || self.load.is_key(number);
                let frame = self.load.frame(Name { stream: stream as u32, number }, is_key);
                (stream, P::Frame::from(frame), is_key)
            })
            .collect();
        self.act(0, |peer, now, _| {
            for (stream, frame, is_key) in frames {
                peer.send(now, stream, frame, is_key, timestamp);
            }
            peer.handed_over(now);
        });
    }

    /// What is due at an end.
    fn arrive(&mut self, at: usize) {
        let Some((_, mut runs)) = self.nodes[at].inbox.pop_front() else { return };
        self.act(at, |peer, now, out| {
            for run in &mut runs {
                peer.receive(now, run, out);
            }
        });
        let other = &mut self.nodes[at ^ 1].peer;
        runs.into_iter().for_each(|run| other.recycle(run));
    }

    /// Does something at an end; what is to be forwarded then is.
    fn act(&mut self, at: usize, what: impl FnOnce(&mut P, Duration, &mut Out<P>)) {
        self.act_alone(at, what);
        if self.out.items.is_empty() {
            return;
        }
        let mut items = std::mem::take(&mut self.out.items);
        for viewer in (2..self.nodes.len()).step_by(2) {
            self.act_alone(viewer, |peer, now, _| {
                items.iter().for_each(|(stream, item)| peer.forward(now, *stream, item));
                peer.handed_over(now);
            });
        }
        items.clear();
        self.out.items = items;
        // Key frames are wanted of the publisher, whoever wants them.
        self.nodes[0].wanted = self.nodes.iter_mut().flat_map(|node| std::mem::take(&mut node.wanted)).collect();
    }

    /// Does something at an end, takes everything out of it, and puts it on the line; what is to be forwarded stays.
    fn act_alone(&mut self, at: usize, what: impl FnOnce(&mut P, Duration, &mut Out<P>)) {
        let (now, mut out) = (self.now, std::mem::take(&mut self.out));
        let node = &mut self.nodes[at];
        let deadline = node.meter.time(|| {
            what(&mut node.peer, now, &mut out);
            node.peer.drain(now, &mut out)
        });
        node.deadline = deadline.map(|deadline| deadline.max(now + LEAST));
        for frame in out.frames.drain(..) {
            let name = self.load.recognise(frame.as_ref());
            if !name.is_some_and(|name| node.frames.insert(name)) {
                node.wrong += 1;
            }
        }
        node.wanted.extend(out.wanted.drain(..));
        self.put(at, &mut out.runs);
        self.out = out;
    }

    /// Puts datagrams on the line.
    fn put(&mut self, at: usize, runs: &mut Vec<P::Run>) {
        let (node, loss, rng) = (&mut self.nodes[at], self.loss, &mut self.rng);
        let payload_type = self.load.kind.payload_type();
        let mut left = Vec::with_capacity(runs.len());
        for mut run in runs.drain(..) {
            let any = run.retain(|datagram| {
                let is_media = node.traffic.count(datagram, payload_type, &mut node.newest);
                !(is_media && loss > 0.0 && rng.unit() < loss)
            });
            if any {
                left.push(run);
            } else {
                node.peer.recycle(run);
            }
        }
        if !left.is_empty() {
            self.nodes[at ^ 1].inbox.push_back((self.now + DELAY, left));
        }
    }
}

/// What happens next, and at which end.
#[derive(Clone, Copy, Debug)]
enum What {
    Tick,
    Arrival(usize),
    Deadline(usize),
}

impl Traffic {
    /// Counts a datagram; says whether it is media that was not sent before.
    fn count(&mut self, datagram: &[u8], payload_type: u8, newest: &mut BTreeMap<u32, u16>) -> bool {
        // RFC 7983 §7 and RFC 5761 §4 tell RTP from all else; its header is not encrypted.
        let [first, second, high, low, _, _, _, _, ssrc @ ..] = datagram else { return false };
        let Some(ssrc) = ssrc.first_chunk::<4>() else { return false };
        if !(128..192).contains(first) || (192..224).contains(second) {
            self.control += 1;
            return false;
        }
        let (ssrc, sequence) = (u32::from_be_bytes(*ssrc), u16::from_be_bytes([*high, *low]));
        let is_new = newest.get(&ssrc).is_none_or(|newest| sequence.wrapping_sub(*newest).wrapping_sub(1) < 1 << 15);
        if second & 0x7F != payload_type || !is_new {
            self.other += 1;
            return false;
        }
        newest.insert(ssrc, sequence);
        self.media += 1;
        self.bytes += datagram.len() as u64;
        true
    }
}
