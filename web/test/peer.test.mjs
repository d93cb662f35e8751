import test from 'node:test';
import assert from 'node:assert/strict';
import { Peer } from '../peer.js';
import { until } from './channel.mjs';

const STUN = { urls: ['stun:192.0.2.1:3478'] };
const relay = (username) => ({ urls: ['turn:192.0.2.1:3478?transport=udp'], username, credential: 'c' });
const sdp = (ufrag) => `v=0\r\na=ice-ufrag:${ufrag}\r\n`;

/** Stands for the browser: notes how it is configured. */
class Connection {
  static made = [];
  connectionState = 'new';
  signalingState = 'stable';
  remoteDescription = null;
  localDescription = { type: 'answer', sdp: sdp('mine') };
  log = [];
  constructor(configuration) {
    this.log.push(['new', configuration]);
    Connection.made.push(this);
  }
  setConfiguration(configuration) {
    this.log.push(['set', configuration]);
  }
  restartIce() {
    this.log.push(['restart']);
  }
  createDataChannel(label) {
    return Object.assign(new EventTarget(), { label });
  }
  async setRemoteDescription(description) {
    this.log.push(['remote', description.type]);
    this.remoteDescription = description;
  }
  async setLocalDescription() {}
  async getStats() {
    return new Map();
  }
  close() {}
  become(state) {
    this.connectionState = state;
    this.onconnectionstatechange();
  }
}

function setUp(t, { first, relayOnly = false } = {}) {
  globalThis.RTCPeerConnection = Connection;
  const ice = { servers: [STUN], relayOnly };
  const said = [];
  const media = { described() { said.push('described'); } };
  const on = { say: (peer, message) => said.push(message), changed() {}, connected() {}, channel() {}, connection: () => media };
  const peer = new Peer({ id: 'BBBBBBBBBBBBBBBBBBBBBA', first, ice, on });
  t.after(() => peer.close('the test is over'));
  return { peer, ice, said, pc: () => Connection.made.at(-1), hello: () => peer.receive({ kind: 'hello', agent: 'x', role: 'page' }) };
}

test('a connection begins with the newest credentials, not with those of the moment the peer was met', (t) => {
  const { ice, pc, hello } = setUp(t, { first: true });
  ice.servers = [STUN, relay('u1')];
  hello();
  assert.deepEqual(pc().log, [['new', { iceServers: [STUN, relay('u1')], iceTransportPolicy: 'all', bundlePolicy: 'max-bundle' }]]);
});

test('a restart takes renewed credentials, and leaves a connection alone that has the newest', (t) => {
  const { peer, ice, pc, hello } = setUp(t, { first: true, relayOnly: true });
  ice.servers = [relay('u1')];
  hello();
  peer.retry();
  ice.servers = [relay('u2')];
  assert.equal(pc().log.filter(([what]) => what === 'set').length, 0, 'nothing changes while nothing is gathered');
  peer.retry();
  assert.deepEqual(pc().log.slice(1), [['restart'], ['set', { iceServers: [relay('u2')], iceTransportPolicy: 'relay', bundlePolicy: 'max-bundle' }], ['restart']]);
});

test('who answers a restart takes renewed credentials, too', async (t) => {
  const { peer, ice, pc, hello } = setUp(t, { first: false });
  ice.servers = [relay('u1')];
  hello();
  await peer.receive({ kind: 'offer', sdp: sdp('one') });
  ice.servers = [relay('u2')];
  await peer.receive({ kind: 'offer', sdp: sdp('one') });
  assert.equal(pc().log.filter(([what]) => what === 'set').length, 0, 'an offer that restarts nothing');
  await peer.receive({ kind: 'offer', sdp: sdp('two') });
  assert.deepEqual(pc().log.slice(-2), [['set', { iceServers: [relay('u2')], iceTransportPolicy: 'all', bundlePolicy: 'max-bundle' }], ['remote', 'offer']]);
});

test('a browser that takes no new configuration goes on with the old one', (t) => {
  const { peer, ice, pc, hello } = setUp(t, { first: true });
  hello();
  pc().setConfiguration = () => {
    throw new DOMException('no', 'InvalidModificationError');
  };
  ice.servers = [relay('u2')];
  peer.retry();
  assert.deepEqual(pc().log.at(-1), ['restart']);
});

test('a connection that fails says why, and forgets it once it stands', async (t) => {
  const { peer, pc, hello } = setUp(t, { first: true, relayOnly: true });
  hello();
  pc().become('failed');
  assert.equal(peer.state, 'no-path');
  assert.equal(peer.why, 'Only the relay may be used, and this server has none.');
  pc().become('connected');
  assert.deepEqual([peer.state, peer.why], ['connected', null]);
  pc().become('disconnected');
  await until(() => peer.state === 'unstable');
});

test('an offer that nobody means is refused before the browser makes anything of it', async (t) => {
  const { peer, pc, said, hello } = setUp(t, { first: false });
  hello();
  await peer.receive({ kind: 'offer', sdp: `${sdp('one')}${'m=video 9 UDP/TLS/RTP/SAVPF 96\r\n'.repeat(1000)}` });
  assert.equal(pc().log.some(([what]) => what === 'remote'), false);
  await peer.receive({ kind: 'offer', sdp: sdp('one') });
  assert.deepEqual(pc().log.at(-1), ['remote', 'offer']);
  assert.deepEqual(said.map((one) => one.kind ?? one), ['described', 'answer'], 'media hears of an offer before it is answered');
});

test('the one who was there first opens the channels, those of a call only to a page', (t) => {
  const channels = (role) => {
    const { peer, pc } = setUp(t, { first: true });
    const labels = [];
    Connection.prototype.createDataChannel = (label) => {
      labels.push(label);
      return Object.assign(new EventTarget(), { label });
    };
    peer.receive({ kind: 'hello', agent: 'x', role });
    assert.equal(pc().log[0][0], 'new');
    assert.equal(peer.role, role);
    return labels;
  };
  assert.deepEqual([channels('page'), channels('call'), channels('pipe')], [['chat', 'call'], ['chat'], ['pipe']]);
});
