// Sealing of what peers say through the server (docs/signalling.md, "Sealing"). The server can neither read nor change it.

import { chacha20poly1305 } from './vendor/noble-ciphers/chacha.js';
import { hkdf } from './vendor/noble-hashes/hkdf.js';
import { sha256 } from './vendor/noble-hashes/sha2.js';
import { base64url, fromBase64url } from './text.js';

const COUNTER = 8;
const TAG = 16;
/** Longest sealed text; it fits the server's 64 KiB frame beside the other fields. */
const MAX_SEALED = 65000;
const utf8 = new TextEncoder();

/** The key for messages from peer `from` to peer `to`. */
export function key(room, secret, from, to) {
  return hkdf(sha256, utf8.encode(secret), utf8.encode(`peerage-signal-1|${room}`), utf8.encode(`${from}|${to}`), 32);
}

/** Seals `plaintext` (bytes) under `counter`. */
export function seal(room, secret, from, to, counter, plaintext) {
  const number = counterBytes(counter);
  const cipher = chacha20poly1305(key(room, secret, from, to), nonce(number), utf8.encode(`${room}|${from}|${to}`));
  const body = cipher.encrypt(plaintext);
  const data = new Uint8Array(COUNTER + body.length);
  data.set(number);
  data.set(body, COUNTER);
  return base64url(data);
}

/** `{ counter, plaintext }`, or null for what does not open. */
export function open(room, secret, from, to, text) {
  if (typeof text !== 'string' || text.length > MAX_SEALED) return null;
  const data = fromBase64url(text);
  if (data === null || data.length < COUNTER + TAG) return null;
  const number = data.subarray(0, COUNTER);
  try {
    const cipher = chacha20poly1305(key(room, secret, from, to), nonce(number), utf8.encode(`${room}|${from}|${to}`));
    const plaintext = cipher.decrypt(data.subarray(COUNTER));
    return { counter: new DataView(number.buffer, number.byteOffset).getBigUint64(0), plaintext };
  } catch {
    return null;
  }
}

/** One run of one client in one room: the counters of both directions with every peer. */
export class Sealer {
  #code;
  #self;
  #sent = new Map();
  #opened = new Map();

  constructor(code, self) {
    this.#code = code;
    this.#self = self;
  }

  /** Seals `message` (a plain object) for `to`; null if it is too long for a frame. */
  seal(to, message) {
    const plaintext = utf8.encode(JSON.stringify(message));
    const counter = (this.#sent.get(to) ?? 0n) + 1n;
    const sealed = seal(this.#code.room, this.#code.secret, this.#self, to, counter, plaintext);
    if (sealed.length > MAX_SEALED) return null;
    this.#sent.set(to, counter);
    return sealed;
  }

  /** `{ message }`; or `{ problem }`: `closed` (does not open), `replayed`, `malformed`. */
  open(from, text) {
    const opened = open(this.#code.room, this.#code.secret, from, this.#self, text);
    if (opened === null) return { problem: 'closed' };
    if (opened.counter <= (this.#opened.get(from) ?? 0n)) return { problem: 'replayed' };
    this.#opened.set(from, opened.counter);
    try {
      const message = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(opened.plaintext));
      if (typeof message === 'object' && message !== null && typeof message.kind === 'string') return { message };
    } catch {
      // Told below.
    }
    return { problem: 'malformed' };
  }

  /** A peer left for good: its id never comes back. */
  forget(peer) {
    this.#sent.delete(peer);
    this.#opened.delete(peer);
  }
}

function counterBytes(counter) {
  const data = new Uint8Array(COUNTER);
  new DataView(data.buffer).setBigUint64(0, BigInt(counter));
  return data;
}

function nonce(number) {
  const data = new Uint8Array(12);
  data.set(number, 4);
  return data;
}
