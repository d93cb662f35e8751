// From the few bits of a spoken code to a long one: CPace between the two that meet at a nameplate (docs/signalling.md,
// "Nameplates"). Loaded only when a code of words is used, as the curve is large.

import { ristretto255, ristretto255_hasher } from './vendor/noble-curves/ed25519.js';
import { hkdf } from './vendor/noble-hashes/hkdf.js';
import { hmac } from './vendor/noble-hashes/hmac.js';
import { sha256, sha512 } from './vendor/noble-hashes/sha2.js';
import { derived, DERIVED_LENGTH } from './code.js';
import { base64url, fromBase64url, randomBytes } from './text.js';

const { Point } = ristretto255;
const DSI = ascii('CPaceRistretto255');
const DSI_ISK = ascii('CPaceRistretto255_ISK');
const DSI_MAC = ascii('CPaceMac');
/** SHA-512's input block: the password stands alone in the first one. */
const BLOCK = 128;
const SHARE = 1;
const TAG = 2;
const SHARE_LENGTH = 32;
const TAG_LENGTH = 64;
const ENTROPY_LENGTH = 64;

/** `wrong`: the other side has other words, or what it said is no message of the exchange. */
export class PakeError extends Error {}

/** One side of one run. `side`: `host` or `guest`; `words`: canonical, with hyphens. */
export class Run {
  #scalar;
  #session;
  #ours;
  #theirs;
  #share;
  #expected = null;
  #key = null;

  constructor({ words, nameplate, side, self, peer, entropy = randomBytes(ENTROPY_LENGTH) }) {
    const other = side === 'host' ? 'guest' : 'host';
    this.#ours = ascii(`${side}|${self}`);
    this.#theirs = ascii(`${other}|${peer}`);
    this.#session = ascii(side === 'host' ? `host|${self},guest|${peer}` : `host|${peer},guest|${self}`);
    this.#scalar = Point.Fn.create(littleEndian(entropy));
    const channel = ascii(`peerage-words-1|${nameplate}`);
    this.#share = generator(ascii(words), channel, this.#session).multiply(this.#scalar).toBytes();
  }

  /** The first message to the other side. */
  get share() {
    return message(SHARE, this.#share);
  }

  /** Takes the other side's first message and gives our second one. Throws PakeError, and the code is spent. */
  agree(data) {
    const share = read(SHARE, SHARE_LENGTH, data);
    if (same(share, this.#share)) throw new PakeError('our own message came back');
    const { key, tag, expected } = confirmation({
      scalar: this.#scalar, session: this.#session, share: this.#share, name: this.#ours, theirShare: share, theirName: this.#theirs,
    });
    this.#key = key;
    this.#expected = expected;
    return message(TAG, tag);
  }

  /** Takes the other side's second message and gives the code of the room where both go on. Throws PakeError. */
  confirm(data) {
    const tag = read(TAG, TAG_LENGTH, data);
    if (this.#expected === null || !same(tag, this.#expected)) throw new PakeError('the other side has other words');
    for (let counter = 0; counter < 256; counter += 1) {
      const info = join(ascii('code'), Uint8Array.of(counter));
      const code = derived(hkdf(sha256, this.#key, ascii('peerage-words-1'), info, DERIVED_LENGTH));
      if (code !== null) return code;
    }
    throw new PakeError('no code comes of this key');
  }
}

/** `calculate_generator` of the draft. */
export function generator(password, channel, session) {
  const padding = new Uint8Array(Math.max(0, BLOCK - 1 - prepended(password).length - prepended(DSI).length));
  return ristretto255_hasher.deriveToCurve(sha512(lvCat(DSI, password, padding, channel, session)));
}

/** What comes of both shares: `{ key, tag, expected }`, of which `expected` is the tag that the other side must send. */
export function confirmation({ scalar, session, share, name, theirShare, theirName }) {
  let point;
  try {
    point = Point.fromBytes(theirShare).multiply(scalar);
    if (Point.fromBytes(theirShare).is0() || point.is0()) throw new PakeError('the neutral element');
  } catch {
    throw new PakeError('the share is no element of the group');
  }
  const [ours, theirs] = [lvCat(share, name), lvCat(theirShare, theirName)];
  const [larger, smaller] = isLarger(ours, theirs) ? [ours, theirs] : [theirs, ours];
  const key = sha512(join(lvCat(DSI_ISK, session, point.toBytes()), ascii('oc'), larger, smaller));
  const macKey = sha512(join(DSI_MAC, session, key));
  return { key, tag: hmac(sha512, macKey, ours), expected: hmac(sha512, macKey, theirs) };
}

function message(kind, body) {
  return base64url(join(Uint8Array.of(kind), body));
}

function read(kind, length, data) {
  const bytes = typeof data === 'string' && data.length <= 2 * (TAG_LENGTH + 1) ? fromBase64url(data) : null;
  if (bytes === null || bytes.length !== length + 1 || bytes[0] !== kind) {
    throw new PakeError('what the other side said is no message of the exchange');
  }
  return bytes.subarray(1);
}

function isLarger(a, b) {
  for (let at = 0; at < Math.min(a.length, b.length); at += 1) {
    if (a[at] !== b[at]) return a[at] > b[at];
  }
  return a.length > b.length;
}

function same(a, b) {
  let difference = a.length ^ b.length;
  for (let at = 0; at < a.length; at += 1) difference |= a[at] ^ b[at];
  return difference === 0;
}

/** Each part behind its length as LEB128. */
function lvCat(...parts) {
  return join(...parts.map(prepended));
}

function prepended(part) {
  const head = [];
  let length = part.length;
  for (; length >= 0x80; length >>= 7) head.push((length & 0x7f) | 0x80);
  head.push(length);
  return join(Uint8Array.from(head), part);
}

function join(...parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function ascii(text) {
  return new TextEncoder().encode(text);
}

function littleEndian(bytes) {
  return bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}
