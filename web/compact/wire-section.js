// A media section, and the session level, as bits.

import { isRandomUuid, uuidDigits, uuidOf } from './address.js';
import { BitWriter, nonsense } from './bits.js';
import { readDelta, TEXT_MAX, writeDelta } from './delta.js';
import { ICE_CHARACTERS } from './derive.js';
import { lacks } from './error.js';
import { isBody, isToken, isWord, names } from './pattern.js';
import { body, dictionary, partOf, VARIANTS } from './template.js';
import { putText, takeText } from './wire-text.js';

const MEDIA = ['audio', 'video', 'application'];
const DIRECTIONS = [null, 'sendrecv', 'sendonly', 'recvonly', 'inactive'];
/** The identifiers of a section, in their order: a name, or a number of 32 bits. */
const IDENTIFIERS = [['stream', 'name'], ['track', 'name'], ['ssrc', 'number'], ['rtx', 'number'], ['fec', 'number'], ['cname', 'name']];
/** How a name is written: a random UUID, the one before, sixteen characters of base64, written out. */
const [UUID, LAST, BASE64, TEXT] = [0, 1, 2, 3];
const BASE64_LENGTH = 16;

/** Writes section `index`. `last`: the names of the sections before it. */
export function putSection(out, description, index, last) {
  const section = description.sections[index];
  out.put(MEDIA.indexOf(section.media), 2);
  out.flag(section.refused);
  out.put(DIRECTIONS.indexOf(section.direction), 3);
  const usual = section.mid === String(index);
  out.flag(!usual);
  if (!usual) putText(out, section.mid);
  putBody(out, description, partOf(section.media, section.refused), section.body, within(description, section.direction));
  for (const [name, type] of IDENTIFIERS) {
    if (!names(section.body, name)) continue;
    const value = section.values[name];
    if (value === null) throw lacks('an identifier of a stream');
    if (type === 'number') out.put(value, 32);
    else putName(out, description.origin, value, last, name);
  }
}

/** Reads the next section of `description`. */
export function takeSection(from, description, last) {
  const media = MEDIA[from.take(2)];
  if (media === undefined) throw nonsense();
  const refused = from.flag();
  const direction = DIRECTIONS[from.take(3)];
  if (direction === undefined) throw nonsense();
  const mid = from.flag() ? takeText(from) : String(description.sections.length);
  if (!isToken(mid)) throw nonsense();
  const text = takeBody(from, description, partOf(media, refused), within(description, direction));
  const values = noValues();
  for (const [name, type] of IDENTIFIERS) {
    if (!names(text, name)) continue;
    values[name] = type === 'number' ? from.take(32) : takeName(from, description.origin, last, name);
  }
  return { media, mid, refused, direction, body: text, values };
}

/** Writes the session level, behind the sections. */
export function putSession(out, description) {
  putBody(out, description, 'session', description.session, around(description));
}

/** Reads the session level of a description that has its sections. */
export function takeSession(from, description) {
  return takeBody(from, description, 'session', around(description));
}

/** The identifiers of a section that has none. */
export function noValues() {
  return Object.fromEntries(IDENTIFIERS.map(([name]) => [name, null]));
}

function within({ kind }, direction) {
  const sends = direction === null || direction === 'sendrecv' || direction === 'sendonly';
  return (variant) => ({ kind, sends, rtp: true, variant });
}

function around({ kind, sections }) {
  const rtp = sections.some((section) => !section.refused && section.media !== 'application');
  return (variant) => ({ kind, sends: false, rtp, variant });
}

/** Writes the text of a part: that of a template, or its differences from the nearest one. */
function putBody(out, { origin }, part, text, circumstances) {
  if (text.length > TEXT_MAX || !isBody(text)) throw lacks(`sections of at most ${TEXT_MAX} ASCII characters, of attributes`);
  const same = VARIANTS.find((variant) => body(origin, part, circumstances(variant)) === text);
  out.flag(same === undefined);
  if (same !== undefined) {
    out.put(same, 1);
    return;
  }
  const lengths = VARIANTS.map((variant) => {
    const trial = new BitWriter();
    writeDelta(trial, dictionary(origin, part, circumstances(variant)), text);
    return trial.length;
  });
  const variant = lengths.indexOf(Math.min(...lengths));
  out.put(variant, 1);
  writeDelta(out, dictionary(origin, part, circumstances(variant)), text);
}

function takeBody(from, { origin }, part, circumstances) {
  const differs = from.flag();
  const here = circumstances(from.take(1));
  if (!differs) return body(origin, part, here);
  const text = readDelta(from, dictionary(origin, part, here));
  if (!isBody(text)) throw nonsense();
  return text;
}

function putName(out, origin, name, last, which) {
  const bare = origin === 'firefox' ? /^\{(.*)\}$/.exec(name)?.[1] ?? '' : name;
  if (last[which] === name) {
    out.put(LAST, 2);
  } else if (isRandomUuid(bare)) {
    out.put(UUID, 2);
    out.digits(uuidDigits(bare));
  } else if (name.length === BASE64_LENGTH && [...name].every((character) => ICE_CHARACTERS.includes(character))) {
    out.put(BASE64, 2);
    for (const character of name) out.put(ICE_CHARACTERS.indexOf(character), 6);
  } else {
    out.put(TEXT, 2);
    putText(out, name);
  }
  last[which] = name;
}

function takeName(from, origin, last, which) {
  const name = readName(from, from.take(2), origin, last[which]);
  last[which] = name;
  return name;
}

function readName(from, form, origin, last) {
  if (form === UUID) {
    const uuid = uuidOf(from.digits(58) + from.digits(64));
    return origin === 'firefox' ? `{${uuid}}` : uuid;
  }
  if (form === BASE64) return Array.from({ length: BASE64_LENGTH }, () => ICE_CHARACTERS[from.take(6)]).join('');
  const name = form === LAST ? last : takeText(from);
  if (name === null || !isWord(name)) throw nonsense();
  return name;
}
