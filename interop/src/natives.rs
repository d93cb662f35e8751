//! Two connections of the library, without any signalling server.

use std::time::Duration;

use bytes::Bytes;
use peerage::event::{ConnectionState, IceCandidate};
use peerage::{DataChannel, DataChannelInit, Event, Message, PeerConnection};
use peerage_crypto::hash::Sha256;
use tokio::sync::{mpsc, watch};

use crate::LIMIT;
use crate::bidi::Result;
use crate::pair::words;

/// The length of one message.
const PIECE: usize = 64 << 10;

/// Two connected connections and the two ends of one channel.
pub struct Natives {
    /// The side that made the offer.
    pub a: PeerConnection,
    /// The other side.
    pub b: PeerConnection,
    /// The channel at `a`.
    pub at_a: DataChannel,
    /// The channel at `b`.
    pub at_b: DataChannel,
    open: watch::Sender<bool>,
}

impl Natives {
    /// Connects the two. Of candidates they learn those that `takes` likes; the others wait.
    pub async fn connect(a: PeerConnection, b: PeerConnection, takes: fn(&str) -> bool) -> Result<Self> {
        let at_a = a.create_data_channel("data", DataChannelInit::default()).map_err(words)?;
        let (open, _) = watch::channel(false);
        negotiate(&a, &b).await?;
        let (events_a, _) = mpsc::unbounded_channel();
        let (events_b, mut from_b) = mpsc::unbounded_channel();
        tokio::spawn(trickle(a.clone(), b.clone(), takes, open.subscribe(), events_a));
        tokio::spawn(trickle(b.clone(), a.clone(), takes, open.subscribe(), events_b));
        let stands = async {
            loop {
                match from_b.recv().await {
                    Some(Event::DataChannel(at_b)) => return at_a.opened().await.map_err(words).map(|()| at_b),
                    Some(_) => {}
                    None => return Err("it closed".to_owned()),
                }
            }
        };
        let why = |_| format!("not connected in time: {}; {}", a.explain(), b.explain());
        let at_b = tokio::time::timeout(LIMIT, stands).await.map_err(why)??;
        Ok(Self { a, b, at_a, at_b, open })
    }

    /// Hands on the candidates that waited, and all to come.
    pub fn let_through(&self) {
        self.open.send_replace(true);
    }

    /// So many bytes each way, one after the other, compared by hash.
    pub async fn exchange(&self, size: usize) -> Result<()> {
        transfer(&self.at_a, &self.at_b, size).await?;
        transfer(&self.at_b, &self.at_a, size).await
    }
}

/// Sends so many bytes over a channel and compares what arrives by hash.
pub async fn transfer(from: &DataChannel, to: &DataChannel, size: usize) -> Result<()> {
    transfer_with(from, to, size, async || Ok(())).await
}

/// The same; does something when a quarter has arrived.
pub async fn transfer_with(
    from: &DataChannel,
    to: &DataChannel,
    size: usize,
    midway: impl AsyncFnOnce() -> Result<()>,
) -> Result<()> {
    let (sent, received) = tokio::try_join!(send(from, size), receive_with(to, size, midway))?;
    if sent == received { Ok(()) } else { Err("what arrived is not what was sent".to_owned()) }
}

/// Receives so many bytes; their hash.
pub async fn receive(channel: &DataChannel, size: usize) -> Result<[u8; 32]> {
    receive_with(channel, size, async || Ok(())).await
}

async fn receive_with(
    channel: &DataChannel,
    size: usize,
    midway: impl AsyncFnOnce() -> Result<()>,
) -> Result<[u8; 32]> {
    let mut midway = Some(midway);
    let mut hash = Sha256::new();
    let mut received = 0;
    while received < size {
        let message = tokio::time::timeout(LIMIT, channel.recv()).await;
        let message = message.map_err(|_| format!("nothing more came after {received} bytes"))?;
        let Some(Message::Binary(bytes)) = message else { return Err(format!("expected bytes, got {message:?}")) };
        hash.update(&bytes);
        received += bytes.len();
        if received >= size / 4
            && let Some(midway) = midway.take()
        {
            midway().await?;
        }
    }
    Ok(hash.finish())
}

/// Sends so many bytes; their hash.
pub async fn send(channel: &DataChannel, size: usize) -> Result<[u8; 32]> {
    send_with(channel, size, async || Ok(())).await
}

/// The same; does something when half has been handed to the channel.
pub async fn send_with(
    channel: &DataChannel,
    size: usize,
    midway: impl AsyncFnOnce() -> Result<()>,
) -> Result<[u8; 32]> {
    let mut midway = Some(midway);
    let mut hash = Sha256::new();
    let mut piece = vec![0u8; PIECE];
    for n in 0..size / PIECE {
        if n == size / PIECE / 2
            && let Some(midway) = midway.take()
        {
            midway().await?;
        }
        piece.iter_mut().enumerate().for_each(|(i, b)| *b = (i.wrapping_mul(31) ^ n) as u8);
        hash.update(&piece);
        channel.send(Bytes::copy_from_slice(&piece)).await.map_err(words)?;
    }
    Ok(hash.finish())
}

/// Waits until a connection is in one of these states.
pub async fn until(pc: &PeerConnection, states: &[ConnectionState]) -> Result<()> {
    let wait = async {
        while !states.contains(&pc.connection_state()) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let late = |_| format!("still {:?} and not {states:?}", pc.connection_state());
    tokio::time::timeout(LIMIT, wait).await.map_err(late)
}

/// Exchanges descriptions.
pub async fn negotiate(a: &PeerConnection, b: &PeerConnection) -> Result<()> {
    let offer = a.create_offer().await.map_err(words)?;
    a.set_local_description(offer.clone()).await.map_err(words)?;
    b.set_remote_description(offer).await.map_err(words)?;
    let answer = b.create_answer().await.map_err(words)?;
    b.set_local_description(answer.clone()).await.map_err(words)?;
    a.set_remote_description(answer).await.map_err(words)
}

/// Carries candidates from one to the other; hands on every other event.
async fn trickle(
    from: PeerConnection,
    to: PeerConnection,
    takes: fn(&str) -> bool,
    mut open: watch::Receiver<bool>,
    events: mpsc::UnboundedSender<Event>,
) {
    let mut held: Vec<IceCandidate> = Vec::new();
    loop {
        let given = tokio::select! {
            event = from.next_event() => match event {
                Some(Event::IceCandidate(Some(candidate))) => vec![candidate],
                // Nobody may care.
                Some(Event::IceCandidate(None)) => continue,
                Some(other) => {
                    drop(events.send(other));
                    continue;
                }
                None => return,
            },
            Ok(()) = open.changed() => std::mem::take(&mut held),
        };
        let open = *open.borrow();
        for candidate in given {
            if !open && !takes(&candidate.candidate) {
                held.push(candidate);
            } else if let Err(error) = to.add_ice_candidate(candidate).await {
                eprintln!("a candidate is not taken: {error}");
            }
        }
    }
}
