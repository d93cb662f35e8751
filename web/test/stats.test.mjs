import test from 'node:test';
import assert from 'node:assert/strict';
import { combined, History, rates, read } from '../stats.js';

const report = (...entries) => new Map(entries.map((entry) => [entry.id, entry]));
const codec = { id: 'C', type: 'codec', mimeType: 'video/VP8' };
const inbound = (more) => ({ id: 'I', type: 'inbound-rtp', kind: 'video', mid: '2', codecId: 'C', bytesReceived: 1000, packetsReceived: 10, packetsLost: 0, framesDecoded: 5, jitterBufferDelay: 1, jitterBufferEmittedCount: 10, ...more });

test('rates are what a counter gained in the time between two readings', () => {
  const before = read(report(codec, inbound()), 1000);
  const now = read(report(codec, inbound({ bytesReceived: 26000, packetsReceived: 100, packetsLost: 10, framesDecoded: 65, jitterBufferDelay: 4, jitterBufferEmittedCount: 70 })), 3000);
  const [flow] = rates(before, now).flows;
  assert.equal(flow.bitrate, 100000);
  assert.equal(flow.frames, 30);
  assert.equal(flow.loss, 0.1);
  assert.equal(flow.delay, 50);
  assert.equal(flow.codec, 'VP8');
});

test('a report that comes late is measured by the time at which it was made', () => {
  const before = read(report(inbound({ timestamp: 10000 })), 0);
  const [flow] = rates(before, read(report(inbound({ timestamp: 11000, bytesReceived: 2000 })), 5)).flows;
  assert.equal(flow.bitrate, 8000);
});

test('a counter that began anew, and a flow that was not there before, give nothing instead of nonsense', () => {
  const before = read(report(inbound()), 1000);
  const [anew] = rates(before, read(report(inbound({ bytesReceived: 10, framesDecoded: 1 })), 2000)).flows;
  assert.deepEqual([anew.bitrate, anew.frames], [null, null]);
  const [fresh] = rates(read(report(), 1000), before).flows;
  assert.deepEqual([fresh.bitrate, fresh.loss, fresh.delay], [null, null, null]);
  const [same] = rates(before, before).flows;
  assert.equal(same.bitrate, null, 'no time has passed');
});

test('the selected pair is found as each browser tells it', () => {
  const pair = { id: 'P', type: 'candidate-pair', localCandidateId: 'L', remoteCandidateId: 'R', availableOutgoingBitrate: 5e6, currentRoundTripTime: 0.02 };
  const ends = [{ id: 'L', type: 'local-candidate', candidateType: 'host' }, { id: 'R', type: 'remote-candidate', candidateType: 'relay' }];
  const chromium = read(report({ id: 'T', type: 'transport', selectedCandidatePairId: 'P' }, pair, ...ends), 0);
  assert.deepEqual([chromium.path, chromium.rtt, chromium.available], ['relay', 20, 5e6]);
  const { availableOutgoingBitrate, ...without } = pair;
  const firefox = read(report({ ...without, selected: true }, { ...pair, id: 'Q', localCandidateId: 'none' }, ...ends), 0);
  assert.deepEqual([firefox.path, firefox.rtt, firefox.available], ['relay', 20, null]);
  const average = read(report({ ...without, currentRoundTripTime: undefined, totalRoundTripTime: 0.3, responsesReceived: 10, nominated: true, state: 'succeeded' }, ...ends), 0);
  assert.equal(average.rtt, 30);
  assert.deepEqual([read(report(), 0).path, read(report(), 0).rtt], [null, null]);
});

test('what the other side reports goes with the stream it is about', () => {
  const { flows, rtt } = read(report(
    { id: 'O', type: 'outbound-rtp', kind: 'video', mid: '2', bytesSent: 7, framesEncoded: 3, qualityLimitationReason: 'cpu' },
    { id: 'A', type: 'outbound-rtp', mediaType: 'audio', bytesSent: 9, qualityLimitationReason: 'none' },
    { id: 'X', type: 'remote-inbound-rtp', localId: 'O', fractionLost: 0.25, roundTripTime: 0.05 },
  ), 0);
  assert.deepEqual(flows.map(({ kind, fractionLost, limited }) => [kind, fractionLost, limited]), [['video', 0.25, 'cpu'], ['audio', null, null]]);
  assert.equal(rtt, 50);
});

test('of two streams on one line the one that carries more counts, and there is a limit', () => {
  const { flows } = read(report(inbound(), inbound({ id: 'J', bytesReceived: 5000, framesDecoded: 50 })), 0);
  assert.deepEqual(flows.map((flow) => flow.bytes), [5000]);
  const many = Array.from({ length: 500 }, (_, n) => inbound({ id: `I${n}`, mid: String(n) }));
  assert.equal(read(report(...many), 0).flows.length, 32);
});

test('a field of a wrong type is as good as none', () => {
  const [flow] = read(report(inbound({ framesDecoded: 'many', packetsLost: NaN, frameWidth: {} })), 0).flows;
  assert.deepEqual([flow.frames, flow.lost, flow.width], [null, null, null]);
});

test('the history holds two minutes and draws lines with gaps', () => {
  const history = new History();
  assert.equal(history.last, null);
  for (let second = 0; second < 200; second += 1) {
    history.take(report(...(second % 50 === 0 ? [] : [inbound({ bytesReceived: 1000 * second })])), second * 1000);
  }
  const line = history.line('bitrate', { direction: 'in' });
  assert.equal(line.length, 120);
  assert.equal(line.at(-1), 8000);
  assert.ok(line.includes(null));
  assert.ok(history.line('bitrate', { direction: 'out' }).every((value) => value === null));
});

test('figures of several flows are summed, or the largest is taken', () => {
  const flows = [{ direction: 'in', kind: 'video', bitrate: 3 }, { direction: 'in', kind: 'audio', bitrate: 4 }, { direction: 'out', kind: 'video', bitrate: null }];
  assert.equal(combined(flows, 'bitrate', { direction: 'in' }), 7);
  assert.equal(combined(flows, 'bitrate', { largest: true }), 4);
  assert.equal(combined(flows, 'bitrate', { direction: 'out' }), null);
});
