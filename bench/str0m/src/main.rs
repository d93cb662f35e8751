//! str0m: sans-IO, so the loop around it is ours. It gets the best one that we have: a task per peer, the sockets of
//! Peerage, and what leaves together leaves in runs.

use std::error::Error;
use std::time::Instant;

use bench::meter::Meter;
use bench::options::Stack;
use bench::pattern::Pattern;
use str0m::channel::ChannelConfig;
use str0m::{Candidate, Rtc};
use tokio::sync::oneshot;

mod peer;
mod run;

use peer::Peer;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Unacknowledged bytes. Its default of 128 KiB; more of it makes it slower, because the cost of each packet grows with
/// what is in flight.
const SEND_BUFFER: usize = 128 << 10;

#[tokio::main(worker_threads = 2)]
async fn main() -> Outcome<()> {
    let stack = Stack::from_command_line();
    str0m::crypto::from_feature_flags().install_process_default();
    let pattern = Pattern::new(stack.message);
    let begun = Instant::now();
    let (mut near, mut far) = pair()?;
    tokio::try_join!(near.opened(), far.opened())?;
    let connect = begun.elapsed();
    let meter = Meter::start();
    let (done, over) = oneshot::channel();
    let sender = tokio::spawn(send(near, pattern.clone(), stack.messages(), over));
    let receiver = tokio::spawn(receive(far, pattern, stack.messages()));
    let far = receiver.await??;
    let figures = meter.stop(stack.bytes(), connect);
    // The sender has answered until now; its peer is still there to be sent to.
    drop(done);
    sender.await??;
    drop(far);
    println!("{}", figures.to_json());
    Ok(())
}

async fn send(mut peer: Peer, pattern: Pattern, count: u64, mut over: oneshot::Receiver<()>) -> Outcome<()> {
    let mut next = 0;
    loop {
        let deadline = peer.drain().await?;
        if next < count && peer.write(&pattern.message(next))? {
            next += 1;
            continue;
        }
        tokio::select! {
            waited = peer.wait(deadline) => waited?,
            _ = &mut over => return Ok(()),
        }
    }
}

async fn receive(mut peer: Peer, pattern: Pattern, count: u64) -> Outcome<Peer> {
    let mut next = 0;
    loop {
        let deadline = peer.drain().await?;
        for message in peer.messages() {
            pattern.check(next, &message)?;
            next += 1;
        }
        if next == count {
            peer.flush().await?;
            return Ok(peer);
        }
        peer.wait(deadline).await?;
    }
}

/// Two peers that know each other.
fn pair() -> Outcome<(Peer, Peer)> {
    let new = || Rtc::builder().set_sctp_max_buffered_amount(SEND_BUFFER).build(Instant::now());
    let (mut near, mut far) = (Peer::new(new())?, Peer::new(new())?);
    introduce(&mut near, &mut far)?;
    introduce(&mut far, &mut near)?;
    for (peer, controlling) in [(&mut near, true), (&mut far, false)] {
        let mut api = peer.rtc.direct_api();
        api.set_ice_controlling(controlling);
        api.start_dtls(controlling)?;
        api.start_sctp(controlling);
        let config = ChannelConfig { label: "data".into(), negotiated: Some(1), ..ChannelConfig::default() };
        peer.channel = Some(api.create_data_channel(config));
    }
    Ok((near, far))
}

/// Tells one what the signalling would tell it of the other.
fn introduce(peer: &mut Peer, other: &mut Peer) -> Outcome<()> {
    let (here, there) = (Candidate::host(peer.address(), "udp")?, Candidate::host(other.address(), "udp")?);
    peer.rtc.add_local_candidate(here).ok_or("the candidate is refused")?;
    peer.rtc.add_remote_candidate(there);
    let api = other.rtc.direct_api();
    let (fingerprint, credentials) = (api.local_dtls_fingerprint().clone(), api.local_ice_credentials());
    let mut api = peer.rtc.direct_api();
    api.set_remote_fingerprint(fingerprint);
    api.set_remote_ice_credentials(credentials);
    Ok(())
}
