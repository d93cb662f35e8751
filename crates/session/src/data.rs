//! Data channels: the association, from the first channel on.

use alloc::boxed::Box;

use bytes::Bytes;
use peerage_base::time::Instant;
use peerage_sctp::association::{Association, ChannelInfo};
use peerage_sctp::channel::{ChannelId, ChannelInit, ChannelState};
use peerage_sctp::config::Config as SctpConfig;
use peerage_sctp::error::SendError;
use peerage_sctp::event::{Kind, Message};

use crate::error::SessionError;
use crate::session::Session;

impl Session {
    /// Opens a channel. What is sent on it before the connection stands is queued.
    ///
    /// # Errors
    /// `InvalidState` if the session is closed, `Type` if the options exclude each other or are out of range.
    pub fn create_data_channel(&mut self, now: Instant, init: ChannelInit) -> Result<ChannelId, SessionError> {
        self.open()?;
        let id = self.association_mut().open(now, init).map_err(|e| SessionError::Type(alloc::format!("{e}")))?;
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
        if let Some(association) = &mut self.association {
            association.abort(now, "the data section was refused");
            while let Some(event) = association.poll_event() {
                if let peerage_sctp::event::Event::Closed(id) = event {
                    self.events.push_back(crate::event::Event::ChannelClosed(id));
                }
            }
        }
        self.association = None;
        self.data_started = false;
    }
}
