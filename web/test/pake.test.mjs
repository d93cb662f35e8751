// The exchange at a nameplate, against the vectors of the draft and against those that the native side is checked with.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { confirmation, generator, PakeError, Run } from '../pake.js';
import { ristretto255 } from '../vendor/noble-curves/ed25519.js';
import { base64url, fromBase64url } from '../text.js';

const hex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const toHex = (data) => Array.from(data, (byte) => byte.toString(16).padStart(2, '0')).join('');
const ascii = (text) => new TextEncoder().encode(text);
const number = (data) => data.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);

// Appendix B.3 of draft-irtf-cfrg-cpace-21.
const SESSION = hex('7e4b4791d6a8ef019b936c79fb7f2c57');
const CHANNEL = ascii('\x0bA_initiator\x0bB_responder');
const YA = number(hex('da3d23700a9e5699258aef94dc060dfda5ebb61f02a5ea77fad53f4ff0976d08'));
const YB = number(hex('d2316b454718c35362d83d69df6320f38578ed5984651435e2949762d900b80d'));
const SHARE_A = 'd6bac480f2c386c394efc7c47adb9925dcd2630b64f240c50f8d0eec482b9157';
const SHARE_B = '3ea7e0b19560d7c0b0f5734f63b955286dfa8232b5ebe63324e2d9e7433f7258';
const KEY = '544199d71f62f8d9a1fee55727e24fe4a45844593c2b6013c4fa3969d0e5debb2244675c0b43397cbb68d342b01fc0f98fc961469a25134de9f0f813c1a57476';

test('generator, shares and key are those of the draft', () => {
  const base = generator(ascii('Password'), CHANNEL, SESSION);
  assert.equal(toHex(base.toBytes()), '222b6b195fe84b1652badb6f6a3ae3d24341e7306967f0b8115b40d5698c7e56');
  assert.equal(toHex(base.multiply(YA).toBytes()), SHARE_A);
  assert.equal(toHex(base.multiply(YB).toBytes()), SHARE_B);
  const sides = [[YA, SHARE_A, 'ADa', SHARE_B, 'ADb'], [YB, SHARE_B, 'ADb', SHARE_A, 'ADa']].map(
    ([scalar, share, name, theirShare, theirName]) => confirmation({
      scalar, session: SESSION, share: hex(share), name: ascii(name), theirShare: hex(theirShare), theirName: ascii(theirName),
    }),
  );
  for (const side of sides) assert.equal(toHex(side.key), KEY);
  assert.deepEqual(sides[0].tag, sides[1].expected);
  assert.notDeepEqual(sides[0].tag, sides[1].tag);
});

test('what is no element of the group, or the neutral one, is refused', () => {
  const scalar = number(hex('7cd0e075fa7955ba52c02759a6c90dbbfc10e6d40aea8d283e407d88cf538a05'));
  const valid = '2c3c6b8c4f3800e7aef6864025b4ed79bd599117e427c41bd47d93d654b4a51c';
  assert.equal(
    toHex(ristretto255.Point.fromBytes(hex(valid)).multiply(scalar).toBytes()),
    '7c13645fe790a468f62c39beb7388e541d8405d1ade69d1778c5fe3e7f6b600e',
  );
  const take = (theirShare) => confirmation({
    scalar, session: SESSION, share: hex(SHARE_A), name: ascii('a'), theirShare: hex(theirShare), theirName: ascii('b'),
  });
  assert.equal(take(valid).key.length, 64);
  for (const bad of [
    '2b3c6b8c4f3800e7aef6864025b4ed79bd599117e427c41bd47d93d654b4a51c', '00'.repeat(32), 'ff'.repeat(32),
    `ed${'ff'.repeat(30)}7f`, valid.slice(2), `${valid}00`, '',
  ]) {
    assert.throws(() => take(bad), PakeError, bad);
  }
});

const vectors = JSON.parse(readFileSync(new URL('../../crates/signal/tests/words.json', import.meta.url), 'utf8')).vectors;

test('both sides say and get what the vectors name', () => {
  assert.ok(vectors.length >= 2);
  for (const vector of vectors) {
    const run = (side, self, peer, entropy) =>
      new Run({ words: vector.words, nameplate: vector.nameplate, side, self, peer, entropy: hex(entropy) });
    const host = run('host', vector.host, vector.guest, vector.host_entropy);
    const guest = run('guest', vector.guest, vector.host, vector.guest_entropy);
    assert.deepEqual([host.share, guest.share], [vector.host_share, vector.guest_share]);
    assert.deepEqual([host.agree(guest.share), guest.agree(host.share)], [vector.host_tag, vector.guest_tag]);
    assert.equal(host.confirm(vector.guest_tag).text, vector.code);
    assert.equal(guest.confirm(vector.host_tag).text, vector.code);
  }
});

const pair = (ours, theirs = ours) => {
  const [one, two] = ['A'.repeat(21) + 'Q', 'A'.repeat(21) + 'g'];
  return [
    new Run({ words: ours, nameplate: 7, side: 'host', self: one, peer: two }),
    new Run({ words: theirs, nameplate: 7, side: 'guest', self: two, peer: one }),
  ];
};

test('other words lead nowhere on both sides, and runs differ', () => {
  const [host, guest] = pair('guitar-sunset', 'guitar-sunny');
  const tags = [host.agree(guest.share), guest.agree(host.share)];
  assert.throws(() => host.confirm(tags[1]), PakeError);
  assert.throws(() => guest.confirm(tags[0]), PakeError);
  const codes = [0, 1].map(() => {
    const [a, b] = pair('act-act');
    const tag = b.agree(a.share);
    a.agree(b.share);
    return a.confirm(tag).text;
  });
  assert.notEqual(codes[0], codes[1]);
});

test('what comes back, and what is no message, is refused', () => {
  const [host, guest] = pair('act-act');
  for (const bad of ['', 'AQ', 'AAAA', guest.share.slice(0, 40), `${guest.share}AAAA`, 'A'.repeat(500), null, 7]) {
    assert.throws(() => host.agree(bad), PakeError, String(bad));
  }
  assert.throws(() => host.agree(host.share), /came back/);
  assert.throws(() => guest.confirm(base64url(new Uint8Array(65).fill(2, 0, 1))), PakeError, 'before any share');
  const own = host.agree(guest.share);
  assert.throws(() => host.confirm(own), PakeError, 'its own tag');
  const changed = fromBase64url(guest.agree(host.share));
  changed[64] ^= 1;
  assert.throws(() => host.confirm(base64url(changed)), PakeError);
});
