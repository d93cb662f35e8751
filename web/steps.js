// What happens on the way to one peer, step by step, from events and from getStats.

import { clean, plural } from './text.js';

const MAX_EVENTS = 400;
const MAX_CANDIDATES = 64;
const MAX_FAILURES = 16;
const TLS = { FEFF: 'DTLS 1.0', FEFD: 'DTLS 1.2', FEFC: 'DTLS 1.3' };

/** The stages in order. Each is `waiting`, `active`, `done` or `failed`. */
export const STAGES = ['found', 'verified', 'gathered', 'signalled', 'checked', 'selected', 'secured', 'open'];

export class Steps {
  /** Events in order: `{ at, stage, text }`, `at` in milliseconds since the peer was found. */
  events = [];
  stages = Object.fromEntries(STAGES.map((stage) => [stage, { state: 'waiting', text: '', at: null }]));
  local = [];
  remote = [];
  pairs = [];
  /** `{ local, remote, protocol, relayed, localAddress, remoteAddress }`, null until one is selected. */
  selected = null;
  /** `{ version, cipher, group, role }`, null until the handshake is done; `group` is null where the browser hides it. */
  security = null;
  /** Round trip in milliseconds, null while unknown. */
  rtt = null;
  counts = { sent: 0, received: 0 };
  /** How candidates of this side go out. */
  out = 'sealed and sent';
  /** What servers refused while addresses were gathered: `{ url, code, text }`, each once. */
  failures = [];
  #start = performance.now();
  #changed;
  #known = new Map();
  #ufrags = { local: null, remote: null };

  constructor(changed) {
    this.#changed = changed;
  }

  /** Notes one event; `state` moves the stage. */
  note(stage, text, state = null) {
    const at = Math.round(performance.now() - this.#start);
    if (this.events.length < MAX_EVENTS) this.events.push({ at, stage, text });
    if (state !== null) {
      const entry = this.stages[stage];
      entry.state = state;
      entry.text = text;
      if (state === 'done') entry.at ??= at;
    }
    this.#changed();
  }

  /** A restart of ICE: paths are sought anew. */
  restart() {
    for (const stage of ['gathered', 'signalled', 'checked', 'selected']) {
      this.stages[stage] = { state: 'active', text: '', at: null };
    }
    this.#known.clear();
    this.failures = [];
    this.note('gathered', 'Looking for a new path', 'active');
  }

  /** A candidate of this side; `ufrag` tells when ICE was restarted and the list begins anew. */
  gathered(candidate, ufrag) {
    if (ufrag !== this.#ufrags.local) this.local = [];
    this.#ufrags.local = ufrag;
    if (!add(this.local, candidate)) return;
    this.note('gathered', `${this.local.length} on this side: ${kinds(this.local)}`, 'active');
  }

  /** A server refused or did not answer (`icecandidateerror`); code 701 is the browser's own for no answer. */
  serverFailed({ url, errorCode, errorText }) {
    const failure = { url: clean(url, 100), code: Number(errorCode) || 0, text: clean(errorText, 100) };
    const same = (other) => other.url === failure.url && other.code === failure.code;
    if (this.failures.length >= MAX_FAILURES || this.failures.some(same)) return;
    this.failures.push(failure);
    const what = failure.code === 701 ? 'did not answer' : `refused with ${failure.code}`;
    this.note('gathered', `${failure.url} ${what}`);
  }

  gatheringDone() {
    this.note('gathered', this.local.length === 0 ? 'None on this side' : `${this.local.length} on this side: ${kinds(this.local)}`, 'done');
  }

  /** A candidate went out (`sent`) or came in (`received`). */
  signalled(direction, candidate, ufrag) {
    this.counts[direction] += 1;
    if (direction === 'received') {
      if (ufrag !== this.#ufrags.remote) this.remote = [];
      this.#ufrags.remote = ufrag;
      add(this.remote, candidate);
    }
    const done = this.counts.sent > 0 && this.counts.received > 0;
    this.note('signalled', `${this.counts.sent} ${this.out}, ${this.counts.received} received`, done ? 'done' : 'active');
  }

  /** Takes one report of `getStats`. */
  stats(report) {
    const pairs = [];
    let transport = null;
    for (const entry of report.values()) {
      if (entry.type === 'candidate-pair') pairs.push(entry);
      else if (entry.type === 'transport') transport = entry;
    }
    this.#checks(report, pairs);
    const chosen =
      pairs.find((pair) => pair.id === transport?.selectedCandidatePairId) ?? pairs.find((pair) => pair.selected);
    if (chosen) this.#select(report, chosen);
    if (transport?.dtlsState === 'connected') this.#secure(transport);
    this.#changed();
  }

  /** The version, cipher and group are not told by every browser, but the handshake is known to be done. */
  handshakeDone() {
    if (this.stages.secured.state !== 'done') this.note('secured', 'DTLS handshake done, fingerprint verified', 'done');
  }

  #checks(report, pairs) {
    this.pairs = pairs.slice(0, 100).map((pair) => ({
      local: side(report.get(pair.localCandidateId)),
      remote: side(report.get(pair.remoteCandidateId)),
      state: String(pair.state),
      nominated: Boolean(pair.nominated),
      sent: pair.requestsSent ?? null,
      answered: pair.responsesReceived ?? null,
    }));
    for (const pair of pairs) {
      const before = this.#known.get(pair.id);
      if (before === pair.state || this.#known.size > 200) continue;
      this.#known.set(pair.id, pair.state);
      const good = this.pairs.filter((other) => other.state === 'succeeded').length;
      const text = `${plural(this.pairs.length, 'pair')} tried, ${good} answered`;
      if (pair.state === 'succeeded') this.note('checked', text, 'done');
      else if (this.stages.checked.state !== 'done') this.note('checked', text, 'active');
    }
  }

  #select(report, pair) {
    const local = report.get(pair.localCandidateId);
    const remote = report.get(pair.remoteCandidateId);
    // Some browsers give a round trip of 0 for less than a millisecond.
    const seconds = pair.currentRoundTripTime ?? (pair.responsesReceived ? pair.totalRoundTripTime / pair.responsesReceived : undefined);
    if (seconds !== undefined) this.rtt = seconds * 1000;
    if (!local || !remote) return;
    const next = {
      local: local.candidateType,
      remote: remote.candidateType,
      protocol: local.relayProtocol ?? local.protocol ?? 'udp',
      relayed: local.candidateType === 'relay' || remote.candidateType === 'relay',
      localAddress: address(local),
      remoteAddress: address(remote),
    };
    if (JSON.stringify(next) === JSON.stringify(this.selected)) return;
    this.selected = next;
    const path = next.relayed ? 'Through a relay' : 'Direct';
    this.note('selected', `${path}: ${next.local} to ${next.remote} over ${next.protocol.toUpperCase()}`, 'done');
  }

  #secure(transport) {
    const next = {
      version: TLS[transport.tlsVersion] ?? (transport.tlsVersion ? `version ${transport.tlsVersion}` : 'DTLS'),
      cipher: transport.dtlsCipher ?? null,
      group: transport.tlsGroup ?? transport.dtlsGroup ?? null,
      role: transport.dtlsRole ?? null,
    };
    if (JSON.stringify(next) === JSON.stringify(this.security)) return;
    this.security = next;
    this.note('secured', [next.version, next.cipher, next.group].filter(Boolean).join(', '), 'done');
  }
}

/** The parts of a `candidate:` line that people read. */
export function readCandidate(line) {
  const parts = line.replace(/^candidate:/, '').split(/\s+/);
  const type = parts[parts.indexOf('typ') + 1];
  if (parts.length < 8 || parts.indexOf('typ') < 0) return null;
  const tcp = parts.indexOf('tcptype');
  return {
    type,
    protocol: parts[2].toLowerCase() + (tcp > 0 ? ` ${parts[tcp + 1]}` : ''),
    address: parts[4].includes(':') ? `[${parts[4]}]:${parts[5]}` : `${parts[4]}:${parts[5]}`,
  };
}

function add(list, line) {
  const candidate = readCandidate(line);
  if (candidate === null || list.length >= MAX_CANDIDATES) return false;
  list.push(candidate);
  return true;
}

function kinds(list) {
  const counts = new Map();
  for (const { type } of list) counts.set(type, (counts.get(type) ?? 0) + 1);
  return [...counts].map(([type, number]) => `${number} ${type}`).join(', ');
}

function side(candidate) {
  return candidate ? `${candidate.candidateType} ${address(candidate)}` : 'unknown';
}

function address(candidate) {
  const host = candidate.address ?? candidate.ip;
  if (!host) return 'address hidden';
  return host.includes(':') ? `[${host}]:${candidate.port}` : `${host}:${candidate.port}`;
}
