// Reads the statistics of a connection once a second, and makes rates of what they count.

const KEPT = 120;
const MAX_FLOWS = 32;

/**
 * One reading: `{ at, flows, rtt, available, path }`. `at` in milliseconds; `rtt` in milliseconds and `available` in bit/s
 * are null where the browser does not tell; `path` is `direct`, `relay` or null. A flow is one stream of RTP one way.
 */
export function read(report, at) {
  const entries = [...report.values()];
  const pair = selectedPair(report, entries);
  const flows = new Map();
  for (const entry of entries) {
    if (flows.size >= MAX_FLOWS) break;
    const direction = { 'inbound-rtp': 'in', 'outbound-rtp': 'out' }[entry.type];
    const kind = entry.kind ?? entry.mediaType;
    if (!direction || (kind !== 'audio' && kind !== 'video')) continue;
    const flow = direction === 'in' ? received(report, entry, kind) : sent(report, entries, entry, kind);
    // The browser's own time of each entry: a page that is busy gets reports late and close together.
    flow.at = number(entry.timestamp) ?? at;
    // Where a sender has several encodings or a stream changed its number, the one that counts most is the present one.
    const key = `${direction}:${entry.mid ?? entry.id}`;
    if (!flows.has(key) || flows.get(key).bytes <= flow.bytes) flows.set(key, { key, mid: entry.mid ?? null, ...flow });
  }
  const ends = [report.get(pair?.localCandidateId), report.get(pair?.remoteCandidateId)];
  const remote = entries.find((entry) => entry.type === 'remote-inbound-rtp' && number(entry.roundTripTime) !== null);
  return {
    at,
    flows: [...flows.values()],
    rtt: milliseconds(roundTrip(pair) ?? number(remote?.roundTripTime)),
    available: number(pair?.availableOutgoingBitrate),
    path: pair && ends.every(Boolean) ? (ends.some((end) => end.candidateType === 'relay') ? 'relay' : 'direct') : null,
  };
}

/** What happened between two readings, for each flow of the later one; null where that cannot be told. */
export function rates(before, now) {
  const flows = now.flows.map((flow) => {
    const old = before.flows.find((one) => one.key === flow.key);
    const seconds = old ? (flow.at - old.at) / 1000 : 0;
    const more = (name) => (seconds > 0 ? grown(old[name], flow[name]) : null);
    const packets = more('packets');
    const lost = more('lost');
    const emitted = more('emitted');
    const waited = more('waited');
    const bytes = more('bytes');
    const frames = more('frames');
    return {
      key: flow.key,
      mid: flow.mid,
      direction: flow.direction,
      kind: flow.kind,
      codec: flow.codec,
      width: flow.width,
      height: flow.height,
      limited: flow.limited,
      bitrate: bytes === null ? null : (bytes * 8) / seconds,
      frames: frames === null ? null : frames / seconds,
      loss: flow.direction === 'out' ? flow.fractionLost : share(lost, packets),
      delay: emitted > 0 && waited !== null ? (waited / emitted) * 1000 : null,
    };
  });
  return { at: now.at, flows, rtt: now.rtt, available: now.available, path: now.path };
}

/** The readings of the last two minutes of one connection. */
export class History {
  /** What `rates` gave, oldest first. */
  points = [];
  latest = null;

  /** Takes a report of `getStats`; `at` in milliseconds. */
  take(report, at) {
    const now = read(report, at);
    if (this.latest !== null) {
      this.points.push(rates(this.latest, now));
      if (this.points.length > KEPT) this.points.shift();
    }
    this.latest = now;
  }

  get last() {
    return this.points.at(-1) ?? null;
  }

  /** One line of a plot: the sum or the largest of a figure over the flows of each point; null where none has it. */
  line(figure, { direction = null, kind = null, largest = false } = {}) {
    return this.points.map(({ flows }) => combined(flows, figure, { direction, kind, largest }));
  }
}

/** A figure over several flows: their sum, or the largest; null where none has it. */
export function combined(flows, figure, { direction = null, kind = null, largest = false } = {}) {
  const values = flows
    .filter((flow) => (direction === null || flow.direction === direction) && (kind === null || flow.kind === kind))
    .map((flow) => flow[figure])
    .filter((value) => value !== null);
  if (values.length === 0) return null;
  return largest ? Math.max(...values) : values.reduce((sum, value) => sum + value, 0);
}

function received(report, entry, kind) {
  return {
    direction: 'in',
    kind,
    codec: codecOf(report, entry),
    bytes: number(entry.bytesReceived) ?? 0,
    packets: number(entry.packetsReceived),
    lost: number(entry.packetsLost),
    frames: kind === 'video' ? number(entry.framesDecoded) : null,
    width: number(entry.frameWidth),
    height: number(entry.frameHeight),
    waited: number(entry.jitterBufferDelay),
    emitted: number(entry.jitterBufferEmittedCount),
    energy: number(entry.totalAudioEnergy),
    fractionLost: null,
    limited: null,
  };
}

function sent(report, entries, entry, kind) {
  const remote = entries.find((one) => one.type === 'remote-inbound-rtp' && (one.localId === entry.id || one.id === entry.remoteId));
  return {
    direction: 'out',
    kind,
    codec: codecOf(report, entry),
    bytes: number(entry.bytesSent) ?? 0,
    packets: number(entry.packetsSent),
    lost: null,
    frames: kind === 'video' ? number(entry.framesEncoded) : null,
    width: number(entry.frameWidth),
    height: number(entry.frameHeight),
    waited: null,
    emitted: null,
    energy: null,
    fractionLost: number(remote?.fractionLost),
    limited: entry.qualityLimitationReason && entry.qualityLimitationReason !== 'none' ? String(entry.qualityLimitationReason) : null,
  };
}

function codecOf(report, entry) {
  const type = report.get(entry.codecId)?.mimeType;
  return typeof type === 'string' ? type.replace(/^.*\//, '') : null;
}

function selectedPair(report, entries) {
  const transport = entries.find((entry) => entry.type === 'transport' && entry.selectedCandidatePairId);
  if (transport) return report.get(transport.selectedCandidatePairId) ?? null;
  const pairs = entries.filter((entry) => entry.type === 'candidate-pair');
  return pairs.find((pair) => pair.selected) ?? pairs.find((pair) => pair.nominated && pair.state === 'succeeded') ?? null;
}

function roundTrip(pair) {
  const current = number(pair?.currentRoundTripTime);
  if (current !== null) return current;
  const total = number(pair?.totalRoundTripTime);
  return total !== null && pair.responsesReceived > 0 ? total / pair.responsesReceived : null;
}

function number(value) {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

function milliseconds(seconds) {
  return seconds === null ? null : seconds * 1000;
}

/** A counter that became smaller was begun anew. */
function grown(before, now) {
  return before === null || now === null || now < before ? null : now - before;
}

function share(lost, packets) {
  if (lost === null || packets === null) return null;
  return lost + packets > 0 ? lost / (lost + packets) : null;
}
