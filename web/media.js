// The audio and video of one peer: transceivers of its connection that are made once, and then only switched.

import { degradation, encoding, isVp8, preferred } from './quality.js';
import { History } from './stats.js';

const CALLERS = new Set(['page', 'call']);
const STATE_BYTES = 1000;
const SPEAKING = 0.02;
const SPEAKING_MS = 700;

/**
 * Of two pages the one that was there first makes the transceivers, so that no two are made for one purpose; the other
 * takes them over from the offer. They are `sendrecv` during a call and `inactive` otherwise; camera, microphone and screen
 * are switched by what a sender is given, which needs no offer.
 */
export class PeerMedia {
  /** What the other side says of itself, null before it said anything. */
  state = null;
  history = new History();
  speaking = false;
  #peer;
  #pc;
  #own;
  #parts = [];
  #channel = null;
  #tuning = 0;
  #measuring = false;
  #tuned = Promise.resolve();
  #spoke = -Infinity;
  #changed;

  /** `own` is the call of this page: `{ inside, tracks: { audio, video, screen }, muted, others }`. */
  constructor({ peer, pc, own, changed }) {
    this.#peer = peer;
    this.#pc = pc;
    this.#own = own;
    this.#changed = changed;
    pc.addEventListener('track', () => changed());
    pc.addEventListener('signalingstatechange', () => {
      if (pc.signalingState !== 'stable') return;
      this.tune();
      changed();
    });
    this.update();
  }

  /** Whether the other side is in the call. A program says so by its role. */
  get inside() {
    if (this.#peer.state === 'left') return false;
    return this.state === null ? this.#peer.role === 'call' : this.state.call;
  }

  /** The tracks that come: `{ audio, video, screen }`, each a track or null. */
  get tracks() {
    const track = (...names) => {
      const part = this.#parts.find((one) => names.includes(one.name) && receives(one.transceiver));
      return part?.transceiver.receiver.track ?? null;
    };
    const { state } = this;
    const expected = (name) => this.inside && (state === null || state[name] !== false);
    return {
      audio: track('audio', 'more-audio'),
      video: expected('video') ? track('video', 'more-video') : null,
      screen: state?.screen ? track('screen') : null,
    };
  }

  get muted() {
    return this.state !== null && !this.state.audio;
  }

  /** The name of what a flow of the statistics carries. */
  nameOf(mid) {
    return this.#parts.find((part) => part.transceiver.mid === mid)?.name.replace('more-', '') ?? null;
  }

  /** The channel on which two pages say what they send. */
  attach(channel) {
    this.#channel = channel;
    channel.addEventListener('open', () => this.say());
    channel.addEventListener('message', ({ data }) => {
      const state = readState(data);
      if (state === null) return;
      this.state = state;
      this.#changed();
    });
    this.say();
  }

  /** Says what this side sends, where the other side has a channel for it. */
  say() {
    if (this.#channel?.readyState !== 'open') return;
    const { inside, tracks, muted } = this.#own;
    const state = { call: inside, audio: tracks.audio !== null && !muted, video: tracks.video !== null, screen: tracks.screen !== null };
    try {
      this.#channel.send(JSON.stringify(state));
    } catch {
      // It closed at this moment, and with it the connection.
    }
  }

  /** An offer was taken: transceivers that it made are given their purpose before it is answered. */
  described() {
    for (const transceiver of this.#pc.getTransceivers()) {
      if (stopped(transceiver) || this.#parts.some((part) => part.transceiver === transceiver)) continue;
      this.#adopt(transceiver);
    }
    this.#parts = this.#parts.filter((part) => !stopped(part.transceiver));
    this.update();
  }

  /** Brings directions and senders to what the call of this page is now. */
  update() {
    const { inside } = this.#own;
    if (inside && this.#peer.first && !this.#peer.once && this.#parts.length === 0 && CALLERS.has(this.#peer.role)) this.#make();
    for (const part of this.#parts) {
      if (stopped(part.transceiver)) continue;
      const wanted = !inside ? 'inactive' : part.name.startsWith('more-') ? 'recvonly' : 'sendrecv';
      if (part.transceiver.direction !== wanted) part.transceiver.direction = wanted;
      this.#give(part);
    }
    this.tune();
    this.say();
  }

  /** Sets how much is sent, which depends on how many others there are. */
  tune() {
    // One after the other, as a browser refuses parameters that were read before others were set; and one waits at most,
    // however often the other side comes and goes.
    if (this.#tuning > 1) return;
    this.#tuning += 1;
    this.#tuned = this.#tuned.then(async () => {
      this.#tuning -= 1;
      for (const { name, transceiver } of this.#parts) {
        if (!name.startsWith('more-') && !stopped(transceiver)) await setEncoding(transceiver.sender, name, this.#own.others);
      }
    });
  }

  /** Reads the statistics. */
  async measure() {
    if (this.#measuring) return;
    this.#measuring = true;
    try {
      this.history.take(await this.#pc.getStats(), performance.now());
    } finally {
      this.#measuring = false;
    }
  }

  /** Looks whether the other side speaks. */
  listen(now = performance.now()) {
    const { audio } = this.tracks;
    const receiver = audio && this.#parts.find((part) => part.transceiver.receiver.track === audio)?.transceiver.receiver;
    const level = receiver?.getSynchronizationSources?.()[0]?.audioLevel ?? 0;
    if (level > SPEAKING) this.#spoke = now;
    this.speaking = !this.muted && now - this.#spoke < SPEAKING_MS;
  }

  #make() {
    const names = this.#peer.role === 'call' ? ['audio', 'video'] : ['audio', 'video', 'screen'];
    for (const name of names) {
      const init = { direction: 'sendrecv', streams: [name === 'screen' ? this.#own.screenStream : this.#own.stream] };
      this.#keep(name, this.#pc.addTransceiver(name === 'audio' ? 'audio' : 'video', init));
    }
  }

  #adopt(transceiver) {
    const { kind } = transceiver.receiver.track;
    this.#giveWay(kind);
    const has = (name) => this.#parts.some((part) => part.name === name);
    if (kind === 'audio') this.#keep(has('audio') ? 'more-audio' : 'audio', transceiver);
    else if (!has('video')) this.#keep('video', transceiver);
    else this.#keep(this.#peer.role !== 'call' && !has('screen') ? 'screen' : 'more-video', transceiver);
  }

  /**
   * Where both sides thought of transceivers at once, those that were offered first do, and ours that were in no offer yet are not
   * needed. Two for one purpose would be more than waste: Firefox 153 gives those that it adds to an answered connection payload
   * types which mean something else there, and nobody takes such an offer.
   */
  #giveWay(kind) {
    const index = this.#parts.findIndex((part) => part.transceiver.mid === null && part.transceiver.receiver.track.kind === kind);
    if (index < 0) return;
    const [part] = this.#parts.splice(index, 1);
    part.transceiver.stop();
  }

  #keep(name, transceiver) {
    this.#parts.push({ name, transceiver });
    if (name.startsWith('more-')) return;
    const codecs = name === 'audio' ? null : RTCRtpReceiver.getCapabilities?.('video')?.codecs;
    // Said only where it changes something: once told, Firefox 153 offers lines about payload types of the other side that
    // it does not have itself, and Chromium refuses those.
    if (codecs && !isVp8(codecs[0])) transceiver.setCodecPreferences?.(preferred(codecs));
    transceiver.sender.setStreams?.(name === 'screen' ? this.#own.screenStream : this.#own.stream);
  }

  /** Hands a sender its track. A program takes one picture: the screen goes before the camera. */
  #give({ name, transceiver }) {
    if (name.startsWith('more-')) return;
    const { inside, tracks } = this.#own;
    const one = name === 'video' && this.#peer.role === 'call' ? (tracks.screen ?? tracks.video) : tracks[name];
    const track = inside ? one : null;
    if (transceiver.sender.track === track) return;
    // Refused only where the transceiver has ended, and then nothing is left to be sent.
    transceiver.sender.replaceTrack(track).catch(() => {});
  }
}

/** What the other side says of itself: `{ call, audio, video, screen }`; null where it is something else. */
export function readState(data) {
  if (typeof data !== 'string' || data.length > STATE_BYTES) return null;
  try {
    const { call, audio, video, screen } = JSON.parse(data);
    return { call: call === true, audio: audio === true, video: video === true, screen: screen === true };
  } catch {
    return null;
  }
}

async function setEncoding(sender, name, others) {
  try {
    const parameters = sender.getParameters();
    // There are none before the first description.
    if (!(parameters.encodings?.length > 0)) return;
    Object.assign(parameters.encodings[0], encoding(name, others));
    if (name !== 'audio') parameters.degradationPreference = degradation(name);
    await sender.setParameters(parameters);
  } catch {
    // The browser's own choice is a fair one, and the next change tries again.
  }
}

function receives(transceiver) {
  return transceiver.currentDirection === 'sendrecv' || transceiver.currentDirection === 'recvonly';
}

function stopped(transceiver) {
  return transceiver.currentDirection === 'stopped' || transceiver.direction === 'stopped';
}
