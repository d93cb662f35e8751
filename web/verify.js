// Words that both sides show once they are connected (docs/signalling.md, "Comparing words"): three of them are enough, as one
// side promises its number before it knows the other's.

import { hkdf } from './vendor/noble-hashes/hkdf.js';
import { sha256 } from './vendor/noble-hashes/sha2.js';
import { base64url, fromBase64url, randomBytes } from './text.js';
import { WORDS } from './words.js';

const NONCE = 16;
const LABEL = new TextEncoder().encode('peerage-verify-1');

const OUT_OF_TURN = Object.freeze({ failed: 'it does not compare words as it should' });

/** The comparison with one peer; it begins when the connection stands. `first`: this side was in the room before. */
export class Verification {
  begun = false;
  #first;
  #nonce;
  #promise = null;
  #theirs = null;

  constructor(first, nonce = randomBytes(NONCE)) {
    this.#first = first;
    this.#nonce = nonce;
  }

  /** The step that begins it; null if that was said. */
  begin() {
    if (this.begun) return null;
    this.begun = true;
    return this.#first ? { kind: 'verify', commit: base64url(promised(this.#nonce)) } : { kind: 'verify' };
  }

  /** Takes a step of the peer: `{ say }` what to answer, `{ done }` both numbers are known, `{ failed }` why not to trust. */
  handle({ commit, nonce }) {
    if (this.#theirs !== null) return this.#first && commit === undefined && nonce === undefined ? {} : OUT_OF_TURN;
    return this.#first ? this.#asFirst(commit, nonce) : this.#asSecond(commit, nonce);
  }

  /** The words for the certificates of this side and the peer's; null as long as numbers are missing. */
  words(ours, theirs) {
    if (this.#theirs === null) return null;
    const [mine, other] = [[this.#nonce, ours], [this.#theirs, theirs]];
    const [one, two] = this.#first ? [mine, other] : [other, mine];
    const bytes = hkdf(sha256, join(one[0], two[0]), LABEL, join(one[1], two[1]), 5);
    const bits = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
    return [29n, 18n, 7n].map((shift) => WORDS[Number((bits >> shift) & 0x7ffn)]).join(' ');
  }

  #asFirst(commit, nonce) {
    if (commit !== undefined) return OUT_OF_TURN;
    if (nonce === undefined) return { say: this.begin() };
    const theirs = this.begun ? read(nonce, NONCE) : null;
    if (theirs === null) return OUT_OF_TURN;
    this.#theirs = theirs;
    return { say: { kind: 'verify', nonce: base64url(this.#nonce) }, done: true };
  }

  #asSecond(commit, nonce) {
    if (this.#promise === null) {
      const promise = nonce === undefined ? read(commit, 32) : null;
      if (promise === null) return OUT_OF_TURN;
      this.begun = true;
      this.#promise = promise;
      return { say: { kind: 'verify', nonce: base64url(this.#nonce) } };
    }
    const theirs = commit === undefined ? read(nonce, NONCE) : null;
    if (theirs === null) return OUT_OF_TURN;
    if (!promised(theirs).every((byte, at) => byte === this.#promise[at])) {
      return { failed: 'it did not keep its promise while words were compared; somebody may sit in the middle' };
    }
    this.#theirs = theirs;
    return { done: true };
  }
}


/** The SHA-256 of the certificate that a description names; null if it names none, or several. */
export function fingerprint(sdp) {
  const values = [...sdp.matchAll(/^a=fingerprint:sha-256 +(\S*)\s*$/gim)].map((match) => match[1].toLowerCase());
  if (values.length === 0 || values.some((value) => value !== values[0])) return null;
  return /^[0-9a-f]{2}(:[0-9a-f]{2}){31}$/.test(values[0])
    ? Uint8Array.from(values[0].split(':'), (pair) => parseInt(pair, 16))
    : null;
}

function promised(nonce) {
  return sha256(join(LABEL, nonce));
}

function read(text, length) {
  const bytes = typeof text === 'string' && text.length <= 64 ? fromBase64url(text) : null;
  return bytes !== null && bytes.length === length ? bytes : null;
}

function join(a, b) {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
