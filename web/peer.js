// One remote peer: its RTCPeerConnection by perfect negotiation (W3C WebRTC §10.7), and its channels.

import { explain } from './explain.js';
import { clean } from './text.js';
import { sparingSpeech, tooManySections } from './sdp.js';
import { Steps } from './steps.js';
import { fingerprint, Verification } from './verify.js';

const NO_PATH_MS = 30000;
const RESTART_AFTER_MS = 3000;
const HELLO_MS = 15000;
const MAX_INCOMING_CHANNELS = 32;
const MAX_REMOTE_CANDIDATES = 256;
const MAX_EARLY_STEPS = 2;
const ROLES = new Set(['send', 'receive', 'pipe', 'page', 'call']);
/** A text does not say what a program is there for; the channels that it opens do. */
const SHOWN_BY = { 'peerage.pipe.1': 'pipe', 'peerage.transfer.1': 'send' };
/** Who can be offered files. */
const TAKERS = new Set(['page', 'receive', 'program']);

/**
 * `state`: `greeting` (no hello yet), `connecting`, `connected`, `unstable` (no answer, being restarted), `no-path`,
 * `wrong-code`, `left`.
 *
 * Handlers: `say(message)` hands a message to the sealer, `changed(peer)`, `connected(peer)`, `channel(peer, channel)`
 * for every channel that opens here or there, `connection(peer, pc)` gives the media of a connection that was just made.
 */
export class Peer {
  state = 'greeting';
  agent = '';
  role = 'page';
  reason = null;
  /** Why there is no connection, in one sentence; null while there is one or it is still looked for. */
  why = null;
  present = true;
  /** Whether the browser refused a description of either side. */
  refused = false;
  /** What both sides show if nobody sits between them, three words; null before they were compared. */
  words = null;
  /** Audio and video, null before there is a connection. */
  media = null;
  #on;
  #ice;
  #configured = null;
  #stood = false;
  #pc = null;
  #pipe = null;
  #makingOffer = false;
  #ignoreOffer = false;
  #settingAnswer = false;
  #greeted = false;
  #channels = new Set();
  #remoteCandidates = 0;
  #verification = null;
  #earlySteps = [];
  #timers = new Map();
  #ended = new Set();

  /**
   * `first`: this page was in the room before that peer, so it makes the first offer and is the impolite one.
   * `ice`: `{ servers, relayOnly }`, looked at whenever a path is sought, as servers give new credentials.
   * `once`: people carry one description each way, and nothing after it: no restart, no further offer, no words.
   */
  constructor({ id, first, ice, once = false, on }) {
    this.id = id;
    this.first = first;
    this.once = once;
    this.#ice = ice;
    this.#on = on;
    this.steps = new Steps(() => on.changed(this));
    if (once) {
      this.steps.out = 'in the text';
      this.steps.note('found', 'By the texts that people carry', 'done');
      return;
    }
    this.steps.note('found', first ? 'Came into the room' : 'Was in the room', 'done');
    this.steps.note('verified', 'Waiting for a sealed greeting', 'active');
    this.#after('hello', HELLO_MS, () => {
      this.steps.note('verified', 'No greeting yet; the other side may be asleep or offline', 'active');
    });
  }

  get connected() {
    return this.#pc?.connectionState === 'connected';
  }

  /** Whether files can be offered to it. */
  get takesFiles() {
    return this.connected && TAKERS.has(this.role);
  }

  /** What this side says of itself, with the candidates that it has; null before there is anything. */
  get description() {
    return this.#pc?.localDescription ?? null;
  }

  /**
   * Begins without a greeting. The offer needs a channel, and nobody knows yet what will answer: a pipe takes the first one,
   * whatever its name; other programs close one that they do not know.
   */
  meet() {
    this.#greeted = true;
    this.role = 'program';
    this.steps.note('verified', 'Waiting for it', 'active');
    this.#connection();
    this.#set('connecting');
    if (this.first) this.#pipe = this.createChannel('offer', 'peerage.pipe.1');
  }

  /** What is on the other side became known from its text: a `page`, or a `program`. */
  met(role, agent) {
    this.role = role;
    this.agent = agent;
    this.steps.note('verified', 'The texts name both certificates; only who can change them on their way could sit between', 'done');
    if (this.first && role === 'page') {
      // The channel of the offer stays, unused: where it is closed before it was open, Firefox loses a later channel.
      this.#openChannels();
    } else if (this.first) {
      this.#pipe.addEventListener('message', () => this.#becomes('pipe'), { once: true });
      this.#pipe.addEventListener('close', () => this.#becomes('receive'), { once: true });
      this.#announce(this.#pipe);
    }
    this.#on.changed(this);
  }

  /** Takes one opened message of the signalling. */
  async receive(message) {
    if (this.state === 'left') return;
    switch (message.kind) {
      case 'hello':
        return this.#hello(message);
      case 'offer':
      case 'answer':
        return typeof message.sdp === 'string' ? this.#description({ type: message.kind, sdp: message.sdp }) : undefined;
      case 'candidate':
        return this.#candidate(message);
      case 'verify':
        return this.#verify(message);
      case 'bye':
        return this.close(clean(message.reason) || 'left');
      default:
        return undefined;
    }
  }

  /** What came from it cannot be opened: it holds another secret. */
  wrongCode() {
    if (this.#greeted || this.state === 'wrong-code') return;
    this.#stopTimer('hello');
    this.steps.note('verified', 'What it says cannot be opened: it has a different code', 'failed');
    this.#set('wrong-code');
  }

  /** Has both sides show words that two people can compare. */
  compare() {
    if (!this.#stood || this.once || this.#verification?.begun) return;
    this.#verification ??= new Verification(this.first);
    this.#say(this.#verification.begin());
  }

  /** Looks for a path again. */
  retry() {
    if (!this.#pc || this.once || this.state === 'left') return;
    this.steps.restart();
    this.why = null;
    this.#set('connecting');
    this.watch();
    this.#configure();
    this.#pc.restartIce();
  }

  /** Gives up waiting after a while, but takes a path that is found later. */
  watch() {
    this.#after('no-path', NO_PATH_MS, () => {
      if (!this.connected) this.#noPath();
    });
  }

  /** A channel to it, created here. */
  createChannel(label, protocol) {
    const channel = this.#pc.createDataChannel(label, { ordered: true, protocol });
    channel.binaryType = 'arraybuffer';
    this.#keep(channel);
    return channel;
  }

  /** It is gone from the room. A connection that still works is kept until it ends. */
  leftRoom() {
    this.present = false;
    if (!this.connected) this.close('left the room');
    else this.#on.changed(this);
  }

  backInRoom() {
    this.present = true;
    this.#on.changed(this);
  }

  close(reason) {
    if (this.state === 'left') return;
    for (const name of [...this.#timers.keys()]) this.#stopTimer(name);
    this.reason = reason;
    this.#set('left');
    this.#pc?.close();
  }

  #hello(message) {
    if (this.#greeted) return;
    this.#greeted = true;
    this.#stopTimer('hello');
    this.agent = clean(message.agent, 60);
    this.role = ROLES.has(message.role) ? message.role : 'page';
    this.steps.note('verified', 'Same code on both sides; the server cannot read along', 'done');
    this.#connection();
    this.#set('connecting');
    this.watch();
    if (!this.first) return;
    // The offer needs one channel; which one depends on what the other side is for.
    if (this.role === 'pipe') this.#announce(this.createChannel('pipe', 'peerage.pipe.1'));
    else if (this.role === 'page') this.#openChannels();
    else this.#announce(this.createChannel('chat', 'peerage.chat.1'));
  }

  /** Opens what two pages talk on. */
  #openChannels() {
    this.#announce(this.createChannel('chat', 'peerage.chat.1'));
    this.#announce(this.createChannel('call', 'peerage.call.1'));
  }

  /** A program shows by what it does what it is there for. */
  #becomes(role) {
    if (role === undefined || this.role !== 'program') return;
    this.role = role;
    this.#on.changed(this);
  }

  #verify(message) {
    // Until the connection stands, the certificates are not settled.
    if (!this.#stood) {
      if (this.#earlySteps.length < MAX_EARLY_STEPS) this.#earlySteps.push(message);
      return;
    }
    this.#verification ??= new Verification(this.first);
    const { say, done, failed } = this.#verification.handle(message);
    if (failed) return this.close(failed);
    if (say) this.#say(say);
    if (!done) return;
    const [ours, theirs] = [this.#pc.localDescription, this.#pc.remoteDescription].map((one) => fingerprint(one?.sdp ?? ''));
    if (ours === null || theirs === null) return;
    this.words = this.#verification.words(ours, theirs);
    this.#on.changed(this);
  }

  #connection() {
    if (this.#pc) return;
    this.#configured = this.#ice.servers;
    const pc = new RTCPeerConnection(this.#configuration());
    this.#pc = pc;
    pc.onicecandidateerror = (event) => this.steps.serverFailed(event);
    pc.onnegotiationneeded = () => this.#offer();
    pc.onicecandidate = ({ candidate }) => this.#gathered(candidate);
    pc.onicegatheringstatechange = () => {
      if (pc.iceGatheringState === 'gathering') this.steps.note('gathered', 'Asking the system and the server for addresses', 'active');
      if (pc.iceGatheringState === 'complete') this.steps.gatheringDone();
    };
    pc.oniceconnectionstatechange = () => {
      if (pc.iceConnectionState === 'checking') this.steps.note('checked', 'Trying the pairs', 'active');
      this.#poll();
    };
    pc.onconnectionstatechange = () => this.#connectionState(pc);
    pc.ondatachannel = ({ channel }) => {
      if (this.#channels.size >= MAX_INCOMING_CHANNELS) {
        channel.close();
        return;
      }
      channel.binaryType = 'arraybuffer';
      this.#keep(channel);
      this.#becomes(SHOWN_BY[channel.protocol]);
      this.#announce(channel);
    };
    this.media = this.#on.connection(this, pc);
  }

  #configuration() {
    // Everybody here bundles: addresses for each medium of a first offer would be asked for in vain.
    return { iceServers: this.#ice.servers, iceTransportPolicy: this.#ice.relayOnly ? 'relay' : 'all', bundlePolicy: 'max-bundle' };
  }

  /** Has the next gathering use the newest credentials. Left alone otherwise: browsers take a change as a wish to restart. */
  #configure() {
    if (this.#configured === this.#ice.servers) return;
    this.#configured = this.#ice.servers;
    try {
      this.#pc.setConfiguration(this.#configuration());
    } catch (error) {
      // A browser without this goes on with the credentials it has; a direct path needs none.
      this.steps.note('gathered', `The browser did not take new servers (${clean(error?.name, 40)})`);
    }
  }

  #announce(channel) {
    this.#on.channel(this, channel);
  }

  #keep(channel) {
    this.#channels.add(channel);
    channel.addEventListener('close', () => this.#channels.delete(channel));
    channel.addEventListener('open', () => {
      this.steps.handshakeDone();
      this.steps.note('open', `Channel “${clean(channel.label, 20)}” is open`, 'done');
    });
  }

  async #offer() {
    const pc = this.#pc;
    if (this.once && pc.localDescription !== null) return;
    try {
      this.#makingOffer = true;
      await pc.setLocalDescription();
      this.#say({ kind: pc.localDescription.type, sdp: pc.localDescription.sdp });
    } catch (error) {
      this.#broken(error);
    } finally {
      this.#makingOffer = false;
    }
  }

  async #description(description) {
    if (!this.#greeted) return;
    if (tooManySections(description.sdp)) {
      this.steps.note('signalled', 'A description with too many parts was refused', 'failed');
      return;
    }
    const pc = this.#pc;
    const ready = !this.#makingOffer && (pc.signalingState === 'stable' || this.#settingAnswer);
    const collision = description.type === 'offer' && !ready;
    this.#ignoreOffer = this.first && collision;
    if (this.#ignoreOffer) return;
    try {
      this.#settingAnswer = description.type === 'answer';
      // A new description may bring new candidates; those of the last one count no more.
      this.#remoteCandidates = 0;
      if (description.type === 'offer' && restarts(pc.remoteDescription, description)) this.#configure();
      await pc.setRemoteDescription({ type: description.type, sdp: sparingSpeech(description.sdp) });
      this.#settingAnswer = false;
      if (description.type === 'offer') {
        this.media.described();
        await pc.setLocalDescription();
        this.#say({ kind: pc.localDescription.type, sdp: pc.localDescription.sdp });
      }
    } catch (error) {
      this.#settingAnswer = false;
      this.#broken(error);
    }
  }

  async #candidate({ candidate, mid, ufrag }) {
    this.#remoteCandidates += 1;
    if (!this.#pc || typeof candidate !== 'string' || this.#remoteCandidates > MAX_REMOTE_CANDIDATES) return;
    if (candidate !== '') this.steps.signalled('received', candidate, String(ufrag ?? ''));
    const init = { candidate, sdpMid: typeof mid === 'string' ? mid : '0' };
    if (typeof ufrag === 'string' && ufrag !== '') init.usernameFragment = ufrag;
    try {
      await this.#pc.addIceCandidate(init);
    } catch {
      // A candidate of an offer that was ignored, or one that this browser does not understand: another may work.
      if (!this.#ignoreOffer) this.steps.note('signalled', 'One candidate could not be used');
    }
  }

  #gathered(candidate) {
    // The empty candidate and the null event both say "no more"; peers hear it once for each set of credentials.
    const description = this.#pc.localDescription;
    const ufrag = candidate?.usernameFragment ?? /^a=ice-ufrag:(\S+)/m.exec(description?.sdp ?? '')?.[1] ?? '';
    const mid = candidate?.sdpMid ?? /^a=mid:(\S+)/m.exec(description?.sdp ?? '')?.[1] ?? '0';
    if (candidate === null || candidate.candidate === '') {
      if (this.#ended.has(ufrag)) return;
      this.#ended.add(ufrag);
      this.#say({ kind: 'candidate', candidate: '', mid, ufrag });
      return;
    }
    this.steps.gathered(candidate.candidate, ufrag);
    this.#say({ kind: 'candidate', candidate: candidate.candidate, mid, ufrag });
    this.steps.signalled('sent', candidate.candidate, ufrag);
  }

  #connectionState(pc) {
    if (this.state === 'left') return;
    this.#poll();
    switch (pc.connectionState) {
      case 'connected':
        this.#stopTimer('no-path');
        this.#stopTimer('restart');
        this.steps.handshakeDone();
        this.#stood = true;
        this.why = null;
        this.#set('connected');
        this.#on.connected(this);
        for (const step of this.#earlySteps.splice(0)) this.#verify(step);
        return;
      case 'disconnected':
        if (!this.present) return this.close('left the room');
        this.#set('unstable');
        // Nobody can tell the other side of another path; the one there is may come back.
        if (this.once) return this.#after('no-path', NO_PATH_MS, () => this.close('the connection was lost'));
        // Both sides notice; one restarts, so that the offers do not meet.
        if (this.first) this.#after('restart', RESTART_AFTER_MS, () => this.retry());
        this.watch();
        return;
      case 'failed':
        if (!this.present) return this.close('left the room');
        if (this.once && this.#stood) return this.close('the connection was lost');
        // Whoever answered waits for people to carry the text, longer than a browser looks for a way; it takes one that is found
        // later.
        if (this.once && !this.first) return undefined;
        if (this.state === 'unstable' && this.first) this.retry();
        else if (this.state !== 'unstable') this.#noPath();
        return;
      case 'closed':
        return this.close('the connection was closed');
      default:
        return undefined;
    }
  }

  #noPath() {
    const stage = this.steps.stages.checked.state === 'done' && !this.#stood ? 'secured' : 'checked';
    this.why = explain(this.steps, {
      stood: this.#stood,
      answered: stage === 'secured',
      relayOnly: this.#ice.relayOnly,
      relay: this.#ice.servers.some((server) => server.urls.some((url) => url.startsWith('turn'))),
    });
    this.steps.note(stage, this.why, 'failed');
    this.#set('no-path');
  }

  #broken(error) {
    if (this.state === 'left') return;
    this.refused = true;
    this.steps.note('signalled', `The browser refused a description (${clean(error?.name, 40)})`, 'failed');
  }

  /** Reads the statistics: often while connecting, every two seconds afterwards. */
  #poll() {
    const pc = this.#pc;
    if (!pc || this.state === 'left' || this.#timers.has('polling')) return;
    this.#timers.set('polling', 0);
    pc.getStats().then((report) => {
      if (this.state !== 'left') this.steps.stats(report);
    }, () => {}).finally(() => {
      this.#timers.delete('polling');
      const settled = this.connected && this.steps.selected !== null && this.steps.security !== null;
      if (this.state !== 'left') this.#after('poll', settled ? 2000 : 250, () => this.#poll());
    });
  }

  #say(message) {
    if (this.state !== 'left') this.#on.say(this, message);
  }

  #after(name, ms, action) {
    this.#stopTimer(name);
    this.#timers.set(name, setTimeout(() => {
      this.#timers.delete(name);
      action();
    }, ms));
  }

  #stopTimer(name) {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }

  #set(state) {
    this.state = state;
    this.#on.changed(this);
  }
}

/** Whether an offer restarts ICE: its user-name fragment is another one (RFC 8839 §4.4.1.1.1). */
function restarts(before, offer) {
  const ufrag = (description) => /^a=ice-ufrag:(\S+)/m.exec(description?.sdp ?? '')?.[1];
  return before !== null && ufrag(before) !== ufrag(offer);
}
