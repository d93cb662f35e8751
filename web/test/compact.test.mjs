// Session texts, held to what the native side writes and reads.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { condense } from '../compact/condense.js';
import { credentials, offerTag } from '../compact/derive.js';
import { DoesNotFit, TextError } from '../compact/error.js';
import { toSdp } from '../compact/expand.js';
import { answerTo, find, LIFETIME, newest } from '../compact/find.js';
import { toQr, toText, toWords } from '../compact/spelling.js';
import { rowsOf } from '../qr.js';
import { decodeQR } from '../vendor/qr/decode.js';
import { decode, encode, newer, Refusal } from '../compact/wire.js';
import { templatesModule } from './templates.mjs';

const shared = JSON.parse(readFileSync(new URL('../../crates/signal/tests/compact.json', import.meta.url), 'utf8'));
const specification = readFileSync(new URL('../../docs/compact.md', import.meta.url), 'utf8');
const NOW = shared.now;
const OFFERS = shared.texts.filter(({ answers }) => answers === null);
const half = (answers) => (answers === null ? { kind: 'offer' } : { kind: 'answer', answers });
const refusal = (action, type) => {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof type, String(error));
    return error;
  }
  return assert.fail('nothing was refused');
};
const fault = (action) => {
  const { kind, facts } = refusal(action, TextError);
  return { kind, ...facts };
};
/** An offer of another time and another certificate. */
const remade = (description, changes) => toText({ ...description, ...changes });

test('the templates are those that the native side compiles in', () => {
  const written = readFileSync(new URL('../compact/templates.js', import.meta.url), 'utf8');
  assert.ok(written === templatesModule(), 'write them anew: node test/templates.mjs');
});

test('descriptions of native peers and browsers become the same texts as there, and the same descriptions again', () => {
  assert.ok(shared.texts.length >= 20, 'the file has been emptied');
  for (const { name, answers, characters, sdp, dropped, text, qr, words, tag, description } of shared.texts) {
    const condensed = condense(half(answers), sdp, NOW, characters);
    assert.equal(toText(condensed.description), text, name);
    assert.equal(toQr(condensed.description), qr, name);
    assert.equal(toWords(condensed.description), words, name);
    assert.equal(condensed.dropped.length, dropped, name);
    assert.equal(offerTag(condensed.description), tag, name);
    for (const spelling of [text, qr, qr.toLowerCase(), words, words.toUpperCase(), `Hi!\n> ${text}\n-- \nBob`]) {
      const found = find(spelling);
      assert.equal(found.length, 1, name);
      assert.deepEqual(found[0], condensed.description, name);
    }
    assert.equal(toSdp(find(text)[0]), description, name);
  }
});

test('the QR code of what has no media is of version 6 at most, and reads back', () => {
  for (const { name, qr, text } of shared.texts.filter(({ text }) => text.length <= 150)) {
    const rows = rowsOf(qr);
    assert.ok(rows.length <= 41 + 4, `${name}: ${rows.length}`);
    assert.deepEqual(find(decodeQR(picture(rows, 4))), find(text), name);
  }
});

/** The modules as an image of so many pixels each. */
function picture(rows, scale) {
  const size = rows.length * scale;
  const data = new Uint8Array(size * size * 4).fill(255);
  for (let at = 0; at < size * size; at += 1) {
    if (rows[Math.floor(Math.floor(at / size) / scale)][Math.floor(at % size / scale)]) data.fill(0, 4 * at, 4 * at + 3);
  }
  return { width: size, height: size, data };
}

test('the example of the specification is read', () => {
  const [, text] = /base64url: `(\S+)`/.exec(specification);
  const [found] = find(text);
  const { ufrag, pwd } = credentials(found.fingerprint);
  assert.ok(specification.includes(`\`${ufrag}\``) && specification.includes(`\`${pwd}\``));
  for (const spelling of [toText(found), toQr(found), toWords(found)]) assert.ok(specification.includes(`\`${spelling}\``), spelling);
});

test('what is cut, altered or nothing at all is told apart as there', () => {
  assert.ok(shared.faults.length >= 12, 'the file has been emptied');
  for (const { message, fault: expected } of shared.faults) assert.deepEqual(fault(() => find(message)), expected, message);
});

test('a text is found in what programs make of it', () => {
  for (const { text } of shared.texts) {
    const wrapped = (width, before, after) => text.match(new RegExp(`.{1,${width}}`, 'g')).map((line) => before + line + after).join('');
    for (const message of [
      `https://example.org/#t=${text}`,
      `**${text}**`,
      `_${text}_`,
      text.replaceAll('-', '–'),
      text.replaceAll('_', '\\_'),
      wrapped(10, '', '\u200b'),
      wrapped(25, '', '=\r\n'),
      wrapped(25, '', '<wbr>'),
      wrapped(30, '&gt; ', '<br />\n'),
      `someone said:\n${wrapped(30, '> ', '\n')}\nand so on`,
    ]) {
      assert.deepEqual(find(message), find(text), message);
    }
  }
});

test('the newest of the wanted kind is taken, and an answer only for its offer', () => {
  const [offer] = find(OFFERS[0].text);
  const older = remade(offer, { created: offer.created - 1024 });
  const tag = offerTag(offer);
  const answer = remade(offer, { kind: 'answer', setup: 'active', answers: tag });
  const other = remade(offer, { kind: 'answer', setup: 'active', answers: tag ^ 1, created: offer.created + 256 });
  const all = find(`${older} ${answer} ${OFFERS[0].text} ${other}`);
  assert.equal(all.length, 4);
  assert.equal(newest(all, 'offer', NOW).created, offer.created);
  assert.equal(answerTo(all, tag, NOW).answers, tag);
  assert.deepEqual(fault(() => answerTo(find(other), tag, NOW)), { kind: 'other' });
  assert.deepEqual(fault(() => answerTo(find(OFFERS[0].text), tag, NOW)), { kind: 'kind', answer: false });
  assert.deepEqual(fault(() => newest(find(answer), 'offer', NOW)), { kind: 'kind', answer: true });
});

test('a text is good for half an hour', () => {
  const found = find(OFFERS[0].text);
  for (const now of [NOW, NOW + LIFETIME, NOW - 3600]) assert.ok(newest(found, 'offer', now));
  const { kind, age, limit } = fault(() => newest(found, 'offer', NOW + 2100));
  assert.equal(kind, 'expired');
  assert.ok(Math.abs(age - 2100) <= 256 && limit === LIFETIME);
  assert.deepEqual(fault(() => newest(found, 'offer', NOW - 100 * 86400)), { kind: 'altered' });
  const message = (now) => refusal(() => newest(found, 'offer', now), TextError).message;
  assert.match(message(NOW + 2100), /3\d minutes old, and only good for 30 minutes/);
  assert.match(message(NOW + 400000), /4 days old/);
});

test('every cut and every changed bit of the bytes is noticed', () => {
  const [description] = find(OFFERS[0].text);
  const bytes = encode(description, 2);
  for (let length = 0; length < bytes.length; length += 1) {
    const { kind, value } = refusal(() => decode(bytes.subarray(0, length)), Refusal);
    assert.ok(kind === 'short' && value > 0 && value <= 8 * (bytes.length - length), `${kind} ${value} at ${length}`);
  }
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const changed = bytes.map((byte, at) => (at === bit >> 3 ? byte ^ 1 << (bit & 7) : byte));
    refusal(() => decode(changed), Refusal);
  }
});

test('a later version is told from nonsense', () => {
  // A version 2 as short as one can be: its checksum is that of any version.
  const [description] = find(OFFERS[0].text);
  const bytes = encode(description, 0);
  assert.equal(newer(bytes), null);
  const crc = (data) => ~data.reduce((sum, byte) => {
    let crc = sum ^ byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc >>> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    return crc;
  }, -1);
  const body = bytes.slice(0, -4);
  const epoch = Math.floor(description.created / 65536);
  body[0] = body[0] & 0x3f | 0x80;
  const check = crc(body) ^ Math.imul(epoch, 0x9e3779b1);
  const later = Uint8Array.from([...body, ...[24, 16, 8, 0].map((shift) => check >>> shift & 255)]);
  assert.equal(newer(later), 2);
  assert.deepEqual(fault(() => find(Buffer.from(later).toString('base64url'))), { kind: 'newer', version: 2 });
});

test('what has no place in a text is refused by name', () => {
  const { sdp } = shared.texts.find(({ name }) => name === 'chromium-156, offer');
  const kind = (text) => refusal(() => condense({ kind: 'offer' }, text, NOW), DoesNotFit).kind;
  for (const [old, now, expected] of [
    ['a=group:BUNDLE 0 1 2', 'a=x', 'transports'],
    ['a=group:BUNDLE 0 1 2', 'a=group:BUNDLE 0 1', 'transports'],
    ['sha-256', 'sha-512', 'lacks'],
    ['UDP/DTLS/SCTP webrtc-datachannel', 'DTLS/SCTP 5000', 'section'],
    ['m=audio', 'm=text', 'section'],
    ['a=setup:actpass', 'a=setup:holdconn', 'lacks'],
    ['a=rtcp-mux', 'a=x-noise:{ufrag}', 'lacks'],
    ['a=rtcp-mux', 'a=rtcp-mux\r\na=simulcast:send 1;2', 'simulcast'],
    ['v=0', 'v:0', 'unreadable'],
    ['a=setup:actpass', `a=x-noise:${'AJK29857HDKSJA82QPZMXNCBV1029384756LAKSJDHFG1Q2W3E4R5T6Y7U8I9O0P'.repeat(4)}`, 'long'],
  ]) {
    assert.ok(sdp.includes(old));
    assert.equal(kind(sdp.replace(old, now)), expected, now);
  }
  assert.equal(kind(''), 'unreadable');
  assert.equal(kind('x'.repeat(100000)), 'unreadable');
});

test('hostile messages are searched in bounded work', () => {
  const { text, words } = OFFERS[0];
  const damaged = `${text.slice(0, -2)} `;
  for (const hostile of [
    'R'.repeat(60000),
    'R-'.repeat(30000),
    'R '.repeat(30000),
    damaged.repeat(700),
    words.split(' ').slice(0, 30).join(' ').repeat(60),
    '"0"'.repeat(20000),
    '\u{1f600}'.repeat(40000),
  ]) {
    fault(() => find(hostile));
    assert.equal(find(`${text} ${hostile}`).length, 1);
  }
});

test('any bytes are read or refused', () => {
  let seed = 1;
  const random = () => (seed = Math.imul(seed, 1664525) + 1013904223 >>> 0) >>> 24;
  for (let round = 0; round < 3000; round += 1) {
    const bytes = Uint8Array.from({ length: 5 + random() * 3 }, random);
    bytes[0] = bytes[0] & 0x3f | 0x40;
    refusal(() => decode(bytes), Refusal);
  }
});
