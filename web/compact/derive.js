// What need not be written because it follows from the fingerprint.

import { hkdf } from '../vendor/noble-hashes/hkdf.js';
import { sha256 } from '../vendor/noble-hashes/sha2.js';

/** The characters of ICE credentials (RFC 8839 §5.4), in the order of their six-bit values. */
export const ICE_CHARACTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

const SALT = ascii('peerage compact text 1');
const INFO = ascii('ice');
const UFRAG = 8;

/** The credentials of a native peer in a session by text: `{ ufrag, pwd }`. */
export function credentials(fingerprint) {
  const bytes = hkdf(sha256, fingerprint, SALT, INFO, 24);
  const text = btoa(String.fromCharCode(...bytes));
  return { ufrag: text.slice(0, UFRAG), pwd: text.slice(UFRAG) };
}

/** Names an offer in its answer. */
export function offerTag({ fingerprint, ufrag }) {
  const digest = sha256(Uint8Array.from([...fingerprint, ...ascii(ufrag)]));
  return digest[0] << 8 | digest[1];
}

function ascii(text) {
  return new TextEncoder().encode(text);
}
