// A guest at a nameplate, with the server and the host played by the test.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Nameplate } from '../nameplate.js';
import { Run } from '../pake.js';
import { until } from './channel.mjs';
import { played } from './socket.mjs';

const HOST = 'BBBBBBBBBBBBBBBBBBBBBA';

async function setUp(words = 'guitar-sunset', options = {}) {
  const { Socket, sockets } = played();
  const log = [];
  const note = (name) => (...values) => log.push([name, ...values]);
  const on = { waiting: note('waiting'), agreed: note('agreed'), failed: note('failed') };
  const nameplate = new Nameplate({ url: 'ws://x/ws', code: { nameplate: 7, words, text: `7-${words}` }, on, WebSocket: Socket, ...options });
  await nameplate.start();
  return { nameplate, sockets, log };
}

function claimed({ sockets }, at = 0) {
  const socket = sockets[at];
  socket.open();
  const [claim] = socket.said;
  socket.hear({ type: 'claimed', nameplate: 7, room: 'r00m', token: 'T', grace_ms: 1 });
  return { socket, self: claim.peer };
}

/** The host comes, and both say their first message. */
function met(setup, words) {
  const { socket, self } = claimed(setup);
  const host = new Run({ words, nameplate: 7, side: 'host', self: HOST, peer: self });
  socket.hear({ type: 'peer_joined', seq: 1, peer: HOST });
  const share = socket.said.find((frame) => frame.type === 'signal');
  assert.equal(share.to, HOST);
  socket.hear({ type: 'signal', seq: 2, from: HOST, data: host.share });
  return { socket, host, share: share.data };
}

test('a guest claims its number, proves its words and is given the code of a room', async () => {
  const setup = await setUp();
  const { socket, host, share } = met(setup, 'guitar-sunset');
  assert.deepEqual(Object.keys(socket.said[0]), ['type', 'nameplate', 'peer', 'side']);
  assert.deepEqual([socket.said[0].type, socket.said[0].nameplate, socket.said[0].side], ['claim', 7, 'guest']);
  const tag = host.agree(share);
  const theirs = socket.said.filter((frame) => frame.type === 'signal')[1].data;
  socket.hear({ type: 'signal', seq: 3, from: HOST, data: tag });
  const code = host.confirm(theirs);
  assert.deepEqual(setup.log, [['agreed', code]]);
  assert.deepEqual(socket.said.at(-1), { type: 'leave' });
  assert.ok(!JSON.stringify(socket.said).includes('guitar'), 'the server learns no word');
});

test('wrong words end it, and so does whatever is no message, a second peer, and who leaves', async () => {
  const wrong = await setUp('guitar-sunny');
  const { socket, host, share } = met(wrong, 'guitar-sunset');
  socket.hear({ type: 'signal', seq: 3, from: HOST, data: host.agree(share) });
  assert.deepEqual(wrong.log, [['failed', { code: 'wrong_words', message: '' }]]);
  assert.deepEqual(socket.said.at(-1), { type: 'leave' });
  socket.hear({ type: 'signal', seq: 4, from: HOST, data: host.agree(share) });
  assert.equal(wrong.log.length, 1, 'nothing follows');
  for (const [frame, code] of [
    [{ type: 'signal', seq: 2, from: HOST, data: 'AQ' }, 'wrong_words'],
    [{ type: 'peer_joined', seq: 2, peer: 'CCCCCCCCCCCCCCCCCCCCCA' }, 'bad_request'],
    [{ type: 'peer_left', seq: 2, peer: HOST }, 'vanished'],
    [{ type: 'error', code: 'gone', message: '' }, 'vanished'],
  ]) {
    const setup = await setUp();
    const { socket: other } = claimed(setup);
    other.hear({ type: 'peer_joined', seq: 1, peer: HOST });
    other.hear(frame);
    assert.deepEqual(setup.log.map(([name, reason]) => [name, reason.code]), [['failed', code]], JSON.stringify(frame));
  }
});

test('what the server refuses is told by its reason, and an old server is known by its answer', async () => {
  for (const [code, told] of [['spent', 'spent'], ['expired', 'expired'], ['taken', 'taken'], ['rate_limited', 'rate_limited'], ['bad_request', 'unknown_words']]) {
    const setup = await setUp();
    setup.sockets[0].open();
    setup.sockets[0].hear({ type: 'error', code, message: 'm' });
    assert.deepEqual(setup.log.map(([name, reason]) => [name, reason.code]), [['failed', told]]);
  }
  const setup = await setUp('act-act', { load: () => Promise.reject(new Error('offline')) });
  assert.deepEqual(setup.log, [['failed', { code: 'unloaded', message: '' }]]);
});

test('who waits alone is told, and comes again after a restart of the server', async () => {
  const setup = await setUp();
  const { socket, self } = claimed(setup);
  await until(() => setup.log.some(([name]) => name === 'waiting'));
  socket.hear({ type: 'error', code: 'gone', message: '' });
  const again = claimed(setup, 1);
  assert.notEqual(again.self, self);
  setup.nameplate.leave();
  assert.deepEqual(again.socket.said.at(-1), { type: 'leave' });
  assert.deepEqual(setup.log, [['waiting']]);
});
