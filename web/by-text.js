// One connection without a server: each side makes one text, and people carry it to the other (docs/compact.md).

import { answerTo, condense, DoesNotFit, find, LIFETIME, newest, offerTag, TextError, toQr, toSdp, toText } from './compact.js';
import { base64url, randomBytes } from './text.js';
import { Peer } from './peer.js';

/** How long gathering may take: a server that does not answer must not keep the text back. */
const GATHER_MS = 10000;
const LIFETIME_MS = LIFETIME * 1000;
/** What the manner of a description tells of the other side. */
const MET = {
  native: ['program', 'Program'],
  chromium: ['page', 'Browser'],
  firefox: ['page', 'Firefox'],
};

/** Reads the offer in what somebody pasted or scanned. Throws TextError. */
export function readOffer(message) {
  return newest(find(message), 'offer', seconds());
}

export { TextError };

/**
 * A session of two. `state`: `gathering`, `waiting` (our text is there, nobody is connected), `joined`, `over`.
 *
 * Handlers as those of Session: `changed`, `connected`, `gone`, `channel`, `connection`, `failed({ code, message })` with the
 * codes `no_address`, `no_text`, `refused`, `late`.
 */
export class TextSession {
  state = 'gathering';
  peers = new Map();
  /** A session of two has no room, and so no code. */
  code = null;
  self = base64url(randomBytes(16));
  /** What people carry: `{ text, qr, until }`, null while it is made; `until` in milliseconds since 1970. */
  own = null;
  /** Whether this side's text is an offer. */
  offers;
  /** Whether the other side's text was taken. */
  answered = false;
  #peer = null;
  #offer;
  #on;
  #tag = null;
  #timers = [];

  /** `offer`: what `readOffer` gave, null to make one. `ice`: `{ servers, relayOnly }`. */
  constructor({ offer = null, ice, on }) {
    this.offers = offer === null;
    this.ice = ice;
    this.#offer = offer;
    this.#on = on;
  }

  get over() {
    return this.state === 'over';
  }

  /** Makes the text. */
  async start() {
    this.#peer = new Peer({
      id: base64url(randomBytes(16)),
      first: this.offers,
      once: true,
      ice: this.ice,
      on: {
        say: (_, message) => this.#said(message),
        changed: (peer) => this.#changed(peer),
        connected: (peer) => this.#connected(peer),
        channel: this.#on.channel,
        connection: this.#on.connection,
      },
    });
    this.peers.set(this.#peer.id, this.#peer);
    this.#peer.meet();
    if (this.offers) return;
    this.#meet(this.#offer);
    await this.#describe('offer', this.#offer);
  }

  /** Takes the answer in what somebody pasted or scanned. Throws TextError. */
  async take(message) {
    const answer = answerTo(find(message), this.#tag, seconds());
    if (this.answered || this.over) return;
    this.answered = true;
    this.#meet(answer);
    await this.#describe('answer', answer);
    this.#peer.watch();
    this.#on.changed();
  }

  /** Neither means anything without a server. */
  networkChanged() {}
  idle() {}

  leave(reason = 'left') {
    if (this.over) return;
    this.state = 'over';
    for (const timer of this.#timers) clearTimeout(timer);
    this.#peer?.close(reason);
    this.peers.clear();
    this.#on.changed();
  }

  #meet({ origin, candidates }) {
    this.#peer.met(...MET[origin]);
    for (const { kind, transport, address, port } of candidates) {
      const protocol = transport === 'udp' ? 'udp' : 'tcp';
      const type = transport === 'udp' ? '' : ` tcptype ${transport}`;
      this.#peer.steps.signalled('received', `candidate:0 1 ${protocol} 0 ${address.text} ${port} typ ${kind}${type}`, '');
    }
  }

  async #describe(kind, description) {
    await this.#peer.receive({ kind, sdp: toSdp(description) });
    if (!this.#peer.refused) return;
    this.#fail('refused', 'The text was read, but this browser cannot use what it says. Make a new one on both sides.');
  }

  /** Of what the peer wants to say only the whole description goes out, once all its candidates are there. */
  #said({ kind, candidate }) {
    if (kind === 'offer' || kind === 'answer') this.#after(GATHER_MS, () => this.#condense());
    if (kind === 'candidate' && candidate === '') this.#condense();
  }

  #condense() {
    if (this.own !== null || this.over) return;
    const { sdp } = this.#peer.description;
    try {
      const half = this.offers ? { kind: 'offer' } : { kind: 'answer', answers: offerTag(this.#offer) };
      const { description } = condense(half, sdp, seconds());
      if (description.candidates.length === 0) {
        const why = this.ice.relayOnly
          ? 'Only the relay may be used, and it serves rooms alone. Allow other ways, or start a room.'
          : 'This device has no address to tell the other side. Check the network, and try again.';
        this.#fail('no_address', why);
        return;
      }
      this.#tag = offerTag(description);
      this.own = { text: toText(description), qr: toQr(description), until: Date.now() + LIFETIME_MS };
    } catch (error) {
      if (!(error instanceof DoesNotFit)) throw error;
      this.#fail('no_text', error.message);
      return;
    }
    this.state = 'waiting';
    this.#after(LIFETIME_MS, () => {
      if (this.state === 'waiting') this.#fail('late', 'Nobody took the text in time. Make a new one.');
    });
    this.#on.changed();
  }

  #connected(peer) {
    this.state = 'joined';
    this.#on.connected(peer);
  }

  #changed(peer) {
    if (peer.state === 'left' && !peer.forgetting && !this.over) {
      peer.forgetting = true;
      this.#on.gone(peer);
    }
    this.#on.changed();
  }

  #fail(code, message) {
    if (this.over) return;
    this.leave(message);
    this.#on.failed({ code, message });
  }

  #after(ms, action) {
    this.#timers.push(setTimeout(action, ms));
  }
}

function seconds() {
  return Math.floor(Date.now() / 1000);
}
