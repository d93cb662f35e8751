//! A report from what the session counts.

use std::net::SocketAddr;
use std::time::Duration;

use peerage_session::face::{CandidateKind, ChannelState, Codec, PairState, TransceiverId};
use peerage_session::media::stats::{Inbound, InboundStatistics, MediaStats, Outbound};
use peerage_session::session::Session;

use super::rtp::{
    CodecStats, InboundRtpStats, MediaPlayoutStats, OutboundRtpStats, RemoteInboundRtpStats, RemoteOutboundRtpStats,
};
use super::transport::{
    CandidatePairStats, CandidateStats, CertificateStats, DataChannelStats, PeerConnectionStats, TransportStats,
};
use super::{StatsEntry, StatsReport};
use crate::cell::State;
use crate::media::frame::unix;

/// There is one transport.
const TRANSPORT: &str = "T";
const LOCAL_CERTIFICATE: &str = "CL";
const REMOTE_CERTIFICATE: &str = "CR";

impl StatsReport {
    /// Of this moment.
    pub(crate) fn of(state: &State, timestamp: Duration) -> Self {
        let mut report = Self { timestamp, entries: Vec::new() };
        let (data_channels_opened, data_channels_closed) = state.channel_counts;
        let connection = PeerConnectionStats { id: "P".into(), data_channels_opened, data_channels_closed };
        report.entries.push(StatsEntry::PeerConnection(connection));
        let media = state.session.media_stats();
        report.add_transport(&state.session, media.as_ref());
        report.add_channels(state);
        if let Some(media) = media {
            media.outbound.iter().for_each(|stream| report.add_outbound(&state.session, stream));
            media.inbound.iter().for_each(|stream| report.add_inbound(&state.session, stream));
        }
        report
    }

    fn add_transport(&mut self, session: &Session, media: Option<&MediaStats>) {
        let stats = session.stats();
        let pair_id = |local: SocketAddr, remote: SocketAddr| format!("CP_{local}_{remote}");
        let selected = stats.selected.map(|pair| pair_id(pair.local_address, pair.remote_address));
        let local = session.local_description().and_then(|it| certificate(LOCAL_CERTIFICATE, &it.sdp));
        let remote = session.remote_description().and_then(|it| certificate(REMOTE_CERTIFICATE, &it.sdp));
        let security = stats.security.as_ref();
        self.entries.push(StatsEntry::Transport(TransportStats {
            id: TRANSPORT.into(),
            packets_sent: stats.traffic.packets_sent,
            packets_received: stats.traffic.packets_received,
            bytes_sent: stats.traffic.bytes_sent,
            bytes_received: stats.traffic.bytes_received,
            ice_state: format!("{:?}", session.ice_connection_state()).to_lowercase(),
            dtls_state: format!("{:?}", session.connection_state()).to_lowercase(),
            selected_candidate_pair_id: selected.clone(),
            local_certificate_id: local.as_ref().map(|it| it.id.clone()),
            remote_certificate_id: remote.as_ref().map(|it| it.id.clone()),
            tls_version: security.map(|security| security.version.clone()),
            dtls_cipher: security.map(|security| security.cipher_suite.clone()),
        }));
        self.entries.extend([local, remote].into_iter().flatten().map(StatsEntry::Certificate));
        for pair in &stats.pairs {
            let local = candidate("L", pair.local_address, pair.local, pair.tcp);
            let remote = candidate("R", pair.path.remote, pair.remote, pair.tcp);
            let id = pair_id(pair.local_address, pair.path.remote);
            let in_use = selected.as_ref() == Some(&id);
            let entry = CandidatePairStats {
                transport_id: TRANSPORT.into(),
                local_candidate_id: local.id.clone(),
                remote_candidate_id: remote.id.clone(),
                state: state_word(pair.state).into(),
                nominated: pair.nominated,
                priority: pair.priority,
                total_round_trip_time: pair.total_rtt,
                current_round_trip_time: pair.rtt,
                available_outgoing_bitrate: media.filter(|_| in_use).map(|media| media.available_outgoing_bitrate),
                requests_received: pair.requests_received,
                requests_sent: pair.requests_sent,
                responses_received: pair.responses_received,
                responses_sent: pair.responses_sent,
                id,
            };
            self.add_once(StatsEntry::LocalCandidate(local));
            self.add_once(StatsEntry::RemoteCandidate(remote));
            self.add_once(StatsEntry::CandidatePair(entry));
        }
    }

    fn add_channels(&mut self, state: &State) {
        for id in state.channel_ids() {
            let Some(info) = state.session.channel_info(id) else { continue };
            let state_word = match info.state {
                ChannelState::Connecting => "connecting",
                ChannelState::Open => "open",
                ChannelState::Closing => "closing",
                ChannelState::Closed => "closed",
            };
            self.entries.push(StatsEntry::DataChannel(DataChannelStats {
                id: format!("{id:?}"),
                label: info.init.label.clone(),
                protocol: info.init.protocol.clone(),
                data_channel_identifier: info.stream_id,
                state: state_word.into(),
                buffered_amount: state.session.buffered_amount(id),
            }));
        }
    }

    fn add_outbound(&mut self, session: &Session, stream: &Outbound) {
        let (counts, kind) = (&stream.statistics, kind(stream.codec));
        let codec_id = self.add_codec(session, stream.transceiver, stream.codec, stream.payload_type.value(), true);
        let (id, remote_id) = (format!("O{}", stream.ssrc.0), format!("RI{}", stream.ssrc.0));
        let told = counts.remote.reports > 0;
        if told {
            let jitter = u64::from(counts.remote.jitter) * 1_000_000_000 / u64::from(stream.codec.clock_rate());
            self.entries.push(StatsEntry::RemoteInboundRtp(RemoteInboundRtpStats {
                id: remote_id.clone(),
                ssrc: stream.ssrc.0,
                kind: kind.into(),
                local_id: id.clone(),
                packets_lost: counts.remote.packets_lost.into(),
                fraction_lost: f64::from(counts.remote.fraction_lost) / 256.0,
                jitter: Duration::from_nanos(jitter),
                round_trip_time: counts.remote.round_trip,
                total_round_trip_time: counts.remote.total_round_trip,
                round_trip_time_measurements: counts.remote.round_trips,
            }));
        }
        self.entries.push(StatsEntry::OutboundRtp(OutboundRtpStats {
            id,
            ssrc: stream.ssrc.0,
            kind: kind.into(),
            mid: stream.mid.clone(),
            rid: stream.rid.clone(),
            transport_id: TRANSPORT.into(),
            codec_id,
            remote_id: told.then_some(remote_id),
            encoding_index: stream.encoding,
            active: stream.target_bitrate > 0,
            packets_sent: counts.packets,
            bytes_sent: counts.bytes,
            header_bytes_sent: counts.header_bytes,
            retransmitted_packets_sent: counts.resent_packets,
            retransmitted_bytes_sent: counts.resent_bytes,
            target_bitrate: stream.target_bitrate,
            frames_sent: counts.frames,
            key_frames_sent: counts.key_frames,
            frames_dropped: counts.dropped_frames,
            total_packet_send_delay: counts.send_delay,
            nack_count: counts.nacks as u32,
            pli_count: counts.picture_losses as u32,
            fir_count: counts.full_intra_requests as u32,
        }));
    }

    fn add_inbound(&mut self, session: &Session, stream: &Inbound) {
        let kind = kind(stream.codec);
        let codec_id = self.add_codec(session, stream.transceiver, stream.codec, stream.payload_type.value(), false);
        let ssrc = stream.ssrc.0;
        let mut entry = InboundRtpStats {
            id: format!("I{ssrc}"),
            ssrc,
            kind: kind.into(),
            mid: stream.mid.clone(),
            rid: stream.rid.as_deref().map(str::to_owned),
            transport_id: TRANSPORT.into(),
            codec_id,
            packets_lost: stream.packets_lost,
            jitter: stream.jitter,
            ..InboundRtpStats::default()
        };
        if let Some(recovery) = stream.recovery {
            (entry.fec_packets_received, entry.fec_packets_discarded) = (recovery.repairs, recovery.unused);
        }
        if let Some(playout) = count(&mut entry, stream) {
            entry.playout_id = Some(playout.id.clone());
            self.entries.push(StatsEntry::MediaPlayout(playout));
        }
        if let Some(clock) = stream.sender_clock {
            let id = format!("RO{ssrc}");
            entry.remote_id = Some(id.clone());
            let (kind, local_id) = (kind.into(), entry.id.clone());
            let told = RemoteOutboundRtpStats { id, ssrc, kind, local_id, remote_timestamp: unix(clock.ntp) };
            self.entries.push(StatsEntry::RemoteOutboundRtp(told));
        }
        self.entries.push(StatsEntry::InboundRtp(entry));
    }

    /// The format of a stream: its id.
    fn add_codec(
        &mut self,
        session: &Session,
        of: TransceiverId,
        codec: Codec,
        payload_type: u8,
        sends: bool,
    ) -> String {
        let id = format!("C{}{payload_type}", if sends { 'O' } else { 'I' });
        let plan = session.agreed(of);
        let mut agreed = plan.into_iter().flat_map(|plan| &plan.codecs);
        let agreed = agreed.find(|agreed| {
            let number = if sends { agreed.send_payload_type } else { agreed.receive_payload_type };
            number.get() == payload_type
        });
        let asked = agreed.map(|agreed| if sends { &agreed.remote_parameters } else { &agreed.local_parameters });
        self.add_once(StatsEntry::Codec(CodecStats {
            id: id.clone(),
            transport_id: TRANSPORT.into(),
            mime_type: format!("{}/{}", kind(codec), codec.name()),
            payload_type,
            clock_rate: agreed.map_or(codec.clock_rate(), |agreed| agreed.clock_rate),
            channels: agreed.filter(|_| !codec.is_video()).map(|agreed| agreed.channels),
            sdp_fmtp_line: asked.filter(|asked| !asked.is_empty()).map(|asked| asked.as_str().to_owned()),
        }));
        id
    }

    fn add_once(&mut self, entry: StatsEntry) {
        if self.entry(entry.id()).is_none() {
            self.entries.push(entry);
        }
    }
}

/// What was counted of a stream, by how it is read; and how it is played, if it is.
fn count(entry: &mut InboundRtpStats, stream: &Inbound) -> Option<MediaPlayoutStats> {
    let source = match &stream.statistics {
        InboundStatistics::Video(video) => {
            entry.packets_discarded = video.packets_discarded;
            entry.retransmitted_packets_received = video.retransmitted;
            (entry.nack_count, entry.pli_count) = (video.nack.rounds as u32, video.key_requests as u32);
            (entry.frames_received, entry.frames_dropped) = (video.frames_received, video.frames_dropped);
            entry.key_frames_received = video.key_frames;
            entry.frames_assembled_from_multiple_packets = video.frames_of_several;
            entry.total_assembly_time = video.assembly;
            entry.freeze_count = video.freezes.freezes as u32;
            entry.total_freezes_duration = video.freezes.frozen;
            entry.total_inter_frame_delay = video.freezes.inter_frame;
            entry.total_squared_inter_frame_delay = video.freezes.squared_inter_frame;
            entry.jitter_buffer_delay = video.jitter_buffer_delay;
            entry.jitter_buffer_target_delay = video.jitter_buffer_target_delay;
            entry.jitter_buffer_emitted_count = video.frames_emitted;
            video.source
        }
        InboundStatistics::Playout(audio) => {
            entry.packets_discarded = audio.packets_discarded;
            entry.retransmitted_packets_received = audio.retransmitted;
            entry.nack_count = audio.nack.rounds as u32;
            entry.fec_packets_received = audio.redundant_received;
            entry.fec_packets_discarded = audio.redundant_discarded;
            entry.jitter_buffer_delay = audio.jitter_buffer_delay;
            entry.jitter_buffer_target_delay = audio.jitter_buffer_target_delay;
            entry.jitter_buffer_emitted_count = audio.emitted;
            entry.total_samples_received = audio.played;
            entry.concealed_samples = audio.concealed;
            entry.silent_concealed_samples = audio.silent_concealed;
            entry.concealment_events = audio.concealment_events;
            entry.inserted_samples_for_deceleration = audio.slowed;
            entry.removed_samples_for_acceleration = audio.accelerated;
            audio.source
        }
        InboundStatistics::Passing(passing) => {
            entry.packets_discarded = passing.packets_discarded;
            entry.retransmitted_packets_received = passing.retransmitted;
            (entry.nack_count, entry.pli_count) = (passing.nack.rounds as u32, passing.key_requests as u32);
            passing.source
        }
        _ => return None,
    };
    (entry.packets_received, entry.bytes_received) = (source.packets, source.bytes);
    let InboundStatistics::Playout(audio) = &stream.statistics else { return None };
    let lasts = |ticks: u64| Duration::from_secs_f64(ticks as f64 / f64::from(stream.codec.clock_rate()));
    Some(MediaPlayoutStats {
        id: format!("AP{}", stream.ssrc.0),
        kind: "audio".into(),
        synthesized_samples_duration: lasts(audio.concealed),
        synthesized_samples_events: audio.concealment_events,
        total_samples_duration: lasts(audio.played),
        total_samples_count: audio.played,
    })
}

/// The first fingerprint of a description.
fn certificate(id: &str, sdp: &str) -> Option<CertificateStats> {
    let line = sdp.lines().find_map(|line| line.strip_prefix("a=fingerprint:"))?;
    let (algorithm, fingerprint) = line.split_once(' ')?;
    let (fingerprint, fingerprint_algorithm) = (fingerprint.trim().into(), algorithm.into());
    Some(CertificateStats { id: id.into(), fingerprint, fingerprint_algorithm })
}

fn candidate(side: &str, address: SocketAddr, kind: CandidateKind, tcp: bool) -> CandidateStats {
    let candidate_type = match kind {
        CandidateKind::Host => "host",
        CandidateKind::ServerReflexive => "srflx",
        CandidateKind::PeerReflexive => "prflx",
        CandidateKind::Relayed => "relay",
    };
    let protocol = if tcp { "tcp" } else { "udp" };
    CandidateStats {
        id: format!("{side}_{address}_{candidate_type}_{protocol}"),
        transport_id: TRANSPORT.into(),
        address: address.ip().to_string(),
        port: address.port(),
        protocol: protocol.into(),
        candidate_type: candidate_type.into(),
    }
}

fn state_word(state: PairState) -> &'static str {
    match state {
        PairState::Frozen => "frozen",
        PairState::Waiting => "waiting",
        PairState::InProgress => "in-progress",
        PairState::Succeeded => "succeeded",
        PairState::Failed => "failed",
    }
}

fn kind(codec: Codec) -> &'static str {
    if codec.is_video() { "video" } else { "audio" }
}
