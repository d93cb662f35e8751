//! str0m: sans-IO, in the loop of `bench-sansio`.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Instant;

use bench::options::Run;
use bench::program;
use bench::stack::{Outcome, Stack};
use bytes::Bytes;
use sansio::machine::Machine;
use sansio::peer::{Peer, connect};
use str0m::channel::{ChannelConfig, ChannelId};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};

/// Unacknowledged bytes. Its default of 128 KiB; more of it makes it slower, because the cost of each packet grows with
/// what is in flight.
const SEND_BUFFER: usize = 128 << 10;

struct Str0m;

struct Connection {
    rtc: Rtc,
    channel: ChannelId,
    open: bool,
    messages: VecDeque<Vec<u8>>,
}

fn main() -> ExitCode {
    program::run::<Str0m>()
}

impl Stack for Str0m {
    type End = Peer<Connection>;

    fn new(_run: &Run) -> Outcome<Self> {
        str0m::crypto::from_feature_flags().install_process_default();
        Ok(Self)
    }

    async fn connect(&self) -> Outcome<(Self::End, Self::End)> {
        connect().await
    }
}

impl Machine for Connection {
    type Message = Vec<u8>;

    fn pair(near: SocketAddr, far: SocketAddr) -> Outcome<(Self, Self)> {
        let new = || Rtc::builder().set_sctp_max_buffered_amount(SEND_BUFFER).build(Instant::now());
        let (mut offerer, mut answerer) = (new(), new());
        introduce(&mut offerer, near, &mut answerer, far)?;
        introduce(&mut answerer, far, &mut offerer, near)?;
        Ok((Self::start(offerer, true)?, Self::start(answerer, false)?))
    }

    fn is_open(&self) -> bool {
        self.open
    }

    fn drain(&mut self, mut datagram: impl FnMut(SocketAddr, &[u8])) -> Outcome<Option<Instant>> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(deadline) => return Ok(Some(deadline)),
                Output::Transmit(transmit) => datagram(transmit.destination, &transmit.contents),
                Output::Event(Event::ChannelOpen(id, _)) if id == self.channel => self.open = true,
                Output::Event(Event::ChannelData(data)) => self.messages.push_back(data.data),
                Output::Event(_) => {}
            }
        }
    }

    fn poll_message(&mut self) -> Option<Vec<u8>> {
        self.messages.pop_front()
    }

    fn handle_datagram(&mut self, now: Instant, from: SocketAddr, local: SocketAddr, bytes: &[u8]) -> Outcome<()> {
        let receive = Receive::new(Protocol::Udp, from, local, bytes)?;
        Ok(self.rtc.handle_input(Input::Receive(now, receive))?)
    }

    fn handle_timeout(&mut self, now: Instant) -> Outcome<()> {
        Ok(self.rtc.handle_input(Input::Timeout(now))?)
    }

    fn write(&mut self, message: &Bytes) -> Outcome<bool> {
        Ok(self.rtc.channel(self.channel).ok_or("the channel is closed")?.write(true, message)?)
    }
}

impl Connection {
    fn start(mut rtc: Rtc, controlling: bool) -> Outcome<Self> {
        let mut api = rtc.direct_api();
        api.set_ice_controlling(controlling);
        api.start_dtls(controlling)?;
        api.start_sctp(controlling);
        let config = ChannelConfig { label: "data".into(), negotiated: Some(1), ..ChannelConfig::default() };
        let channel = api.create_data_channel(config);
        Ok(Self { rtc, channel, open: false, messages: VecDeque::new() })
    }
}

/// Tells one what the signalling would tell it of the other.
fn introduce(rtc: &mut Rtc, here: SocketAddr, other: &mut Rtc, there: SocketAddr) -> Outcome<()> {
    rtc.add_local_candidate(Candidate::host(here, "udp")?).ok_or("the candidate is refused")?;
    rtc.add_remote_candidate(Candidate::host(there, "udp")?);
    let api = other.direct_api();
    let (fingerprint, credentials) = (api.local_dtls_fingerprint().clone(), api.local_ice_credentials());
    let mut api = rtc.direct_api();
    api.set_remote_fingerprint(fingerprint);
    api.set_remote_ice_credentials(credentials);
    Ok(())
}
