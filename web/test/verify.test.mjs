import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fingerprint, Verification } from '../verify.js';

const fill = (length, byte) => new Uint8Array(length).fill(byte);
const A = fill(32, 0x0a);
const B = fill(32, 0x0b);
const pair = () => [new Verification(true, fill(16, 1)), new Verification(false, fill(16, 2))];

/** Everything that follows from `said`, which goes to `to`. */
function talk(said, to, from) {
  let steps = 0;
  for (let next = said; next; [to, from] = [from, to]) {
    const { say, failed } = to.handle(next);
    assert.equal(failed, undefined);
    next = say ?? null;
    steps += 1;
  }
  return steps;
}

test('whoever begins, both show the same words', () => {
  for (const newcomerBegins of [false, true]) {
    const [first, second] = pair();
    assert.equal(first.words(A, B), null);
    const steps = newcomerBegins ? talk(second.begin(), first, second) : talk(first.begin(), second, first);
    assert.equal(steps, newcomerBegins ? 4 : 3);
    assert.equal(first.words(A, B), 'together acoustic grief');
    assert.equal(second.words(B, A), 'together acoustic grief');
    assert.notEqual(first.words(A, A), 'together acoustic grief');
  }
});

test('another number than the promised one, and steps out of turn, are refused', () => {
  const number = { kind: 'verify', nonce: 'BwcHBwcHBwcHBwcHBwcHBw' };
  const promise = { kind: 'verify', commit: 'BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc' };
  const [first, second] = pair();
  second.handle(first.begin());
  assert.match(second.handle(number).failed, /promise/);
  const fresh = () => pair();
  assert.ok(fresh()[0].handle(number).failed, 'before the promise');
  assert.ok(fresh()[0].handle(promise).failed, 'the newcomer does not promise');
  assert.ok(fresh()[1].handle(number).failed);
  const [, other] = pair();
  other.handle(promise);
  assert.ok(other.handle(promise).failed, 'a second promise');
  for (const bad of ['', 'AAAA', '!', 'A'.repeat(1000), 7, null]) {
    const [one] = pair();
    one.begin();
    assert.ok(one.handle({ nonce: bad }).failed, String(bad));
  }
});

test('the fingerprint of a description is found and has to be one', () => {
  const line = (byte) => `a=fingerprint:sha-256 ${Array(32).fill(byte).join(':')}\r\n`;
  assert.deepEqual(fingerprint(`v=0\r\na=fingerprint:sha-512 00\r\n${line('0a')}m=application\r\n${line('0A')}`), A);
  for (const bad of ['v=0\r\n', line('0a') + line('0b'), 'a=fingerprint:sha-256 0A:0B', 'a=fingerprint:sha-256', line('zz'), line('+a')]) {
    assert.equal(fingerprint(bad), null, bad);
  }
});
