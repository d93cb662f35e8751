import test from 'node:test';
import assert from 'node:assert/strict';
import { createCipheriv, hkdfSync } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { parse } from '../code.js';
import { key, open, seal, Sealer } from '../seal.js';
import { fromBase64url, hex } from '../text.js';

const CODE = parse('k7m2xq-0123456789abcdefghjk');
const A = 'AQEBAQEBAQEBAQEBAQEBAQ';
const B = 'AgICAgICAgICAgICAgICAg';
const utf8 = new TextEncoder();

test('the vectors that the native programs are tested with', async () => {
  const { vectors } = JSON.parse(await readFile(new URL('../../crates/signal/tests/vectors.json', import.meta.url), 'utf8'));
  assert.ok(vectors.length > 0);
  for (const vector of vectors) {
    const { room, secret } = parse(vector.code);
    assert.deepEqual([room, secret], [vector.room, vector.secret]);
    assert.equal(hex(key(room, secret, vector.from, vector.to)), vector.key);
    for (const message of vector.messages) {
      assert.equal(seal(room, secret, vector.from, vector.to, message.counter, utf8.encode(message.plaintext)), message.data);
      const opened = open(room, secret, vector.from, vector.to, message.data);
      assert.equal(opened.counter, BigInt(message.counter));
      assert.equal(new TextDecoder().decode(opened.plaintext), message.plaintext);
    }
  }
});

test('another implementation of HKDF and ChaCha20-Poly1305 seals the same', () => {
  const plaintext = utf8.encode('{"kind":"hello"}');
  const secret = Buffer.from(hkdfSync('sha256', CODE.secret, `peerage-signal-1|${CODE.room}`, `${A}|${B}`, 32));
  const counter = Buffer.from([0, 0, 0, 1, 0, 0, 0, 2]);
  const cipher = createCipheriv('chacha20-poly1305', secret, Buffer.concat([Buffer.alloc(4), counter]), { authTagLength: 16 });
  cipher.setAAD(Buffer.from(`${CODE.room}|${A}|${B}`), { plaintextLength: plaintext.length });
  const body = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  const expected = Buffer.concat([counter, body]).toString('base64url');
  assert.equal(seal(CODE.room, CODE.secret, A, B, 2n ** 32n + 2n, plaintext), expected);
});

test('what is sealed opens once, in order, and only in its direction', () => {
  const from = new Sealer(CODE, A);
  const to = new Sealer(CODE, B);
  const first = from.seal(B, { kind: 'hello', role: 'page' });
  const second = from.seal(B, { kind: 'bye' });
  assert.deepEqual(to.open(A, second).message, { kind: 'bye' });
  assert.equal(to.open(A, first).problem, 'replayed');
  assert.equal(to.open(A, second).problem, 'replayed');
  assert.equal(new Sealer(CODE, A).open(B, first).problem, 'closed');
  const wrong = parse('k7m2xq-0123456789abcdefghjm');
  assert.equal(new Sealer(wrong, B).open(A, first).problem, 'closed');
});

test('every changed bit and every truncation is noticed, and moves no counter', () => {
  const sealed = new Sealer(CODE, A).seal(B, { kind: 'x' });
  const data = fromBase64url(sealed);
  const to = new Sealer(CODE, B);
  for (let bit = 0; bit < data.length * 8; bit += 1) {
    const bad = Buffer.from(data);
    bad[bit >> 3] ^= 1 << (bit & 7);
    assert.equal(to.open(A, bad.toString('base64url')).problem, 'closed', `bit ${bit}`);
  }
  for (let length = 0; length < data.length; length += 1) {
    assert.equal(to.open(A, Buffer.from(data.subarray(0, length)).toString('base64url')).problem, 'closed');
  }
  assert.deepEqual(to.open(A, sealed).message, { kind: 'x' });
});

test('no odd text opens: padding, spaces, other alphabets, loose bits, too long, not text', () => {
  const to = new Sealer(CODE, B);
  const sealed = new Sealer(CODE, A).seal(B, { kind: 'x' });
  for (const text of ['', '=', `${sealed}=`, ` ${sealed}`, sealed.slice(0, -1), 'A'.repeat(70000), 'é', null, 7, {}]) {
    assert.equal(to.open(A, text).problem, 'closed');
  }
});

test('a sealed text that is no message is told apart, and what is too long is not sealed', () => {
  const to = new Sealer(CODE, B);
  const bad = (text, counter) => seal(CODE.room, CODE.secret, A, B, counter, typeof text === 'string' ? utf8.encode(text) : text);
  assert.equal(to.open(A, bad('nonsense', 1)).problem, 'malformed');
  assert.equal(to.open(A, bad('null', 2)).problem, 'malformed');
  assert.equal(to.open(A, bad('{"kind":5}', 3)).problem, 'malformed');
  assert.equal(to.open(A, bad(new Uint8Array([0x22, 0xff, 0x22]), 4)).problem, 'malformed');
  assert.equal(new Sealer(CODE, A).seal(B, { kind: 'x'.repeat(60000) }), null);
});
