import test from 'node:test';
import assert from 'node:assert/strict';
import { explainDevice } from '../devices.js';
import { grid } from '../layout.js';
import { readState } from '../media.js';
import { ceiling, path } from '../plot.js';
import { degradation, encoding, grade, preferred } from '../quality.js';
import { sparingSpeech, tooManySections } from '../sdp.js';

test('tiles fill the place without leaving it', () => {
  for (let count = 1; count <= 9; count += 1) {
    for (const [width, height] of [[328, 460], [1100, 500], [700, 220], [40, 40]]) {
      const { columns, rows, width: tile, height: high } = grid({ count, width, height });
      assert.ok(columns * rows >= count && columns * (rows - 1) < count, `${count} in ${width}: ${columns} × ${rows}`);
      assert.ok(columns * tile + 8 * (columns - 1) <= width, `${count} tiles of ${tile} in ${width}`);
      assert.ok(Math.abs(tile / high - 16 / 9) < 0.1 || tile < 60);
    }
  }
});

test('two stand beside each other on a desktop and above each other on a phone', () => {
  assert.equal(grid({ count: 2, width: 1100, height: 500 }).columns, 2);
  assert.equal(grid({ count: 2, width: 328, height: 460 }).columns, 1);
  assert.equal(grid({ count: 4, width: 1100, height: 500 }).columns, 2);
});

test('tiles do not become too small to see; what does not fit is scrolled to', () => {
  const { columns, width } = grid({ count: 8, width: 328, height: 220 });
  assert.deepEqual([columns, width], [2, 160]);
});

test('a picture gets less the more often it is sent, and all together stay below an uplink', () => {
  let before = Infinity;
  for (let members = 1; members <= 7; members += 1) {
    const { maxBitrate } = encoding('video', members);
    assert.ok(maxBitrate <= before);
    assert.ok(maxBitrate * members <= 2500000, `${members}`);
    assert.ok(encoding('screen', members).maxBitrate * members <= 5000000);
    before = maxBitrate;
  }
  assert.deepEqual(encoding('video', 0), encoding('video', 1));
  assert.equal(degradation('screen'), 'maintain-resolution');
  assert.equal(degradation('video'), 'balanced');
});

test('VP8 comes first and the others keep their order', () => {
  const codecs = ['video/H264', 'video/VP8', 'video/rtx', 'video/AV1'].map((mimeType) => ({ mimeType }));
  assert.deepEqual(preferred(codecs).map((codec) => codec.mimeType), ['video/VP8', 'video/H264', 'video/rtx', 'video/AV1']);
  assert.deepEqual(preferred(codecs.slice(2)), codecs.slice(2));
});

test('a connection is graded by what people notice', () => {
  assert.equal(grade({}), null);
  assert.equal(grade({ loss: 0, rtt: 40 }), 'good');
  assert.equal(grade({ loss: 0.05, rtt: 40 }), 'fair');
  assert.equal(grade({ loss: 0, rtt: 700 }), 'poor');
  assert.equal(grade({ loss: 0.2 }), 'poor');
});

test('the edge of a plot is a round number', () => {
  assert.deepEqual([0, 3, 10, 11, 240, 999, 5000].map((value) => ceiling(value)), [1, 5, 10, 20, 500, 1000, 5000]);
  assert.equal(ceiling(0, 100000), 100000);
  assert.equal(ceiling(0.004, 0.01), 0.01);
});

test('a line ends at the right, is broken where nothing is known, and stays within its frame', () => {
  const size = { width: 100, height: 10, points: 11 };
  assert.equal(path([0, 5, 10], 10, size), 'M80.0 10.0L90.0 5.0L100.0 0.0');
  assert.equal(path([1, null, 50], 10, size), 'M80.0 9.0M100.0 0.0');
  assert.equal(path([], 10, size), '');
  assert.equal(path(Array(50).fill(0), 10, size).split('L').length, 11);
});

test('speech is asked to spare the line in every spelling of an offer', () => {
  const sdp = 'v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 109 0\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:109 OPUS/48000/2\r\na=rtpmap:0 PCMU/8000\r\n';
  const spared = sparingSpeech(sdp);
  assert.match(spared, /a=fmtp:111 minptime=10;useinbandfec=1;usedtx=1\r\n/);
  assert.match(spared, /a=rtpmap:109 OPUS\/48000\/2\r\na=fmtp:109 useinbandfec=1;usedtx=1\r\n/);
  assert.equal(sparingSpeech(spared), spared, 'once is enough');
  assert.equal(sparingSpeech('a=fmtp:111 minptime=10\r\n'), 'a=fmtp:111 minptime=10\r\n');
  assert.match(sparingSpeech(sdp.replace('useinbandfec=1', 'useinbandfec=0;usedtx=0')), /useinbandfec=0;usedtx=0\r\n/, 'a refusal stands');
});

test('a description for dozens of media is nobody\'s', () => {
  assert.equal(tooManySections('m=audio 9\r\n'.repeat(16)), false);
  assert.equal(tooManySections('m=audio 9\r\n'.repeat(17)), true);
});

test('what a peer says of itself is read strictly', () => {
  assert.deepEqual(readState('{"call":true,"audio":"yes","video":true,"more":1}'), { call: true, audio: false, video: true, screen: false });
  for (const bad of ['', 'null', '{', new ArrayBuffer(4), `{"call":true,"x":"${'x'.repeat(2000)}"}`]) assert.equal(readState(bad), null, String(bad));
});

test('every failure of a device says what to do', () => {
  const names = ['NotAllowedError', 'NotFoundError', 'NotReadableError', 'OverconstrainedError', 'InvalidStateError', 'Unsupported', 'Strange', undefined];
  for (const what of ['mic', 'camera', 'screen']) {
    const seen = new Set();
    for (const name of names) {
      const [title, detail] = explainDevice(what, name);
      assert.ok(title.length > 10 && detail.length > 30 && !detail.includes('undefined'), `${what} ${name}`);
      seen.add(detail);
    }
    assert.equal(seen.size, names.length);
    assert.match(explainDevice(what, 'Unsupported', { secure: false })[1], /HTTPS/);
  }
});
