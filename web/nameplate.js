// A nameplate, come to with a code of words: waits for whoever made the code, proves the words, and gives the code of a room
// (docs/signalling.md, "Nameplates").

import { base64url, randomBytes } from './text.js';
import { Room } from './room.js';

const EXCHANGE_MS = 60000;
const ALONE_MS = 1500;

/**
 * One try with one code. Handlers: `waiting()` if nobody else is there for a moment; `agreed(code)` gives the code of the
 * room; `failed({ code, message })`, where `code` is one of the server's or `wrong_words`, `vanished`, `unknown_words`,
 * `unloaded`. After either nothing more comes, and this object is never used again: no second exchange under one code.
 */
export class Nameplate {
  #url;
  #code;
  #on;
  #load;
  #WebSocket;
  #Run = null;
  #room = null;
  #self = '';
  #run = null;
  #peer = null;
  #tagged = false;
  #entered = false;
  #over = false;
  #timer = null;

  /** `load` gives the module with the exchange, which is large. */
  constructor({ url, code, on, load = () => import('./pake.js'), WebSocket = globalThis.WebSocket }) {
    this.#url = url;
    this.#code = code;
    this.#on = on;
    this.#load = load;
    this.#WebSocket = WebSocket;
  }

  async start() {
    try {
      this.#Run = (await this.#load()).Run;
    } catch {
      this.#fail('unloaded');
      return;
    }
    if (!this.#over) this.#claim();
  }

  networkChanged() {
    this.#room?.networkChanged();
  }

  leave() {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#room?.leave();
  }

  #claim() {
    this.#self = base64url(randomBytes(16));
    this.#room = new Room({
      url: this.#url,
      nameplate: this.#code.nameplate,
      self: this.#self,
      WebSocket: this.#WebSocket,
      on: {
        state: () => {},
        joined: () => this.#alone(),
        iceServers: () => {},
        resumed: () => {},
        peerJoined: (id) => this.#met(id),
        peerLeft: () => this.#fail('vanished'),
        signal: (from, data) => this.#signal(from, data),
        ended: (reason) => this.#ended(reason),
      },
    });
    this.#room.connect();
  }

  #alone() {
    this.#entered = true;
    this.#after(ALONE_MS, () => this.#on.waiting());
  }

  #met(peer) {
    if (this.#over) return;
    if (this.#run !== null) {
      this.#fail('bad_request');
      return;
    }
    this.#peer = peer;
    const { words, nameplate } = this.#code;
    this.#run = new this.#Run({ words, nameplate, side: 'guest', self: this.#self, peer });
    this.#room.signal(peer, this.#run.share);
    this.#after(EXCHANGE_MS, () => this.#fail('vanished'));
  }

  #signal(from, data) {
    if (this.#over || from !== this.#peer) return;
    try {
      if (this.#tagged) {
        const code = this.#run.confirm(data);
        this.leave();
        this.#on.agreed(code);
      } else {
        this.#room.signal(from, this.#run.agree(data));
        this.#tagged = true;
      }
    } catch {
      this.#fail('wrong_words');
    }
  }

  #ended({ code, message }) {
    if (this.#over) return;
    if (code === 'gone' && this.#run === null) {
      // The server was started anew, and nobody has come yet.
      this.#claim();
      return;
    }
    if (code === 'gone') this.#fail('vanished');
    else this.#fail(code === 'bad_request' && !this.#entered ? 'unknown_words' : code, message);
  }

  #fail(code, message = '') {
    if (this.#over) return;
    this.leave();
    this.#on.failed({ code, message });
  }

  #after(ms, action) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(action, ms);
  }
}
