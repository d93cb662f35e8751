import test from 'node:test';
import assert from 'node:assert/strict';

globalThis.window = { isSecureContext: true };
globalThis.MediaStream = class {};
globalThis.RTCRtpReceiver = { getCapabilities: () => ({ codecs: [{ mimeType: 'video/H264' }, { mimeType: 'video/VP8' }] }) };
const { Call } = await import('../call.js');

class Track extends EventTarget {
  enabled = true;
  live = true;
  constructor(what) {
    super();
    this.what = what;
  }
  stop() {
    this.live = false;
  }
}

/** Devices whose opening is let through, refused or held back by the test. */
function fakeDevices() {
  const opened = [];
  return {
    opened,
    fail: {},
    hold: null,
    chosen: {},
    choose(what, id) {
      this.chosen[what] = id;
    },
    async open(what) {
      await this.hold;
      if (this.fail[what]) throw Object.assign(new Error(what), { name: this.fail[what] });
      const track = new Track(what);
      opened.push(track);
      return track;
    },
  };
}

/** Stands for a connection: keeps transceivers and what is set on them. */
class Connection extends EventTarget {
  signalingState = 'stable';
  transceivers = [];
  getTransceivers() {
    return this.transceivers;
  }
  addTransceiver(kind, { direction }) {
    const encodings = [{}];
    const transceiver = {
      mid: String(this.transceivers.length), direction, currentDirection: null, receiver: { track: { kind } },
      sender: {
        track: null, parameters: { encodings },
        async replaceTrack(track) { this.track = track; },
        getParameters() { return structuredClone(this.parameters); },
        async setParameters(parameters) { this.parameters = parameters; },
      },
      stop() { this.direction = 'stopped'; },
      setCodecPreferences(codecs) { this.codecs = codecs.map((codec) => codec.mimeType); },
    };
    this.transceivers.push(transceiver);
    return transceiver;
  }
  get given() {
    return this.transceivers.map((one) => one.sender.track?.what ?? null);
  }
  get directions() {
    return this.transceivers.map((one) => one.direction);
  }
}

class Channel extends EventTarget {
  readyState = 'open';
  sent = [];
  send(text) {
    this.sent.push(JSON.parse(text));
  }
  say(state) {
    this.dispatchEvent(Object.assign(new Event('message'), { data: JSON.stringify(state) }));
  }
}

function setUp(t) {
  const devices = fakeDevices();
  const problems = [];
  const call = new Call({ devices, on: { changed() {}, levels() {}, measured() {}, problem: (what) => problems.push(what), solved() {} } });
  t.after(() => call.leave());
  const meet = ({ first = true, role = 'page' } = {}) => {
    const peer = { id: 'x', role, first, state: 'connected' };
    const pc = new Connection();
    const media = call.attach(peer, pc);
    const channel = new Channel();
    if (role === 'page') media.attach(channel);
    return { peer, pc, media, channel };
  };
  return { call, devices, problems, meet };
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 5));

test('whoever was there first makes the transceivers, once, and only for a call', async (t) => {
  const { call, meet } = setUp(t);
  const [first, second] = [meet({ first: true }), meet({ first: false })];
  assert.deepEqual([first.pc.transceivers.length, second.pc.transceivers.length], [0, 0]);
  await call.join({ camera: true });
  assert.deepEqual(first.pc.given, ['mic', 'camera', null]);
  assert.deepEqual(first.pc.transceivers[1].codecs, ['video/VP8', 'video/H264']);
  assert.equal(second.pc.transceivers.length, 0);
  call.leave();
  await call.join();
  assert.equal(first.pc.transceivers.length, 3);
});

test('a browser that has VP8 first anyway is not told so', async (t) => {
  const usual = RTCRtpReceiver.getCapabilities;
  RTCRtpReceiver.getCapabilities = () => ({ codecs: [{ mimeType: 'video/VP8' }, { mimeType: 'video/AV1' }] });
  t.after(() => {
    RTCRtpReceiver.getCapabilities = usual;
  });
  const { call, meet } = setUp(t);
  const { pc } = meet();
  await call.join();
  assert.deepEqual(pc.transceivers.map((one) => one.codecs), [undefined, undefined, undefined]);
});

test('the second takes over what the offer brought, and answers with nothing while out of the call', async (t) => {
  const { call, meet } = setUp(t);
  const { pc, media } = meet({ first: false });
  for (const kind of ['audio', 'video', 'video', 'audio', 'video']) pc.addTransceiver(kind, { direction: 'recvonly' });
  media.described();
  assert.deepEqual(pc.directions, Array(5).fill('inactive'));
  await call.join({ camera: true });
  assert.deepEqual(pc.directions, ['sendrecv', 'sendrecv', 'sendrecv', 'recvonly', 'recvonly']);
  assert.deepEqual(pc.given, ['mic', 'camera', null, null, null]);
  assert.deepEqual(['0', '2', '4'].map((mid) => media.nameOf(mid)), ['audio', 'screen', 'video']);
});

test('transceivers that were in no offer yet give way to those of an offer that comes', async (t) => {
  const { call, meet } = setUp(t);
  const { pc, media } = meet({ role: 'call' });
  await call.join({ camera: true });
  for (const own of pc.transceivers) own.mid = null;
  for (const kind of ['audio', 'video']) pc.addTransceiver(kind, { direction: 'recvonly' });
  media.described();
  media.described();
  assert.deepEqual(pc.directions, ['stopped', 'stopped', 'sendrecv', 'sendrecv']);
  assert.deepEqual(pc.given.slice(2), ['mic', 'camera']);
});

test('camera and screen are switched without another offer', async (t) => {
  const { call, meet } = setUp(t);
  const { pc, channel } = meet();
  await call.join();
  const before = pc.directions;
  await call.show('camera', true);
  await call.show('screen', true);
  assert.deepEqual(pc.given, ['mic', 'camera', 'screen']);
  const { camera } = call;
  await call.show('camera', false);
  assert.deepEqual(pc.given, ['mic', null, 'screen']);
  assert.equal(camera.live, false, 'its light goes out');
  assert.deepEqual([pc.directions, pc.transceivers.length], [before, 3]);
  assert.deepEqual(channel.sent.at(-1), { call: true, audio: true, video: false, screen: true });
});

test('a program gets two lines, and the screen in place of the camera', async (t) => {
  const { call, meet } = setUp(t);
  const { pc, media } = meet({ role: 'call' });
  assert.equal(media.inside, true, 'its role says that it is in a call');
  await call.join({ camera: true });
  assert.deepEqual(pc.given, ['mic', 'camera']);
  await call.show('screen', true);
  assert.deepEqual(pc.given, ['mic', 'screen']);
  await call.show('screen', false);
  assert.deepEqual(pc.given, ['mic', 'camera']);
});

test('who is here for files is offered no media', async (t) => {
  const { call, meet } = setUp(t);
  const { pc, media } = meet({ role: 'receive' });
  await call.join();
  assert.deepEqual([pc.transceivers, media.inside], [[], false]);
});

test('a member that comes and goes without end makes no queue', async (t) => {
  const { call, meet } = setUp(t);
  const { pc, channel } = meet();
  await call.join();
  await settled();
  let set = 0;
  const { sender } = pc.transceivers[1];
  sender.setParameters = async () => {
    set += 1;
  };
  for (let n = 0; n < 1000; n += 1) channel.say({ call: n % 2 === 0 });
  await settled();
  assert.ok(set > 0 && set < 5, `${set}`);
});

test('muting keeps the microphone and says so', async (t) => {
  const { call, meet } = setUp(t);
  const { channel } = meet();
  await call.join();
  await call.mute(true);
  assert.deepEqual([call.mic.enabled, call.mic.live, channel.sent.at(-1).audio], [false, true, false]);
  await call.mute(false);
  assert.deepEqual([call.mic.enabled, channel.sent.at(-1).audio], [true, true]);
});

test('a device that fails is said, and the call goes on without it', async (t) => {
  const { call, devices, problems } = setUp(t);
  devices.fail.mic = 'NotFoundError';
  await call.join({ camera: true });
  assert.deepEqual([call.state, call.muted, call.camera !== null, problems], ['in', true, true, ['mic']]);
  await call.mute(false);
  assert.deepEqual([call.muted, problems], [true, ['mic', 'mic']]);
  devices.fail.mic = '';
  await call.mute(false);
  assert.deepEqual([call.muted, call.mic.enabled], [false, true]);
  devices.fail.screen = 'NotAllowedError';
  await call.show('screen', true);
  assert.deepEqual(problems, ['mic', 'mic'], 'closing the question is no failure');
});

test('leaving while the browser still asks leaves nothing open', async (t) => {
  const { call, devices } = setUp(t);
  let release;
  devices.hold = new Promise((resolve) => {
    release = resolve;
  });
  const joining = call.join({ camera: true });
  assert.equal(call.state, 'joining');
  call.leave();
  release();
  await joining;
  assert.equal(call.state, 'out');
  assert.deepEqual(devices.opened.map((track) => [track.what, track.live]), [['mic', false]]);
});

test('leaving closes every device, takes every track back, and says so', async (t) => {
  const { call, devices, meet } = setUp(t);
  const { pc, channel } = meet();
  await call.join({ camera: true });
  call.leave();
  assert.ok(devices.opened.every((track) => !track.live));
  assert.deepEqual(pc.given, [null, null, null]);
  assert.deepEqual(pc.directions, Array(3).fill('inactive'));
  assert.equal(channel.sent.at(-1).call, false);
});

test('a device that is unplugged, and sharing that the browser ended, are switched off here too', async (t) => {
  const { call, problems } = setUp(t);
  await call.join({ camera: true });
  await call.show('screen', true);
  call.screen.dispatchEvent(new Event('ended'));
  assert.deepEqual([call.screen, problems], [null, []]);
  call.mic.dispatchEvent(new Event('ended'));
  assert.deepEqual([call.mic, call.muted, problems], [null, true, ['mic']]);
});

test('another device takes the place of the one that was open', async (t) => {
  const { call, devices, meet } = setUp(t);
  const { pc } = meet();
  await call.join({ camera: true });
  const { camera } = call;
  await call.choose('camera', 'other');
  assert.deepEqual([camera.live, call.camera.live, devices.chosen.camera], [false, true, 'other']);
  assert.equal(pc.transceivers[1].sender.track, call.camera);
});

test('each gets less once more are in the call', async (t) => {
  const { call, meet } = setUp(t);
  const members = [meet(), meet(), meet()];
  await call.join({ camera: true });
  const rate = () => members[0].pc.transceivers[1].sender.parameters.encodings[0].maxBitrate;
  members[0].channel.say({ call: true });
  await settled();
  const alone = rate();
  members[1].channel.say({ call: true });
  members[2].channel.say({ call: true });
  await settled();
  assert.equal(call.others, 3);
  assert.ok(rate() < alone, `${rate()} of ${alone}`);
  call.gone(members[1].peer);
  members[2].channel.say({ call: false });
  await settled();
  assert.equal(rate(), alone);
});

test('what is shown of another is what it says it sends', async (t) => {
  const { call, meet } = setUp(t);
  const { pc, media, channel } = meet();
  await call.join();
  for (const transceiver of pc.transceivers) transceiver.currentDirection = 'sendrecv';
  channel.say({ call: true, audio: true, video: false, screen: true });
  const { audio, video, screen } = media.tracks;
  assert.deepEqual([audio !== null, video, screen !== null, media.muted], [true, null, true, false]);
  channel.say({ call: true, audio: false });
  assert.deepEqual([media.muted, media.tracks.screen], [true, null]);
  channel.say({ call: false });
  assert.deepEqual(call.members, []);
});
