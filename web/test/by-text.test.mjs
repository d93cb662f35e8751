import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { readOffer, TextError, TextSession } from '../by-text.js';
import { condense, find, offerTag, toText } from '../compact.js';
import { until } from './channel.mjs';

const shared = JSON.parse(readFileSync(new URL('../../crates/signal/tests/compact.json', import.meta.url), 'utf8'));
const sdpOf = (start) => shared.texts.find(({ name }) => name.startsWith(start)).sdp;
const CHROMIUM = { offer: sdpOf('chromium-156, data offer'), answer: sdpOf('chromium-156, data answer') };
const NATIVE = sdpOf('native, one address');
const nativeAnswer = (answers) => toText(condense({ kind: 'answer', answers }, NATIVE.replace('actpass', 'active'), Date.now() / 1000).description);

/** Stands for a browser that is Chromium and has its candidates at once. */
class Connection extends EventTarget {
  static made = [];
  static texts = CHROMIUM;
  static gathers = true;
  connectionState = 'new';
  signalingState = 'stable';
  iceGatheringState = 'new';
  localDescription = null;
  remoteDescription = null;
  channels = [];
  offers = 0;
  closed = false;

  constructor(configuration) {
    super();
    this.configuration = configuration;
    Connection.made.push(this);
  }

  createDataChannel(label, { protocol }) {
    const channel = Object.assign(new EventTarget(), { label, protocol, readyState: 'connecting', close() { this.readyState = 'closed'; } });
    this.channels.push(channel);
    setImmediate(() => this.onnegotiationneeded());
    return channel;
  }

  async setLocalDescription() {
    const type = this.remoteDescription === null ? 'offer' : 'answer';
    this.offers += 1;
    this.localDescription = { type, sdp: Connection.texts[type] };
    if (Connection.gathers) setImmediate(() => this.onicecandidate({ candidate: null }));
  }

  async setRemoteDescription(description) {
    if (description.sdp.includes('refuse-me')) throw new DOMException('no', 'OperationError');
    this.remoteDescription = description;
  }

  async getStats() {
    return new Map();
  }

  close() {
    this.closed = true;
  }

  become(state) {
    this.connectionState = state;
    this.onconnectionstatechange();
  }
}

function begin(t, { offer = null, ice = { servers: [], relayOnly: false } } = {}) {
  globalThis.RTCPeerConnection = Connection;
  const log = [];
  const on = {
    // As the page does, which looks at what it was given back.
    changed: () => assert.ok(session instanceof TextSession),
    connected: () => log.push('connected'),
    gone: (peer) => log.push(`gone: ${peer.reason}`),
    channel: (peer, channel) => log.push(`${peer.role} ${channel.label}`),
    connection: () => ({ described() {} }),
    failed: ({ code }) => log.push(code),
  };
  const session = new TextSession({ offer, ice, on });
  t.after(() => session.leave());
  session.start();
  return { session, log, pc: Connection.made.at(-1), peer: [...session.peers.values()][0] };
}

const made = (session) => until(() => session.own !== null);

test('an offer becomes a text, and the answer of a program is taken', async (t) => {
  const { session, log, pc, peer } = begin(t);
  await made(session);
  assert.equal(session.state, 'waiting');
  const [offer] = find(session.own.text);
  assert.deepEqual(find(session.own.qr), [offer]);
  assert.equal(offer.kind, 'offer');
  assert.ok(session.own.until > Date.now() + 29 * 60000);
  await session.take(nativeAnswer(offerTag(offer)));
  assert.equal(pc.remoteDescription.type, 'answer');
  assert.deepEqual(log, ['program offer']);
  assert.equal(peer.agent, 'Program');
  assert.equal(peer.steps.remote.length, 1);
  pc.become('connected');
  assert.deepEqual([session.state, peer.takesFiles, log.at(-1)], ['joined', true, 'connected']);
  // What the program does with the channel shows what it is there for.
  pc.channels[0].dispatchEvent(new Event('message'));
  assert.deepEqual([peer.role, peer.takesFiles], ['pipe', false]);
});

test('a program that closes the channel of the offer receives', async (t) => {
  const { session, pc, peer } = begin(t);
  await made(session);
  await session.take(nativeAnswer(offerTag(find(session.own.text)[0])));
  pc.become('connected');
  pc.channels[0].dispatchEvent(new Event('close'));
  assert.deepEqual([peer.role, peer.takesFiles], ['receive', true]);
});

test('between two pages the channels of pages are opened, and no pipe is shown', async (t) => {
  const one = begin(t);
  await made(one.session);
  const two = begin(t, { offer: readOffer(`look: ${one.session.own.text}`) });
  await made(two.session);
  assert.equal(two.pc.remoteDescription.type, 'offer');
  await one.session.take(two.session.own.text);
  assert.deepEqual(one.log, ['page chat', 'page call']);
  assert.deepEqual(one.pc.channels.map(({ label, readyState }) => `${label} ${readyState}`), ['offer connecting', 'chat connecting', 'call connecting']);
  assert.deepEqual([one.peer.role, two.peer.role, one.pc.channels.length, two.pc.channels.length], ['page', 'page', 3, 0]);
});

test('no second description is made, as nobody would carry it', async (t) => {
  const { session, pc, peer } = begin(t);
  await made(session);
  pc.onnegotiationneeded();
  peer.retry();
  peer.compare();
  assert.equal(pc.offers, 1);
});

test('what is no answer to this offer is refused, and the right one still taken', async (t) => {
  const { session, pc } = begin(t);
  await made(session);
  const tag = offerTag(find(session.own.text)[0]);
  const kind = async (message) => session.take(message).then(() => null, (error) => (error instanceof TextError ? error.kind : String(error)));
  assert.equal(await kind('hello'), 'nothing');
  assert.equal(await kind(session.own.text), 'kind');
  assert.equal(await kind(nativeAnswer(tag ^ 1)), 'other');
  assert.equal(await kind(nativeAnswer(tag).slice(0, -5)), 'truncated');
  assert.equal(pc.remoteDescription, null);
  assert.equal(await kind(nativeAnswer(tag)), null);
  assert.equal(pc.remoteDescription.type, 'answer');
});

test('a device without addresses, and one that may use the relay alone, say so', async (t) => {
  t.after(() => { Connection.texts = CHROMIUM; });
  Connection.texts = { offer: CHROMIUM.offer.replace(/a=candidate.*\r\n/g, '') };
  for (const relayOnly of [false, true]) {
    const { session, log, pc } = begin(t, { ice: { servers: [], relayOnly } });
    await until(() => log.includes('no_address'));
    assert.deepEqual([session.over, pc.closed], [true, true]);
  }
});

test('a server that does not answer does not keep the text back', async (t) => {
  t.after(() => { Connection.gathers = true; });
  Connection.gathers = false;
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { session } = begin(t);
  for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
  assert.equal(session.own, null);
  t.mock.timers.tick(10000);
  assert.equal(session.state, 'waiting');
});

test('after half an hour without an answer the text is given up', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { session, log, pc } = begin(t);
  for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
  assert.equal(session.state, 'waiting');
  t.mock.timers.tick(29 * 60000);
  assert.equal(session.state, 'waiting');
  t.mock.timers.tick(61000);
  assert.deepEqual([session.state, log, pc.closed], ['over', ['late'], true]);
});

test('a description that the browser refuses ends it with a reason', async (t) => {
  const odd = CHROMIUM.offer.replace('a=sctp-port:5000', 'a=sctp-port:5000\r\na=refuse-me');
  const offer = readOffer(toText(condense({ kind: 'offer' }, odd, Date.now() / 1000, 400).description));
  const { session, log } = begin(t, { offer });
  await until(() => session.over);
  assert.deepEqual(log, ['refused']);
});
