import test from 'node:test';
import assert from 'node:assert/strict';
import { Room } from '../room.js';
import { until } from './channel.mjs';
import { played } from './socket.mjs';

const SELF = 'AAAAAAAAAAAAAAAAAAAAAA';
const P = 'BBBBBBBBBBBBBBBBBBBBBA';
const Q = 'CCCCCCCCCCCCCCCCCCCCCA';

const ACCEPTS = ['ice_servers'];

/** A room on sockets that the test holds the other end of. */
function setUp(mode = 'join', accessToken = '') {
  const { Socket, sockets } = played();
  const log = [];
  const note = (name) => (...values) => log.push([name, ...values]);
  const on = {};
  for (const name of ['state', 'joined', 'iceServers', 'resumed', 'peerJoined', 'peerLeft', 'signal', 'ended']) on[name] = note(name);
  const room = new Room({ url: 'ws://x/ws', room: 'k7m2xq', self: SELF, mode, accessToken, on, WebSocket: Socket });
  room.connect();
  return { room, sockets, log, on, of: (name) => log.filter(([other]) => other === name).map(([, ...values]) => values) };
}

function joined(setup, extra = {}) {
  const [socket] = setup.sockets;
  socket.open();
  socket.hear({ type: 'joined', token: 'T', peers: [P], ice_servers: [{ urls: ['stun:192.0.2.1:3478'] }], grace_ms: 30000, ...extra });
  return socket;
}

test('entering says the mode, and gives peers and servers', () => {
  for (const mode of ['open', 'join']) {
    const setup = setUp(mode);
    const socket = joined(setup);
    assert.deepEqual(socket.said, [{ type: mode, room: 'k7m2xq', peer: SELF, accepts: ACCEPTS }]);
    assert.deepEqual(setup.of('joined'), [[[P], [{ urls: ['stun:192.0.2.1:3478'] }]]]);
    setup.room.leave();
    assert.deepEqual(socket.said.at(-1), { type: 'leave' });
  }
});

test('the access token is shown to open a room, and neither to join nor to resume', async () => {
  const setup = setUp('open', 'correct-horse-battery');
  const first = joined(setup);
  assert.deepEqual(first.said, [{ type: 'open', room: 'k7m2xq', peer: SELF, accepts: ACCEPTS, access_token: 'correct-horse-battery' }]);
  first.lose();
  const second = await until(() => setup.sockets[1]);
  second.open();
  setup.room.leave();
  const joiner = setUp('join', 'correct-horse-battery');
  const socket = joined(joiner);
  joiner.room.leave();
  for (const frame of [...second.said, ...socket.said]) assert.ok(!JSON.stringify(frame).includes('horse'), JSON.stringify(frame));
});

test('credentials are handed on as they come, and what is odd in them is left out', () => {
  const setup = setUp();
  const [socket] = setup.sockets;
  socket.open();
  const frame = (servers) => ({ type: 'ice_servers', ice_servers: servers, expires_ms: 600000 });
  const relay = (username) => ({ urls: ['turn:192.0.2.1:3478?transport=udp'], username, credential: 'c' });
  socket.hear(frame([relay('early')]));
  assert.deepEqual(setup.of('iceServers'), [], 'nothing counts before the room is entered');
  socket.hear({ type: 'joined', token: 'T', peers: [P], ice_servers: [], grace_ms: 30000 });
  socket.hear(frame([{ urls: ['stun:192.0.2.1:3478'] }, relay('u1')]));
  socket.hear(frame([relay('u2'), { urls: ['javascript:x'] }, 7, null]));
  socket.hear(frame('nonsense'));
  assert.deepEqual(setup.of('iceServers'), [[[{ urls: ['stun:192.0.2.1:3478'] }, relay('u1')]], [[relay('u2')]], [[]]]);
  // They carry no number, so there is nothing to acknowledge and nothing that was left out.
  socket.hear({ type: 'peer_joined', seq: 1, peer: Q });
  assert.deepEqual(setup.of('peerJoined'), [[Q]]);
  assert.equal(setup.sockets.length, 1);
  setup.room.leave();
});

test('odd peers and servers in `joined` are left out', () => {
  const setup = setUp();
  joined(setup, { peers: [P, SELF, 'short', 7, null], ice_servers: [{ urls: ['http://x', 'turn:192.0.2.1'], username: 'u', credential: 'c' }, { urls: [] }, null, 5] });
  assert.deepEqual(setup.of('joined'), [[[P], [{ urls: ['turn:192.0.2.1'], username: 'u', credential: 'c' }]]]);
  setup.room.leave();
});

test('after a loss it resumes, sends what was not acknowledged again and drops what it has seen', async () => {
  const setup = setUp();
  const first = joined(setup);
  for (const data of ['one', 'two', 'three']) setup.room.signal(P, data);
  first.hear({ type: 'ack', received: 1 });
  first.hear({ type: 'peer_joined', seq: 1, peer: Q });
  first.hear({ type: 'signal', seq: 2, from: Q, data: 'a' });
  first.lose();
  setup.room.signal(P, 'four');
  const second = await until(() => setup.sockets[1]);
  second.open();
  assert.deepEqual(second.said, [{ type: 'resume', room: 'k7m2xq', peer: SELF, token: 'T', received: 2 }]);
  second.hear({ type: 'resumed', received: 2, peers: [P, Q] });
  assert.deepEqual(second.said.slice(1).map(({ seq, data }) => [seq, data]), [[3, 'three'], [4, 'four']]);
  second.hear({ type: 'signal', seq: 2, from: Q, data: 'a' });
  second.hear({ type: 'signal', seq: 3, from: Q, data: 'b' });
  assert.deepEqual(setup.of('signal'), [[Q, 'a'], [Q, 'b']]);
  setup.room.leave();
});

test('a gap in the numbers makes it resume instead of losing a message', async () => {
  const setup = setUp();
  joined(setup).hear({ type: 'signal', seq: 2, from: P, data: 'x' });
  assert.deepEqual(setup.of('signal'), []);
  const second = await until(() => setup.sockets[1]);
  second.open();
  assert.equal(second.said[0].received, 0);
  setup.room.leave();
});

test('it acknowledges within sixteen messages, and soon when it is quiet', async () => {
  const setup = setUp();
  const socket = joined(setup);
  for (let seq = 1; seq <= 8; seq += 1) socket.hear({ type: 'signal', seq, from: P, data: 'x' });
  assert.deepEqual(socket.said.at(-1), { type: 'ack', received: 8 });
  socket.hear({ type: 'signal', seq: 9, from: P, data: 'x' });
  await until(() => socket.said.at(-1).received === 9);
  setup.room.leave();
});

test('an error of the server ends it once and for all', () => {
  const setup = setUp();
  const [socket] = setup.sockets;
  socket.open();
  socket.hear({ type: 'error', code: 'unavailable', message: 'no' });
  assert.deepEqual(setup.of('ended'), [[{ code: 'unavailable', message: 'no' }]]);
  socket.lose();
  setup.room.networkChanged();
  assert.equal(setup.sockets.length, 1);
});

test('an unreachable server is tried again, at once when the network changes', async () => {
  const setup = setUp();
  setup.sockets[0].lose();
  assert.deepEqual(setup.of('state').at(-1), ['unreachable']);
  setup.room.networkChanged();
  assert.equal(setup.sockets.length, 2);
  setup.sockets[1].open();
  assert.deepEqual(setup.sockets[1].said, [{ type: 'join', room: 'k7m2xq', peer: SELF, accepts: ACCEPTS }]);
  setup.room.leave();
});

test('garbage from the server changes nothing', () => {
  const setup = setUp();
  const socket = joined(setup);
  const before = setup.log.length;
  for (const frame of ['', '{', 'null', '5', '[]', { type: 'odd' }, { type: 'signal', seq: 'x', from: P, data: 'd' }, { type: 'signal', seq: 1, from: 'bad', data: 'd' },
    { type: 'peer_joined', seq: 2, peer: SELF }, { type: 'signal', seq: 3, from: P, data: 5 }, { type: 'ack', received: 'x' }, { type: 'resumed', received: 0 }]) {
    socket.hear(frame);
  }
  assert.equal(setup.log.length, before);
  setup.room.leave();
});

test('what waits for a lost server is bounded', () => {
  const setup = setUp();
  joined(setup).lose();
  for (let i = 0; i < 300; i += 1) setup.room.signal(P, 'x');
  assert.deepEqual(setup.of('ended').map(([{ code }]) => code), ['gone']);
  const large = setUp();
  joined(large).lose();
  for (let i = 0; i < 20; i += 1) large.room.signal(P, 'x'.repeat(60000));
  assert.deepEqual(large.of('ended').map(([{ code }]) => code), ['gone']);
});

test('what is said on the news of having joined goes out once', () => {
  const setup = setUp();
  const [socket] = setup.sockets;
  socket.open();
  setup.on.joined = () => setup.room.signal(P, 'hello');
  socket.hear({ type: 'joined', token: 'T', peers: [P], ice_servers: [] });
  assert.deepEqual(socket.said.slice(1), [{ type: 'signal', seq: 1, to: P, data: 'hello' }]);
  setup.room.leave();
});
