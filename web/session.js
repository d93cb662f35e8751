// One stay in one room: the signalling, the sealing and the peers.

import { base64url, randomBytes } from './text.js';
import { Peer } from './peer.js';
import { Room } from './room.js';
import { Sealer } from './seal.js';

const FORGET_LEFT_MS = 8000;
const MAX_PEERS = 32;
const FORBIDDEN_WAIT_MS = 5000;
const ROOM_PAUSE_MS = 100;
const ROOM_PAUSE_MAX_MS = 1000;

/**
 * Handlers: `changed()`; `connected(peer)`; `gone(peer)` when one cannot be reached any more; `channel(peer, channel)`;
 * `connection(peer, pc)` gives the media of a connection that was just made;
 * `notice(code)` for what is no end: `wrong_code` of a newcomer,
 * `gone` and `taken` when it enters anew; `failed({ code, message })`, after which the session is over; `busy()` tells
 * whether files are moving, which puts off what would cut them.
 */
export class Session {
  /** `connecting`, `joined`, `reconnecting`, `unreachable`, `over`. */
  state = 'connecting';
  peers = new Map();
  #url;
  #agent;
  #on;
  #room = null;
  #sealer = null;
  #mode;
  #self = '';
  #entered = false;
  #waiting = null;
  #accessToken;
  #again = null;
  #patientUntil;
  #pause = ROOM_PAUSE_MS;

  /**
   * `relayOnly`: nothing but the relay is used, so that others do not learn the addresses of this device. `patience`: for how
   * many milliseconds a room that is not there is tried again, as somebody else is about to open it.
   */
  constructor({ code, mode, url, agent, accessToken = '', relayOnly = false, patience = 0, on }) {
    this.code = code;
    this.mode = mode;
    this.#mode = mode;
    this.#url = url;
    this.#agent = agent;
    this.#accessToken = accessToken;
    this.ice = { servers: [], relayOnly };
    this.#patientUntil = Date.now() + patience;
    this.#on = on;
  }

  /** Enters the room. */
  start() {
    this.#enter();
  }

  get self() {
    return this.#self;
  }

  get over() {
    return this.state === 'over';
  }

  networkChanged() {
    this.#room?.networkChanged();
  }

  /** Goes on with what waited for the files to be through. */
  idle() {
    if (this.#waiting === null || this.over) return;
    this.#waiting = null;
    this.#enter();
  }

  /** Says goodbye and leaves. */
  leave(reason = 'left the room') {
    if (this.over) return;
    for (const peer of this.peers.values()) if (peer.state !== 'left') this.#say(peer, { kind: 'bye', reason });
    this.#room?.leave();
    this.#end(reason);
  }

  #enter() {
    for (const peer of [...this.peers.values()]) {
      peer.close('connecting anew');
      this.#forget(peer);
    }
    this.#self = base64url(randomBytes(16));
    this.#sealer = new Sealer(this.code, this.#self);
    this.#room = new Room({
      url: this.#url,
      room: this.code.room,
      self: this.#self,
      mode: this.#mode,
      accessToken: this.#accessToken,
      on: {
        state: (state) => this.#set(state),
        joined: (peers, iceServers) => this.#joined(peers, iceServers),
        iceServers: (list) => {
          this.ice.servers = list;
        },
        resumed: () => this.#on.changed(),
        peerJoined: (id) => this.#meet(id, true),
        peerLeft: (id) => this.#left(id),
        signal: (from, data) => this.#signal(from, data),
        ended: (reason) => this.#ended(reason),
      },
    });
    this.#room.connect();
  }

  #joined(peers, iceServers) {
    this.#entered = true;
    // Once in, the room is known to be right: after a restart of the server it may have to be made again.
    this.#mode = 'open';
    this.ice.servers = iceServers;
    for (const id of peers) this.#meet(id, false);
    this.#on.changed();
  }

  #meet(id, first) {
    const known = this.peers.get(id);
    if (known) {
      known.backInRoom();
      return;
    }
    if (this.peers.size >= MAX_PEERS) return;
    const peer = new Peer({
      id,
      first,
      ice: this.ice,
      on: {
        say: (to, message) => this.#say(to, message),
        changed: (who) => this.#changed(who),
        connected: (who) => this.#on.connected(who),
        channel: (who, channel) => this.#on.channel(who, channel),
        connection: (who, pc) => this.#on.connection(who, pc),
      },
    });
    this.peers.set(id, peer);
    this.#say(peer, { kind: 'hello', agent: this.#agent, role: 'page' });
    this.#on.changed();
  }

  #left(id) {
    this.peers.get(id)?.leftRoom();
    this.#checkCode();
    this.#on.changed();
  }

  #signal(from, data) {
    const peer = this.peers.get(from);
    if (!peer) return;
    const { message, problem } = this.#sealer.open(from, data);
    if (message) {
      peer.verified = true;
      peer.receive(message).catch(() => {});
      return;
    }
    if (problem !== 'closed' || peer.verified) return;
    if (peer.first && peer.state !== 'wrong-code') this.#on.notice('wrong_code');
    peer.wrongCode();
    this.#checkCode();
    this.#on.changed();
  }

  /** The newcomer ends once everybody who was there before it holds another code: one stranger is no reason to. */
  #checkCode() {
    const peers = [...this.peers.values()];
    const before = peers.filter((peer) => !peer.first && peer.state !== 'left');
    if (this.over || peers.some((peer) => peer.verified)) return;
    if (before.length === 0 || before.some((peer) => peer.state !== 'wrong-code')) return;
    this.#room.leave();
    this.#end('wrong code');
    this.#on.failed({ code: 'wrong_code', message: '' });
  }

  #say(peer, message) {
    const sealed = this.#sealer.seal(peer.id, message);
    if (sealed === null) return;
    this.#room.signal(peer.id, sealed);
  }

  #changed(peer) {
    if (peer.state === 'left' && this.peers.get(peer.id) === peer && !peer.forgetting) {
      peer.forgetting = true;
      this.#on.gone(peer);
      setTimeout(() => this.#forget(peer), FORGET_LEFT_MS);
    }
    this.#on.changed();
  }

  #forget(peer) {
    if (this.peers.get(peer.id) !== peer) return;
    this.peers.delete(peer.id);
    this.#sealer.forget(peer.id);
    this.#on.changed();
  }

  #ended({ code, message }) {
    if (code === 'taken' || (code === 'gone' && this.#entered)) {
      // The server forgot this client. Connections do not need it, so files that move are let through first.
      this.#set('reconnecting');
      this.#on.notice(code);
      if (this.#entered && this.#on.busy()) this.#waiting = code;
      else this.#enter();
      return;
    }
    if (code === 'unavailable' && !this.#entered && Date.now() < this.#patientUntil) {
      this.#again = setTimeout(() => this.#enter(), this.#pause);
      this.#pause = Math.min(2 * this.#pause, ROOM_PAUSE_MAX_MS);
      return;
    }
    if (code === 'forbidden' && this.#entered) {
      // The server was started anew, and whoever may open this room has not come back yet.
      this.#set('reconnecting');
      this.#again = setTimeout(() => this.#enter(), FORBIDDEN_WAIT_MS);
      return;
    }
    this.#end(code);
    this.#on.failed({ code, message });
  }

  #end(reason) {
    this.state = 'over';
    clearTimeout(this.#again);
    for (const peer of this.peers.values()) peer.close(reason);
    this.peers.clear();
    this.#on.changed();
  }

  #set(state) {
    if (this.over) return;
    this.state = state;
    this.#on.changed();
  }
}
