import test from 'node:test';
import assert from 'node:assert/strict';
import { Chat, Pipe } from '../talk.js';
import { readCandidate } from '../steps.js';
import { agentName } from '../text.js';
import { pair, until } from './channel.mjs';

test('chat reaches every open channel, as text without control characters', async () => {
  const chat = new Chat({ on: { changed: () => {} } });
  assert.equal(chat.say('alone'), false);
  const [one, far] = pair();
  const heard = [];
  far.onmessage = ({ data }) => heard.push(data);
  chat.attach({ id: 'p' }, one);
  assert.equal(chat.say('  hello\u0007\n<b>  '), true);
  far.send('back\u202e');
  far.send(new Uint8Array([1]));
  await until(() => heard.length === 1 && chat.messages.length === 2);
  assert.deepEqual(heard, ['hello\n<b>']);
  assert.deepEqual(chat.messages.map(({ own, text }) => [own, text]), [[true, 'hello\n<b>'], [false, 'back']]);
  one.cut();
  assert.equal(chat.readers, 0);
});

test('a chat that never ends keeps the newest 500 messages', async () => {
  const chat = new Chat({ on: { changed: () => {} } });
  for (let i = 0; i < 700; i += 1) chat.event(`line ${i}`);
  assert.equal(chat.messages.length, 500);
  assert.equal(chat.messages.at(-1).text, 'line 699');
});

test('a pipe carries bytes both ways and is done when both sides said so', async () => {
  const [one, far] = pair();
  const heard = [];
  far.onmessage = ({ data }) => heard.push(Buffer.from(data));
  const pipe = new Pipe({ peer: { id: 'p' }, channel: one, on: { changed: () => {} } });
  pipe.say('x'.repeat(70000));
  far.send(new TextEncoder().encode('from there\u0007'));
  await until(() => pipe.received > 0 && heard.length === 2);
  assert.ok(heard.every((message) => message.length <= 65536));
  assert.equal(Buffer.concat(heard).length, 70000);
  assert.equal(pipe.text(false), 'from there');
  assert.equal(pipe.text(true), '66 72 6f 6d 20 74 68 65 72 65 07');
  far.send(new ArrayBuffer(0));
  await until(() => pipe.theirEnd);
  assert.equal(one.readyState, 'open');
  pipe.end();
  await until(() => far.readyState === 'closed');
  assert.equal(heard.at(-1).length, 0);
  assert.equal(Buffer.from(await pipe.content().arrayBuffer()).toString(), 'from there\u0007');
});

test('a pipe shows the end of what came, whatever the size of the messages', async () => {
  const [one, far] = pair();
  const pipe = new Pipe({ peer: { id: 'p' }, channel: one, on: { changed: () => {} } });
  let all = '';
  for (let i = 0; i < 30; i += 1) {
    const part = String.fromCharCode(97 + (i % 26)).repeat(7001 * ((i % 9) + 1));
    all += part;
    far.send(new TextEncoder().encode(part));
  }
  await until(() => pipe.received === all.length);
  assert.equal(pipe.text(false), all.slice(-65536));
});

test('candidates are read for people, and nonsense is not', () => {
  assert.deepEqual(readCandidate('candidate:1 1 UDP 2122 192.0.2.1 5000 typ host generation 0'), { type: 'host', protocol: 'udp', address: '192.0.2.1:5000' });
  assert.deepEqual(readCandidate('candidate:1 1 tcp 2122 2001:db8::1 9 typ host tcptype active'), { type: 'host', protocol: 'tcp active', address: '[2001:db8::1]:9' });
  assert.equal(readCandidate('candidate:nonsense'), null);
  assert.equal(readCandidate(''), null);
});

test('browsers are named', () => {
  assert.equal(agentName('Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'), 'Firefox on Linux');
  assert.equal(agentName('Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36'), 'Chrome on Android');
  assert.equal(agentName('Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile Safari/604.1'), 'Safari on iPhone');
  assert.equal(agentName(''), 'Browser');
});
