import test from 'node:test';
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { Engine } from '../engine.js';
import { Incoming } from '../receive.js';
import { Outgoing } from '../send.js';
import { batches, overallHash, WINDOW } from '../transfer.js';
import { pair, until } from './channel.mjs';

const sha256 = (data) => createHash('sha256').update(data).digest('hex');
const file = (content, time = 1700000000000) => Object.assign(new Blob([content]), { lastModified: time });
const storage = () => {
  const engine = new Engine();
  return { call: (operation, parameters) => engine.call(operation, parameters) };
};
const ID = Buffer.alloc(16, 1).toString('base64url');
const RESUME = Buffer.alloc(32, 2).toString('base64url');
const H = sha256('');

/** A receiver that accepts into memory at once; `known` are earlier transfers that an offer may go on with. */
function receiver(channel, { disk = storage(), accept = true, known = [] } = {}) {
  const asked = [];
  const incoming = new Incoming({
    channel,
    peer: { id: 'p' },
    storage: disk,
    on: {
      ask: (transfer) => {
        asked.push(transfer);
        if (accept) transfer.accept({ kind: 'memory' });
      },
      changed: () => {},
      file: () => {},
      resumes: (fresh, id, resume) => known.find((one) => one.matches(id, resume, fresh.entries)) ?? null,
    },
  });
  return { incoming, asked };
}

function sender(items) {
  return new Outgoing({ items, storage: storage(), changed: () => {} });
}

async function contents(incoming) {
  const result = {};
  for (const one of incoming.files) result[one.path] = Buffer.from(await one.content.arrayBuffer());
  return result;
}

test('several files and folders arrive whole, with the hash of the manifest', async () => {
  const big = randomBytes(1_000_003);
  const [s, r] = pair();
  const { incoming } = receiver(r);
  const outgoing = sender([{ path: 'd', dir: true }, { path: 'd/big', file: file(big) }, { path: 'empty', file: file('') }, { path: 'a.txt', file: file('alpha') }]);
  outgoing.start(s, { id: 'r' });
  await until(() => outgoing.over && incoming.over);
  assert.deepEqual([outgoing.state, incoming.state], ['done', 'done']);
  assert.deepEqual(await contents(incoming), { 'd/big': big, empty: Buffer.alloc(0), 'a.txt': Buffer.from('alpha') });
  const manifest = `d/\nd/big\n1000003\n${sha256(big)}\nempty\n0\n${H}\na.txt\n5\n${sha256('alpha')}\n`;
  assert.equal(incoming.sha256, sha256(manifest));
  assert.equal(outgoing.sha256, sha256(manifest));
  assert.ok(s.sent.every((message) => (message.length ?? message.byteLength) <= 65536));
});

test('the hash of a single file is its own, of a single folder the manifest', () => {
  assert.equal(overallHash([{ path: 'a', size: 0 }], new Map([[0, H]])), H);
  assert.equal(overallHash([{ path: 'a', dir: true }], new Map()), sha256('a/\n'));
});

test('two files of one name get two names', () => {
  const outgoing = sender([{ path: 'x/a.txt', file: file('1') }, { path: 'x/A.txt', file: file('2') }, { path: 'x/a.txt', file: file('3') }]);
  assert.deepEqual(outgoing.entries.map((entry) => entry.path), ['x/a.txt', 'x/A (1).txt', 'x/a (2).txt']);
});

test('long lists are split below the message limit and lose nothing', () => {
  const list = Array.from({ length: 3000 }, (_, i) => ({ path: `${'é'.repeat(60)}${i}`, size: i }));
  const messages = batches('entries', list);
  assert.ok(messages.length > 1);
  assert.ok(messages.every((message) => Buffer.byteLength(message) <= 65536));
  assert.deepEqual(messages.flatMap((message) => JSON.parse(message).list), list);
});

test('after a cut the same transfer goes on from what was kept', async () => {
  const content = randomBytes(3_000_000);
  const disk = storage();
  const outgoing = sender([{ path: 'first', file: file('one') }, { path: 'big', file: file(content) }]);
  const [s1, r1] = pair();
  const { incoming } = receiver(r1, { disk });
  outgoing.start(s1, { id: 'r' });
  await until(() => incoming.bytes > 1_000_000);
  s1.cut();
  r1.cut();
  await until(() => outgoing.state === 'interrupted' && incoming.state === 'interrupted');
  const [s2, r2] = pair();
  const second = receiver(r2, { disk, known: [incoming] });
  outgoing.start(s2, { id: 'r' });
  await until(() => outgoing.over && incoming.over);
  assert.deepEqual([outgoing.state, incoming.state, second.asked.length], ['done', 'done', 0]);
  assert.deepEqual((await contents(incoming)).big, content);
  const sent = s2.sent.filter((message) => typeof message !== 'string').reduce((sum, message) => sum + message.byteLength, 0);
  assert.ok(sent < 2_000_001, `${sent} bytes were sent again`);
  assert.ok(r2.sent.some((message) => JSON.parse(message).type === 'have'));
});

test('a changed source is sent anew and both sides say so', async () => {
  const disk = storage();
  const outgoing = sender([{ path: 'big', file: file(randomBytes(2_000_000)) }]);
  const [s1, r1] = pair();
  const { incoming } = receiver(r1, { disk });
  outgoing.start(s1, { id: 'r' });
  await until(() => incoming.bytes > 600_000);
  s1.cut();
  r1.cut();
  await until(() => incoming.state === 'interrupted');
  const changed = randomBytes(2_000_000);
  outgoing.files[0] = file(changed);
  const [s2, r2] = pair();
  receiver(r2, { disk, known: [incoming] });
  outgoing.start(s2, { id: 'r' });
  await until(() => outgoing.over && incoming.over);
  assert.equal(incoming.state, 'done');
  assert.deepEqual(incoming.restarted, ['big']);
  assert.deepEqual(outgoing.restarted, ['big']);
  assert.deepEqual((await contents(incoming)).big, changed);
});

test('an id with another resume secret does not touch what is kept', async () => {
  const disk = storage();
  const outgoing = sender([{ path: 'big', file: file(randomBytes(2_000_000)) }]);
  const [s1, r1] = pair();
  const { incoming } = receiver(r1, { disk });
  outgoing.start(s1, { id: 'r' });
  await until(() => incoming.bytes > 600_000);
  r1.cut();
  await until(() => incoming.state === 'interrupted');
  assert.equal(incoming.matches(outgoing.id, RESUME, outgoing.entries), false);
  assert.equal(incoming.matches(outgoing.id, outgoing.resume, outgoing.entries), true);
});

test('a damaged chunk ends the transfer with hash, and nothing of it is counted', async () => {
  const [s, r] = pair();
  s.filter = (data) => {
    if (typeof data !== 'string' && data.byteLength === 10) new Uint8Array(data)[3] ^= 1;
    return data;
  };
  const { incoming } = receiver(r);
  const outgoing = sender([{ path: 'a', file: file(Buffer.alloc(262144 + 10, 5)) }]);
  outgoing.start(s, { id: 'r' });
  await until(() => outgoing.over && incoming.over);
  assert.deepEqual([incoming.state, incoming.error.kind], ['failed', 'hash']);
  assert.deepEqual([outgoing.state, outgoing.error.kind, outgoing.error.theirs], ['failed', 'hash', true]);
  assert.equal(incoming.bytes, 262144);
});

test('declining, cancelling on either side and a file that can no longer be read end with their reason', async () => {
  for (const [act, sent, received] of [
    [({ incoming }) => incoming.reject('declined', 'declined'), ['refused', 'declined'], 'refused'],
    [({ outgoing }) => outgoing.cancel(), ['cancelled', undefined], 'cancelled'],
    [({ incoming }) => incoming.cancel(), ['refused', 'declined'], 'refused'],
  ]) {
    const [s, r] = pair();
    const { incoming, asked } = receiver(r, { accept: false });
    const outgoing = sender([{ path: 'a', file: file('x') }]);
    outgoing.start(s, { id: 'r' });
    await until(() => asked.length === 1);
    act({ incoming, outgoing });
    await until(() => outgoing.over && incoming.over);
    assert.deepEqual([outgoing.state, outgoing.error?.kind], sent);
    assert.equal(incoming.state, received);
  }
  const broken = { size: 10, lastModified: 0, slice: () => ({ arrayBuffer: () => Promise.reject(new Error('gone')) }) };
  const [s, r] = pair();
  const { incoming } = receiver(r);
  const outgoing = sender([{ path: 'a', file: broken }]);
  outgoing.start(s, { id: 'r' });
  await until(() => outgoing.over && incoming.over);
  assert.deepEqual([outgoing.state, outgoing.error.kind, incoming.error.kind], ['failed', 'source', 'source']);
});

test('a sender never runs further ahead than the window', async () => {
  const [s, r] = pair();
  const outgoing = sender([{ path: 'a', file: file(randomBytes(2_000_000)) }]);
  outgoing.start(s, { id: 'r' });
  await until(() => s.sent.length === 2);
  r.send(JSON.stringify({ type: 'accept', resume: outgoing.resume, window: 600_000 }));
  const content = () => s.sent.filter((message) => typeof message !== 'string').reduce((sum, message) => sum + message.byteLength, 0);
  await until(() => content() === 524_288);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(content(), 524_288);
  r.send(JSON.stringify({ type: 'ack', bytes: 262_144 }));
  await until(() => content() > 524_288);
  assert.ok(content() <= 862_144);
  outgoing.cancel();
});

const offer = (changes = {}) => JSON.stringify({ type: 'offer', version: 1, id: ID, resume: RESUME, entries: 1, bytes: 3, ...changes });
const entries = (list) => JSON.stringify({ type: 'entries', list });
const one = entries([{ path: 'a', size: 3 }]);
const abc = new Uint8Array([97, 98, 99]);
const chunk = JSON.stringify({ type: 'chunk', length: 3, sha256: sha256('abc') });
const begin = JSON.stringify({ type: 'file', index: 0, offset: 0 });
const end = JSON.stringify({ type: 'end', index: 0, size: 3, sha256: sha256('abc') });

test('what a hostile sender says ends in a reason and never in a stored file', async () => {
  const cases = [
    ['protocol', ['{']],
    ['protocol', ['null']],
    ['protocol', ['[1]']],
    ['protocol', ['{"type":7}']],
    ['protocol', ['x'.repeat(65537)]],
    ['protocol', [one]],
    ['protocol', [offer({ version: 2 })]],
    ['protocol', [offer({ id: 'short' })]],
    ['protocol', [offer({ resume: ID })]],
    ['protocol', [offer({ entries: 0 })]],
    ['protocol', [offer({ entries: -1 })]],
    ['protocol', [offer({ bytes: 1.5 })]],
    ['protocol', [offer({ bytes: 2 ** 60 })]],
    ['protocol', [offer({ bytes: 4 }), one]],
    ['protocol', [offer(), offer()]],
    ['protocol', [offer(), entries('no list')]],
    ['protocol', [offer(), entries([{ path: 'a', size: 1 }, { path: 'b', size: 2 }])]],
    ['protocol', [offer(), entries([{ path: 'a', size: '3' }])]],
    ['protocol', [offer(), abc]],
    ['entries', [offer({ entries: 10001 })]],
    ['entries', [offer({ entries: 2000 }), ...Array.from({ length: 150 }, (_, i) => entries(Array.from({ length: 10 }, (_, k) => ({ path: `${i}-${k}/${'x/'.repeat(40)}${'y'.repeat(250)}/${`${'z'.repeat(250)}/`.repeat(12)}a`, size: 0 }))))]],
    ['names', [offer(), entries([{ path: '../a', size: 3 }])]],
    ['names', [offer(), entries([null])]],
    ['names', [offer({ entries: 2 }), entries([{ path: 'a', size: 1 }, { path: 'A', size: 2 }])]],
    ['protocol', [offer(), one, 'accepted', abc]],
    ['protocol', [offer(), one, 'accepted', chunk]],
    ['protocol', [offer(), one, 'accepted', JSON.stringify({ type: 'file', index: 1, offset: 0 })]],
    ['protocol', [offer(), one, 'accepted', JSON.stringify({ type: 'file', index: 0, offset: 4 })]],
    ['protocol', [offer(), one, 'accepted', JSON.stringify({ type: 'file', index: 0, offset: 2 })]],
    ['protocol', [offer(), one, 'accepted', begin, begin]],
    ['protocol', [offer(), one, 'accepted', begin, JSON.stringify({ type: 'chunk', length: 0, sha256: H })]],
    ['protocol', [offer(), one, 'accepted', begin, JSON.stringify({ type: 'chunk', length: 4, sha256: H })]],
    ['protocol', [offer(), one, 'accepted', begin, JSON.stringify({ type: 'chunk', length: 3, sha256: H.toUpperCase() })]],
    ['protocol', [offer(), one, 'accepted', begin, chunk, chunk]],
    ['protocol', [offer(), one, 'accepted', begin, chunk, new Uint8Array(4)]],
    ['hash', [offer(), one, 'accepted', begin, chunk, new Uint8Array(3)]],
    ['protocol', [offer(), one, 'accepted', begin, end]],
    ['hash', [offer(), one, 'accepted', begin, chunk, abc, JSON.stringify({ type: 'end', index: 0, size: 3, sha256: H })]],
    ['protocol', [offer(), one, 'accepted', JSON.stringify({ type: 'done', bytes: 3, sha256: H })]],
    ['protocol', [offer(), one, 'accepted', begin, chunk, abc, end, JSON.stringify({ type: 'done', bytes: 4, sha256: sha256('abc') })]],
    ['hash', [offer(), one, 'accepted', begin, chunk, abc, end, JSON.stringify({ type: 'done', bytes: 3, sha256: H })]],
    ['protocol', [offer(), one, 'accepted', begin, chunk, abc, end, abc]],
    ['protocol', [offer(), one, 'accepted', '{"type":"accept"}']],
  ];
  for (const [kind, script] of cases) {
    const [s, r] = pair();
    const { incoming } = receiver(r);
    for (const message of script) {
      if (message === 'accepted') await until(() => incoming.state === 'receiving');
      else s.send(message);
    }
    await until(() => incoming.over, 2000).catch(() => assert.fail(`${JSON.stringify(script)} did not end`));
    assert.equal(incoming.error.kind, kind, JSON.stringify(script));
    assert.notEqual(incoming.state, 'done');
  }
});

test('content beyond the window ends the transfer, so that memory is bounded', async () => {
  const size = WINDOW + 262144;
  const [s, r] = pair();
  const stuck = storage();
  const disk = { call: (operation, parameters) => (operation === 'write' ? new Promise(() => {}) : stuck.call(operation, parameters)) };
  const { incoming } = receiver(r, { disk });
  s.send(offer({ bytes: size }));
  s.send(entries([{ path: 'a', size }]));
  await until(() => incoming.state === 'receiving');
  s.send(begin);
  const block = new Uint8Array(65536);
  for (let sent = 0; sent < size; sent += 262144) {
    s.send(JSON.stringify({ type: 'chunk', length: 262144, sha256: H }));
    for (let i = 0; i < 4; i += 1) s.send(block);
  }
  await until(() => incoming.over);
  assert.equal(incoming.error.kind, 'protocol');
});

test('what a hostile receiver says ends in a reason', async () => {
  const accept = (outgoing, changes = {}) => JSON.stringify({ type: 'accept', resume: outgoing.resume, window: 1e6, ...changes });
  for (const script of [
    () => [abc],
    () => ['{"type":"surprise"}'],
    (outgoing) => [accept(outgoing, { resume: RESUME })],
    (outgoing) => [accept(outgoing, { window: 65535 })],
    () => [JSON.stringify({ type: 'have', list: [{ index: 0, size: 4, sha256: H }] })],
    (outgoing) => [accept(outgoing, { window: -5 })],
    (outgoing) => [accept(outgoing), accept(outgoing)],
    (outgoing) => [accept(outgoing), JSON.stringify({ type: 'ack', bytes: 1e9 })],
    (outgoing) => [accept(outgoing), JSON.stringify({ type: 'ack', bytes: -1 })],
    () => [JSON.stringify({ type: 'have', list: [{ index: 9, size: 1, sha256: H }] })],
    () => [JSON.stringify({ type: 'have', list: [{ index: 0, size: 1, sha256: 'x' }] })],
    () => [JSON.stringify({ type: 'have', list: 'x' })],
    () => [JSON.stringify({ type: 'done', sha256: H })],
  ]) {
    const [s, r] = pair();
    const outgoing = sender([{ path: 'a', file: file('abc') }]);
    outgoing.start(s, { id: 'r' });
    await until(() => s.sent.length === 2);
    for (const message of script(outgoing)) r.send(message);
    await until(() => outgoing.over);
    assert.deepEqual([outgoing.state, outgoing.error.kind], ['failed', 'protocol']);
  }
});

test('a receiver that stored something else is not believed', async () => {
  const [s, r] = pair();
  r.filter = (data) => (data.includes('"done"') ? JSON.stringify({ type: 'done', sha256: H }) : data);
  receiver(r);
  const outgoing = sender([{ path: 'a', file: file('abc') }]);
  outgoing.start(s, { id: 'r' });
  await until(() => outgoing.over);
  assert.deepEqual([outgoing.state, outgoing.error.kind], ['failed', 'hash']);
});
