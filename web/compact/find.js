// A session text inside what somebody pasted (docs/compact.md, "Finding one in a message").
//
// All characters outside the alphabet are passed over, a text may begin wherever a word does, its own structure tells where it
// ends, and its checksum whether it is one.

import { lookup, nearest, WORDS } from '../words.js';
import { TextError } from './error.js';
import { letters, plain, wordAt } from './normal.js';
import { fromQr, ungroup, WORD_BITS } from './spelling.js';
import { BYTES_MAX, decode, newer, Refusal, TIME_UNIT, VERSION } from './wire.js';

/** Seconds that a text is good for. */
export const LIFETIME = 30 * 60;
/** Seconds that the clocks of two sides may differ. */
const CLOCKS_DIFFER = 24 * 3600;
/** A word of fewer characters is not taken for a damaged text. */
const SUSPECT_MIN = 24;
/** Letters of a line of a text that a program broke into lines, at least. */
const LINE_MIN = 10;
/** Consecutive words of the list that are taken for a damaged text in words. */
const SUSPECT_WORDS = 12;
/** Places of a message where a text might begin that are looked at. */
const TRIED_MAX = 4096;
/** Texts in one message that are looked for. */
const FOUND_MAX = 16;
/** Characters of a QR spelling. */
const QR_MAX = 1200;
/** Pieces that a QR spelling may have been broken into. */
const QR_PIECES = 8;

/** All session texts in a message, in whichever spelling, in the order in which they stand there. Throws TextError. */
export function find(message) {
  const text = plain(message);
  const search = new Search();
  search.base64url(text);
  if (search.found.length === 0) search.qr(text);
  if (search.found.length === 0) search.words(text);
  if (search.found.length > 0) return search.found;
  throw search.worst?.error ?? new TextError('nothing');
}

/** The newest text of a kind. `now`: seconds since 1970. Throws TextError. */
export function newest(found, kind, now, lifetime = LIFETIME) {
  const text = latest(found.filter((one) => one.kind === kind));
  if (text === null) throw new TextError('kind', { answer: kind === 'offer' });
  check(text, now, lifetime);
  return text;
}

/** The newest answer to the offer with this tag; one to another offer beside it is passed over. Throws TextError. */
export function answerTo(found, tag, now, lifetime = LIFETIME) {
  const text = latest(found.filter((one) => one.answers === tag)) ?? newest(found, 'answer', now, lifetime);
  check(text, now, lifetime);
  if (text.answers !== tag) throw new TextError('other');
  return text;
}

/** Of two that are equally old the lower one was added later. */
function latest(texts) {
  return texts.reduce((best, text) => (best === null || text.created >= best.created ? text : best), null);
}

function check({ created }, now, lifetime) {
  // Made tomorrow: then the checksum fits by chance, since the time is part of it.
  if (created > now + CLOCKS_DIFFER) throw new TextError('altered');
  const age = Math.max(0, now - created);
  if (age > lifetime + TIME_UNIT) throw new TextError('expired', { age, limit: lifetime });
}

class Search {
  found = [];
  /** What looked most like a text and was none: `{ size, error }`. */
  worst = null;
  /** Beginnings that were looked at. */
  #tried = 0;
  #known = new Set();

  base64url(message) {
    const all = letters(message);
    let start = 0;
    while (start < all.length) {
      // Markup may have put an underscore before the text.
      const begins = all[start].begins || (start > 0 && all[start - 1].value >= 62);
      start += (begins ? this.#base64urlAt(all, start) : null) ?? 1;
    }
  }

  /** A QR code is read as a whole, or pasted as one: a word, a few lines, what follows a `#`. */
  qr(message) {
    const pieces = message.split(/[\s#"'<>()[\]]+/).filter((piece) => piece !== '');
    this.#tried = 0;
    for (let first = 0; first < pieces.length && this.#tried <= TRIED_MAX; first += 1) {
      let joined = '';
      for (const piece of pieces.slice(first, first + QR_PIECES)) {
        joined += piece;
        this.#tried += 1;
        if (joined.length > QR_MAX || this.#tried > TRIED_MAX) break;
        this.#qrPiece(joined);
      }
    }
  }

  words(message) {
    const said = message.split(/[^\p{Alphabetic}]+/u).filter((word) => word !== '');
    const values = said.map((word) => VALUES.get(word.toLowerCase()) ?? null);
    this.#tried = 0;
    let start = 0;
    while (start < values.length) {
      // The version is in the first word: its first two bits.
      const begins = values[start] !== null && values[start] >> 9 === VERSION && this.#tried <= TRIED_MAX;
      start += (begins ? this.#wordsAt(said, values, start) : null) ?? 1;
    }
  }

  /** Looks for a text that begins here, and says how many letters it has; null if it is none. */
  #base64urlAt(all, start) {
    // Words do not overlap; a beginning behind a hyphen is in the midst of one, and is not measured anew.
    const word = all[start].begins ? wordAt(all, start) : null;
    const suspect = word !== null && word.likely && word.length >= SUSPECT_MIN;
    // The version is in the first two bits; most words of a language end here.
    if (all[start].value >> 4 !== VERSION && !suspect) return null;
    this.#tried += 1;
    if (this.#tried > TRIED_MAX) return null;
    const { description, length, refusal: refused } = attempt(bytesOf(all, start, all.length));
    const refusal = refused ?? (isFilled(all, start, length) ? null : new Refusal('check', length));
    if (refusal === null) {
      this.#take(description);
      return Math.ceil(length * 8 / 6);
    }
    if (!suspect) return null;
    if (refusal.kind !== 'version') {
      this.#suspect(word.length, damage(all, start, refusal));
      return null;
    }
    const version = newer(bytesOf(all, start, start + word.length)) ?? newer(bytesOf(all, start, all.length));
    if (version !== null) this.#suspect(Infinity, new TextError('newer', { version }));
    return null;
  }

  #qrPiece(piece) {
    const bytes = fromQr(piece);
    if (bytes === null) return;
    const { description, length, refusal } = attempt(bytes);
    if (refusal === null && length === bytes.length) {
      this.#take(description);
      return;
    }
    if (piece.length < SUSPECT_MIN || /[a-z]/.test(piece)) return;
    const version = newer(bytes);
    if (refusal?.kind === 'short') this.#suspect(piece.length, new TextError('truncated', { missing: Math.ceil(refusal.value / 5) }));
    else if (refusal?.kind === 'check') this.#suspect(piece.length, new TextError('altered'));
    else if (version !== null) this.#suspect(Infinity, new TextError('newer', { version }));
  }

  /** Looks for a text that begins with this word, and says how many words it has; null if it is none. */
  #wordsAt(said, values, start) {
    this.#tried += 1;
    let run = values.slice(start, start + Math.floor(BYTES_MAX * 8 / WORD_BITS));
    const end = run.indexOf(null);
    if (end >= 0) run = run.slice(0, end);
    const { description, length, refusal } = attempt(ungroup(run, WORD_BITS));
    if (refusal === null) {
      this.#take(description);
      return Math.ceil(length * 8 / WORD_BITS);
    }
    if (run.length < SUSPECT_WORDS) return null;
    const next = said[start + run.length];
    const meant = next === undefined || lookup(next) !== null ? [] : nearest(next);
    if (refusal.kind === 'short' && meant.length > 0) this.#suspect(run.length, new TextError('word', { text: next, nearest: meant }));
    else if (refusal.kind === 'short') this.#suspect(run.length, new TextError('truncated', { missing: lacking(refusal.value, run.length, WORD_BITS) }));
    else if (refusal.kind === 'check') this.#suspect(run.length, new TextError('altered'));
    return null;
  }

  #take(description) {
    const key = JSON.stringify(description);
    if (this.found.length >= FOUND_MAX || this.#known.has(key)) return;
    this.#known.add(key);
    this.found.push(description);
  }

  #suspect(size, error) {
    if (this.worst === null || size > this.worst.size) this.worst = { size, error };
  }
}

const VALUES = new Map(WORDS.map((word, value) => [word, value]));

/** Decodes: `{ description, length, refusal }`, the last one null if it went well. */
function attempt(bytes) {
  try {
    return { ...decode(bytes), refusal: null };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { refusal: error };
  }
}

/** The bytes that letters say, as many as a text can have. */
function bytesOf(all, start, end) {
  const values = [];
  for (let at = start; at < Math.min(end, start + BYTES_MAX * 8 / 6); at += 1) values.push(all[at].value);
  return ungroup(values, 6);
}

/** Whether the bits left over in the last character of a text of so many bytes are zero. */
function isFilled(all, start, length) {
  const last = all[start + Math.ceil(length * 8 / 6) - 1];
  return last !== undefined && last.value % 2 ** ((6 - length * 8 % 6) % 6) === 0;
}

/**
 * How a text was damaged that should begin here. What somebody wrote behind one that was cut off is no part of it: words are
 * shorter than lines of a text, of which only the last may be short.
 */
function damage(all, start, refusal) {
  const lengthAt = (at) => (at < all.length ? wordAt(all, at).length : 0);
  let own = 0;
  let word = lengthAt(start);
  while (own === 0 || word >= LINE_MIN) {
    own += word;
    word = lengthAt(start + own);
  }
  const last = all[start + own]?.line ? word : 0;
  if (refusal.kind === 'check' && [own, own + last].includes(Math.ceil(refusal.value * 8 / 6))) return new TextError('altered');
  const again = attempt(bytesOf(all, start, start + own)).refusal;
  return again?.kind === 'short' ? new TextError('truncated', { missing: lacking(again.value, own, 6) }) : new TextError('altered');
}

/** How many characters of `size` bits are missing where `bits` are, behind so many characters. */
function lacking(bits, characters, size) {
  return Math.max(1, Math.ceil(Math.max(0, bits - characters * size % 8) / size));
}
