// A description as bytes (docs/compact.md, "Bits").
//
// A description is `{ kind, origin, created, answers, setup, fingerprint, ufrag, pwd, iceOptions, candidates, session, sections }`:
// `kind` is `offer` or `answer`; `origin` `native`, `chromium` or `firefox`; `created` seconds since 1970; `answers` the tag of
// the offer, null in one; `candidates` are `{ kind, transport, address, port }`, the best first; `sections` are
// `{ media, mid, refused, direction, body, values }`; bodies and `session` are patterns (pattern.js).

import { BitReader, BitWriter, nonsense, Unreadable } from './bits.js';
import { credentials, ICE_CHARACTERS } from './derive.js';
import { DoesNotFit, lacks } from './error.js';
import { body } from './template.js';
import { putCandidate, takeCandidate } from './wire-candidate.js';
import { noValues, putSection, putSession, takeSection, takeSession } from './wire-section.js';
import { putText, takeText } from './wire-text.js';

/** The version in the first two bits; 0 is never used, 2 and 3 are later ones. */
export const VERSION = 1;
/** Bytes of the longest text that is read. */
export const BYTES_MAX = 768;
/** Seconds that one unit of the time has. */
export const TIME_UNIT = 256;
export const CANDIDATES_MAX = 64;
export const SECTIONS_MAX = 16;
const CHECK_LENGTH = 4;
/** From the beginning of 2026 on, for 17 years, in units of 65536 seconds. */
const [EPOCH_FIRST, EPOCHS] = [26965, 8192];
/** What an epoch is multiplied by in the checksum, and the inverse. */
const [SPREAD, SPREAD_INVERSE] = [0x9e3779b1, 0x0e8b2f51];
const KINDS = ['offer', 'answer'];
const ORIGINS = ['native', 'chromium', 'firefox'];
const SETUPS = ['actpass', 'active', 'passive'];
const USUAL_SETUP = { offer: 'actpass', answer: 'active' };
/** How credentials are written; the first three are the usual forms of the origins. */
const [DERIVED, CHROMIUM, FIREFOX, OTHER] = [0, 1, 2, 3];
const HEX = '0123456789abcdef';

/** Why bytes are no description. `kind`: `short` (`value` bits are missing at least), `check` (it ends after `value` bytes),
 * `nonsense`, `version` (`value`). */
export class Refusal extends Error {
  constructor(kind, value = 0) {
    super(kind);
    this.kind = kind;
    this.value = value;
  }
}

/** The bytes of a description. `salt`, 0 to 3, changes how all but the first byte look. Throws DoesNotFit. */
export function encode(description, salt) {
  const { candidates, created } = description;
  const out = fixed(description, salt, candidates.length > 0);
  candidates.forEach((candidate, index) => {
    putCandidate(out, candidate, candidates[index - 1] ?? null);
    out.flag(index + 1 < candidates.length);
  });
  const bytes = out.finish();
  return masked(Uint8Array.from([...bytes, ...bigEndian(checksum(bytes, Math.floor(created / 65536)))]), salt);
}

/** Bits that all but the candidates take where there are some, with the checksum. */
export function fixedBits(description) {
  return fixed(description, 0, true).length + 8 * CHECK_LENGTH;
}

/** Reads a description at the beginning of `bytes`: `{ description, length }`. Throws Refusal. */
export function decode(bytes) {
  if (bytes.length === 0) throw new Refusal('short', 8);
  if (bytes[0] >> 6 !== VERSION) throw new Refusal('version', bytes[0] >> 6);
  const plain = masked(bytes.subarray(0, BYTES_MAX), bytes[0] & 3);
  const { description, end } = read(plain);
  if (end + CHECK_LENGTH > plain.length) throw new Refusal('short', 8 * (end + CHECK_LENGTH - plain.length));
  const epoch = epochOf(plain.subarray(0, end), plain.subarray(end, end + CHECK_LENGTH));
  if (epoch === null) throw new Refusal('check', end + CHECK_LENGTH);
  description.created += epoch * 65536;
  return { description, length: end + CHECK_LENGTH };
}

/** The version of a later format whose checksum matches over all of `bytes`; null if there is none. */
export function newer(bytes) {
  const end = bytes.length - CHECK_LENGTH;
  if (end <= 0 || bytes[0] >> 6 <= VERSION) return null;
  const plain = masked(bytes, bytes[0] & 3);
  return epochOf(plain.subarray(0, end), plain.subarray(end)) === null ? null : bytes[0] >> 6;
}

function read(plain) {
  try {
    return readBody(new BitReader(plain));
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    throw error.missing > 0 ? new Refusal('short', error.missing + 8 * CHECK_LENGTH) : new Refusal('nonsense');
  }
}

/** All but the candidates; `any`: there are some. */
function fixed(description, salt, any) {
  const { kind, origin, created, answers, fingerprint } = description;
  const out = new BitWriter();
  const plain = any && isPlain(description);
  out.put(VERSION, 2);
  out.put(KINDS.indexOf(kind), 1);
  out.put(ORIGINS.indexOf(origin), 2);
  out.flag(!plain);
  out.put(salt, 2);
  out.put(Math.floor(created / TIME_UNIT) % 256, 8);
  if (kind === 'answer') {
    if (answers === null) throw lacks('the offer that the answer belongs to');
    out.put(answers, 16);
  }
  out.bytes(fingerprint);
  const form = formOf(description);
  if (!plain) out.put(form, 2);
  putCredentials(out, form, description);
  if (!plain) putDetails(out, description, any);
  return out;
}

function readBody(from) {
  from.take(2);
  const kind = KINDS[from.take(1)];
  const origin = ORIGINS[from.take(2)];
  if (origin === undefined) throw nonsense();
  const detailed = from.flag();
  from.take(2);
  const created = from.take(8) * TIME_UNIT;
  const answers = kind === 'answer' ? from.take(16) : null;
  const description = { ...bare(kind, origin, from.bytes(32)), created, answers };
  const form = detailed ? from.take(2) : ORIGINS.indexOf(origin);
  Object.assign(description, takeCredentials(from, form, description.fingerprint));
  let more = detailed ? takeDetails(from, description) : true;
  while (more) {
    if (description.candidates.length === CANDIDATES_MAX) throw nonsense();
    description.candidates.push(takeCandidate(from, description.candidates.at(-1) ?? null));
    more = from.flag();
  }
  return { description, end: from.align() };
}

/** A description of data channels alone, as its origin writes it, without credentials and candidates. */
function bare(kind, origin, fingerprint) {
  const circumstances = { kind, sends: false, rtp: false, variant: 0 };
  return {
    kind,
    origin,
    created: 0,
    answers: null,
    setup: USUAL_SETUP[kind],
    fingerprint,
    ufrag: '',
    pwd: '',
    iceOptions: usualIceOptions(origin),
    candidates: [],
    session: body(origin, 'session', circumstances),
    sections: [{
      media: 'application',
      mid: '0',
      refused: false,
      direction: origin === 'firefox' ? 'sendrecv' : null,
      body: body(origin, 'application', circumstances),
      values: noValues(),
    }],
  };
}

/** The ICE options that need no bytes. */
function usualIceOptions(origin) {
  return origin === 'native' ? ['trickle', 'renomination', 'punch'] : ['trickle'];
}

/** Whether nothing has to be said but credentials and candidates. */
function isPlain(description) {
  const plain = bare(description.kind, description.origin, description.fingerprint);
  const same = (field) => JSON.stringify(description[field]) === JSON.stringify(plain[field]);
  return ['setup', 'iceOptions', 'session', 'sections'].every(same) && formOf(description) === ORIGINS.indexOf(description.origin);
}

function formOf({ ufrag, pwd, fingerprint }) {
  const derived = credentials(fingerprint);
  if (derived.ufrag === ufrag && derived.pwd === pwd) return DERIVED;
  if (ufrag.length === 4 && pwd.length === 24) return CHROMIUM;
  return /^[0-9a-f]{8}$/.test(ufrag) && /^[0-9a-f]{32}$/.test(pwd) ? FIREFOX : OTHER;
}

function putCredentials(out, form, { ufrag, pwd }) {
  if (form === DERIVED) return;
  const [alphabet, bits] = form === FIREFOX ? [HEX, 4] : [ICE_CHARACTERS, 6];
  for (const part of [ufrag, pwd]) {
    if (form === OTHER && part.length > 255) throw lacks('shorter ICE credentials');
    if (form === OTHER) out.put(part.length, 8);
    for (const character of part) {
      const code = alphabet.indexOf(character);
      if (code < 0) throw lacks('ICE credentials of ICE characters');
      out.put(code, bits);
    }
  }
}

function takeCredentials(from, form, fingerprint) {
  if (form === DERIVED) return credentials(fingerprint);
  const [alphabet, bits] = form === FIREFOX ? [HEX, 4] : [ICE_CHARACTERS, 6];
  const [first, second] = { [CHROMIUM]: [4, 24], [FIREFOX]: [8, 32], [OTHER]: [null, null] }[form];
  const part = (usual) => Array.from({ length: usual ?? from.take(8) }, () => alphabet[from.take(bits)]).join('');
  const ufrag = part(first);
  return { ufrag, pwd: part(second) };
}

function putDetails(out, description, any) {
  const { setup, iceOptions, sections, kind, origin } = description;
  const usual = setup === USUAL_SETUP[kind];
  out.flag(!usual);
  if (!usual) {
    if (!SETUPS.includes(setup)) throw lacks('a DTLS role');
    out.put(SETUPS.indexOf(setup), 2);
  }
  const usualOptions = iceOptions.join(' ') === usualIceOptions(origin).join(' ');
  out.flag(!usualOptions);
  if (!usualOptions) putText(out, iceOptions.join(' '));
  out.flag(any);
  if (sections.length < 1 || sections.length > SECTIONS_MAX) throw new DoesNotFit('section', `A session text has no place for ${sections.length} sections. Start a room instead.`);
  out.put(sections.length - 1, 4);
  const last = noValues();
  sections.forEach((_, index) => putSection(out, description, index, last));
  putSession(out, description);
}

/** Reads what `putDetails` wrote, and whether candidates follow. */
function takeDetails(from, description) {
  if (from.flag()) {
    description.setup = SETUPS[from.take(2)];
    if (description.setup === undefined) throw nonsense();
  }
  if (from.flag()) description.iceOptions = takeText(from).split(' ').filter((option) => option !== '');
  const any = from.flag();
  const count = from.take(4) + 1;
  description.sections = [];
  const last = noValues();
  for (let index = 0; index < count; index += 1) description.sections.push(takeSection(from, description, last));
  description.session = takeSession(from, description);
  return any;
}

/** All bytes but the first, changed by a pattern that depends on the salt; twice is not at all. */
function masked(bytes, salt) {
  return bytes.map((byte, index) => (index === 0 ? byte : byte ^ salt * (37 + 2 * index) & 255));
}

function checksum(bytes, epoch) {
  return (crc32(bytes) ^ Math.imul(epoch, SPREAD)) >>> 0;
}

/** The epoch that a checksum says, null if it is none. */
function epochOf(bytes, check) {
  const value = check.reduce((sum, byte) => sum * 256 + byte, 0);
  const epoch = Math.imul(crc32(bytes) ^ value, SPREAD_INVERSE) >>> 0;
  return epoch >= EPOCH_FIRST && epoch < EPOCH_FIRST + EPOCHS ? epoch : null;
}

/** As in Ethernet. */
function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc >>> 1 ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

function bigEndian(value) {
  return [24, 16, 8, 0].map((shift) => value >>> shift & 255);
}
