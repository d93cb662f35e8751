//! What is counted, in the text format of Prometheus, on an address of its own.
//!
//! No label is made of what clients send: their number would be theirs to choose.

use crate::admission::Admission;
use crate::exchange::desk::{Counts, Desk};
use crate::hub::Hub;
use crate::turn::driver::{Query, Snapshot};
use crate::whip::counters::Snapshot as WhipSnapshot;
use crate::whip::desk::Whip;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use core::fmt;
use core::time::Duration;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use peerage_turn::server::counters::Counters;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{sleep, timeout};

/// Readers at a time.
const CONNECTIONS: usize = 16;
/// How long a reader may take.
const PATIENCE: Duration = Duration::from_secs(10);
const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What is read.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    pub relay: mpsc::Sender<Query>,
    pub admission: Arc<Admission>,
    pub hub: Arc<Hub>,
    pub exchange: Arc<Desk>,
    pub whip: Option<Arc<Whip>>,
}

/// Answers readers until the future is dropped.
pub(crate) async fn run(listener: TcpListener, sources: Sources) {
    let router = Router::new().route("/metrics", get(page)).with_state(sources);
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let (Ok(permit), accepted) = (permits.clone().acquire_owned().await, listener.accept().await) else { return };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a reader of the metrics");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(PATIENCE).keep_alive(false);
            // A reader that is too slow reads again.
            let _ = timeout(PATIENCE, http.serve_connection(TokioIo::new(stream), service)).await;
            drop(permit);
        });
    }
}

async fn page(State(sources): State<Sources>) -> Response {
    let (query, answer) = oneshot::channel();
    let asked = sources.relay.send(query).await.is_ok();
    let Some(relay) = (if asked { answer.await.ok() } else { None }) else {
        return (StatusCode::SERVICE_UNAVAILABLE, "the server is stopping\n").into_response();
    };
    let numbers = Numbers {
        relay,
        connections: sources.admission.in_use() as u64,
        rooms: sources.hub.rooms() as u64,
        exchange: sources.exchange.counts(),
        whip: sources.whip.map(|whip| whip.snapshot()),
    };
    let mut registry = Registry::default();
    registry.register_collector(Box::new(numbers));
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => ([(CONTENT_TYPE, TEXT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

/// Everything at a moment.
#[derive(Debug)]
struct Numbers {
    relay: Snapshot,
    connections: u64,
    rooms: u64,
    exchange: Counts,
    whip: Option<WhipSnapshot>,
}

impl Collector for Numbers {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Page(&mut encoder);
        out.gauge("peerage_http_connections", "HTTP and WebSocket connections now", self.connections)?;
        out.gauge("peerage_rooms", "Rooms now", self.rooms)?;
        exchange_page(&mut out, &self.exchange)?;
        let stun = self.relay.stun;
        let outcomes = [("answered", stun.answered), ("malformed", stun.malformed), ("rate_limited", stun.limited)];
        out.family("peerage_stun_requests", "STUN Binding requests over UDP", "outcome", &outcomes)?;
        let lost = self.relay.lost;
        let reasons = [("full", lost.full), ("too_big", lost.too_big), ("unreachable", lost.unreachable)];
        out.family("peerage_udp_unsent", "Datagrams that the system did not take", "reason", &reasons)?;
        if let Some(whip) = &self.whip {
            whip_page(&mut out, whip)?;
        }
        let Some((turn, streams)) = &self.relay.turn else { return Ok(()) };
        out.gauge("peerage_turn_streams", "TCP and TLS connections to the relay now", streams.open)?;
        let ends = [
            ("accepted", streams.accepted),
            ("refused", streams.refused),
            ("timed_out", streams.timed_out),
            ("unusable", streams.unusable),
        ];
        out.family("peerage_turn_stream_events", "What happened to TCP and TLS connections", "event", &ends)?;
        out.counter("peerage_turn_stream_unsent", "Packets that slow TCP and TLS clients did not take", streams.full)?;
        turn_page(&mut out, turn)
    }
}

fn exchange_page(out: &mut Page<'_, '_>, exchange: &Counts) -> fmt::Result {
    out.gauge("peerage_exchange_offers", "Offers in the exchange now, answered ones included", exchange.offers)?;
    out.gauge("peerage_exchange_waiting", "Requests to the exchange that wait now", exchange.waiting)?;
    let replies = [
        ("offer", exchange.offered),
        ("answer", exchange.answered),
        ("nothing", exchange.nothing),
        ("done", exchange.done),
        ("refused", exchange.refused),
    ];
    out.family("peerage_exchange_replies", "Requests to the exchange, by what they were given", "given", &replies)
}

fn whip_page(out: &mut Page<'_, '_>, whip: &WhipSnapshot) -> fmt::Result {
    out.gauge("peerage_whip_publishers", "Publishers now", whip.publishers)?;
    out.gauge("peerage_whip_viewers", "Viewers now", whip.viewers)?;
    let sessions = [("published", whip.published), ("viewed", whip.viewed), ("refused", whip.refused)];
    out.family("peerage_whip_sessions", "Offers to publish or to view, by what became of them", "outcome", &sessions)?;
    let packets = [("in", whip.packets_in), ("out", whip.packets_out)];
    out.family(
        "peerage_whip_packets",
        "Packets of audio and video from publishers and to viewers",
        "direction",
        &packets,
    )?;
    let bytes = [("in", whip.bytes_in), ("out", whip.bytes_out)];
    out.family("peerage_whip_bytes", "Payload bytes from publishers and to viewers", "direction", &bytes)?;
    let layers = [("more", whip.raised), ("less", whip.lowered)];
    out.family("peerage_whip_layers", "Times that viewers were given more of a picture, or less", "change", &layers)?;
    out.counter("peerage_whip_key_frames", "Key frames that viewers needed", whip.key_frames)
}

fn turn_page(out: &mut Page<'_, '_>, turn: &Counters) -> fmt::Result {
    out.gauge("peerage_turn_allocations", "Allocations now", turn.allocations)?;
    out.gauge("peerage_turn_relays", "Relayed addresses now, reserved ports included", turn.relays)?;
    let granted = [
        ("binding", turn.bindings),
        ("allocate", turn.allocated),
        ("refresh", turn.refreshed),
        ("create_permission", turn.permitted),
        ("channel_bind", turn.bound),
    ];
    out.family("peerage_turn_requests", "Requests that were granted", "method", &granted)?;
    let codes: Vec<(String, u64)> = turn.refusals().map(|(code, count)| (code.to_string(), count)).collect();
    let codes: Vec<(&str, u64)> = codes.iter().map(|(code, count)| (code.as_str(), *count)).collect();
    out.family("peerage_turn_refusals", "Requests that were refused, by STUN error code", "code", &codes)?;
    let drops: Vec<_> = turn.drops().map(|(reason, count)| (reason.label(), count)).collect();
    out.family("peerage_turn_drops", "Packets that were dropped without an answer", "reason", &drops)?;
    let ends = [
        ("expired", turn.expired),
        ("released", turn.released),
        ("revoked", turn.revoked),
        ("unclaimed", turn.unclaimed),
    ];
    out.family("peerage_turn_ends", "Allocations that ended, and reserved ports that nobody claimed", "cause", &ends)?;
    let packets = [("to_peers", turn.packets_to_peers), ("from_peers", turn.packets_from_peers)];
    out.family("peerage_turn_packets", "Packets relayed", "direction", &packets)?;
    let bytes = [("to_peers", turn.bytes_to_peers), ("from_peers", turn.bytes_from_peers)];
    out.family("peerage_turn_bytes", "Payload bytes relayed", "direction", &bytes)
}

/// The text that is being written.
struct Page<'a, 'e>(&'a mut DescriptorEncoder<'e>);

impl Page<'_, '_> {
    fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let encoder = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(value).encode(encoder)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let encoder = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(value).encode(encoder)
    }

    fn family(&mut self, name: &str, help: &str, label: &str, values: &[(&str, u64)]) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (value, count) in values {
            let labels = [(label, *value)];
            let family = encoder.encode_family(&labels)?;
            ConstCounter::new(*count).encode(family)?;
        }
        Ok(())
    }
}
