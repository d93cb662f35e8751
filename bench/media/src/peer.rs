//! What the loop wants of a stack.

use std::time::Duration;

use crate::load::Kind;

/// What an end is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Frames in, packets out.
    Sends,
    /// Packets in, frames out.
    Receives,
    /// Packets in, packets out to the ends that forward.
    TakesIn,
    /// Packets of another end in, packets out.
    Forwards,
}

/// What both ends of a connection are to be.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// What is sent.
    pub kind: Kind,
    /// How many streams of it.
    pub streams: usize,
    /// What the first and the second end do. The first offers.
    pub roles: [Role; 2],
}

/// Datagrams as a stack hands them out.
pub trait Run {
    /// Drops those that are not to arrive; says whether any are left.
    fn retain(&mut self, arrives: impl FnMut(&[u8]) -> bool) -> bool;
}

impl Run for Vec<u8> {
    fn retain(&mut self, mut arrives: impl FnMut(&[u8]) -> bool) -> bool {
        arrives(self)
    }
}

/// Where what comes out of an end goes.
pub struct Out<P: Peer> {
    /// Datagrams to the other end.
    pub runs: Vec<P::Run>,
    /// Frames for the application.
    pub frames: Vec<P::Received>,
    /// Packets for the ends that forward, each with its stream.
    pub items: Vec<(usize, P::Item)>,
    /// Streams of which a key frame is wanted.
    pub wanted: Vec<usize>,
}

impl<P: Peer> Default for Out<P> {
    fn default() -> Self {
        Self { runs: Vec::new(), frames: Vec::new(), items: Vec::new(), wanted: Vec::new() }
    }
}

/// One end of a connection. Moments are given as what has passed since the beginning.
pub trait Peer: Sized {
    /// What it is called.
    const NAME: &'static str;
    /// Datagrams of one call.
    type Run: Run;
    /// A frame as the stack takes it.
    type Frame: From<Vec<u8>>;
    /// A frame as the stack hands it out.
    type Received: AsRef<[u8]>;
    /// A packet, or what else is forwarded.
    type Item;

    /// Both ends of a connection, which know each other's description.
    ///
    /// # Errors
    /// The stack refuses a step.
    fn pair(plan: &Plan) -> Result<[Self; 2], String>;

    /// Whether media can be sent.
    fn is_connected(&self) -> bool;

    /// Takes in datagrams that arrive together, and says what that comes to.
    fn receive(&mut self, at: Duration, run: &mut Self::Run, out: &mut Out<Self>);

    /// The moment that it asked for has come.
    fn timeout(&mut self, at: Duration);

    /// Takes a frame of a stream to send.
    fn send(&mut self, at: Duration, stream: usize, frame: Self::Frame, is_key: bool, timestamp: u32);

    /// Sends a packet on that came in by another end.
    fn forward(&mut self, at: Duration, stream: usize, item: &Self::Item);

    /// All that there is to send or forward now has been handed over.
    fn handed_over(&mut self, at: Duration);

    /// Begins to forward what `from` takes in.
    fn select(&mut self, at: Duration, from: &mut Self);

    /// Takes everything out, and says when it wants to be woken.
    fn drain(&mut self, at: Duration, out: &mut Out<Self>) -> Option<Duration>;

    /// Gets a run back that has been delivered.
    fn recycle(&mut self, run: Self::Run);
}
