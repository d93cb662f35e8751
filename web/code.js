// Codes (`ROOM-SECRET`, `7-guitar-sunset`) and links (`SERVER/#CODE`), as in docs/signalling.md.

import { randomBytes } from './text.js';
import { lookup, nearest, WORDS } from './words.js';

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const ROOM_LENGTH = 6;
const SECRET_LENGTH = 20;
const MIN_SECRET = 16;
const MIN_DISTINCT = 8;
const MAX_SECRET = 128;
const DERIVED_ROOM_LENGTH = 16;
const MAX_NAMEPLATE = 999999;
const MIN_WORDS = 2;
const MAX_WORDS = 8;
const MAX_WORDS_TEXT = 256;
/** Bytes that a derived code is made of. */
export const DERIVED_LENGTH = 42;

/** Why a text is no code. `kind`: `empty`, `shape`, `character`, `room`, `weak`, `long`, `server`, `word`, `count`,
 * `number`. */
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

/** The code that two who agreed on a key share, of 42 bytes; null if its secret would be refused. */
export function derived(bytes) {
  const text = Array.from(bytes, (byte) => ALPHABET[byte & 31]).join('');
  const [room, secret] = [text.slice(0, DERIVED_ROOM_LENGTH), text.slice(DERIVED_ROOM_LENGTH)];
  return new Set(secret).size < MIN_DISTINCT ? null : whole(room, secret);
}

/**
 * Reads a code, or a link that carries one, however a person typed it. Throws CodeError.
 * `server` is the address of a link, so that a link of another server is not taken for one of ours. A code of words is
 * `{ nameplate, words, text }`, any other one `{ room, secret, text }`.
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
  const plain = decode(text);
  const parts = plain.length > MAX_WORDS_TEXT ? [] : partsOf(plain);
  const [number, ...typed] = parts;
  if (/^\d{1,6}$/.test(number) && typed.every((part) => /^\p{L}{1,12}$/u.test(part))) {
    const found = typed.map(lookup);
    if (found.every((word) => word !== null) && found.length >= MIN_WORDS && found.length <= MAX_WORDS) return ofWords(Number(number), found);
    try {
      // A room may have a number for its name.
      return readRoom(plain);
    } catch {
      return refuseWords(typed, found);
    }
  }
  if (parts.length > 0 && parts.every((part) => WORDS.includes(part.toLowerCase()))) {
    throw new CodeError('number', 'A code of words begins with a number, as in 7-guitar-sunset. This one does not.');
  }
  return readRoom(plain);
}

/** The parts of a code of words, whatever stands between them; a number may stand directly before a word. */
function partsOf(text) {
  const pieces = text.split(/[^\p{L}\p{N}]+/u);
  return pieces.flatMap((piece) => {
    const digits = /^\d*/.exec(piece)[0];
    return [digits, piece.slice(digits.length)];
  }).filter((part) => part !== '');
}

function ofWords(nameplate, words) {
  if (nameplate < 1 || nameplate > MAX_NAMEPLATE) throw new CodeError('number', 'The number of a code is from 1 to 999999.');
  const joined = words.join('-');
  return { nameplate, words: joined, text: `${nameplate}-${joined}` };
}

function refuseWords(typed, found) {
  const wrong = typed.find((_, at) => found[at] === null);
  if (wrong === undefined) {
    throw new CodeError('count', `A code has two to eight words behind its number; this one has ${typed.length}.`);
  }
  const meant = nearest(wrong).map((word) => `“${word}”`);
  const hint = meant.length === 0 ? '' : ` Did you mean ${meant.join(' or ')}?`;
  throw new CodeError('word', `“${wrong}” is none of the words that codes are made of.${hint}`);
}

function readRoom(text) {
  const typed = text.toLowerCase().replace(/\s+/g, '').replace(/[‐‑‒–—]/g, '-');
  const hyphen = typed.indexOf('-');
  if (hyphen < 0) {
    throw new CodeError('shape', 'A code looks like 7-guitar-sunset or abc123-… ; this is neither.');
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
