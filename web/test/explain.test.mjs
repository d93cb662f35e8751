import test from 'node:test';
import assert from 'node:assert/strict';
import { explain } from '../explain.js';
import { Steps } from '../steps.js';

const host = (address) => ({ type: 'host', protocol: 'udp', address });
const HERE = host('192.0.2.1:1000');
const THERE = host('192.0.2.2:2000');
const pair = { local: 'host', remote: 'host', state: 'failed', nominated: false, sent: 7, answered: 0 };
const failure = (code, url = 'turn:192.0.2.9:3478?transport=udp', text = '') => ({ code, url, text });

function steps(change) {
  return { local: [HERE], remote: [THERE], pairs: [pair], failures: [], ...change };
}

test('the reason is the first thing that went wrong', () => {
  const cases = [
    ['The connection stood', steps({ local: [] }), { stood: true }],
    ['secure handshake did not finish', steps({}), { answered: true }],
    ['Only the relay may be used, and this server has none', steps({ local: [] }), { relayOnly: true }],
    ['refused with 486 (this room uses all that it may)', steps({ local: [], failures: [failure(486)] }), { relayOnly: true, relay: true }],
    ['did not answer at turn:192.0.2.9', steps({ local: [], failures: [failure(701)] }), { relayOnly: true, relay: true }],
    ['the browser or the network gives none', steps({ local: [] }), {}],
    ['The other side sent no address', steps({ remote: [] }), {}],
    ['hidden names (.local)', steps({ remote: [host('4f1c2a3e-0000-4000-8000-1a2b3c4d5e6f.local:5000')] }), {}],
    ['goes with one of the other side', steps({ pairs: [] }), {}],
    ['The one pair of addresses did not answer.', steps({}), {}],
    ['None of 2 pairs of addresses answered.', steps({ pairs: [pair, pair] }), {}],
    ['None of 2 pairs of addresses answered, and the relay refused with 401', steps({ pairs: [pair, pair], failures: [failure(401)] }), { relay: true }],
  ];
  for (const [expected, state, options] of cases) {
    const text = explain(state, options);
    assert.ok(text.includes(expected), `${expected}: ${text}`);
    assert.match(text, /^[A-Z][^.!?]*(\.local|192\.0\.2\.9|[^.])*\.$/, 'one sentence');
  }
});

test('a STUN server that does not answer is no reason, and a code of the relay tells more than silence', () => {
  const state = steps({ failures: [failure(701, 'stun:192.0.2.9:3478')] });
  assert.equal(explain(state), 'The one pair of addresses did not answer.');
  const both = steps({ failures: [failure(701, 'turn:192.0.2.9:3478?transport=tcp'), failure(508)] });
  assert.match(explain(both, { relay: true }), /refused with 508 \(it is full\)/);
  const unknown = steps({ failures: [failure(599, 'turns:h', 'Odd weather')] });
  assert.match(explain(unknown), /refused with 599 \(Odd weather\)/);
});

test('what servers refuse is kept once each, cleaned, and bounded', () => {
  const kept = new Steps(() => {});
  const event = { url: 'turn:192.0.2.9:3478', errorCode: 403, errorText: 'For\u202ebidden\n' };
  kept.serverFailed(event);
  kept.serverFailed(event);
  assert.deepEqual(kept.failures, [{ url: 'turn:192.0.2.9:3478', code: 403, text: 'Forbidden' }]);
  for (let i = 0; i < 100; i += 1) kept.serverFailed({ url: `turn:h:${i}`, errorCode: 701, errorText: '' });
  assert.equal(kept.failures.length, 16);
  kept.restart();
  assert.deepEqual(kept.failures, [], 'another attempt, other reasons');
});
