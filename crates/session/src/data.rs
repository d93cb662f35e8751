//! Data channels: the association, from the first channel on.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::ToString as _;
use alloc::vec::Vec;

use bytes::Bytes;
use peerage_base::rng::Rng;
use peerage_base::time::Instant;
use peerage_jsep::negotiation::OfferedInit;
use peerage_jsep::plan::DataPlan;
use peerage_sctp::association::{Association, ChannelInfo};
use peerage_sctp::channel::{ChannelId, ChannelInit, ChannelState};
use peerage_sctp::config::Config as SctpConfig;
use peerage_sctp::error::{Misuse, SendError};
use peerage_sctp::event::Event as SctpEvent;
use peerage_sctp::message::{Kind, Message};

use crate::config::Config;
use crate::error::SessionError;
use crate::event::Event;
use crate::path::{LEAST_DATAGRAM, MOST_DATAGRAM};
use crate::session::Session;

/// Bytes that a DTLS 1.3 record adds to a packet. One of DTLS 1.2 adds more, which the budget of each poll allows for.
const RECORD_OVERHEAD: usize = 22;

impl Session {
    /// Opens a channel. What is sent on it before the connection stands is queued.
    ///
    /// # Errors
    /// `InvalidState` if the session is closed, `Type` if the options exclude each other or are out of range, `Operation` if
    /// the stream is taken or none is left (W3C WebRTC §6.1).
    pub fn create_data_channel(&mut self, now: Instant, init: ChannelInit) -> Result<ChannelId, SessionError> {
        self.open()?;
        let id = self.association_mut().open(now, init).map_err(refused)?;
        self.negotiation.want_data();
        self.after_sctp(now);
        self.tell_needed();
        Ok(id)
    }

    /// Hands a message over for sending.
    ///
    /// # Errors
    /// [`SendError::BufferFull`] if there is no room now; `Writable` is told when there is. The others are final.
    pub fn send(&mut self, now: Instant, id: ChannelId, kind: Kind, payload: Bytes) -> Result<(), SendError> {
        let association = self.association.as_mut().ok_or(SendError::NotOpen)?;
        association.send(now, id, kind, payload)
    }

    /// Whether a message of `len` bytes finds room in the send buffer now.
    pub fn can_take(&self, len: usize) -> bool {
        self.association.as_ref().is_some_and(|association| association.can_take(len))
    }

    /// Bytes that the send buffer has room for.
    pub fn send_room(&self) -> usize {
        self.association.as_ref().map_or(0, |association| association.send_room())
    }

    /// Whether nothing that was sent on channels waits for acknowledgement.
    pub fn is_settled(&self) -> bool {
        self.association.as_ref().is_none_or(|association| association.is_settled())
    }

    /// Whether the peer is to hear at once of what was received or read.
    pub fn owes_sack(&self) -> bool {
        self.association.as_ref().is_some_and(|association| association.owes_sack())
    }

    /// The next message of a channel.
    pub fn recv(&mut self, now: Instant, id: ChannelId) -> Option<Message> {
        self.association.as_mut()?.recv(now, id)
    }

    /// Closes a channel once everything sent before has been delivered.
    pub fn close_channel(&mut self, now: Instant, id: ChannelId) {
        if let Some(association) = &mut self.association {
            association.close(now, id);
            self.after_sctp(now);
        }
    }

    /// What is known of a channel; `None` for one that is gone.
    pub fn channel_info(&self, id: ChannelId) -> Option<ChannelInfo<'_>> {
        self.association.as_ref()?.channel(id)
    }

    /// The state of a channel; closed for one that is gone.
    pub fn channel_state(&self, id: ChannelId) -> ChannelState {
        if self.close_reason.is_some() {
            return ChannelState::Closed;
        }
        self.channel_info(id).map_or(ChannelState::Closed, |info| info.state)
    }

    /// The stream of a channel, once it has one.
    pub fn stream_id(&self, id: ChannelId) -> Option<u16> {
        self.association.as_ref()?.stream_id(id)
    }

    /// Bytes of messages of a channel that were not sent yet.
    pub fn buffered_amount(&self, id: ChannelId) -> usize {
        self.association.as_ref().map_or(0, |association| association.buffered_amount(id))
    }

    /// Sets the amount at which `ChannelBufferedAmountLow` is told. Default: 0.
    pub fn set_buffered_amount_low_threshold(&mut self, id: ChannelId, bytes: usize) {
        if let Some(association) = &mut self.association {
            association.set_buffered_amount_low_threshold(id, bytes);
        }
    }

    /// The largest message that the peer takes, in bytes.
    pub fn max_message_size(&self) -> usize {
        self.association.as_ref().map_or(0, |association| association.max_message_size())
    }

    /// The association, made when it is first wanted.
    pub(crate) fn association_mut(&mut self) -> &mut Association {
        let (config, rng, number) = (&self.config, &self.rng, self.associations_dropped);
        let role = self.data_role;
        self.association.get_or_insert_with(|| {
            let mut association = Box::new(numbered(config, rng, number));
            if let Some(role) = role {
                association.set_role(role);
            }
            association
        })
    }

    /// The INIT chunk that an offer carries: that of the association there is.
    pub(crate) fn local_init(&self) -> Option<Vec<u8>> {
        self.association.as_ref().filter(|_| self.config.snap).map(|association| association.local_init())
    }

    /// The INIT chunk that an answer carries: that of the association which the answer will bring about, or keep.
    pub(crate) fn answering_init(&mut self) -> Option<Vec<u8>> {
        let offered = self.negotiation.offered_init().filter(|_| self.config.snap)?;
        Some(match offered {
            OfferedInit::Another if self.data_started => {
                numbered(&self.config, &self.rng, self.associations_dropped + 1).local_init()
            }
            OfferedInit::Another | OfferedInit::Present => self.association_mut().local_init(),
        })
    }

    /// Takes over what the descriptions agree about the association.
    pub(crate) fn apply_data(&mut self, plan: DataPlan) {
        self.data_agreed = true;
        let max = plan.max_message_size.map(|max| usize::try_from(max).unwrap_or(usize::MAX));
        let association = self.association_mut();
        association.set_remote(plan.remote_port, max);
        let told = association.local_init();
        let may_begin = !self.data_started && plan.local_init == Some(told);
        self.remote_init = plan.remote_init.filter(|_| may_begin);
    }

    /// Starts the association once the descriptions agree on it and DTLS carries it.
    pub(crate) fn connect_data(&mut self, now: Instant) {
        if self.data_agreed && self.secure.is_some() && !self.data_started {
            self.data_started = true;
            let remote_init = self.remote_init.take();
            let rtt = self.path.rtt();
            let association = self.association_mut();
            if let Some(rtt) = rtt {
                association.hint_round_trip(rtt);
            }
            match remote_init.map(|chunk| association.start_with(now, &chunk)) {
                Some(Ok(())) => {}
                _ => association.connect(now),
            }
            self.after_sctp(now);
        }
    }

    /// The peer refuses data: every channel closes.
    pub(crate) fn refuse_data(&mut self, now: Instant) {
        self.data_agreed = false;
        self.drop_association(now);
    }

    /// The descriptions agree on another association.
    pub(crate) fn replace_association(&mut self, now: Instant, plan: &DataPlan) {
        let told = self.local_init();
        self.drop_association(now);
        if told.is_some() && told == plan.local_init {
            // We offered, and the peer made a new start of it: it knows the next one by what it was told of this one.
            self.associations_dropped -= 1;
        }
    }

    /// The association is void, by refusal or because another one takes its place: every channel closes.
    pub(crate) fn drop_association(&mut self, now: Instant) {
        if let Some(association) = &mut self.association {
            association.abort(now, "replaced");
        }
        self.tell_closed_channels();
        self.association = None;
        self.associations_dropped += 1;
        self.remote_init = None;
        self.data_started = false;
    }

    /// Takes over the last events of an association that was aborted here.
    pub(crate) fn tell_closed_channels(&mut self) {
        let Some(association) = &mut self.association else { return };
        while let Some(event) = association.poll_event() {
            if let SctpEvent::Closed(id) = event {
                self.events.push_back(Event::ChannelClosed(id));
            }
        }
    }
}

/// The association that follows `number` others.
fn numbered(config: &Config, rng: &Rng, number: u32) -> Association {
    let mut sctp = SctpConfig::default();
    sctp.receive_window = config.receive_window;
    sctp.channel_share = config.channel_share;
    sctp.on_share_exceeded = config.on_share_exceeded;
    sctp.send_buffer = config.send_buffer;
    sctp.max_message_size = config.max_message_size;
    sctp.congestion = config.congestion;
    sctp.interleaving = config.interleaving;
    sctp.max_packet = config.max_datagram.clamp(LEAST_DATAGRAM, MOST_DATAGRAM) - RECORD_OVERHEAD;
    let rng = match number {
        0 => rng.split("sctp"),
        _ => rng.split(&format!("sctp {number}")),
    };
    Association::new(sctp, rng, Instant::ORIGIN)
}

fn refused(misuse: Misuse) -> SessionError {
    let reason = misuse.to_string();
    match misuse {
        Misuse::StreamInUse(_) | Misuse::NoStreamLeft => SessionError::Operation(reason),
        Misuse::Closed => SessionError::InvalidState(reason),
        _ => SessionError::Type(reason),
    }
}
