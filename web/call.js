// The call of this page in its room: what it sends, to whom, and whom it sees.

import { explainDevice, Meter } from './devices.js';
import { PeerMedia } from './media.js';

const LISTEN_MS = 200;
const MEASURE_MS = 1000;
const SPEAKING = 0.08;

/** The protocol of the channel on which pages say what they send. */
export const CALL_PROTOCOL = 'peerage.call.1';

/**
 * `state`: `out`, `joining` (devices are being opened), `in`.
 *
 * Handlers: `changed()`; `levels()` several times a second; `measured()` once a second; `problem(what, title, detail)`;
 * `solved(what)`.
 */
export class Call {
  state = 'out';
  muted = false;
  speaking = false;
  /** Where two streams are named, a receiver keeps sound and camera together in time. */
  stream = new MediaStream();
  screenStream = new MediaStream();
  #devices;
  #on;
  #tracks = { mic: null, camera: null, screen: null };
  #opening = new Set();
  #media = new Map();
  #timers = [];
  #meter = null;
  #run = 0;

  constructor({ devices, on }) {
    this.#devices = devices;
    this.#on = on;
  }

  get inside() {
    return this.state === 'in';
  }

  /** What is sent, by the names of the transceivers. */
  get tracks() {
    return { audio: this.#tracks.mic, video: this.#tracks.camera, screen: this.#tracks.screen };
  }

  get camera() {
    return this.#tracks.camera;
  }

  get screen() {
    return this.#tracks.screen;
  }

  get mic() {
    return this.#tracks.mic;
  }

  /** Whether a device is being opened. */
  opening(what) {
    return this.#opening.has(what);
  }

  /** The others that are in the call: `[peer, media]`. */
  get members() {
    return [...this.#media].filter(([, media]) => media.inside);
  }

  /** How many others get what is sent; a change of it changes how much each gets. */
  get others() {
    return this.members.length;
  }

  /** A connection to a peer was made. */
  attach(peer, pc) {
    let others = this.others;
    const media = new PeerMedia({
      peer,
      pc,
      own: this,
      changed: () => {
        // As each picture is sent once for every member.
        if (this.others !== others) for (const one of this.#media.values()) one.tune();
        others = this.others;
        this.#on.changed();
      },
    });
    this.#media.set(peer, media);
    return media;
  }

  /** A peer is gone. */
  gone(peer) {
    if (!this.#media.delete(peer)) return;
    for (const media of this.#media.values()) media.tune();
    this.#on.changed();
  }

  /** Enters the call; what cannot be opened is said, and the call goes on without it. */
  async join({ camera = false, mic = true } = {}) {
    if (this.state !== 'out') return;
    const run = this.#run;
    this.state = 'joining';
    this.#on.changed();
    // One after the other: browsers ask one question at a time, and a camera that fails must not take the sound along.
    if (mic) await this.#open('mic');
    if (camera && run === this.#run) await this.#open('camera');
    if (run !== this.#run) return;
    this.state = 'in';
    this.muted = this.#tracks.mic === null;
    this.#update();
    this.#timers = [setInterval(() => this.#listen(), LISTEN_MS), setInterval(() => this.#measure(), MEASURE_MS)];
  }

  /** Leaves the call and closes every device. */
  leave() {
    if (this.state === 'out') return;
    this.#run += 1;
    this.state = 'out';
    for (const timer of this.#timers) clearInterval(timer);
    this.#timers = [];
    for (const what of Object.keys(this.#tracks)) this.#close(what);
    this.#opening.clear();
    this.muted = false;
    this.speaking = false;
    this.#update();
  }

  /** Mutes or unmutes; a microphone that was not there is opened. */
  async mute(muted) {
    if (!this.inside || this.#opening.has('mic')) return;
    if (!muted && this.#tracks.mic === null && !(await this.#open('mic'))) return;
    this.muted = muted;
    if (this.#tracks.mic) this.#tracks.mic.enabled = !muted;
    this.#update();
  }

  /** Switches `camera` or `screen` on or off. */
  async show(what, on) {
    if (!this.inside || this.#opening.has(what) || (this.#tracks[what] !== null) === on) return;
    if (on) await this.#open(what);
    else this.#close(what);
    this.#update();
  }

  /** Takes another `mic`, `camera` or `speaker` from now on. */
  async choose(what, id) {
    this.#devices.choose(what, id);
    if (this.#tracks[what]) {
      await this.#open(what);
      this.#update();
    }
    this.#on.changed();
  }

  /** Opens a device in place of the one that is open; whether that went well. */
  async #open(what) {
    const run = this.#run;
    this.#opening.add(what);
    this.#on.changed();
    let track = null;
    try {
      // Many cameras and microphones of phones cannot be open twice.
      if (what !== 'screen') this.#tracks[what]?.stop();
      track = await this.#devices.open(what);
    } catch (error) {
      if (run === this.#run) this.#failed(what, error);
    } finally {
      if (run === this.#run) this.#opening.delete(what);
    }
    if (run !== this.#run) {
      // Whoever left while the browser was still asking wants nothing to stay open.
      track?.stop();
      return false;
    }
    this.#hold(what, track);
    if (track !== null) this.#on.solved(what);
    return track !== null;
  }

  #failed(what, error) {
    // Closing the question which screen to show is an answer, not a failure; browsers give both one name.
    if (what === 'screen' && error.name === 'NotAllowedError' && !/system/i.test(error.message)) return;
    this.#on.problem(what, ...explainDevice(what, error.name, { secure: window.isSecureContext }));
  }

  #hold(what, track) {
    this.#tracks[what] = track;
    if (what === 'mic') {
      this.#meter?.close();
      this.#meter = track === null ? null : meter(track);
      if (track === null) this.muted = true;
      else track.enabled = !this.muted;
    }
    track?.addEventListener('ended', () => {
      // Unplugged, forbidden meanwhile, or “Stop sharing” of the browser itself.
      if (this.#tracks[what] !== track) return;
      this.#close(what);
      if (what === 'mic') this.muted = true;
      if (what !== 'screen') this.#on.problem(what, ...explainDevice(what, 'NotFoundError'));
      this.#update();
    });
  }

  #close(what) {
    this.#tracks[what]?.stop();
    this.#tracks[what] = null;
    if (what !== 'mic') return;
    this.#meter?.close();
    this.#meter = null;
  }

  #update() {
    for (const media of this.#media.values()) media.update();
    this.#on.changed();
  }

  #listen() {
    this.speaking = !this.muted && (this.#meter?.level ?? 0) > SPEAKING;
    for (const [, media] of this.members) media.listen();
    this.#on.levels();
  }

  async #measure() {
    const run = this.#run;
    // A connection that ends while it is asked has nothing to tell.
    await Promise.allSettled(this.members.map(([, media]) => media.measure()));
    if (run === this.#run) this.#on.measured();
  }
}

/** Without one the call goes on; only one's own voice is not indicated. */
function meter(track) {
  try {
    return new Meter(track);
  } catch {
    return null;
  }
}
