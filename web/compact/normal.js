// What programs add to a text, taken away (docs/compact.md, "Finding one in a message").

import { BASE64URL } from './spelling.js';

/** Characters of a message that are looked at. */
const MESSAGE_MAX = 65536;
// Tags, entities, soft line breaks, and what quoted-printable makes of a space or an equals sign.
const MARKUP = /=\r\n|=\n|=20(?=[\r\n])|=3D|<[A-Za-z0-9/ ]{0,11}>|&[A-Za-z0-9#]{0,11};/g;
// Soft hyphens, zero-width characters and joiners, marks of direction, variation selectors, and what escapes an underscore.
const UNSEEN = /[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff\\]/g;
const DASHES = /[\u2010-\u2015\u2212\ufe58\ufe63\uff0d]/g;
const FULL_WIDTH = /[\uff01-\uff5e]/g;

const VALUES = new Map(Array.from(BASE64URL, (character, value) => [character, value]));

/** A message without what cannot be seen, with plain hyphens, without the entities and soft line breaks of mail. */
export function plain(message) {
  return message.slice(0, MESSAGE_MAX)
    .replace(MARKUP, '')
    .replace(UNSEEN, '')
    .replace(DASHES, '-')
    .replace(FULL_WIDTH, (character) => String.fromCharCode(character.charCodeAt(0) - 0xfee0));
}

/**
 * The characters of base64url in a message: `{ value, begins, line }`; `begins`: the character before it is of another
 * alphabet, `line`: a line ended since the last one.
 */
export function letters(message) {
  const all = [];
  let [begins, line] = [true, true];
  for (const character of message) {
    const value = VALUES.get(character);
    if (value === undefined) {
      begins = true;
      line ||= character === '\n';
    } else {
      all.push({ value, begins, line });
      [begins, line] = [false, false];
    }
  }
  return all;
}

/** How many letters there are from `at` up to the next gap, and whether they look like chance rather than like language. */
export function wordAt(all, at) {
  let length = 1;
  while (at + length < all.length && !all[at + length].begins) length += 1;
  const has = (from, to) => {
    for (let index = at; index < at + length; index += 1) if (all[index].value >= from && all[index].value < to) return true;
    return false;
  };
  return { length, likely: has(0, 26) && has(26, 52) && has(52, 62) };
}
