//! str0m: its `direct_api`, which spares it the descriptions.

use std::net::SocketAddr;
use std::time::Instant as Moment;

use str0m::channel::{ChannelConfig, ChannelId};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};

use super::{Machine, Out};

/// Bytes of window and of send buffer. Its records hold 2000 bytes, and the gaps of a flight of 4 MiB make SACKs longer than
/// that: the connection ends with an error as soon as a queue overflows.
const BUFFER: usize = 1 << 20;

/// A peer.
pub struct Peer {
    rtc: Rtc,
    address: SocketAddr,
    channel: ChannelId,
}

impl Machine for Peer {
    const NAME: &'static str = "str0m";

    fn pair(addresses: [SocketAddr; 2], now: Moment) -> [Self; 2] {
        str0m::crypto::from_feature_flags().install_process_default();
        // The window follows from the message size; its defaults bound a flow to 128 KiB for each round trip.
        let mut rtcs = addresses.map(|_| {
            let builder = Rtc::builder().set_sctp_max_buffered_amount(BUFFER);
            builder.set_sctp_max_message_size(BUFFER as u32).build(now)
        });
        let told = rtcs.each_mut().map(|rtc| {
            let api = rtc.direct_api();
            (api.local_dtls_fingerprint().clone(), api.local_ice_credentials())
        });
        let mut side = 0;
        rtcs.map(|mut rtc| {
            let (here, there) = (addresses[side], addresses[1 - side]);
            let candidate = |address| Candidate::host(address, "udp").expect("an address is a candidate");
            rtc.add_local_candidate(candidate(here)).expect("its own address is taken");
            rtc.add_remote_candidate(candidate(there));
            let (fingerprint, credentials) = told[1 - side].clone();
            let mut api = rtc.direct_api();
            api.set_remote_fingerprint(fingerprint);
            api.set_remote_ice_credentials(credentials);
            api.set_ice_controlling(side == 0);
            api.start_dtls(side == 0).expect("a new peer starts");
            api.start_sctp(side == 0);
            let config = ChannelConfig { label: "bulk".into(), negotiated: Some(1), ..ChannelConfig::default() };
            let channel = api.create_data_channel(config);
            side += 1;
            Self { rtc, address: here, channel }
        })
    }

    fn receive(&mut self, now: Moment, from: SocketAddr, payload: &[u8]) {
        if let Ok(receive) = Receive::new(Protocol::Udp, from, self.address, payload) {
            self.rtc.handle_input(Input::Receive(now, receive)).expect("a live peer takes datagrams");
        }
    }

    fn timeout(&mut self, now: Moment) {
        self.rtc.handle_input(Input::Timeout(now)).expect("a live peer takes time");
    }

    fn drain(&mut self, _: Moment, out: &mut Out) -> Option<Moment> {
        loop {
            match self.rtc.poll_output().expect("a live peer goes on") {
                Output::Timeout(deadline) => return Some(deadline),
                Output::Transmit(transmit) => {
                    out.datagrams.push_back((transmit.destination, transmit.contents.to_vec()));
                }
                Output::Event(Event::ChannelOpen(id, _)) if id == self.channel => out.is_open = true,
                Output::Event(Event::ChannelData(data)) => out.messages.push(data.data),
                Output::Event(_) => {}
            }
        }
    }

    fn write(&mut self, _: Moment, message: &[u8]) -> bool {
        let Some(mut channel) = self.rtc.channel(self.channel) else { return false };
        channel.write(true, message).expect("an open channel takes messages")
    }
}
