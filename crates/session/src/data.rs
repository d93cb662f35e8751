//! Data channels: the association, from the first channel on.

use alloc::boxed::Box;
use alloc::string::ToString as _;

use bytes::Bytes;
use peerage_base::time::Instant;
use peerage_sctp::association::{Association, ChannelInfo};
use peerage_sctp::channel::{ChannelId, ChannelInit, ChannelState};
use peerage_sctp::config::Config as SctpConfig;
use peerage_sctp::error::{Misuse, SendError};
use peerage_sctp::event::Event as SctpEvent;
use peerage_sctp::message::{Kind, Message};

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
        let (config, rng, role) = (&self.config, &self.rng, self.data_role);
        self.association.get_or_insert_with(|| {
            let mut sctp = SctpConfig::default();
            sctp.receive_window = config.receive_window;
            sctp.send_buffer = config.send_buffer;
            sctp.max_message_size = config.max_message_size;
            sctp.max_packet = config.max_datagram.clamp(LEAST_DATAGRAM, MOST_DATAGRAM) - RECORD_OVERHEAD;
            let mut association = Box::new(Association::new(sctp, rng.split("sctp"), Instant::ORIGIN));
            if let Some(role) = role {
                association.set_role(role);
            }
            association
        })
    }

    /// Starts the association once the descriptions agree on it and DTLS carries it.
    pub(crate) fn connect_data(&mut self, now: Instant) {
        if self.data_agreed && self.secure.is_some() && !self.data_started {
            self.data_started = true;
            self.association_mut().connect(now);
            self.after_sctp(now);
        }
    }

    /// The peer refuses data: every channel closes.
    pub(crate) fn refuse_data(&mut self, now: Instant) {
        self.data_agreed = false;
        self.drop_association(now);
    }

    /// The association is void, by refusal or because another one takes its place: every channel closes.
    pub(crate) fn drop_association(&mut self, now: Instant) {
        if let Some(association) = &mut self.association {
            association.abort(now, "replaced");
        }
        self.tell_closed_channels();
        self.association = None;
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

fn refused(misuse: Misuse) -> SessionError {
    let reason = misuse.to_string();
    match misuse {
        Misuse::StreamInUse(_) | Misuse::NoStreamLeft => SessionError::Operation(reason),
        Misuse::Closed => SessionError::InvalidState(reason),
        _ => SessionError::Type(reason),
    }
}
