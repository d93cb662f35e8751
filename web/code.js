// Codes (`ROOM-SECRET`) and links (`SERVER/#ROOM-SECRET`), as in docs/signalling.md.

import { randomBytes } from './text.js';

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const ROOM_LENGTH = 6;
const SECRET_LENGTH = 20;
const MIN_SECRET = 16;
const MIN_DISTINCT = 8;
const MAX_SECRET = 128;

/** Why a text is no code. `kind`: `empty`, `shape`, `character`, `room`, `weak`, `long`, `server`. */
export class CodeError extends Error {
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}

/** A fresh code: `{ room, secret, text }`. */
export function generate() {
  let secret = symbols(SECRET_LENGTH);
  // One in a million has too few different characters for a reader to accept.
  while (new Set(secret).size < MIN_DISTINCT) secret = symbols(SECRET_LENGTH);
  return whole(symbols(ROOM_LENGTH), secret);
}

/**
 * Reads a code, or a link that carries one, however a person typed it. Throws CodeError.
 * `server` is the address of a link, so that a link of another server is not taken for one of ours.
 */
export function parse(input) {
  const text = String(input).trim();
  if (text === '') throw new CodeError('empty', 'Type or paste the code first.');
  const hash = text.indexOf('#');
  if (hash >= 0) {
    const server = text.slice(0, hash);
    return { ...read(text.slice(hash + 1)), server: server === '' ? null : address(server) };
  }
  if (/^[a-z]+:\/\//i.test(text)) {
    throw new CodeError('shape', 'This link carries no code: the part after # is missing.');
  }
  return { ...read(text), server: null };
}

/** The link for `code` on the page at `base`. */
export function link(base, code) {
  const url = new URL(base);
  url.hash = '';
  url.search = '';
  return `${url.href.replace(/#$/, '')}#${code.text}`;
}

function read(text) {
  const typed = decode(text).toLowerCase().replace(/\s+/g, '').replace(/[‐‑‒–—]/g, '-');
  const hyphen = typed.indexOf('-');
  if (hyphen < 0) {
    throw new CodeError('shape', 'A code has two parts with a hyphen between them, like abc123-… ; this has one.');
  }
  const room = normal(typed.slice(0, hyphen));
  const secret = normal(typed.slice(hyphen + 1).replace(/-/g, ''));
  if (room.length < 4 || room.length > 32) {
    throw new CodeError('room', 'The part before the hyphen must have 4 to 32 characters.');
  }
  if (secret.length > MAX_SECRET) throw new CodeError('long', 'This code is too long.');
  if (secret.length < MIN_SECRET || new Set(secret).size < MIN_DISTINCT) {
    throw new CodeError(
      'weak',
      'The part after the hyphen is too short or too simple: it needs at least 16 characters, 8 of them different. Check that the whole code was copied.',
    );
  }
  return whole(room, secret);
}

function whole(room, secret) {
  return { room, secret, text: `${room}-${secret}` };
}

function normal(text) {
  const mapped = text.replace(/o/g, '0').replace(/[il]/g, '1');
  for (const character of mapped) {
    if (!ALPHABET.includes(character)) {
      throw new CodeError('character', `“${character}” cannot be part of a code. Check for a typing mistake.`);
    }
  }
  return mapped;
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function address(text) {
  try {
    const url = new URL(text);
    if (url.protocol === 'http:' || url.protocol === 'https:') return url;
  } catch {
    // Falls to the refusal below.
  }
  throw new CodeError('server', 'This is not a Peerage link.');
}

function symbols(count) {
  // 256 is a multiple of 32, so taking the low five bits is fair.
  return Array.from(randomBytes(count), (byte) => ALPHABET[byte & 31]).join('');
}
