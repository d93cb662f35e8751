// The lines of a session description (RFC 8866).

import { DoesNotFit } from './error.js';

/** Characters of the longest description that is looked at; browsers' largest offers that fit are a tenth of it. */
const SDP_MAX = 65536;

/**
 * Reads a description: `{ session: { lines }, media }`, where each of `media` is `{ media, port, protocol, formats, lines }`.
 * A line is `{ letter, text, name, value }`: the whole text, and of an attribute its name and value (`name` is null of
 * others). Throws DoesNotFit.
 */
export function readLines(sdp) {
  if (sdp.length > SDP_MAX) throw unreadable('it is too long');
  const session = { lines: [] };
  const media = [];
  for (const text of sdp.replace(/[\r\n]+$/, '').split(/\r?\n/)) {
    if (!/^[a-z]=[^\0\r]*$/.test(text)) throw unreadable('a line is no field');
    if (text[0] === 'm') media.push(mediaLine(text.slice(2)));
    else (media.at(-1) ?? session).lines.push(line(text));
  }
  const letters = session.lines.map(({ letter }) => letter);
  if (letters[0] !== 'v' || letters[1] !== 'o' || !letters.includes('t')) throw unreadable('its first lines are missing');
  return { session, media };
}

export function attributes({ lines }) {
  return lines.filter(({ name }) => name !== null);
}

/** The value of the first attribute of this name; null if there is none. */
export function valueOf(section, name) {
  return attributes(section).find((line) => line.name === name)?.value ?? null;
}

function line(text) {
  if (text[0] !== 'a') return { letter: text[0], text, name: null, value: text.slice(2) };
  const colon = text.indexOf(':');
  const [name, value] = colon < 0 ? [text.slice(2), ''] : [text.slice(2, colon), text.slice(colon + 1)];
  return { letter: 'a', text, name, value };
}

function mediaLine(value) {
  const match = /^([^ ]+) (\d{1,5})(?:\/\d+)? ([^ ]+)((?: [^ ]+)*)$/.exec(value);
  if (match === null || Number(match[2]) > 65535) throw unreadable('a section has no proper first line');
  return { media: match[1], port: Number(match[2]), protocol: match[3], formats: match[4].split(' ').slice(1), lines: [] };
}

function unreadable(why) {
  return new DoesNotFit('unreadable', `This is not a session description: ${why}.`);
}
