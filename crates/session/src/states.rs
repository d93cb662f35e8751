//! The W3C states, derived from those of ICE and DTLS.

use peerage_base::time::Instant;
use peerage_ice::event::State as IceState;

use crate::event::{ConnectionState, Event, IceConnectionState, IceGatheringState};
use crate::session::Session;

impl Session {
    /// The state of ICE.
    pub fn ice_connection_state(&self) -> IceConnectionState {
        self.states.ice
    }

    /// The state of the connection as a whole.
    pub fn connection_state(&self) -> ConnectionState {
        self.states.connection
    }

    /// The gathering state.
    pub fn ice_gathering_state(&self) -> IceGatheringState {
        self.states.gathering
    }

    /// Tells of states that have changed.
    pub(crate) fn update_states(&mut self, now: Instant) {
        let ice = self.present_ice_state();
        if ice != self.states.ice {
            self.states.ice = ice;
            self.events.push_back(Event::IceConnectionState(ice));
        }
        let connection = self.present_state();
        if connection != self.states.connection {
            self.states.connection = connection;
            self.look_soon(now);
            self.events.push_back(Event::ConnectionState(connection));
        }
    }

    pub(crate) fn set_gathering(&mut self, state: IceGatheringState) {
        if self.states.gathering != state {
            self.states.gathering = state;
            self.events.push_back(Event::IceGatheringState(state));
        }
    }

    fn present_ice_state(&self) -> IceConnectionState {
        if self.close_reason.is_some() {
            return IceConnectionState::Closed;
        }
        match self.ice.state() {
            IceState::New => IceConnectionState::New,
            IceState::Checking => IceConnectionState::Checking,
            IceState::Connected => IceConnectionState::Connected,
            IceState::Completed => IceConnectionState::Completed,
            IceState::Disconnected => IceConnectionState::Disconnected,
            IceState::Failed => IceConnectionState::Failed,
            IceState::Closed => IceConnectionState::Closed,
        }
    }

    /// W3C WebRTC §4.4.3: the worst of ICE and DTLS decides.
    fn present_state(&self) -> ConnectionState {
        use crate::event::CloseReason;
        match &self.close_reason {
            Some(CloseReason::Local | CloseReason::Remote) => return ConnectionState::Closed,
            Some(_) => return ConnectionState::Failed,
            None => {}
        }
        match self.states.ice {
            IceConnectionState::New => ConnectionState::New,
            IceConnectionState::Failed => ConnectionState::Failed,
            IceConnectionState::Disconnected => ConnectionState::Disconnected,
            IceConnectionState::Closed => ConnectionState::Closed,
            IceConnectionState::Connected | IceConnectionState::Completed if self.secure.is_some() => {
                ConnectionState::Connected
            }
            _ => ConnectionState::Connecting,
        }
    }
}
